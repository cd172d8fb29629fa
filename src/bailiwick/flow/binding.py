"""Whether values that belong together came together: payee, amount and reference of one invoice. DESIGN §5 *Flow*.

It catches calls made of endorsed values only: the right payee with a wrong amount, or with the amount of another
invoice. Of each group that the catalog names (`ToolSpec.together`; of a payment at least payee and amount), every value
must belong to the first, the anchor (of a payment, the payee), by one of

- a record: both stand in one, or the anchor was reached over the one in which the other stands (the invoice names its
  vendor, the vendor its account: the account goes with the amount of that invoice). Not the other way round: what is
  found by way of the payee may be any other invoice of hers;
- words: one clause of the user's own names both, or names the one and begins the way to the other, or takes such a
  clause up again ("find Ann's account. Send her 50 EUR."). Where that clause speaks of several amounts, nothing says
  which of them is meant;
- the call that fetched the record in which the other stands: the anchor was an argument of it.

Where both stand in records, it does not help that a way begins in the same clause, except for amounts and other plain
values, which stand in many records by chance. A plain value that the clauses give themselves is that one, whatever
records say (`bailiwick.flow.amounts`). Arguments that are absent or empty do not count. In doubt a group is unbound,
and a person is asked.

A plain value that is one of a few the tool knows is unbound besides where the words that ask for the call name another
one of them and not this ("close it as solved", and the call says `rejected`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bailiwick.flow.amounts import fits, number_of, says_otherwise
from bailiwick.flow.backing import Backing, BackingKind, within
from bailiwick.flow.clauses import MONEY, clause_id
from bailiwick.flow.intent import Intentions, Ways
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.tool import Effect, Role, ToolSpec

__all__ = ["groups", "unbound"]

_OBJECTS = frozenset({Role.TARGET, Role.SELECTOR})


def groups(tool: ToolSpec) -> tuple[tuple[str, ...], ...]:
    """The groups of arguments that belong together, each with its anchor first."""
    pay = tool.interface.get(Effect.PAY, {})
    payee, judged = pay.get("payee"), tool.judged()
    found = [tuple(sorted(group, key=lambda name: name != payee)) for group in tool.together]
    paid = tuple(
        name for name in (payee, pay.get("amount")) if isinstance(name, str) and (name in judged or not judged)
    )
    if len(paid) == 2 and not any(set(paid) <= set(group) for group in found):
        found.append(paid)
    return tuple(found)


def unbound(action: Action, ways: Ways, said: Intentions) -> tuple[str, ...]:
    """The arguments of all groups that do not hold together, in the order of the call."""
    given = {argument.name: argument for argument in action.judged if argument.values or argument.text}
    broken: set[str] = set()
    for group in groups(action.tool):
        present = [given[name] for name in group if name in given]
        if len(present) > 1 and not all(_belongs(present[0], each, ways, action, said) for each in present[1:]):
            broken.update(argument.name for argument in present)
    broken.update(argument.name for argument in action.judged if _otherwise(argument, action, ways, said))
    return tuple(argument.name for argument in action.judged if argument.name in broken)


def _otherwise(argument: ArgFacts, action: Action, ways: Ways, said: Intentions) -> bool:
    """Whether clauses that ask for something on the objects of the call name another choice than this one."""
    spec = action.tool.judged().get(argument.name)
    choices = spec.options.get("values") if spec is not None and spec.type == "enum" else None
    if argument.role is not Role.VALUE or not isinstance(choices, tuple) or len(argument.values) != 1:
        return False
    objects = [
        way for other in action.judged if other.role in _OBJECTS for each in ways.get(other.name, ()) for way in each
    ]
    starts = frozenset().union(*(way.clauses for way in objects))
    near = [each.text.casefold() for each in said.speaking_of(starts) if each.asks]
    others = [choice.casefold() for choice in choices if choice != argument.values[0]]
    named = any(re.search(rf"\b{re.escape(choice)}\b", text) for choice in others for text in near)
    return named and not any(argument.values[0].casefold() in text for text in near)


def _belongs(anchor: ArgFacts, other: ArgFacts, ways: Ways, action: Action, said: Intentions) -> bool:
    """Whether every value of `other` goes with every one of `anchor`."""
    anchors = ways.get(anchor.name, ())
    if not anchor.values or len(anchors) < len(anchor.values) or not all(anchors):
        return False
    if not other.values:
        return all(_text_fits(other.text, behind, said) for behind in anchors)
    others = ways.get(other.name, ())
    return all(
        _together(_Pair(anchor, named, other, value), behind, others[at] if at < len(others) else (), action, said)
        for named, behind in zip(anchor.values, anchors, strict=False)
        for at, value in enumerate(other.values)
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    anchor: ArgFacts
    named: str
    other: ArgFacts
    value: str

    @property
    def plain(self) -> bool:
        return self.other.role is Role.VALUE


def _together(
    pair: _Pair, anchor: Sequence[Backing], other: Sequence[Backing], action: Action, said: Intentions
) -> bool:
    if any(way.kind is BackingKind.PERSON for way in other):
        return True
    near = _near(anchor, said)
    if pair.plain and says_otherwise(pair.other, pair.value, near, action):
        return False
    if _by_record(anchor, other) or (not pair.plain and _fetched_by(pair, other)):
        return True
    spoken = frozenset().union(*(way.clauses for way in other if not way.record))
    if pair.plain and not fits(pair.other, pair.value, near, action):
        return False
    named = _near([way for way in anchor if not way.record], said)
    if not pair.plain and any(clause_id(text) in spoken for text in named):
        # Records that were read since do not take back that one clause names both.
        return True
    if any(way.record for way in anchor) and any(way.record for way in other) and not pair.plain:
        return False
    if not other:
        # A single digit is too generic to be endorsed by itself; with its currency, in the payee's clause, it names.
        return any(_only_amount(text) == number_of(pair.value) is not None for text in near)
    if not pair.plain and not _fetched_otherwise(pair, other):
        spoken |= frozenset().union(*(way.clauses for way in other))
    return any(clause_id(text) in spoken and (not pair.plain or _one_amount(text)) for text in near)


def _near(anchor: Sequence[Backing], said: Intentions) -> list[str]:
    """The clauses that ask, and name the anchor or begin the way to it."""
    starts = frozenset().union(*(way.clauses for way in anchor))
    return [each.text for each in said.speaking_of(starts) if each.asks]


def _fetched_by(pair: _Pair, other: Sequence[Backing]) -> bool:
    """Whether the other value stands in a record that was fetched with the anchor: the issue of a repository."""
    return any(within(pair.anchor.name, pair.named) in way.within for way in other)


def _fetched_otherwise(pair: _Pair, other: Sequence[Backing]) -> bool:
    return any(each.startswith(f"{pair.anchor.name}=") for way in other for each in way.within)


def _by_record(anchor: Sequence[Backing], other: Sequence[Backing]) -> bool:
    holders = {way.record for way in anchor if way.record}
    return any(
        way.record and (way.record in start.chain or way.record == start.record) and not _by_way_of(way, holders)
        for way in other
        for start in anchor
    )


def _by_way_of(way: Backing, holders: set[str]) -> bool:
    """Whether a value was found by way of a record that holds the anchor."""
    return not holders.isdisjoint(way.chain - {way.record}) and way.record not in holders


def _amounts(text: str) -> Iterator[float]:
    for found in MONEY.finditer(text):
        number = number_of(found.group(1) or found.group(2))
        if number is not None:
            yield number


def _one_amount(text: str) -> bool:
    return len(set(_amounts(text))) <= 1


def _only_amount(text: str) -> float | None:
    found = set(_amounts(text))
    return found.pop() if len(found) == 1 else None


def _text_fits(text: str, anchor: Sequence[Backing], said: Intentions) -> bool:
    """Whether a free text beside an anchor names nothing by number that its clauses do not name."""
    starts = frozenset().union(*(way.clauses for way in anchor))
    near = " ".join(each.text for each in said.speaking_of(starts)).casefold()
    codes = [word.strip(".,;:!?()[]\"'#").casefold() for word in text.split() if any(map(str.isdigit, word))]
    return all(code in near or (len(code) == 4 and code.startswith("20")) for code in codes)
