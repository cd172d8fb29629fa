"""Whether a clause says what is *not* to be done. English, German, French, Spanish. DESIGN §5 *Flow*, intent.

Heuristic, and careful in one direction: a clause that is taken for negated by mistake asks for nothing and endorses
nothing.
"""

from __future__ import annotations

import re

__all__ = ["NEGATORS", "says_not"]

NEGATORS = frozenset("don't dont don’t not never nicht no nunca without".split())  # noqa: RUF001
_NEGATED = re.compile(
    r"""\b(?:
        (?:do|does|did|should|must|shall|will|would|may|might|need|can|could|is|are|was|were|has|have|had|to|please
          |but|and|or|better|rather)\ not
      | (?:don|doesn|didn|shouldn|mustn|won|wouldn|needn|can|couldn|isn|aren|wasn|haven|hasn|ain)['’]?t
      | cannot | never | without | instead\ of | rather\ than | avoid | refrain | neither | nor | no\ need
      | stop\ \w+ing
      | nothing | nobody | no\ one | none\ of
      | nicht | keine?[mnrs]? | niemals | nie | ohne | (?:an)?statt | nichts | niemandem? | weder
      | (?:ne|n['’])\ ?[\w'’]+(?:\ [\w'’]+)?\ (?:pas|jamais|rien|plus|aucun|aucune|personne) | sans | jamais
      | au\ lieu\ de | nunca | jamás | sin | tampoco | en\ (?:vez|lugar)\ de
      | no\ (?:(?:me|te|le|les|lo|la|los|las|se|nos|debes|quiero|hay\ que|hace\ falta)\ ){0,2}
        \w+(?:es|as|e|a|en|an|ar|er|ir)
    )\b | ^\W*(?:not|no|pas|nicht)\b""",  # noqa: RUF001
    re.VERBOSE,
)
_NOT_NEGATED = re.compile(
    r"""\b(?:
        (?:don['’]?t|do\ not|never|please\ don['’]?t)\ (?:you\ )?(?:forget|hesitate|fail|neglect|worry|mind)
      | (?:can|could|won|would|why\ don|why\ can|why\ won)['’]?t\ you | why\ not
      | not\ (?:only|yet|just|sure|least)\b | (?:if|whether|in\ case)\ (?:[\w']+\ ){0,3}(?:not|[a-z]+n['’]t)\b
      | (?:have|has|had|is|are)n['’]?t\ (?:yet|already)
      | no\ (?:later|longer|less|more|problem|worries|hurry|rush|matter) | without\ fail | nothing\ (?:but|else)
      | nicht\ (?:nur|vergessen|zuletzt|wahr) | vergiss\ (?:bitte\ )?nicht | noch\ nicht | ohne\ weiteres
      | nicht\ zögern
      | n['’]oublie[zr]?\ pas | n['’]hésite[zr]?\ pas | pas\ seulement | pas\ encore | sans\ faute
      | no\ (?:te\ )?olvid\w+ | no\ dejes\ de | no\ (?:sólo|solo|solamente|obstante) | sin\ falta | aún\ no
      | todavía\ no
    )""",  # noqa: RUF001
    re.VERBOSE,
)
_IDLE = re.compile(
    r"""(?<!\bto\ )(?<!\bfor\ )(?<!\bwith\ )(?<!\bfrom\ )(?<!\bby\ )(?<!\bcc\ )(?<!\bvia\ )(?<!\ban\ )(?<!\bfür\ )
        (?<!\S)(?=[^\s@]*\d)[^\s@/:]+\ (?:is|are|was|were|ist|sind|wird|werden)
        (?P<no>\ (?:not|nicht)(?:\ mehr)?)\ (?:needed|required|necessary|used|in\ use|valid|active
        |gebraucht|benötigt|nötig|verwendet)\b(?!\ (?:to|for|by|für)\b)""",
    re.VERBOSE | re.IGNORECASE,
)
"""What is said of the state of a thing that has an identifier: "test-17 is not needed" forbids nothing with it. A copy
*to* somebody that is not needed is another matter, and so are people."""


def says_not(text: str, said: str) -> bool:
    """`said` is `text` in lower case with its names and quoted spans hidden."""
    if len(said) == len(text):
        for found in _IDLE.finditer(text):
            start, end = found.span("no")
            said = said[:start] + " " * (end - start) + said[end:]
    return _NEGATED.search(_NOT_NEGATED.sub(" ", said)) is not None
