"""Whether a clause asks to do what somebody else asks for: "do what she asks", "handle Ann's request", "please do it"
after "Ann wants something". DESIGN §5 *Flow*, intent.

Only then do the own words of an authenticated colleague ask for anything: a message that was merely to be read does
not. English, German, French, Spanish; what is not recognised asks for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bailiwick.flow.asking import asked_in
from bailiwick.flow.clauses import masked
from bailiwick.flow.words import plain_word, stem

__all__ = ["deputes"]

_DOING = frozenset(
    stem(word)
    for word in """
    do perform complete carry act proceed follow handle fulfil fulfill process take deal see mach mache erledige tu
    action put enter implement execute work sort bearbeite befolge fais faites suis traite haz haga atiende sigue
    """.split()
)
_WANTS = (
    r"(?:asks?|asked|asking|wanting|requesting|saying|left|leaves|wants?|wanted|requests?|requested|needs?|needed|says?|said|told|tells|writes?|wrote|written|suggests?"
    r"|suggested|instructs?|instructed|will|mochte|bittet|schreibt|schrieb|verlangt|sagt|demande|veut|ecrit|pide|quiere"
    r"|dice|escribe)"
)
_WHAT = re.compile(
    rf"""\b(?:do|perform|complete|carry\ out|act|proceed|handle|take\ care\ of|deal\ with|see\ to|action|follow
      |put\ in|enter|implement|mach|mache|erledige|tu|fais|faites|haz|haga)\b
        \ (?:\w+,?\ ){{0,2}}?
        (?:what|whatever|everything|all|as|exactly|just|was|alles|wie|ce\ que|ce\ qu|comme|lo\ que|todo|como)\b
        .*\b{_WANTS}\b""",
    re.VERBOSE,
)
_REQUEST = re.compile(
    r"""\b(?:do|follow|handle|fulfil|fulfill|process|complete|carry\ out|take\ care\ of|act\ on|deal\ with|see\ to
          |action|work\ (?:on|through)|sort\ out|erledige|bearbeite|befolge|suis|traite|atiende
            |sigue)\b\ (?:[\w'’-]+\ ){0,3}?
        (?:requests?|tickets?|things?|points?|action\ items?|instructions?|wish|wishes|tasks?|todos?|to-dos?|bitte
          |anfrage|anweisung(?:en)?|auftrag|demande
          |peticion|solicitud|instrucciones)\b""",  # noqa: RUF001
    re.VERBOSE,
)
_IT = re.compile(
    r"""(?:^|,\ )(?:\W*(?:and|then|please|now|so|just|can\ you|could\ you|would\ you|und|dann|bitte|et|puis|y|luego
      |por\ favor)\b)*\W*
        (?:do|mach|mache|erledige|fais|faites|haz)[ -](?:it|that|this|so|das|es|le|ca|lo|eso)
        (?:\ (?:please|now|then|for\ (?:him|her|them|me|us|x+)|bitte))*\W*$""",
    re.VERBOSE,
)
_SOMETHING = re.compile(
    rf"\b{_WANTS}\b.*\b(?:something|a\ (?:note|request|task|favou?r)|what\ to"
    r"|us\ to|me\ to|etwas|quelque\ chose|algo)\b"
)


def deputes(text: str, before: Sequence[str]) -> bool:
    """Whether the clause `text` hands it to somebody else to say what is to be done; `before` are the clauses that it
    takes up."""
    said = _plain(text)
    it = _IT.search(said)
    if it is not None and not asked_in(text[it.start() :].lstrip(", ")).verbs.isdisjoint(_DOING):
        # "Ann asked for something, please do it" is one clause, or two.
        return any(_SOMETHING.search(each) for each in (said[: it.start()], *map(_plain, before)))
    if asked_in(text).verbs.isdisjoint(_DOING):
        return False
    return _WHAT.search(said) is not None or _REQUEST.search(said) is not None


def _plain(text: str) -> str:
    return plain_word(masked(text)).replace("’", "'")  # noqa: RUF001
