"""A user's own words as clauses: each asks for one thing, or says one thing. DESIGN §5 *Flow*, intent.

Clauses end at line breaks (unless a sentence plainly runs on), bullets, sentence ends, semicolons, and where a
conjunction or comma is followed by a verb: "Delete the draft | and send the report to Bob". Nothing ends inside
quotes, mail addresses, links, dates, numbers, file names or abbreviations. A clause whose verb stands alone ("cancel
and refund order 7") stays with the next one, whose objects it shares.

Pure and heuristic; English, German, French, Spanish. Ids depend on the text alone, so that they are the same in every
process and after a restart; equal texts share one.

INVARIANT: the work is linear in the text; at most MAX_CLAUSES are found, the last of which holds all the rest and is
marked as negated, so that it asks for nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bailiwick.flow.negation import NEGATORS, says_not
from bailiwick.flow.words import is_verb

__all__ = ["MAX_CLAUSES", "MONEY", "Clause", "clause_id", "clauses", "masked", "points_back"]

MAX_CLAUSES = 256
"""Clauses of one text."""
MAX_SENTENCE = 1_000
"""Characters of a sentence that is looked into; a longer one is one clause that asks for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause, `text` from `start` to `end` of the text.

    `negated`: it says what is not to be done. `refers` is the id of the clause that its pronouns point to ("then
    delete it"), `under` that of the heading that it is listed under ("Send these:"); empty if there is none. `gapped`:
    it leaves out the verb of the clause before ("pay 50 EUR to Ann | and 30 EUR to Ben"). `told`: it is what somebody
    is
    to be told ("remind Tom | to send the report"), and asks for nothing."""

    id: str
    text: str
    start: int
    end: int
    negated: bool = False
    refers: str = ""
    under: str = ""
    gapped: bool = False
    told: bool = False


def clause_id(text: str) -> str:
    """By what a clause is known: 16 hex digits of SHA-256 over its words in lower case."""
    return hashlib.sha256(" ".join(text.split()).casefold().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def clauses(own_words: str) -> tuple[Clause, ...]:
    """The clauses of `own_words` (see `bailiwick.flow.spans`), in order."""
    found: list[Clause] = []
    plain = masked(own_words)
    heading, carried = "", False
    for piece in _pieces(own_words, plain):
        text = own_words[piece.start : piece.end]
        said = plain[piece.start : piece.end].casefold()
        if len(found) == MAX_CLAUSES - 1:
            rest = own_words[piece.start :].strip()
            found.append(Clause(id=clause_id(rest), text=rest, start=piece.start, end=len(own_words), negated=True))
            break
        negated = says_not(text, said) or (carried and (piece.joined or piece.gapped))
        clause = Clause(
            id=clause_id(text),
            text=text,
            start=piece.start,
            end=piece.end,
            negated=negated,
            gapped=piece.gapped,
            told=piece.told,
        )
        if found and points_back(text):
            clause = replace(clause, refers=_meant(found))
        if not piece.listed:
            heading = clause.id if said.rstrip().endswith(":") else ""
        elif heading:
            clause = replace(clause, under=heading)
        carried = negated
        found.append(clause)
    return tuple(found)


def _meant(found: list[Clause]) -> str:
    """The clause that pronouns of the next one point to: the last that is more than "if so"."""
    return next((clause.id for clause in reversed(found) if len(clause.text.split()) > 2), found[-1].id)


@dataclass(frozen=True, slots=True)
class _Piece:
    """`listed`: a bullet, or a line below a heading. `joined`: it follows the one before by "and"."""

    start: int
    end: int
    listed: bool = False
    joined: bool = False
    gapped: bool = False
    told: bool = False


# ── what must not be cut ─────────────────────────────────────────────────────────────────────────────────────────────

_QUOTED = re.compile(
    r"`[^`\n]{1,500}`|\"[^\"\n]{1,500}\"|“[^“”\n]{1,500}”|„[^“”\n]{1,500}[“”]|«[^«»\n]{1,500}»"
    r"|(?<!\w)['‘][^'\n]{1,500}['’](?!\w)"  # noqa: RUF001
)
_TOKEN = re.compile(r"\S+")
_NAME_LIKE = re.compile(r"[@/\\_#\d]|\w\.\w|\w:\w")
_SOFT_END = ".,;:!?…)]}\"'”’»"  # noqa: RUF001
_BULLET = re.compile(r"[ \t]*(?:[-*•‣◦–]|\(?\d{1,3}[.)]|[a-z][.)]|\[[ xX]?\])[ \t]+")  # noqa: RUF001


def masked(text: str) -> str:
    """`text` with quoted spans and names (addresses, links, numbers, files) as runs of `x`: what is left are words.
    Same length; punctuation that closes a token stays."""
    out = _QUOTED.sub(lambda found: found.group()[0] + "x" * (len(found.group()) - 2) + found.group()[-1], text)
    return _TOKEN.sub(_hidden, out)


def _hidden(found: re.Match[str]) -> str:
    token = found.group()
    core = token.rstrip(_SOFT_END)
    return "x" * len(core) + token[len(core) :] if _NAME_LIKE.search(core) else token


# ── where a clause ends ──────────────────────────────────────────────────────────────────────────────────────────────

_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st no nr vs etc e.g i.e eg ie approx dept est inc ltd co corp jr sr fig vol ref tel ext ca cf al
    hr fr str bzw usw z.b d.h ggf evtl inkl zzgl u.a z.t abs art s.o mme mlle p.ex env av bd sra srta d p.ej ud uds núm
    jan feb mar apr jun jul aug sep sept oct nov dec okt dez a.m p.m st. bldg
    """.split()
)
_SENTENCE_END = re.compile(r"(?:(?<![\s.!?…])[.!?…]++|(?<=\s)[?!]++)[)\]\"'”’»]*(?=\s|$)")  # noqa: RUF001
_SEMICOLON = re.compile(r";(?=\s|$)")
MONEY = re.compile(
    r"(?:[€$£¥]|\b(?:eur|usd|gbp|chf)) ?(\d[\d.,' ]{0,20})"
    r"|(?<![\d.,])(\d[\d.,']{0,20}) ?(?:[€$£¥]|\b(?:eur|usd|gbp|chf|euros?|dollars?|pounds?)\b)",
    re.IGNORECASE,
)
"""An amount of money as people write it."""
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|(?<=\s)&(?=\s)")  # noqa: RUF001
_PAUSE = re.compile(r",[ \t]*$|[ \t][-–—][ \t]+$|—[ \t]*$|:[ \t]*$")  # noqa: RUF001

_AND = frozenset("and & plus und sowie et y e".split())
_THEN = frozenset(
    """
    then afterwards finally lastly but so dann danach anschließend aber sondern puis ensuite enfin mais luego después
    pero sino
    """.split()
)
_WITHOUT = frozenset("without instead rather ohne anstatt statt sans sin".split())
_FILLERS = frozenset(
    """
    also just please kindly first next once to you can could would will then finally afterwards maybe immediately
    quickly directly automatically bitte auch noch zuerst dann danach gleich anschließend zu kannst könntest aussi
    ensuite puis enfin d'abord merci de veuillez peux-tu también luego después por favor puedes finalmente do go and
    don't dont don’t not never nicht ne n'oublie no nunca before after bevor nachdem avant après antes despues de
    """.split()  # noqa: RUF001
)
_SUBJECTS = frozenset("i i'd i'll we he she they ich wir je j'aimerais nous yo quiero".split())


def _pieces(text: str, plain: str) -> Iterator[_Piece]:
    for start, end, listed in _lines(text, plain):
        for first, last in _sentences(text, plain, start, end):
            if last - first > MAX_SENTENCE:
                yield from _piece(text, first, last, listed=listed, joined=False, told=True)
            else:
                yield from _coordinated(text, plain, first, last, listed=listed)


def _lines(text: str, plain: str) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it is an item of a list), where a line that plainly runs on is one with the next."""
    start, at, listed, below = -1, 0, False, False
    end = 0
    for line in text.split("\n"):
        bullet = _BULLET.match(line)
        begins = at + (bullet.end() if bullet else 0)
        runs_on = start >= 0 and not bullet and _runs_on(plain[start:end], line)
        if start >= 0 and not runs_on:
            yield start, end, listed
            below = plain[start:end].rstrip().endswith(":") or (below and listed)
            start = -1
        if not line.strip():
            below = below and start < 0 and listed is False
        elif runs_on:
            end = at + len(line.rstrip())
        else:
            start, end, listed = begins, at + len(line.rstrip()), bullet is not None or below
        at += len(line) + 1
    if start >= 0:
        yield start, end, listed


def _runs_on(before: str, line: str) -> bool:
    before, line = before.rstrip(), line.strip()
    return bool(before and line) and len(before) > 40 and before[-1] not in ".!?…:;" and line[0].islower()


def _sentences(text: str, plain: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    cuts = [
        found.end() for found in _SENTENCE_END.finditer(plain, start, end) if _ends_sentence(text, plain, found, start)
    ]
    cuts += [found.end() for found in _SEMICOLON.finditer(plain, start, end)]
    at = start
    for cut in [*sorted(cuts), end]:
        if plain[at:cut].strip():
            yield at, cut
        at = cut


def _ends_sentence(text: str, plain: str, mark: re.Match[str], start: int) -> bool:
    if mark.group().rstrip(")]\"'”’»") != ".":  # noqa: RUF001
        return True
    before = (text[start : mark.start()].rsplit(None, 1) or [""])[-1].lstrip("(\"'“„«").casefold()
    after = plain[mark.end() :].lstrip()[:1]
    if before in _ABBREVIATIONS or (len(before) == 1 and before.isalpha()):
        return False
    # An ordinal ("am 3. Mai") or a numbered object is masked; only where a small letter follows does it run on.
    return not (before.isdigit() and len(before) <= 2 and after.islower())


def _coordinated(text: str, plain: str, start: int, end: int, *, listed: bool) -> Iterator[_Piece]:
    words = [(found.group().casefold(), found.start()) for found in _WORD.finditer(plain, start, end)]
    begins, first, joined, told = start, 0, False, False
    for at, (word, place) in enumerate(words):
        if not told and at > first and _tells(words, first, at):
            yield from _piece(text, begins, place, listed=listed, joined=joined)
            begins, first, joined, told = place, at, False, True
            continue
        if at <= first or not _begins(words, at, _PAUSE.search(plain[max(begins, place - 8) : place]) is not None):
            continue
        if not _has_body(words[first:at], plain[begins:place]) or _FOR_WHAT.search(plain, begins, place):
            continue
        yield from _gapped(text, plain, begins, place, listed=listed, joined=joined, told=told)
        begins, first, joined = place, at, word in _AND and not _THEN & _next(words, at)
        told = False
    yield from _gapped(text, plain, begins, end, listed=listed, joined=joined, told=told)


_TELLING = frozenset("tell ask remind inform notify let warn advise instruct message email mail write".split())
_SAYING = frozenset("saying asking telling stating requesting reminding informing explaining dass".split())


def _tells(words: list[tuple[str, int]], first: int, at: int) -> bool:
    """Whether what somebody is to be told begins with the word at `at`."""
    word, before = words[at][0], [each for each, _ in words[first:at]]
    if word in _SAYING:
        return any(is_verb(each) for each in before)
    begins = next((each for each in before if each not in _FILLERS and each not in _AND), "")
    if begins not in _TELLING or "agent" in before or "subagent" in before or "assistant" in before:
        return False
    if word in ("that", "whether", "if"):
        return True
    return word == "to" and at + 1 < len(words) and is_verb(words[at + 1][0]) and before[-1] != begins


_FOR_ANOTHER = re.compile(
    r"(?:[,;]\s*(?:(?:and|und|et|y)\s+)?|\s(?:and|und|et|y)\s+)(?:for|on|in|für|bei|pour|para)\s[^:,;\n]{1,60}:(?=\s)",
    re.IGNORECASE,
)
_FOR_WHAT = re.compile(rf"(?:{_FOR_ANOTHER.pattern})\s*$", re.IGNORECASE)
_JOINT = re.compile(r",\s|;\s|\s(?:and|und|et|y)\s", re.IGNORECASE)


def _gapped(text: str, plain: str, start: int, end: int, *, listed: bool, joined: bool, told: bool) -> Iterator[_Piece]:
    """One clause, or several that share one verb: they pay several amounts, or say "for X: …, and for Y: …"."""
    cuts: list[int] = [found.start() for found in _FOR_ANOTHER.finditer(plain, start, end)]
    if not cuts and len(list(MONEY.finditer(text, start, end))) > 1:
        joints = [found.start() for found in _JOINT.finditer(plain, start, end)]
        begins = start
        for at, joint in enumerate(joints):
            until = joints[at + 1] if at + 1 < len(joints) else end
            if MONEY.search(text, begins, joint) and MONEY.search(text, joint, until):
                cuts.append(joint)
                begins = joint
    for at, (first, last) in enumerate(zip([start, *cuts], [*cuts, end], strict=True)):
        yield from _piece(text, first, last, listed=listed, joined=joined, gapped=at > 0, told=told)


def _piece(
    text: str, start: int, end: int, *, listed: bool, joined: bool, gapped: bool = False, told: bool = False
) -> Iterator[_Piece]:
    part = text[start:end]
    left = len(part) - len(part.lstrip(" \t\n,–—-"))  # noqa: RUF001
    right = len(part.rstrip(" \t\n,–—"))  # noqa: RUF001
    if right > left:
        yield _Piece(start + left, start + right, listed, joined, gapped, told)


def _next(words: list[tuple[str, int]], at: int) -> set[str]:
    return {word for word, _ in words[at + 1 : at + 2]}


def _begins(words: list[tuple[str, int]], at: int, pause: bool) -> bool:
    """Whether a clause of its own begins with the word at `at`."""
    word = words[at][0]
    if word in _WITHOUT:
        return True
    if word in _THEN:
        return at + 1 < len(words) and (word not in ("finally", "lastly", "enfin", "so") or pause)
    joins = word in _AND
    if not (joins or pause):
        return False
    if joins and is_verb(words[at - 1][0]) and words[at - 1][0].endswith(("en", "ern", "eln")):
        return True
    follows = at + 1 if joins else at
    while follows < len(words) and words[follows][0] in _FILLERS and follows - at < 6:
        if words[follows][0] in _THEN or words[follows][0] in NEGATORS:
            return True
        follows += 1
    return follows < len(words) and (is_verb(words[follows][0]) or words[follows][0] in _SUBJECTS)


def _has_body(words: list[tuple[str, int]], part: str) -> bool:
    """Whether a part says more than its verb: if not, it shares the objects of what follows."""
    said = [word for word, _ in words if word not in _FILLERS and word not in _AND and not is_verb(word)]
    return bool(said) or "x" * 3 in part


# ── negation and what pronouns point to ──────────────────────────────────────────────────────────────────────────────

_BACK = re.compile(
    r"""\b(?:it|its|them|they|this|that|those|these|him|her|he|she|their|his|both|same|one|ones|there|so
      | ihn|ihm|ihr|ihnen|sie|es|diese[nmrs]?|dies|dieselbe[nr]?|beide[n]?|damit|davon|dazu|daraus|dorthin
      | celui-ci|celle-ci|ceux-ci|lui|leur|ça|cela|celle-là | (?:\w+-(?:le|la|les|lui|leur|moi|y|en)(?:-\w+)?)
      | lo|ese|esa|eso|este|esta|esto|esos|esas|ellos|ambos
      | \w{3,}(?:[áéí]\w{2,6}|ar|er|ir|a|e)(?:se)?(?:lo|la|los|las|le|les)
    )\b""",
    re.VERBOSE,
)
_OF_ITSELF = re.compile(
    r"""(?<=x{3})[,;]?\ (?:(?:since|because|as|and|if|when|once|which)\ )?(?:it|this|that|they)
        (?:['’](?:s|re)|\ (?:is|are|was|were|has|have|had|looks?|seems?|will|would))\b.*""",  # noqa: RUF001
    re.VERBOSE | re.DOTALL,
)


def points_back(text: str) -> bool:
    """Whether pronouns in a clause point to one before it; in "approve RE-7, it is fine" they do not."""
    said = masked(text).casefold()
    return _BACK.search(_OF_ITSELF.sub(" ", said)) is not None
