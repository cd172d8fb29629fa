"""What may make a difference to the rules beside who calls what: the values of facts and of the environment, the time,
how the user is known, what is enforced, where hosts are, and numbers in arguments.

Values come from the rules themselves: both of a truth value, a number or a text that something is compared with, and
the numbers next to it; of times the edges of the working hours, on a working day and another. DESIGN §4 *tests*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from math import prod

from bailiwick.action.parse import lookups
from bailiwick.guard.planes import Planes
from bailiwick.model.call import Call, Fact
from bailiwick.model.circumstances import Evidence, FactDecl, Method, WorkingHours
from bailiwick.model.directory import Attribute
from bailiwick.model.lookup import LookupKind
from bailiwick.model.shape import Bool, Long, Shape, String
from bailiwick.model.tool import ToolSpec
from bailiwick.policy.compared import Compared, compared_with
from bailiwick.testing.expected import PLAIN, Context, NamedCall

__all__ = ["Variations", "numbered_calls", "variations"]

_MOST_COMBINED = 24
"""Contexts up to which everything is combined with everything; else one thing is varied at a time."""
_LONGS = range(-(2**63), 2**63)
_YEAR_9000_MS = 221_845_392_000_000
_AGES_MS = range(1_000, 366 * 86_400_000)
"""Ages that a test file can give."""
_OF_ADDRESSES = (".private", ".metadata")
"""Facts that say where a host is."""
_INSIDE = "169.254.169.254"
"""An address that has both."""
_WORD = re.compile(r"[^A-Za-z0-9]+")

_Step = Callable[[Context], Context]
_Choice = tuple[str, _Step]
"""A word for it, and what it makes of a context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variations:
    """`base` gives every fact and every required value of the environment, so that rules can be judged; `contexts` are
    the others. `compared` is what the rules compare."""

    base: Context
    contexts: tuple[Context, ...]
    compared: Compared


def variations(planes: Planes, now_us: int, calls: Iterable[NamedCall] = ()) -> Variations:
    """Those of a file whose clock stands at `now_us`, for these calls."""
    compared = compared_with(planes.policy)
    choices = [each for each in (*_choices(planes, compared, now_us), _hosts(planes, compared, calls)) if each]
    first = [each[0] for each in choices]
    base = _made(first)
    if prod(map(len, choices)) <= _MOST_COMBINED:
        chosen: list[Sequence[_Choice]] = list(product(*choices))
    else:
        last = [each[-1] for each in choices]
        chosen = [
            [*(around[:at]), choice, *(around[at + 1 :])]
            for around in (first, last)
            for at, each in enumerate(choices)
            for choice in each
        ]
    made = {one.name: one for one in map(_made, chosen) if one.name != base.name}
    return Variations(base=base, contexts=tuple(made.values()), compared=compared)


def _made(chosen: Sequence[_Choice]) -> Context:
    context = PLAIN
    for _, step in chosen:
        context = step(context)
    return replace(context, name="-".join(word for word, _ in chosen if word))


def _choices(planes: Planes, compared: Compared, now_us: int) -> Iterator[list[_Choice]]:
    """What there is to choose, each with what is taken first."""
    settings = planes.settings
    for attribute in settings.environment:
        yield _environment(attribute, compared)
    read = frozenset[str]().union(*(planes.policy.names_read("facts", tool) for tool in planes.policy.actions))
    for fact in settings.facts:
        if fact.name in read:
            yield _fact(fact, compared)
            yield _ages(fact, compared)
    for budget in settings.budgets:
        yield _use(budget.name, compared)
    yield _evidence(compared, now_us)
    yield _enforced(planes, compared)
    yield _times(planes.policy.world.hours, compared, now_us)


def _environment(attribute: Attribute, compared: Compared) -> list[_Choice]:
    name = f"context.environment.{attribute.name}"

    def given(value: Fact) -> _Step:
        return lambda context: replace(context, environment={**context.environment, attribute.name: value})

    values = _samples(attribute.shape, compared.get(name, frozenset()))
    if name not in compared:
        values = values[:1]
    found: list[_Choice] = [(_word(attribute.name, value), given(value)) for value in values]
    return [("", _same), *(found if name in compared else ())] if attribute.optional else found


def _same(context: Context) -> Context:
    return context


def _fact(fact: FactDecl, compared: Compared) -> list[_Choice]:
    def given(value: Fact) -> _Step:
        return lambda context: replace(context, facts={**context.facts, fact.name: (value, 0)})

    values = _samples(fact.shape, compared.get(f"context.facts.{fact.name}.value", frozenset()))
    return [(_word(fact.name, value), given(value)) for value in values]


def _use(name: str, compared: Compared) -> list[_Choice]:
    """What was used before, at and next to the numbers that rules compare it with, and one call before that."""

    def given(used: int) -> _Step:
        return lambda context: replace(context, usage={**context.usage, name: used})

    near = {
        number
        for part, by in (("used", 0), ("after", -1))
        for each in _near(compared.get(f"context.usage.{name}.{part}", frozenset()))
        if (number := each + by) > 0
    }
    return [("", _same), *((_word(name, used, "used"), given(used)) for used in sorted(near))]


def _ages(fact: FactDecl, compared: Compared) -> list[_Choice]:
    def aged(age_ms: int) -> _Step:
        return lambda context: replace(
            context, facts={**context.facts, fact.name: (context.facts[fact.name][0], age_ms)}
        )

    near = _near(compared.get(f"context.facts.{fact.name}.age_ms", frozenset()))
    ages = [age for age in near if age in _AGES_MS]
    return [("", _same), *((f"{_word(fact.name)}-{age}ms-old", aged(age)) for age in ages)]


def _evidence(compared: Compared, now_us: int) -> list[_Choice]:
    if not any(name.startswith("context.evidence") for name in compared):
        return []

    def proved(age_ms: int, *, strong: bool) -> _Step:
        at_ms = now_us // 1000 - age_ms
        return lambda context: replace(context, evidence=Evidence(method=Method.OIDC, at_ms=at_ms, strong=strong))

    near = _near(compared.get("context.evidence.age_ms", frozenset()))
    ages = dict.fromkeys([_AGES_MS[0], *(age for age in near if age in _AGES_MS)])
    kinds = [(f"signed-in{'-strongly' if strong else ''}", strong) for strong in (True, False)]
    steps = [
        (f"{word}-{age}ms-ago" if age != _AGES_MS[0] else word, proved(age, strong=strong))
        for word, strong in kinds
        for age in ages
    ]
    return [("", _same), *steps]


def _enforced(planes: Planes, compared: Compared) -> list[_Choice]:
    if "context.enforced" not in compared:
        return []
    named = frozenset(str(each) for each in compared["context.enforced"])
    every = named or frozenset(name for tool in planes.catalog.tools.values() for name in tool.args)
    return [("", _same), (_word(*sorted(named), "enforced"), lambda context: replace(context, enforced=every))]


def _hosts(planes: Planes, compared: Compared, calls: Iterable[NamedCall]) -> list[_Choice]:
    """All hosts that the calls name inside, or none of them there, where rules look at where hosts are."""
    if not any(name.endswith(_OF_ADDRESSES) for name in compared):
        return []
    asked = {each for one in calls for each in lookups(planes.catalog, one.call, types=planes.types)}
    names = sorted(each.name for each in asked if each.kind is LookupKind.HOST)
    if not names:
        return []
    inside = dict.fromkeys(names, (_INSIDE,))
    return [("", _same), ("hosts-inside", lambda context: replace(context, hosts={**inside, **context.hosts}))]


def _times(hours: WorkingHours | None, compared: Compared, now_us: int) -> list[_Choice]:
    moments: list[int] = []
    if hours is not None and any(name.startswith("context.hours") for name in compared):
        moments += _edges(hours, compared, now_us)
    near = _near(compared.get("context.now", frozenset()))
    moments += [at * 1000 for at in near if 0 < at < _YEAR_9000_MS]

    def at(moment: int) -> _Choice:
        text = datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("at-%a-%d-%b-%Y-%H%M%S").lower()
        return text, lambda context: _later(context, moment, now_us)

    return [("", _same), *map(at, dict.fromkeys(moments))]


def _later(context: Context, moment: int, now_us: int) -> Context:
    """What was proved some time ago was proved as long ago then."""
    at_ms = context.evidence.at_ms
    evidence = context.evidence if at_ms is None else replace(context.evidence, at_ms=at_ms + (moment - now_us) // 1000)
    return replace(context, now_us=moment, evidence=evidence)


def _edges(hours: WorkingHours, compared: Compared, now_us: int) -> Iterator[int]:
    """Just before and at what begins or ends, on the next working day and the next other one."""
    today = datetime.fromtimestamp(now_us // 1_000_000, hours.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today + timedelta(days=later) for later in range(7)]
    if not compared.get("context.hours.weekday"):
        working = [day for day in days if day.isoweekday() in hours.days]
        others = [day for day in days if day.isoweekday() not in hours.days]
        days = [*working[:1], *others[:1]]
    minutes = dict.fromkeys(
        edge % 1440
        for each in (hours.begin, hours.end)
        for edge in (each.hour * 60 + each.minute - 1, each.hour * 60 + each.minute)
    ) | dict.fromkeys(_near(compared.get("context.hours.minute", frozenset())))
    for day in days:
        for minute in (each for each in minutes if 0 <= each < 1440):
            yield int(day.replace(hour=minute // 60, minute=minute % 60).timestamp()) * 1_000_000


def _samples(shape: Shape, compared: frozenset[int | str]) -> list[Fact]:
    match shape:
        case Bool():
            return [False, True]
        case Long():
            return [*_near(compared)] or [0]
        case String(values=values):
            return [*values] or [*sorted(str(each) for each in compared), "example"]
        case _:
            return []


def _near(compared: frozenset[int | str]) -> list[int]:
    numbers = {each + by for each in compared if isinstance(each, int) for by in (-1, 0, 1)}
    return sorted(each for each in numbers if each in _LONGS)


def _word(*parts: object) -> str:
    return "-".join(_WORD.sub("-", str(part)).strip("-").lower() or "none" for part in parts)


def numbered_calls(
    calls: Mapping[str, NamedCall], tools: Mapping[str, ToolSpec], compared: Compared
) -> Iterator[NamedCall]:
    """The same calls with the numbers that rules compare an argument with, and those next to them."""
    for one in calls.values():
        tool = tools.get(one.call.tool)
        for arg in tool.args.values() if tool is not None else ():
            numbers = _near(compared.get(f"context.args.{arg.name}", frozenset()))
            for number in numbers if arg.type == "long" else ():
                call = Call(tool=one.call.tool, args={**one.call.args, arg.name: number})
                if number != one.call.args.get(arg.name):
                    yield NamedCall(name=f"{one.name}-{_word(arg.name)}-{_number(number)}", call=call)


def _number(number: int) -> str:
    return f"minus-{-number}" if number < 0 else str(number)
