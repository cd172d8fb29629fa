"""What one clause asks for: the verbs that stand in a verb's place. DESIGN §5 *Flow*, intent.

A word asks where it is an imperative ("delete x"), an infinitive in a request ("can you delete x", "I'd like to delete
x", "x bitte löschen"), a participle in a request ("I want x deleted", "x must be paid") or a noun in one ("I need a
refund"). It does not ask as a noun ("the deleted items", "cancel order 7"), in a question about the past or the
possible ("did you delete x?", "should I …?", "what if I …"), in reported speech ("Bob wants me to …", "tell Bob to …")
or in quotes. Heuristic; what is not recognised does not ask.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from bailiwick.flow.clauses import masked
from bailiwick.flow.words import KNOWN, NOUN_ASKS, PAST, plain_word, stem

__all__ = ["MAX_WORDS", "Asked", "asked_in"]

MAX_WORDS = 120
"""Words of one clause that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`verbs` are what a clause asks for, in their basic form; `words` all its words in order, so that phrases can be
    found; `nouns` are things that it asks to make or give ("add a *comment*"); `objectless`: the first of the verbs
    has no object of its own ("… and reply with thanks")."""

    verbs: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    objectless: bool = False
    nouns: frozenset[str] = frozenset()


_GERMAN = frozenset(word for word in KNOWN if len(word) > 4 and word.endswith(("en", "ern", "eln")))
_LATIN = frozenset(word for word in KNOWN if word.endswith(("er", "ir", "ar", "re")))
_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[,:]")  # noqa: RUF001
_FILLERS = frozenset(
    """
    please kindly just also now then first next finally lastly afterwards once immediately again still ok okay yes
    sure hi hello hey thanks so and or but plus today quickly simply directly either both always only instead bitte auch
    noch dann danach zuerst gleich mal doch jetzt und oder aber anschliessend hallo ja et ou puis ensuite enfin aussi
    mais bonjour alors maintenant y e o luego despues tambien pero ahora hola ya por favor before after about the
    veuillez svp s'il te plait vous actually already e-mail email-wise
    """.split()
) - {"the", "about"}
_COORDINATORS = frozenset("and or , und oder et ou y o nor".split())
_MODALS_YOU = frozenset("can could would will may might please".split())
_MODALS_AFTER = {
    "you": frozenset("should must can need shall will".split()),
    "we": frozenset("should must need".split()),
    "i": frozenset("should must need".split()),
}
_TO_FRAMES = frozenset(
    """
    remember forget sure try go proceed start continue like love want wanted need have got ahead time wish ought
    hesitate need'd fail is you agent assistant me us going supposed glad happy
    """.split()
)
_FACILITATORS = frozenset(
    "use try remember make go log proceed help start continue be please take access navigate".split()
)
_HEARSAY = re.compile(
    r"""(?<!\bi\ )(?<!\bwe\ )(?<!\bjust\ )(?<!^)\b(?:said|says|told|tells|asked|asks|wants|wanted|requested|requests
        |claims|claimed|demanded|demands|suggested|suggests|insists|urges|begs|wrote|writes|reads|stating|saying|asking
        |telling|reminding|requesting|inviting|instructing|offers|offered|promised|agreed|plans|intends
        |bittet|bat|sagte|sagt|schrieb|schreibt|verlangt|meint|dass\ (?:er|sie|ich|wir)
        |dit\ que|dit\ de|a\ demande|veut|veulent|ecrit\ que|dijo|dice|pidio|quiere|quieren|escribio)\b""",
    re.VERBOSE,
)
_THEY_WANT = re.compile(
    r"\b(?:they|people|users|customers|clients|vendors|suppliers|others) (?:\w+ )?"
    r"(?:want|need|ask|expect|demand|request|say|claim|like)\b"
)
_QUESTION = re.compile(
    r"""^(?:and\ |but\ |so\ |then\ |ok\ |y\ |et\ |und\ |aber\ )?(?:
        did|didn't|have\ (?:i|you|we|they|the)|has|had|was|were|does|doesn't|do\ (?:i|we|they|he|she|you|people)
      | is|are|am|(?:should|shall|can|may|could|must|would|might|will)\ (?:i|we|he|she|they|it|the|this|that|my)
      | what|who|whom|whose|which|when|where|why(?!\ (?:don't|not))|how(?!\ about)  # noqa: RUF001
      | if(?!\ (?:possible|needed|necessary|you\ can|so|not)\b)|whether|suppose|assum\w+|imagine|hypothetically|in\ case
      | unless|pretend|say\ i|once|after|before|while|because|since|as\ soon
      | maybe|perhaps|possibly|vielleicht|eventuell|peut-etre|quizas?|tal\ vez
      | hast|haben|hat|habe|sollt?e?n?\ (?:ich|wir)|darf|muss\ ich|kann\ ich|wurde|wurden|ist|sind|wer|was|wie
      | wann|warum|wo|welche[rsnm]?|ob|wenn|falls|sobald|weil|nachdem|bevor
      | as-tu|avez-vous|a-t-\w+|est-ce\ que\ (?:tu\ as|vous\ avez|je|j)|dois-je|puis-je|devrais-je|qui|quand|pourquoi
      | comment(?!\ (?:on|that|to|in|under|back|there|x))|ou\ est|si|combien|quel\w*
      | has|ha|han|debo|puedo|deberia|que|quien|cuando|por\ que|como|donde|cuanto|cual
    )\b""",
    re.VERBOSE,
)
_OTHERS = re.compile(
    r"\b(?:tell|ask|remind|instruct|get|invite|allow|permit|teach|show|encourage|expect|advise|warn|wait\ for)\b"
    r"(?!\ (?:you|the\ (?:\w+\ )?(?:sub-?agent|agent|assistant)))(?:\ [\w'’-]+){1,4}?\ to\ "  # noqa: RUF001
)
_THIRD = re.compile(
    r"\b(?:he|she|they|users?|people|customers?|who|which)(?:'d|'ll|\ would|\ will|\ might)?\ "
    r"(?:\w+\ )?(?:like|love|want|need|have|got|going|wish|try|is)$"
)
_WANTS = re.compile(
    r"\b(?:(?:i|we)(?:'d|\ would)?\ (?:also\ |really\ |just\ |now\ )?(?:want|need|like|love|prefer|expect)"
    r"|get|have|(?:make\ sure|ensure|see\ to\ it)(?:\ that)?)\b"
)
_TO_BE = re.compile(
    r"(?:\b(?:to|should|must|shall|please|can|could|will)\ (?:please\ |also\ |now\ )?(?:be|get)"
    r"|\bneeds?|\bsure\b.*\b(?:is|are|gets?))$"
)
_DETERMINERS = frozenset(
    "the a an my your his her its our their this that these those any all some recently already".split()
)
_NOUN_FRAME = re.compile(
    r"\b(?:make|do|issue|process|initiate|place|give|arrange|schedule|set up|request|grant|perform|trigger|send|write"
    r"|(?:i|we)(?:'d| would)? (?:also |really |just )?(?:need|want|like)"
    r"|(?:ich|wir) (?:brauche|brauchen|mochte|mochten|hatte gern)|j'ai besoin|il me faut|necesito|quiero)"
    r"(?: (?!of |for |to |about |from |with |on |in |that )[\w'’-]+){0,4}? ("  # noqa: RUF001
    + "|".join(sorted(NOUN_ASKS))
    + r")(?= (?:of|for|to|from|on|with|by|in|at|and|please|now|over"
    r"|an|von|uber|fur|nach|auf|bei|mit|pour|de|a|sur|para|por|x+)\b|$)"
)
_BY_MAIL = re.compile(
    r"""^(?!.*\b(?:got|received|came|comes|arrived|sent|said|told|asked|that|which|who|from|von|de|bekommen|erhalten
          |recu|recibi\w*)\b)
        .*\b(?:to|for|fur|an|pour|para)\ .*\b(?:by|via|per|par|por)\ (?:e-?mail|mail|message|courriel|correo|chat|sms)
        \b""",
    re.VERBOSE,
)
""" "Summarise it for Jana, by mail" asks for a mail; "what I got by mail" does not."""
_EMBEDDED = re.compile(r"(?<!^)\b(?:whether|if|why|how|what|who|which|ob|warum|wie|pourquoi|comment|por que|como)\b")


@lru_cache(maxsize=1024)
def asked_in(text: str) -> Asked:
    """What the clause `text` asks for, negated or not."""
    said = _KINDLY.sub("please ", plain_word(masked(text)).replace("’", "'"))  # noqa: RUF001
    if (conditional := _IF.search(said)) and _HEARSAY.search(said[: conditional.start()]) is None:
        said = said[conditional.end() :]
    found = [(match.group(), match.start()) for match in itertools.islice(_TOKEN.finditer(said), MAX_WORDS)]
    words = [word for word, _ in found]
    first = next((at for at, word in enumerate(words) if word not in _FILLERS and word != ","), len(words))
    if first + 1 < len(words) and words[first] in _MANNER and stem(words[first + 1]) in KNOWN:
        first += 1
    body = " ".join(words[first:])
    closed = _QUESTION.match(body) is not None or _LATER.search(body) is not None
    at_verb: list[int] = []
    for at in range(len(words)):
        if _verb_place(words, at, first, at_verb, closed=closed):
            at_verb.append(at)
    at_verb = [at for at in at_verb if not _told_to_others(words[min(first, at) : at])]
    verbs = {stem(words[at]) for at in at_verb}
    if not closed:
        verbs |= _participles(words) | _nouns(" ".join(words))
        if first < len(words) and stem(words[first]) in KNOWN and _BY_MAIL.search(body):
            verbs.add("mail")
        verbs |= {verb for pattern, verb in _IDIOMS if pattern.search(body)}
    objectless = bool(at_verb) and _objectless(words, at_verb[0])
    return Asked(
        verbs=frozenset(verbs),
        words=tuple(stem(word) for word in words),
        objectless=objectless,
        nouns=_made(words, at_verb),
    )


_KINDLY = re.compile(
    r"""^\W*(?:it\ would\ be|it'd\ be|would\ be|i(?:'d|\ would)\ (?:be|really\ appreciate\ it|appreciate\ it)
            |es\ ware|ce\ serait|seria)
        (?:\ (?:very|so|really|sehr|tres|muy))?
        (?:\ (?:great|nice|good|lovely|helpful|awesome|grateful|happy|glad|kind|toll|schon|nett|super|lieb|bien
          |genial|gentil))?
        ,?\ (?:if\ you(?:\ (?:could|can|would))?|wenn\ (?:du|sie)|si\ tu\ (?:pouvais|peux)|si\ (?:pudieras
          |puedes))\ """,
    re.VERBOSE,
)
_IF = re.compile(
    r"""(?:^\W*|,\ )(?:and\ |then\ )?if\ (?:\w+\ ){1,4}?(?:is|are|looks?|was|were)\ (?:all\ |still\ |not\ )?
        (?!to\b|safe\b|ready\b)\w+[ ]
        (?:then\ |please\ )?(?=[\w-]+\ (?:it|them|this|that|the|x{2,})\b)(?!to\b|and\b|or\b|not\b|you\b|we\b|i\b)""",
    re.VERBOSE,
)
""" "If checks are green merge it": what is asked for after a condition without a comma."""
_LATER = re.compile(
    r"""\b(?:later(?:\ on)?|eventually|some\ ?day|at\ some\ point|another\ time|spater|irgendwann|plus\ tard
      |mas\ tarde)\W*$
      | ^(?:i|we)(?:'d|\ would)?\ (?:like|love|want|plan|intend|hope|am\ going|are\ going)\ to[ ]
        (?!schedule|book|reserve|plan|meet|create|add|set|remind|move|invite|order|postpone|reschedule|arrange)
        .*\b(?:tomorrow|next\ \w+)\W*$""",
    re.VERBOSE,
)
""" "Merge it later", "I'd like to merge it tomorrow": not now."""
_MANNER = frozenset("squash rebase force bulk batch mass hard soft auto".split())
_IDIOMS = (
    (
        re.compile(
            r"\b(?:sum|summari[sz]e|recap|fasse?)\b (?:up )?(?:it|this|that|them|everything|es|das)\b"
            r"(?: \w+){0,2}? (?:in|to|on) xx"
        ),
        "post",
    ),
    (
        re.compile(
            r"\bget (?:me|us|him|her|them) (?:a|an|one|two|three|some)\b(?: \w+){0,2} "
            r"(?:tickets?|rooms?|tables?|seats?|flights?|hotel|taxi|cab|appointment|slot|reservation)\b"
        ),
        "book",
    ),
    (
        re.compile(
            r"\bget (?:me|us|him|her|them) (?:a|an|one|two|three|some)\b(?: \w+){0,2} "
            r"(?:tickets?|subscription|licen[cs]es?|copy|copies|gift|flowers)\b"
        ),
        "buy",
    ),
    (re.compile(r"^(?:\w+ ){0,3}?follow up (?:with|on it with|by mail with) "), "contact"),
)
"""What is meant by "sum it up in #ops", "get me a ticket", "follow up with Ann"."""
_MAKING = frozenset(
    """
    add leave write post make create drop put give send issue place submit file open record enter
    fuge schreibe schreib erstelle hinterlasse ajoute ecris laisse anade agrega escribe deja
    """.split()
)
_NOT_BETWEEN = frozenset("the this that these those of for to about from with on in at by my his her their its".split())


def _made(words: list[str], verbs: Collection[int]) -> frozenset[str]:
    """ "Add a short comment": things that are asked for by a verb of making, which is not done to one that is there."""
    found: set[str] = set()
    for at in verbs:
        if stem(words[at]) not in _MAKING:
            continue
        for word in words[at + 1 : at + 5]:
            if word in _NOT_BETWEEN or word in (",", ":"):
                break
            found.add(stem(word))
    return frozenset(found)


def _verb_place(words: list[str], at: int, first: int, verbs: Collection[int], *, closed: bool) -> bool:
    word, before = words[at], _before(words, at)
    if word in (",", ":"):
        return False
    asked_kindly = at > 0 and words[at - 1] in ("please", "bitte", "kindly")
    if closed:
        return asked_kindly and stem(word) in KNOWN
    if at == first or asked_kindly:
        return True
    if at > 0 and words[at - 1] in _COORDINATORS and stem(word) in KNOWN:
        return before >= 0 and _coordinates(words, at, first, verbs)
    if word in _GERMAN and _ends(words, at):
        return True
    return before >= 0 and (_requested(words, at, before, first) or _romance(words, at, before))


def _before(words: list[str], at: int) -> int:
    """The place of the word before, adverbs and politeness left out; -1 if there is none."""
    at -= 1
    while at >= 0 and (words[at] in _FILLERS or words[at] == "," or (words[at].endswith("ly") and len(words[at]) > 4)):
        at -= 1
    return at


def _coordinates(words: list[str], at: int, first: int, verbs: Collection[int]) -> bool:
    """ "cancel and refund", "cancel, delete or refund": whether the word before is such a verb itself."""
    back = at - 1
    while back > first and words[back] in _COORDINATORS:
        back -= 1
    return back in verbs or (back == first and stem(words[back]) in KNOWN)


def _requested(words: list[str], at: int, before: int, first: int) -> bool:
    word, earlier = words[before], words[before - 1] if before else ""
    if word == "to":
        return _to_infinitive(words, before, first)
    if word == "you":
        up = _before(words, before)
        return up >= 0 and words[up] in _MODALS_YOU | {"don't", "can't", "won't", "couldn't"}
    if word in ("let's", "lets", "gonna", "wanna", "gotta"):
        return True
    if word in ("mind", "start", "try", "needs") and words[at].endswith("ing"):
        return True
    if word == "go" or (word == "me" and earlier == "help"):
        return True
    for subject, modals in _MODALS_AFTER.items():
        if word in modals and earlier == subject:
            return not (subject == "i" and before - 1 != first)
    return False


def _to_infinitive(words: list[str], at: int, first: int) -> bool:
    before = _before(words, at)
    if before < 0:
        return at == first
    if _THIRD.search(" ".join(words[: before + 1])):
        return False
    if words[before] in _TO_FRAMES:
        return words[before] not in ("is", "you", "me", "us") or before < 6
    if words[first] in _FACILITATORS:
        return True
    return stem(words[first]) not in KNOWN and any(word in ("want", "need", "like") for word in words[:at])


def _told_to_others(before: list[str]) -> bool:
    """Whether the verb after these words is somebody else's to do, what somebody said, or part of a question."""
    left = " ".join(before) + " "
    if before and before[-1] not in ("please", "bitte") and _EMBEDDED.search(left):
        return True
    return any(pattern.search(left) is not None for pattern in (_HEARSAY, _THEY_WANT, _OTHERS))


def _ends(words: list[str], at: int) -> bool:
    """German infinitives end the clause."""
    return all(word in _FILLERS or word in (",", "und", "konntest", "kannst", "du") for word in words[at + 1 :])


_ROMANCE = frozenset(
    """
    peux-tu pourrais-tu pouvez-vous pourriez-vous veuillez veux voudrais aimerais j'aimerais faut peux pouvez tu vous
    dois devez merci besoin
    puedes podrias puede podria quiero quisiera necesito debes debemos olvides vamos necesitamos queremos gustaria
    """.split()
)
_LINKS = frozenset("de a d' que le la les lui leur me m' nous te se lo los las".split())


def _romance(words: list[str], at: int, before: int) -> bool:
    if stem(words[at]) not in _LATIN:
        return False
    while before > 0 and words[before] in _LINKS:
        before -= 1
    return words[before] in _ROMANCE or (
        words[before] in ("oublie", "oubliez", "hay", "favor", "n'oublie", "n'oubliez")
    )


def _participles(words: list[str]) -> set[str]:
    """ "I want x deleted", "x must be paid", "make sure that x is sent"."""
    found: set[str] = set()
    for at, word in enumerate(words):
        if not (word in PAST or word.endswith(("ed", "ing"))) or stem(word) == word or at == 0:
            continue
        before = _before(words, at)
        left = " ".join(words[: before + 1])
        if words[at - 1] in _DETERMINERS or _HEARSAY.search(left):
            continue
        wanted = _WANTS.search(left) is not None and not word.endswith("ing")
        if _TO_BE.search(left) or (wanted and "that" not in words[:at]):
            found.add(stem(word))
    return found


def _nouns(said: str) -> set[str]:
    """ "I need a refund", "make a payment"."""
    found: set[str] = set()
    for frame in _NOUN_FRAME.finditer(said):
        found.add(NOUN_ASKS[frame.group(1)])
    return found


_NO_OBJECT = frozenset(
    """
    , with by in and on that for saying as when if at from back accordingly mit an auf per zuruck avec par a en con
    immediately once now please pls plz thanks directly again
    """.split()
)


def _objectless(words: list[str], at: int) -> bool:
    rest = [word for word in words[at + 1 :] if not word.endswith("ly") and word not in ("me", "us", "mir", "uns")]
    return stem(words[at]) in KNOWN and (not rest or rest[0] in _NO_OBJECT)
