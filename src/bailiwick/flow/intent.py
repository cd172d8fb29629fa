"""Whether somebody's words ask for what a call does, on the objects that it does it to. DESIGN §5 *Flow*, intent.

It catches the right object with the wrong action: values that the user named, in a call that she did not ask for.

A call is asked for iff some clause of the user's own words (or the task's) that is not negated asks for its effect
(`bailiwick.flow.asking`) and, for each target and selector, the way by which the value is endorsed begins in that
clause or in one that it takes up again: by a pronoun ("then delete it"), as the heading of a list ("Send these:"), by
a noun ("the report" after "report.pdf"), or by leaving its object out ("… and reply"). One clause has to speak of all
of them, so that two that the user named in two requests cannot be combined. A call without such objects is asked for
where the clause says something of it (`bailiwick.flow.fitting`).

Reading needs no asking. Heuristics err on the side of a person's question: what is not recognised does not ask.

INVARIANT: only somebody's own words ask; a question costs the clauses behind the call's own values, or MAX_ASKING.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice, pairwise

from bailiwick.flow.asking import asked_in
from bailiwick.flow.backing import Backing, BackingKind
from bailiwick.flow.called import names_in
from bailiwick.flow.clauses import Clause, clause_id, clauses, masked, points_back
from bailiwick.flow.deputing import deputes
from bailiwick.flow.dictation import Dictation, dictations, says_otherwise, sentences_not_in, verbatim
from bailiwick.flow.effect_words import ALL_ASKING, asks_for, lists_values
from bailiwick.flow.fitting import begun, on_its_day, says_something, titled
from bailiwick.flow.repetition import times
from bailiwick.flow.word_index import WordIndex
from bailiwick.flow.words import plain_word, stem
from bailiwick.model.call import Action
from bailiwick.model.tool import CONSEQUENTIAL, DELEGATE_TOOL, Role, Sink, ToolSpec

__all__ = ["MAX_ASKING", "Intentions", "Utterance", "Ways"]

MAX_ASKING = 128
"""Clauses asked for one effect that are looked at where a call has no object: the newest ones. Also those that a
delegated session is told."""
MAX_LINKS = 8
"""Earlier clauses that one clause may take up again."""
MAX_HEARD = 256
"""Records of colleagues whose words may be asked for in a session."""
MAX_SAID = 4096
"""Clauses kept in a session; later ones ask for nothing."""

Ways = Mapping[str, Sequence[Sequence[Backing]]]
"""Per argument, and in it per value, all that endorses it."""

_TOLD = ">"
"""Before the id of a clause that says what somebody is to be told, among the links of the one that says whom."""
_TELLING_NAME = 3
_ONLY_CODE = re.compile(r"(?:(?:and|then|also|und|dann|et|puis|y|luego)[\s,]+)*`[^`]+`[.;]?")
_FIRST = re.compile(
    r"(?:but |and )?first,? (?:please )?(?:tell|show|ask|explain to|give|let|inform) (?:me|us)\b"
    r"|(?:but |and )?(?:please )?(?:ask|tell|show|check with|confirm with|let) (?:me|us)\b"
    r".*\b(?:first|before(?: that)?)\W*$"
)
"""What is to come before anything is done ("merge it, but first tell me …")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One clause as it is kept and handed on: `links` are the ids of the clauses that it takes up again, `verbs_of` the
    text of the one whose verb it shares. What does not `asks` says what is not to be done, or what somebody is to be
    told."""

    text: str
    asks: bool = True
    links: tuple[str, ...] = ()
    verbs_of: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What somebody else asks for: her own words, judged as the user's would be."""

    said: Intentions
    words: WordIndex

    @staticmethod
    def of(own_words: str) -> Heard:
        heard = Heard(Intentions(), WordIndex())
        heard.said.add(own_words)
        heard.words.add(own_words, "")
        return heard

    def asks(self, action: Action) -> bool:
        """Whether she asks for the call, and names each of its objects."""
        named = {
            argument.name: tuple(
                tuple(
                    Backing(by="", kind=BackingKind.WORDS, clauses=mention.clauses)
                    for mention in self.words.mentions(value)
                    if not mention.refused
                )
                for value in argument.values
            )
            for argument in action.judged
        }
        return self.said.asks(action, named)


@dataclass(slots=True)
class Intentions:
    """What the words of one session ask for."""

    _said: dict[str, list[Utterance]] = field(default_factory=dict)
    _taken_up: dict[str, list[Utterance]] = field(default_factory=dict)
    _order: dict[Utterance, None] = field(default_factory=dict)
    _last: tuple[Utterance, ...] = ()
    _dictated: dict[str, tuple[Dictation, ...]] = field(default_factory=dict)
    _own: list[str] = field(default_factory=list)
    _more: dict[str, int] = field(default_factory=dict)
    """How often the words of a clause were said once more."""
    _heard: dict[str, Heard] = field(default_factory=dict, compare=False)

    def add(self, own_words: str) -> None:
        """The own words of one prompt, or of the task."""
        found = clauses(own_words)
        items: dict[str, list[str]] = {}
        told: dict[str, list[str]] = {}
        for before, clause in pairwise(found):
            if clause.told and not before.told:
                told.setdefault(before.id, []).append(_TOLD + clause.id)
        for clause in found:
            if clause.under and not asked_in(clause.text).verbs & ALL_ASKING:
                items.setdefault(clause.under, []).append(clause.id)
        mine: list[Utterance] = []
        for clause in found:
            links = (*_links(clause, mine, self._last), *items.get(clause.id, ()), *told.get(clause.id, ()))
            shares = clause.gapped or _ONLY_CODE.fullmatch(clause.text.strip()) is not None
            leading = (mine[-1].verbs_of or mine[-1].text) if shares and mine else ""
            asks = not clause.negated and not clause.told and (not leading or clause.gapped or mine[-1].asks)
            if mine and _FIRST.match(plain_word(clause.text)):
                mine[-1] = replace(mine[-1], asks=False)
            mine.append(Utterance(text=clause.text, asks=asks, links=links, verbs_of=leading))
        for at, said in enumerate(mine):
            self.take(said, anew=True)
            if said.asks and (dictated := dictations(_sentence(own_words, found, at))):
                self._dictated[said.text] = self._dictated.get(said.text, ()) + dictated
        if len(self._own) < MAX_SAID:
            self._own.append(own_words)
        self._last = tuple(mine[-MAX_LINKS:]) or self._last

    def take(self, said: Utterance, *, anew: bool = False) -> None:
        """One clause, also of another session that handed work to this one."""
        known = said in self._order
        if known and anew:
            self._more[said.text] = self._more.get(said.text, 0) + 1
        if not known and len(self._order) >= MAX_SAID:
            return
        self._order.pop(said, None)
        self._order[said] = None
        if known:
            return
        for places in (self._said.setdefault(clause_id(said.text), []), *self._places(said.links)):
            if len(places) < MAX_ASKING:
                places.append(said)

    def _places(self, links: Iterable[str]) -> Iterator[list[Utterance]]:
        return (self._taken_up.setdefault(link, []) for link in dict.fromkeys(links))

    @property
    def crossing(self) -> tuple[Utterance, ...]:
        """What a delegated session is told: the newest clauses, in order."""
        return tuple(reversed(list(islice(reversed(self._order), MAX_ASKING))))

    def hear(self, record: str, own_words: str) -> None:
        """What a colleague wrote in a record that own words selected. It asks for what it would ask for if the user had
        said it, where the user says to do so ("do what she asks"). Kept in memory alone: in a session that was restored
        a person is asked."""
        if own_words and len(self._heard) < MAX_HEARD:
            self._heard[record] = Heard.of(own_words)

    def asks(self, action: Action, ways: Ways) -> bool:
        """Whether a call is asked for, given all that endorses each value of each argument."""
        tool = action.tool
        if not tool.effects & CONSEQUENTIAL or tool.name == DELEGATE_TOOL:
            # What an agent may do is asked of its own calls, by the same words.
            return True
        return self._asks_itself(action, ways) or self._asks_by_colleague(action, ways)

    def _asks_by_colleague(self, action: Action, ways: Ways) -> bool:
        objects = list(_objects(action, ways))
        behind = [way for _, each in objects for way in each if way.kind is BackingKind.COLLEAGUE]
        return any(
            way.record in self._heard and self._deputed(way.clauses) and self._heard[way.record].asks(action)
            for way in behind
        )

    def _deputed(self, starts: Iterable[str]) -> bool:
        """Whether somebody asks to do what a record says that clauses with these ids selected."""
        for each in self.speaking_of(starts):
            before = [said.text for link in each.links for said in self._said.get(link, ())]
            if each.asks and deputes(each.text, before):
                return True
        return False

    def _asks_itself(self, action: Action, ways: Ways) -> bool:
        return bool(self._asking(action, ways))

    def how_often(self, action: Action, ways: Ways) -> int:
        """How many runs of a call words ask for: each clause for one, or for as many as it says."""
        return sum(times(text) + self._more.get(text, 0) for text in self._asking(action, ways))

    def misquoted(self, action: Action, ways: Ways) -> bool:
        """Whether every clause that asks for a call says what it is to say, and it says something else."""
        texts = [each.text for each in action.judged if each.role is Role.CONTENT and each.text.strip()]
        dictated = [self._dictated.get(text, ()) for text in self._asking(action, ways)] if texts else []
        if not dictated or not all(dictated):
            return False
        return says_otherwise([each for some in dictated for each in some], texts, "\n".join(self._own))

    def undictated(self, action: Action) -> tuple[str, ...]:
        """The contents of a call that say what is not in anybody's own words."""
        if action.tool.sink is Sink.NONE:
            return ()
        own = self._own or [said.text for said in self._order]
        return tuple(
            each.name for each in action.judged if each.role is Role.CONTENT and sentences_not_in(each.text, own)
        )

    def verbatim(self, text: str) -> bool:
        """Whether a content is a passage of anybody's own words as it stands."""
        return verbatim(text, self._own or [said.text for said in self._order])

    def _asking(self, action: Action, ways: Ways) -> Collection[str]:
        """The clauses that ask for a call on all of its objects."""
        tool = action.tool
        objects = list(_objects(action, ways))
        if not all(behind for _, behind in objects):
            return ()
        # What a person released begins in no clause: she decided on the value, and words ask for the effect.
        chosen = [(value, behind) for value, behind in objects if not _released(behind)]
        if not chosen:
            return self._asked_by_the_word(action, ways, released=bool(objects))
        shared: set[str] | None = None
        for value, behind in chosen:
            starts = frozenset().union(*(way.clauses for way in behind))
            near = (*self.speaking_of(starts), *self._telling(starts, value))
            asking = {
                each.text
                for each in near
                if _asks(each, tool, value) or (each.asks and not each.verbs_of and lists_values(each.text, action))
            }
            if all(way.kind is BackingKind.COLLEAGUE for way in behind):
                asking = {text for text in asking if not _means_the_record(text)}
            shared = asking if shared is None else shared & asking
            if not shared:
                return ()
        return shared or ()

    def speaking_of(self, starts: Iterable[str]) -> Iterator[Utterance]:
        """The clauses in which a way begins, and those that take them up again."""
        for start in sorted(starts):
            for said in self._said.get(start, ()):
                yield said
                if said.asks and _SUPPLIES.match(plain_word(masked(said.text))):
                    yield from (each for link in said.links for each in self._said.get(link, ()))
            yield from self._taken_up.get(start, ())

    def _telling(self, starts: Iterable[str], value: str) -> Iterator[Utterance]:
        """Clauses that ask to tell somebody what one of `starts` says ("tell Acme that invoice 7 is paid"), where
        `value` is how she is called: the rest is what she is told about."""
        for start in sorted(starts):
            for each in self._taken_up.get(_TOLD + start, ()):
                if any(len(name) >= _TELLING_NAME and name in value.casefold() for name in names_in(each.text)):
                    yield each

    def _asked_by_the_word(self, action: Action, ways: Ways, *, released: bool) -> Collection[str]:
        values = action.args.decode("utf-8", "replace").casefold()
        backed = {each.text for each in self.speaking_of(begun(action, ways))}
        free = released or not says_something(action)
        asking = (said.text for said in islice(reversed(self._order), MAX_ASKING) if _asks(said, action.tool, ""))
        fit = []
        for text in dict.fromkeys(asking):
            names = names_in(text)
            named = any(name in values for name in names)
            day = on_its_day(text, action)
            described = free or named or day or text in backed or titled(text, action)
            if described and (named or not names) and day is not False:
                fit.append(text)
        return fit


_ON_IT = re.compile(r"([\w-]++)( (?:it|this|that|ihn|es|ce|esto)\b)?")
"""Every word, and whether it is done to it: one that is passed over is not looked at again from each of its letters."""


def _means_the_record(text: str) -> bool:
    """ "Merge it": what was named, and not what somebody says in it."""
    return any(it and stem(verb) in ALL_ASKING for verb, it in _ON_IT.findall(plain_word(masked(text))))


def _sentence(own_words: str, found: Sequence[Clause], at: int) -> str:
    """From the beginning of a clause to the end of its sentence, or to what is asked for next."""
    end = found[at].end
    for each in found[at + 1 :]:
        if own_words[:end].rstrip()[-1:] in ".!?;" or "\n" in own_words[end : each.start].strip(" "):
            break
        if not each.told and not asked_in(each.text).verbs.isdisjoint(ALL_ASKING):
            break
        end = each.end
    return own_words[found[at].start : end]


# ── what takes up what ───────────────────────────────────────────────────────────────────────────────────────────────

_DEFINITE = re.compile(
    r"\b(?:the|this|that|these|those|its|their|der|die|das|den|dem|le|la|les|el|los|las)((?: [^\W\d_]{3,}){1,3})"
)
_RELATED = re.compile(
    r"""\b(?:the|its|their|each|every|all|der|die|den|le|la|el)\ (?:\w+\ )?(?:vendor|supplier|sender
        |recipient|author|organi[sz]er
        |attendee|participant|customer|client|owner|assignee|requester|reporter|applicant|candidate|patient|payee
        |landlord|employee|manager|tenant|contact|colleague|seller|buyer|member|student|teacher|reviewer|creator|submitter
        |user|person|host|doctor|driver|amount|total|bill|originals?|copies|duplicate|team|guest|file|attachment|result|summary|answer|other|rest|first|second|last
        |absender|lieferant|kunde|fournisseur|expediteur|proveedor|remitente)(?:en|e?s)?\b
      | \b(?:also|too|as\ well|cc|likewise|additionally|auch|ebenfalls|aussi|egalement|tambien)\b""",
    re.VERBOSE,
)
_SUPPLIES = re.compile(
    r"""(?:and\ )?(?:(?:his|her|their|its|the)\ (?:\w+\ ){0,2})?
        (?:e-?mail|mail|address|account|iban|number|phone|id|url|website|link|handle|username|recipient|payee|channel)
        (?:\ (?:address|number|id|name))?\ (?:is|are)\b""",
    re.VERBOSE,
)
"""What says where to find what an earlier clause speaks of: "Her address is …", "The recipient is …"."""
_THE_OBJECT = re.compile(
    r"""^(?:and\ |then\ |please\ |now\ |also\ |und\ |dann\ |bitte\ |et\ |puis\ |y\ |luego\ )*
        [^\W\d_]+\ (?:the|this|that|den|die|das|le|la|les|el|los|las)\ [^\W\d_]+
        (?!.*\b(?:to|for|of|with|from|an|fur|mit|von|pour|avec|de|du|para|con|del)\b)""",
    re.VERBOSE,
)
"""A request whose object is definite and that says no more of it: "cancel the order" is about one that was named."""
_LETTERS = re.compile(r"[^\W\d_]{3,}")


def _links(clause: Clause, mine: Sequence[Utterance], last: Sequence[Utterance]) -> tuple[str, ...]:
    """The ids of the clauses that `clause` takes up again, and of those that these take up."""
    before = list(mine) or list(last)
    said = plain_word(masked(clause.text))
    taken: list[Utterance] = []
    related = _RELATED.search(said) or (_THE_OBJECT.search(said) and not names_in(clause.text))
    if clause.refers or points_back(clause.text) or related or asked_in(clause.text).objectless:
        taken += _back_from(before)
    nouns = {noun for found in _DEFINITE.findall(said) for noun in found.split()} - _COMMON
    taken += [each for each in [*last, *mine][-4 * MAX_LINKS :] if nouns and nouns & _nouns_of(each.text)]
    links: dict[str, None] = {}
    for each in taken:
        links[clause_id(each.text)] = None
        links.update(dict.fromkeys(each.links))
    links.pop(clause.id, None)
    return tuple(links)[: 2 * MAX_LINKS]


def _back_from(before: list[Utterance]) -> Iterator[Utterance]:
    """The clause before, and those before it up to one that names something."""
    for each in before[: -MAX_LINKS - 1 : -1]:
        yield each
        if names_in(each.text) or asked_in(each.text).verbs & ALL_ASKING:
            return


_COMMON = frozenset(
    """
    and for with from that this then new old next last first second same latest following other one two day week month
    year time way end list und mit fur von aus pour avec dans con para por
    """.split()
)


@lru_cache(maxsize=1024)
def _nouns_of(text: str) -> frozenset[str]:
    words = [found.group() for found in _LETTERS.finditer(plain_word(text))]
    return frozenset(form for word in words for form in (word, word.removesuffix("s"), f"{word}s")) - _COMMON


def _asks(said: Utterance, tool: ToolSpec, value: str) -> bool:
    return said.asks and asks_for(said.text, said.verbs_of, tool, value)


def _objects(action: Action, ways: Ways) -> Iterator[tuple[str, Sequence[Backing]]]:
    for argument in action.judged:
        if argument.role in (Role.TARGET, Role.SELECTOR, Role.COMMAND):
            behind = ways.get(argument.name, ())
            for at, value in enumerate(argument.values):
                yield value, behind[at] if at < len(behind) else ()


def _released(behind: Sequence[Backing]) -> bool:
    return any(way.kind is BackingKind.PERSON for way in behind)
