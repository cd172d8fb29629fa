"""What holds around a call: facts of providers, slow and broken ones too, the environment, working hours."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bailiwick import Denied, Guard, Session
from bailiwick.errors import FactUnavailable, UsageError
from bailiwick.guard.circumstances import joined
from bailiwick.model.circumstances import FactReading, WorkingHours
from bailiwick.project import load_project
from bailiwick.stores.log_reader import LogReader
from tests.worlds import FILES, LOGS, Clock, Tool, decisions, edit, make_world, with_ports

DECLARED = """
[environment]
network = "string"
managed = "bool?"

[hours]
days     = ["monday", "tuesday", "wednesday", "thursday", "friday"]
begin    = "09:00"
end      = "17:00"
timezone = "Europe/Berlin"

[facts.on_call]
type    = "bool"
about   = "user"
timeout = "200ms"
max_age = "1m"

[facts.owners]
type  = "string[]"
about = "resource"

[facts.freeze]
type  = "bool"
"""

RULES = """
@id("on-call-only") @reason("Only who is on call changes things.")
forbid (principal, action == Action::"put.safe", resource)
unless { context.facts.on_call.value && context.facts.on_call.age_ms <= 30000 };

@id("owners-only") @reason("Pages are for their owners.")
forbid (principal, action == Action::"page.read", resource)
unless { context.facts.owners.value.contains("alice") };

@id("office-hours") @reason("Mail goes out in office hours, from the office.")
forbid (principal, action == Action::"mail.send", resource)
unless { context.hours.working && context.environment.network == "office" };
"""

WORKDAY = int(datetime(2026, 3, 2, 9, 30, tzinfo=UTC).timestamp() * 1_000_000)


def world(folder: Path) -> Path:
    text = FILES["bailiwick.toml"] + DECLARED
    return make_world(folder, bailiwick_toml=text, policies_desk_cedar=FILES["policies/desk.cedar"] + RULES)


@contextmanager
def opened(
    folder: Path,
    facts: Mapping[str, Callable[..., object]],
    *,
    clock: Clock | None = None,
    environment: Mapping[str, str | int | bool] | None = None,
) -> Iterator[Session]:
    with Guard.open(folder, facts=facts) as guard:
        if clock is not None:
            with_ports(guard, clock=clock)
            guard._facts.clock = clock
        given = {"network": "office"} if environment is None else environment
        with guard.session(user="alice", agent="desk-bot", task="Work", environment=given) as session:
            yield session


def put(session: Session) -> str:
    """The code of the reason that decides a change, "" if it runs."""
    try:
        session.call("put.safe", {"id": "7"}, run=Tool().run)
    except Denied as denied:
        return denied.decision.reasons[0].code
    return ""


def test_a_fact_decides_and_its_value_and_age_are_in_the_snapshot(tmp_path: Path) -> None:
    clock = Clock(WORKDAY)
    with opened(world(tmp_path), {"on_call": lambda user: user == "alice"}, clock=clock) as session:
        assert put(session) == ""
        clock.forward(ms=2_000)
        assert put(session) == ""
    taken = [snapshot(tmp_path, event.id) for event in decisions(tmp_path, "put.safe")]
    first = WORKDAY // 1000
    assert [each["facts"] for each in taken] == [{"on_call": {"read_ms": first, "value": True}}] * 2
    holding = decisions(tmp_path, "put.safe")[0].id  # what calls of a session share is kept once
    assert [each["of"] for each in taken] == ["", holding]
    assert snapshot(tmp_path, holding, "standpoint")["environment"] == {"network": "office"}


def snapshot(folder: Path, event_id: str, role: str = "snapshot") -> Any:
    for path in sorted((folder / LOGS).glob("log-*.db")):
        with LogReader.open(path) as reader:
            content = reader.content(event_id, role)
            if content is not None:
                return json.loads(content)
    raise AssertionError("no snapshot")


def test_a_rule_reads_how_old_a_fact_is(tmp_path: Path) -> None:
    clock = Clock(WORKDAY)
    asked: list[str] = []

    def on_call(user: str) -> bool:
        asked.append(user)
        return True

    with opened(world(tmp_path), {"on_call": on_call}, clock=clock) as session:
        assert put(session) == ""
        clock.forward(ms=30_001)
        assert put(session) == "on-call-only"  # still kept, and too old for the rule
        clock.forward(ms=30_000)
        assert put(session) == ""  # too old to be kept: asked again
        clock.forward(ms=-500)
        assert put(session) == ""
    assert asked == ["alice"] * 3  # a clock that went back makes no reading younger


def fails(user: str) -> bool:
    raise RuntimeError(f"the rota of {user} is down")


async def later(user: str) -> bool:
    await asyncio.sleep(0)
    return user == "alice"


FAULTY: dict[str, Mapping[str, Callable[..., object]]] = {
    "nobody provides it": {},
    "it raises": {"on_call": fails},
    "a text": {"on_call": lambda user: "true"},
    "a number": {"on_call": lambda user: 1},
    "nothing": {"on_call": lambda user: None},
    "wrong parameters": {"on_call": lambda: True},
    "a set": {"on_call": lambda user: {"true"}},
}


@pytest.mark.parametrize("fault", FAULTY)
def test_promise_1_a_fact_that_cannot_be_had_denies(fault: str, tmp_path: Path) -> None:
    with opened(world(tmp_path), FAULTY[fault]) as session:
        assert put(session) == "fact-unavailable"
        assert session.check("put.safe", {"id": "7"}).reasons[0].code == "fact-unavailable"
        assert session.check("fact.read", {"id": "7"}).allowed  # its rules read no fact


def test_promise_1_a_fact_that_cannot_be_recorded_denies_before_anybody_is_asked(tmp_path: Path) -> None:
    scope = 'forbid (principal, action == Action::"mail.send", resource)'
    rule = f'@id("freeze") {scope}\nwhen {{ context.facts.freeze.value == "x" }};'
    folder = world(tmp_path)
    edit(folder, "bailiwick.toml", '[facts.freeze]\ntype  = "bool"', '[facts.freeze]\ntype  = "string"')
    edit(folder, "policies/desk.cedar", '@id("office-hours")', f'{rule}\n@id("office-hours")')
    with opened(folder, {"freeze": lambda: "\ud800"}, clock=Clock(WORKDAY)) as session:
        mail = {"to": ["ann@customer.example"], "subject": "Hello", "body": "Good morning"}
        with pytest.raises(Denied) as denied:
            session.call("mail.send", mail, run=Tool().run)
        assert denied.value.decision.reasons[0].code == "fact-unavailable"


def test_promise_1_a_provider_that_does_not_answer_in_time_denies(tmp_path: Path) -> None:
    answer = threading.Event()
    with opened(world(tmp_path), {"on_call": lambda user: answer.wait(30)}) as session:
        assert put(session) == "fact-unavailable"
        answer.set()


def test_a_coroutine_function_provides_too_and_both_drivers_ask(tmp_path: Path) -> None:
    with opened(world(tmp_path), {"on_call": later}) as session:
        assert put(session) == ""
        assert asyncio.run(session.acall("put.safe", {"id": "7"}, run=Tool().arun)) == "done"


def test_a_provider_is_asked_only_where_a_rule_reads_its_fact_and_the_call_may_be_made(tmp_path: Path) -> None:
    asked: list[str] = []

    def note(*, value: object) -> Callable[..., object]:
        def provider(**about: str) -> object:
            asked.append(next(iter(about.values()), ""))
            return value

        return provider

    providers = {"on_call": note(value=True), "owners": note(value=["alice"]), "freeze": note(value=False)}
    with opened(world(tmp_path), providers) as session:
        session.check("fact.read", {"id": "1"})
        session.check("put.safe", {"nonsense": 1})
        session.check("nobody.knows", {})
        assert asked == []
        assert session.check("page.read", {"id": "5"}).allowed
        assert asked == ["pages/5"]


def test_a_fact_about_a_user_denies_where_a_service_is_the_root(tmp_path: Path) -> None:
    with (
        Guard.open(world(tmp_path), facts={"on_call": lambda user: True}) as guard,
        guard.session(service="nightly", agent="desk-bot", task="Tidy up", environment={"network": "x"}) as session,
    ):
        assert session.check("put.safe", {"id": "7"}).reasons[0].code == "fact-unavailable"


def test_a_fact_of_several_objects_is_as_old_as_its_oldest_reading_and_must_be_one(tmp_path: Path) -> None:
    (owners,) = (fact for fact in load_project(world(tmp_path)).planes.settings.facts if fact.name == "owners")
    young, old = FactReading(value=("alice",), read_ms=9), FactReading(value=("alice",), read_ms=5)
    assert joined(owners, [young, old]) == old
    with pytest.raises(FactUnavailable):
        joined(owners, [young, FactReading(value=("bob",), read_ms=9)])


def test_a_provider_of_a_fact_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="oncall") as refused:
        Guard.open(world(tmp_path), facts={"oncall": lambda user: True})
    assert "on_call" in refused.value.hint


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "environment-missing"),
        ({"managed": True}, "environment-missing"),
        ({"network": 7}, "environment-type"),
        ({"network": "office", "managed": "yes"}, "environment-type"),
        ({"network": "office", "netwrok": "office"}, "environment-unknown"),
    ],
)
def test_a_session_opens_only_in_an_environment_as_declared(
    environment: Mapping[str, str | int | bool], code: str, tmp_path: Path
) -> None:
    with pytest.raises(Denied) as denied, opened(world(tmp_path), {}, environment=environment):
        pass
    assert denied.value.decision.reasons[0].code == code


@pytest.mark.parametrize(
    ("network", "hour", "outcome"),
    [("office", 9, "needs_approval"), ("home", 9, "deny"), ("office", 3, "deny"), ("office", 16, "deny")],
)
def test_rules_read_environment_and_hours(network: str, hour: int, outcome: str, tmp_path: Path) -> None:
    clock = Clock(int(datetime(2026, 3, 2, hour, 30, tzinfo=UTC).timestamp() * 1_000_000))
    mail = {"to": ["ann@customer.example"], "subject": "Hello", "body": "Good morning"}
    with opened(world(tmp_path), {}, clock=clock, environment={"network": network}) as session:
        assert session.check("mail.send", mail).outcome == outcome


def test_without_declared_hours_nobody_ever_works(tmp_path: Path) -> None:
    folder = world(tmp_path)
    edit(folder, "bailiwick.toml", 'days     = ["monday", "tuesday", "wednesday", "thursday", "friday"]', "")
    clock = Clock(WORKDAY)
    mail = {"to": ["ann@customer.example"], "subject": "Hello", "body": "Good morning"}
    with opened(folder, {}, clock=clock) as session:
        assert session.check("mail.send", mail).outcome == "deny"


NIGHT = WorkingHours(zone=ZoneInfo("Europe/Berlin"), days=frozenset({5}), begin=time(22), end=time(6))
DAY = WorkingHours(zone=ZoneInfo("America/New_York"), days=frozenset({1, 2, 3, 4, 5}), begin=time(9), end=time(17))


@pytest.mark.parametrize(
    ("hours", "when", "facts"),
    [
        (NIGHT, "2026-03-06T20:59:59+00:00", (5, 1319, False)),
        (NIGHT, "2026-03-06T21:00:00+00:00", (5, 1320, True)),
        (NIGHT, "2026-03-07T04:59:59+00:00", (6, 359, True)),  # Saturday morning belongs to Friday's night
        (NIGHT, "2026-03-07T05:00:00+00:00", (6, 360, False)),
        (NIGHT, "2026-03-07T21:30:00+00:00", (6, 1350, False)),
        (NIGHT, "2026-03-06T02:00:00+00:00", (5, 180, False)),  # and Friday morning to Thursday's
        (DAY, "2026-03-06T13:59:00+00:00", (5, 539, False)),
        (DAY, "2026-03-06T14:00:00+00:00", (5, 540, True)),
        (DAY, "2026-03-09T13:00:00+00:00", (1, 540, True)),  # summer time began the day before
        (DAY, "2026-03-09T21:00:00+00:00", (1, 1020, False)),
    ],
)
def test_working_hours(hours: WorkingHours, when: str, facts: tuple[int, int, bool]) -> None:
    at_ms = int(datetime.fromisoformat(when).timestamp() * 1000)
    assert hours.facts(at_ms) == {"weekday": facts[0], "minute": facts[1], "working": facts[2]}
