"""Which values of a result endorse later arguments, and by which way: chains of records. DESIGN §5 *Flow*, integrity.

A record endorses only if it was *selected by endorsed values*; a directory in which a hijacked agent may look up
anything endorses nothing by itself. A record is selected

- **by its key**: a field that endorses selectors is itself endorsed as one (own words name it, or a record that was
  selected before does), or a field that endorses targets stands in own words; and no other record of the same result
  has that key. Where one record is selected so, the others of that result are not. If anything in the call that chose
  among records is not endorsed, only the record's own key counts, never what it belongs to: one bill of a case that was
  named is not any other bill of it.
- **by the call**, else: every target, selector, credential, command and query of it is endorsed, there is at least one,
  and the result is one record, or those of several that the clauses tell from the others, at most MAX_SELECTED (see
  `bailiwick.flow.telling`), where nothing else (a limit, an offset, an order) chose among them. What a query found must
  hold the query itself, in a field that is not untrusted, with the whole name that it is a part of in the clauses: a
  search finds also what is merely near. What a call made itself (it writes, reads nothing, and all but its content is
  endorsed) is selected for being selected again, and for nothing else.

- **by its title**, else: see `_by_title`. It is selected for being selected again, and for nothing else.

A field of a selected record endorses the role that the catalog gives it, if the catalog says that it is not untrusted
(a tool that lists neither its trusted nor its untrusted fields has none that could). Its way is that of its record: the
ids of the records that led to it, and the clauses of own words in which that began. What was selected by a colleague's
words is endorsed by nothing better.

Own words of a record's author endorse too, under the same condition: see `bailiwick.flow.authors`.

The risk of keys: own words that hold a key by accident ("send the Report" and a record named `Report`) select its
record. It is bounded by roles, by binding and by intent, and by what the organisation itself has written there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bailiwick.flow.atoms import decoded
from bailiwick.flow.authors import Colleagues, said_by_author, speaker, text_fields
from bailiwick.flow.backing import Backing, BackingKind, within
from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.record_fields import MAX_VALUES, is_trusted, records_of, trusted_values, values_at
from bailiwick.flow.records import Endorsement
from bailiwick.flow.said import Said
from bailiwick.flow.telling import means_all, name_phrase, own_keys, told
from bailiwick.flow.tokens import core, folded, specific
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.decision import FlowFacts
from bailiwick.model.tool import Effect, OutputSpec, Role, ToolSpec

__all__ = ["MAX_CHAIN", "MAX_LISTING", "MAX_SELECTED", "Chained", "Place", "chained"]

MAX_SELECTED = 4
"""Records of one result that a call can select: more are a listing."""
MAX_BATCH = 64
"""The same, where the words mean all of them ("pay all approved invoices")."""
MAX_LISTING = 4_096
"""Records of one result among which keys are looked for."""
MAX_CHAIN = 64
"""Records on one way."""

_TITLE = 120
"""Characters of a title."""
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_JOINS = re.compile(r"[-_]+")
_WORDS = frozenset({BackingKind.WORDS, BackingKind.TASK, BackingKind.PERSON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chained:
    """What a result endorses: values of its fields, and words of its authors."""

    endorses: tuple[Endorsement, ...] = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a result is recorded: the content's id, and that of the audit event."""

    content: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a record was selected. `made`: it is what the call itself made, which may be selected later, and no more."""

    chain: frozenset[str]
    clauses: frozenset[str]
    by_colleague: bool
    made: bool = False


def chained(
    action: Action,
    flow: FlowFacts,
    value: object,
    *,
    at: Place,
    endorsed: Endorsements,
    colleagues: Colleagues | None = None,
) -> Chained:
    """What the result `value` of a call endorses that was decided on `flow`, given what was endorsed before."""
    tool, output = action.tool, action.tool.output
    fields = {name: role for name, role in output.endorses.items() if is_trusted(output, name)}
    if not fields and (output.author is None or colleagues is None):
        return Chained()
    found, single = records_of(decoded(value), output.records)
    if not found or len(found) > MAX_LISTING:
        return Chained()
    ways = _by_key(tool, fields, found, endorsed, narrowed=_narrowed(action, flow))
    if not ways:
        # Whom own words name may be somebody else than the author: the rest of what the call selected stays selected.
        chosen = _by_call(action, flow, output, found, endorsed, single=single)
        ways = {**chosen, **_by_author(output, found, endorsed)}
    titled = {} if ways else _by_title(action, flow, found, endorsed)
    endorses = list(_met(tool, fields, found, endorsed, at))
    said: list[Said] = []
    fetched_by = frozenset(
        within(arg.name, each)
        for arg in action.judged
        if arg.role in (Role.TARGET, Role.SELECTOR)
        for each in arg.values
    )
    for number, way in (ways or titled).items():
        record = f"{at.content}#{number}"
        chain = way.chain | {record}
        if len(chain) > MAX_CHAIN:
            continue
        kind = BackingKind.COLLEAGUE if way.by_colleague else BackingKind.FIELD
        endorses += (
            Endorsement(
                value=text,
                role=role,
                by=f"field '{name}' of {tool.name}, selected by endorsed values ({at.event})",
                kind=kind,
                record=record,
                chain=chain,
                clauses=way.clauses,
                store=tool.own_store,
                within=fetched_by,
            )
            for name, role in fields.items()
            if role is Role.SELECTOR or not (way.made or titled)
            for text in values_at(found[number], name)
        )
        if output.author is not None and colleagues is not None and not titled:
            by = f"record of {tool.name} ({at.event})"
            own = said_by_author(found[number], output.author, colleagues, by=by)
            if own is not None:
                lines, whose, text = own
                said.append(Said(by=whose, record=record, lines=lines, chain=chain, clauses=way.clauses, text=text))
    return Chained(endorses=tuple(endorses), said=tuple(said))


# ── selected by a key ────────────────────────────────────────────────────────────────────────────────────────────────


def _by_key(
    tool: ToolSpec,
    fields: Mapping[str, Role],
    found: Sequence[Mapping[str, object]],
    endorsed: Endorsements,
    *,
    narrowed: bool,
) -> dict[int, _Way]:
    own = own_keys(tool, fields)
    keys = [
        name for name, role in fields.items() if role in (Role.SELECTOR, Role.TARGET) and (name in own or not narrowed)
    ]
    ways: dict[int, list[Backing]] = {}
    for name in keys:
        for number, text in _unique(found, name):
            key = ArgFacts(name="", role=fields[name], facts={})
            for backing in endorsed.ways(text, key, tool, as_key=True):
                if fields[name] is Role.SELECTOR or backing.kind in _WORDS:
                    ways.setdefault(number, []).append(backing)
    return {number: _way(backings) for number, backings in ways.items()}


def _narrowed(action: Action, flow: FlowFacts) -> bool:
    """True if something that nobody endorsed chose among what there was. What is left is then told from the rest by its
    own name alone: that only one record of a customer is in sight is no sign that it was meant."""
    held = {argument.name: argument.endorsed for argument in flow.arguments}
    return not all(
        held.get(arg.name, False) or all(value in ("true", "false", "") for value in arg.values)
        for arg in action.judged
        if arg.role is not Role.CONTENT
    )


def _by_author(output: OutputSpec, found: Sequence[Mapping[str, object]], endorsed: Endorsements) -> dict[int, _Way]:
    ways: dict[int, list[Backing]] = {}
    if output.author is not None:
        for number, backing in _pointed_to(output.author.field, found, endorsed):
            ways.setdefault(number, []).append(backing)
    return {number: _way(backings) for number, backings in ways.items()}


def _met(
    tool: ToolSpec,
    fields: Mapping[str, Role],
    found: Sequence[Mapping[str, object]],
    endorsed: Endorsements,
    at: Place,
) -> Iterator[Endorsement]:
    """Targets that own words name and that the organisation's records know, in as many of them as may be: that a payee
    was paid before selects none of the payments, and confirms the payee."""
    for name in (name for name, role in fields.items() if role is Role.TARGET):
        seen: set[str] = set()
        for number, record in enumerate(found):
            for text in values_at(record, name):
                if text in seen or len(seen) >= MAX_VALUES:
                    continue
                backings = endorsed.names(text)
                if backings:
                    seen.add(text)
                    yield Endorsement(
                        value=text,
                        role=Role.TARGET,
                        by=f"own words, and field '{name}' of {tool.name} ({at.event})",
                        record=f"{at.content}#{number}",
                        chain=frozenset({f"{at.content}#{number}"}),
                        clauses=_way(backings).clauses,
                    )


def _by_title(
    action: Action, flow: FlowFacts, found: Sequence[Mapping[str, object]], endorsed: Endorsements
) -> dict[int, _Way]:
    """The record that own words call by its whole title, though others can write titles: it can be selected, and
    nothing that it says is believed. It has to be the only one of its title in what a call found that nobody else
    narrowed: no query, date or offset of it is a third party's."""
    held = {argument.name: argument.endorsed for argument in flow.arguments}
    if not all(held.get(arg.name, False) for arg in action.judged if arg.values and arg.role is not Role.CONTENT):
        return {}
    ways: dict[int, list[Backing]] = {}
    for name in dict.fromkeys(name for record in found for name in text_fields(record, "")):
        vouched = is_trusted(action.tool.output, name)
        for number, text in _unique(found, name):
            for title in _titles(text, vouched=vouched):
                ways.setdefault(number, []).extend(endorsed.names(title))
    chosen = {number: _way(backings) for number, backings in ways.items() if backings}
    return chosen if len(chosen) <= MAX_SELECTED else {}


def _titles(text: str, *, vouched: bool) -> Iterator[str]:
    """A title as people say it: as it is, and a file's without its ending and with spaces ("the grocery list"). What
    the organisation itself called so may be an everyday word."""
    spoken = _JOINS.sub(" ", _ENDING.sub("", text)) if " " not in text else text
    for title in dict.fromkeys((text, spoken, spoken.lower())):
        if len(title) <= _TITLE and (vouched or " " in title or any(map(str.isdigit, title)) or _ENDING.search(title)):
            yield title


def _pointed_to(
    author: str, found: Sequence[Mapping[str, object]], endorsed: Endorsements
) -> Iterator[tuple[int, Backing]]:
    """Authored records that own words point to: by their author, where she wrote few of them, or by a field (a subject,
    an id) that says enough to be no accident."""
    wrote = Counter(text.lower() for record in found for text in values_at(record, author))
    for number, record in enumerate(found):
        for text in values_at(record, author):
            if wrote[text.lower()] <= MAX_SELECTED:
                yield from ((number, backing) for backing in endorsed.names(text))
    for name in dict.fromkeys(name for record in found for name in text_fields(record, author)):
        for number, text in _unique(found, name):
            if " " in text or any(map(str.isdigit, text)):
                yield from ((number, backing) for backing in endorsed.names(text))


def _unique(found: Sequence[Mapping[str, object]], name: str) -> Iterator[tuple[int, str]]:
    """(number of the record, value) of a field, for those values that no other record holds there."""
    held = [frozenset(text for text in values_at(record, name) if specific(text)) for record in found]
    count = Counter(folded(text).casefold() for texts in held for text in texts)
    for number, texts in enumerate(held):
        # A field of many values (members, tags) names none of them.
        if len(texts) == 1:
            yield from ((number, text) for text in texts if count[folded(text).casefold()] == 1)


# ── selected by the call ─────────────────────────────────────────────────────────────────────────────────────────────


def _by_call(
    action: Action,
    flow: FlowFacts,
    output: OutputSpec,
    found: Sequence[Mapping[str, object]],
    endorsed: Endorsements,
    *,
    single: bool,
) -> dict[int, _Way]:
    held = {argument.name: argument.endorsed for argument in flow.arguments}
    choosing = [arg for arg in action.judged if arg.role.needs_endorsement or arg.role is Role.QUERY]
    made = single and not any(arg.values for arg in choosing if arg.role is not Role.TARGET) and _makes(action, held)
    if made:
        choosing = [arg for arg in action.judged if arg.role is not Role.CONTENT]
    if not any(arg.values for arg in choosing):
        return {}
    if not all(held.get(arg.name, False) for arg in choosing) or not (single or _nothing_else_chose(action, held)):
        return {}
    each = [endorsed.ways(value, arg, action.tool) for arg in choosing for value in arg.values]
    if not all(each):
        return {}
    way = replace(_way([backing for ways in each for backing in ways], each), made=made)
    queries = [
        value
        for arg in choosing
        if arg.role is Role.QUERY
        for value in arg.values
        if endorsed.words.command(value) is None or endorsed.words.mentions(value)
    ]
    texts = endorsed.words.texts(way.clauses)
    held_fields = {
        number: (*trusted_values(output, record), *_called(output, record)) for number, record in enumerate(found)
    }
    near = [n for n, fields in held_fields.items() if all(_holds(fields, query, texts) for query in queries)]
    if output.author is not None:
        # A conversation is read as a whole: what was said in it is its authors', and no more than that.
        near = near if len(found) <= MAX_SELECTED else []
    elif len(near) > 1:
        most = MAX_BATCH if means_all(texts) else MAX_SELECTED
        near = [near[at] for at in told(action.tool, texts, [held_fields[n] for n in near], most)]
    return dict.fromkeys(near, way)


def _makes(action: Action, held: Mapping[str, bool]) -> bool:
    """True if the call made the object that it returned, and all that it was given, but for content, is endorsed."""
    effects = action.tool.effects
    return (
        Effect.WRITE in effects
        and Effect.READ not in effects
        and all(held.get(arg.name, False) for arg in action.judged if arg.values)
    )


def _nothing_else_chose(action: Action, held: Mapping[str, bool]) -> bool:
    """False if values that nobody endorsed may have chosen among what there was: `limit = 1, offset = 17`."""
    return all(
        held.get(arg.name, False) or all(value in ("true", "false", "") for value in arg.values)
        for arg in action.judged
        if arg.role is Role.VALUE
    )


def _called(output: OutputSpec, record: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What the authenticated author of a record is called in her address: `gregor` and `gregor hale` of
    `gregor.hale@example.com`."""
    author = speaker(record, output.author) if output.author is not None else ""
    if output.author is not None and author.count("@") == 1 and is_trusted(output, output.author.field):
        yield output.author.field, " ".join(part for part in re.split(r"[._+-]", author.partition("@")[0]) if part)


def _holds(fields: Sequence[tuple[str, str]], query: str, texts: Sequence[str]) -> bool:
    """Whether a query stands in a record, with the whole of the name that it is a part of in the clauses."""
    wanted = [core(word).casefold() for word in query.split()]
    words = [[core(word).casefold() for word in text.split()] for _, text in fields]
    every = frozenset(word for each in words for word in each)
    names = tuple(name_phrase(query, texts))
    if names and not any(every.issuperset(name) for name in names):
        return False
    return any(each[at : at + len(wanted)] == wanted for each in words for at in range(len(each) - len(wanted) + 1))


def _way(backings: Sequence[Backing], each: Sequence[Sequence[Backing]] = ()) -> _Way:
    """The way over all of these: where a value stands in several records, each of them leads here. `each` are the
    backings value by value: if one has none but a colleague's, so has the whole."""
    of_colleagues = [all(way.kind is BackingKind.COLLEAGUE for way in ways) for ways in each or (backings,)]
    return _Way(
        chain=frozenset().union(*(backing.chain for backing in backings)),
        clauses=frozenset().union(*(backing.clauses for backing in backings)),
        by_colleague=any(of_colleagues),
    )
