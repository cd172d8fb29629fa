"""What may leave with a call: its label, and whether its audience may read that. DESIGN §5 *Flow*, confidentiality.

The label of a call is at least
- the *strict* mark: the join of the labels of all strict content that the session has seen, whatever the call holds,
- the labels of all content that evidence finds in its arguments,
- the labels of what opaque handles stand for in it,
and it is the whole mark of all that was seen where evidence proves nothing: it could not search everything, an argument
is opaque, or the call says more in free text than `free_text` characters that are not the user's own words.

A model can paraphrase: what is not strict may leave in other words, as much of it as `free_text` allows per call. Zero
makes every text that the user did not say count as all that was seen. Strict content has no such limit.

INVARIANT: integrity is that of the mark, since evidence never shows that nobody else chose.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bailiwick.flow.clauses import clause_id, clauses
from bailiwick.flow.origins import Evidence
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.canonical import parse
from bailiwick.model.label import NOBODY, PUBLIC_TRUSTED, Label, Readers
from bailiwick.model.tool import Role, Sink

__all__ = [
    "FREE_TEXT",
    "MAX_SOURCES",
    "Marks",
    "Reads",
    "addresses_only",
    "audience",
    "bounded",
    "call_label",
    "outside_readers",
]

FREE_TEXT = 1_000
"""Default of `labels.free_text`: about as much as an ordinary mail says."""

MAX_SOURCES = 64
"""Source names kept in the session's label; MORE_SOURCES stands for the rest. Sources explain and protect nothing."""
MORE_SOURCES = "…"
MAX_READERS = 256
"""Sets of readers that a session's label keeps apart."""


class Reads(Protocol):
    """What a directory says on who reads."""

    def address(self, address: str, readers: Readers) -> bool:
        """True iff whoever gets mail at `address` is one of `readers`."""
        ...

    def principal(self, name: str, readers: Readers) -> bool:
        """True iff all that `name` (`User::ann`, `Group::support`) means are of `readers`, and it means somebody."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a session has seen: all of it, and of that what is strict. `said` are the ids of the clauses of the user's
    own words; `free_text` characters of others prove nothing and are let pass."""

    whole: Label
    strict: Label
    said: Collection[str] = frozenset()
    free_text: int = 0


def bounded(label: Label) -> Label:
    """`label` with its first MAX_SOURCES source names, so that a label does not grow with history. Keeping the first in
    order of name makes it independent of the order in which labels joined. More than MAX_READERS sets of readers are
    read by nobody."""
    if len(label.readers.sets) > MAX_READERS:
        label = replace(label, readers=NOBODY)
    if len(label.sources) <= MAX_SOURCES:
        return label
    names = sorted(label.sources - {MORE_SOURCES})[: MAX_SOURCES - 1]
    return replace(label, sources=frozenset({*names, MORE_SOURCES}))


def call_label(
    action: Action,
    marks: Marks,
    evidence: Sequence[Evidence],
    handles: Sequence[Label] = (),
    *,
    addressing: Collection[str] = (),
    dictated: Collection[str] = (),
) -> Label:
    """The label of what `action` hands on. `handles` are those of the contents that its arguments name, `addressing`
    the arguments that only say where to or which one: what evidence finds in them is not handed on. `dictated` are
    contents that the user said, word by word: a call of nothing else hands on what she knows, whatever was seen."""
    whole = marks.whole
    if dictated and not handles and all(each.name in {*addressing, *dictated} for each in action.judged):
        return replace(PUBLIC_TRUSTED, integrity=whole.integrity, sources=whole.sources)
    if marks.strict == whole or not evidence or not all(way.complete for way in evidence):
        found = whole
    else:
        found = _found(action, marks, evidence, addressing)
    for label in (marks.strict, *handles):
        found = found.join(label)
    return replace(found, integrity=min(whole.integrity, found.integrity), sources=found.sources or whole.sources)


def addresses_only(action: Action, endorsed: Collection[str]) -> frozenset[str]:
    """The arguments that address a call and disclose nothing by it: endorsed targets, since whoever is written to knows
    his own address, and endorsed selectors of a tool that is not outside."""
    outside = action.tool.sink in (Sink.EXTERNAL, Sink.EXEC)
    roles = {Role.TARGET} if outside else {Role.TARGET, Role.SELECTOR}
    return frozenset(each.name for each in action.judged if each.role in roles and each.name in endorsed)


def _found(action: Action, marks: Marks, evidence: Sequence[Evidence], addressing: Collection[str]) -> Label:
    found, free = PUBLIC_TRUSTED, 0
    for argument in action.judged:
        free += _unproven(argument, marks.said, marks.free_text)
        unread = _opaque(argument) or any(way.opaque(argument) for way in evidence)
        if free > marks.free_text or unread or _unseen(argument):
            return marks.whole
        if argument.name in addressing:
            continue
        for label in (way.label(argument) for way in evidence):
            found = found if label is None else found.join(label)
    return found


def _opaque(argument: ArgFacts) -> bool:
    return isinstance(argument.facts, Mapping) and argument.facts.get("opaque") is True


def _unseen(argument: ArgFacts) -> bool:
    """True iff the argument holds something that evidence is not shown."""
    if argument.values or argument.text or isinstance(argument.facts, bool | int):
        return False
    facts = argument.facts
    known = facts.get("count", facts.get("length")) if isinstance(facts, Mapping) else len(facts)
    return known != 0


def _unproven(argument: ArgFacts, said: Collection[str], enough: int) -> int:
    """Characters of free text in `argument` that are not clauses of the user's own; what goes beyond `enough` need not
    be counted exactly. Every argument counts: a selector of two hundred words is a text as well."""
    texts = (argument.text,) if argument.text else argument.values
    length = sum(map(len, texts))
    if length <= enough or not said:
        return length
    return sum(
        0 if clause_id(text) in said else sum(len(each.text) for each in clauses(text) if each.id not in said)
        for text in texts
    )


def audience(action: Action, party: frozenset[str] | None = None) -> tuple[frozenset[str] | None, ...]:
    """Who comes to see what the call hands on beside its recipients, set by set; None: everyone. Nobody but the tool
    itself does where its sink is not outside and the catalog says nothing. `party` are the names of whose object the
    call touches; None: nobody knows."""
    tool, declared = action.tool, action.tool.audience
    if declared is None:
        outside = tool.sink in (Sink.EXTERNAL, Sink.EXEC) and not action.recipients
        return (None,) if outside else ()
    if declared.party:
        return (party,)
    if not declared.argument:
        return declared.of(())
    values = [value for argument in action.judged if argument.name == declared.argument for value in argument.values]
    if not values and _given(action, declared.argument):
        return (None,)
    return declared.of(values or ("",))


def outside_readers(action: Action, label: Label, reads: Reads, party: frozenset[str] | None = None) -> bool:
    """True iff somebody in the audience of the call, or one of its recipients, may not read what has its label."""
    readers = label.readers
    if readers.everyone:
        return False
    if any(not reads.address(address, readers) for address in action.recipients):
        return True
    declared = action.tool.audience
    if declared is not None and declared.party:
        # All are names of one and the same, of which records use now this one, now that.
        return not party or not all(party & one for one in readers.sets)
    return any(names is None or not all(reads.principal(name, readers) for name in names) for names in audience(action))


def _given(action: Action, name: str) -> bool:
    args = parse(action.args)
    return isinstance(args, dict) and args.get(name.partition(".")[0]) is not None
