"""What is measured, and against which aims. A run makes its projects in a folder of its own and leaves nothing open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bailiwick import Guard
from bench import evidence, planes, tokens
from bench.desk import Desk, look_ups, mails, open_desk
from bench.disk import bare_sync
from bench.measure import Figure, figure, take_turns
from bench.policies import LAYOUTS, load_rules
from bench.project import BASE_RULES, write_project

__all__ = ["FULL", "QUICK", "Plan", "Results", "Target", "measure"]

READ, READ_SYNCED, SEND, SQL = "crm.get_customer", "crm.get_customer_synced", "mail.send", "db.query"
QUERY = {"sql": "SELECT name, plan FROM customers WHERE id = 'C-4711'"}

BUFFERED, SYNC, BARE = "enter, buffered", "enter, sync", "bare fdatasync"
IN_A_ROW = "enter, buffered, call after call"
AIM_US = 300.0
TOKEN_AIM_US = 1000.0
FLAT = 1.2
FLAT_POLICY = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to measure: runs of each case, documents that the session knows, and the ways to grow (`many_rules` is
    for the policy plane alone)."""

    n: int
    documents: int = 100
    more_documents: tuple[int, ...]
    more_rules: tuple[int, ...]
    many_rules: tuple[int, ...]


FULL = Plan(
    n=2000,
    more_documents=(10, 100, 1_000, 10_000),
    more_rules=(BASE_RULES, 100, 1_000),
    many_rules=(10, 100, 1_000, 10_000),
)
QUICK = Plan(n=60, more_documents=(10, 100), more_rules=(BASE_RULES, 100), many_rules=(10, 100))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An aim and what was measured. Nothing fails when it is missed: it is said."""

    name: str
    aim: float
    measured: float
    unit: str

    @property
    def met(self) -> bool:
        return self.measured <= self.aim


@dataclass(slots=True, kw_only=True)
class Results:
    """`figures` by section and case; `planes` splits the buffered decision; `growth` are ratios of medians,
    `loads` seconds and megabytes to load so many rules."""

    record_bytes: int = 0
    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)
    planes: dict[str, float] = field(default_factory=dict)
    growth: dict[str, float] = field(default_factory=dict)
    loads: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[Target, ...]:
        taken = self.figures["decision"]
        over = round(taken[SYNC].p50_us - taken[BARE].p50_us, 1)
        return (
            Target(name="a buffered decision", aim=AIM_US, measured=taken[BUFFERED].p50_us, unit="µs"),
            Target(name="a synced decision, above the bare fdatasync", aim=AIM_US, measured=over, unit="µs"),
            Target(
                name=f"a delegation token of {tokens.LINKS} links, seen before",
                aim=TOKEN_AIM_US,
                measured=self.figures["tokens"][tokens.AGAIN].p50_us,
                unit="µs",
            ),
            Target(
                name=f"a delegation token of {tokens.LINKS} links, for the first time",
                aim=TOKEN_AIM_US,
                measured=self.figures["tokens"][tokens.COLD].p50_us,
                unit="µs",
            ),
            Target(name="most documents against fewest", aim=FLAT, measured=self.growth["documents"], unit="times"),
            Target(name="most rules against fewest", aim=FLAT, measured=self.growth["rules"], unit="times"),
            *(
                Target(
                    name=f"policy plane, most rules against ten: {layout}",
                    aim=FLAT_POLICY,
                    measured=self.growth[layout],
                    unit="times",
                )
                for layout in LAYOUTS
            ),
        )


def measure(folder: Path, plan: Plan, say: Callable[[str], None]) -> Results:
    """Run everything in `folder`. `say` is told what is under way."""
    results = Results()
    with Guard.open(write_project(folder / "desk")) as guard, open_desk(guard, documents=plan.documents) as desk:
        say("decisions, buffered and synced, beside the bare disk")
        results.record_bytes = planes.record_size(desk, READ, look_ups())
        results.figures["decision"] = _decisions(desk, folder, results.record_bytes, plan)
        say("planes")
        split = take_turns(planes.cases(desk, READ, look_ups()), n=plan.n)
        results.figures["planes"], results.planes = split, planes.split(split)
        say("other calls")
        results.figures["calls"] = _calls(desk, plan)
        say("a call that budgets count")
        results.figures["calls"] |= _counted(folder, plan)
        say("delegation tokens")
        results.figures["tokens"] = take_turns(tokens.cases(), n=plan.n // 2)
        say("evidence")
        for known in (min(plan.more_documents), min(1_000, max(plan.more_documents))):
            results.figures["evidence"] = results.figures.get("evidence", {}) | take_turns(
                evidence.cases(known), n=plan.n // 5
            )
        say("the async driver")
        results.figures["async"] = asyncio.run(_async(desk, plan))
        say("more documents")
        _grow(results, "documents", _documents(guard, plan))
    say("more rules")
    _grow(results, "rules", _rules(folder, plan))
    for layout in LAYOUTS:
        say(f"many rules, {layout}")
        _grow(results, layout, _many_rules(folder, layout, plan, results))
    return results


def _decisions(desk: Desk, folder: Path, record_bytes: int, plan: Plan) -> dict[str, Figure]:
    """The three take turns, so a buffered decision finds the processor as a wait for the disk left it: cold, as it is
    after a wait for a model. Without such waits it takes IN_A_ROW."""
    taken = take_turns(
        {
            BUFFERED: desk.enter(READ, look_ups()),
            SYNC: desk.enter(READ_SYNCED, look_ups()),
            BARE: bare_sync(folder, size=record_bytes),
        },
        n=plan.n,
    )
    return taken | take_turns({IN_A_ROW: desk.enter(READ, look_ups())}, n=plan.n)


def _calls(desk: Desk, plan: Plan) -> dict[str, Figure]:
    cases = {
        "enter, a SQL query to parse, buffered": desk.enter(SQL, lambda: QUERY),
        "enter, a mail to send, sync, noted as in flight": desk.enter(SEND, mails()),
        "enter + start + leave, a read, buffered": desk.call(READ, look_ups()),
    }
    return take_turns(cases, n=plan.n // 2)


def _counted(folder: Path, plan: Plan) -> dict[str, Figure]:
    """The whole of a SQL query, without budgets and with three that count it: read, reserved and settled."""
    taken: dict[str, Figure] = {}
    for name, budgets in (("no budget", False), ("3 budgets", True)):
        place = write_project(folder / name.replace(" ", "-"), budgets=budgets)
        with Guard.open(place) as guard, open_desk(guard, documents=plan.documents) as desk:
            case = {f"enter + start + leave, a SQL query, {name}": desk.call(SQL, lambda: QUERY)}
            taken |= take_turns(case, n=plan.n // 2)
    return taken


async def _async(desk: Desk, plan: Plan) -> dict[str, Figure]:
    tools = {"aenter, buffered": READ, "aenter, sync": READ_SYNCED}
    arguments = look_ups()
    taken: dict[str, list[int]] = {name: [] for name in tools}
    warm_up = plan.n // 20
    for number in range(warm_up + plan.n // 2):
        for name, tool in tools.items():
            spent = await desk.aenter(tool, arguments)
            if number >= warm_up:
                taken[name].append(spent)
    return {name: figure(spent) for name, spent in taken.items()}


def _documents(guard: Guard, plan: Plan) -> dict[str, Figure]:
    with ExitStack() as open_:
        desks = {
            count: open_.enter_context(open_desk(guard, documents=count, name="growing"))
            for count in plan.more_documents
        }
        return take_turns(
            {f"{count} documents": desk.enter(READ, look_ups()) for count, desk in desks.items()}, n=plan.n // 2
        )


def _rules(folder: Path, plan: Plan) -> dict[str, Figure]:
    with ExitStack() as open_:
        cases = {}
        for count in plan.more_rules:
            guard = open_.enter_context(Guard.open(write_project(folder / f"rules-{count}", rules=count)))
            desk = open_.enter_context(open_desk(guard, documents=plan.documents))
            cases[f"{count} rules"] = desk.enter(READ, look_ups())
        return take_turns(cases, n=plan.n // 2)


def _many_rules(folder: Path, layout: str, plan: Plan, results: Results) -> dict[str, Figure]:
    cases = {}
    for count in plan.many_rules:
        loaded = load_rules(folder / f"{layout}-{count}", layout, count)
        cases[f"{count} rules"] = loaded.decide
        results.loads[f"{layout}, {count} rules"] = {"seconds": loaded.seconds, "megabytes": loaded.megabytes}
    return take_turns(cases, n=plan.n // 2)


def _grow(results: Results, what: str, taken: dict[str, Figure]) -> None:
    results.figures[what] = taken
    first, *_, last = taken.values()
    results.growth[what] = round(last.p50_us / first.p50_us, 2)
