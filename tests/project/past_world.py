"""A project with a history of every kind: what rules allowed, denied and asked about, what people approved, what was
delegated, what a budget or the catalog refused, and what was only observed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bailiwick import ApprovalPending, Denied, Guard, Session
from tests.guard.budget_world import budget
from tests.worlds import AGENT, FILES, MAIL, Clock, Tool, approve, make_world, with_ports

__all__ = ["BEGIN", "RULES", "SETTINGS", "copy_of", "ended", "past", "tried"]

BEGIN = 1_772_443_800_000_000
"""A Monday morning."""

SETTINGS = """
[hours]
timezone = "UTC"
days     = ["monday", "tuesday", "wednesday", "thursday", "friday"]
begin    = "08:00"
end      = "18:00"

[environment]
network = "string"

[facts.on_call]
type    = "bool"
about   = "user"
max_age = "1m"
"""

RULES = """
@id("on-call-only") @reason("Only who is on call changes things.")
forbid (principal, action == Action::"put.key", resource)
unless { context.facts.on_call.value };

@id("few-puts") @reason("No more than two puts without a break.")
forbid (principal, action == Action::"put.none", resource)
when { context.usage.nones.after > 2 };

@id("trial") @observe
forbid (principal, action == Action::"fact.read", resource)
when { context.environment.network == "office" };
"""


def copy_of(folder: Path) -> Path:
    """The project's folder without a history."""
    return make_world(
        folder,
        bailiwick_toml=FILES["bailiwick.toml"]
        + SETTINGS
        + budget("puts", limit=2)
        + budget("nones", limit=None, tools=["put.none"]),
        policies_desk_cedar=FILES["policies/desk.cedar"] + RULES,
    )


def tried(session: Session, tool: str, args: dict[str, Any]) -> str:
    """Make a call → the id of the request for approval that it waits for, "" if it waits for none."""
    try:
        session.call(tool, args, run=Tool().run)
    except ApprovalPending as pending:
        return pending.approval_id
    except Denied:
        pass
    return ""


@contextmanager
def ended(folder: Path, clock: Clock, *, on_call: bool = True) -> Iterator[Guard]:
    with Guard.open(folder, facts={"on_call": lambda user: on_call}) as guard:
        with_ports(guard, clock=clock)
        guard._facts.clock = clock
        yield guard


def past(folder: Path) -> Path:
    """The folder with its history."""
    copy_of(folder)
    clock = Clock(BEGIN)
    for number, (user, on_call) in enumerate((("alice", True), ("bob", False), ("eve", True))):
        with ended(folder, clock, on_call=on_call) as guard:
            given: dict[str, Any] = {"agent": AGENT, "task": "Work", "environment": {"network": "office"}}
            with guard.session(user=user, conversation=f"c-{number}", **given) as session:
                _works(session, clock)
            with (
                suppress(Denied),
                guard.session(user=user, conversation=f"r-{number}", **given | {"task": "read-pages"}) as one,
            ):
                tried(one, "page.read", {"id": "1"})
                tried(one, "put.safe", {"id": "1"})  # not in the task: refused before any rule is asked
    return folder


def _works(session: Session, clock: Clock) -> None:
    for number in range(4):  # two of them within the budget
        tried(session, "put.safe", {"id": f"item-{number}"})
        tried(session, "put.none", {"id": f"none-{number}"})
    tried(session, "put.key", {"id": "k"})
    for page in ("1", "8", "9", "1"):
        tried(session, "page.read", {"id": page})
        clock.forward(ms=700)
    tried(session, "put.nobody", {"id": "n"})
    tried(session, "fact.read", {"id": "f"})
    tried(session, "db.query", {"sql": "SELECT a FROM b"})
    tried(session, "db.query", {"sql": "DROP TABLE"})  # does not parse
    tried(session, "no.such", {})
    waiting = tried(session, "mail.send", MAIL)
    if waiting:
        assert approve(session, waiting, "dora").code == ""
        tried(session, "mail.send", MAIL)
        tried(session, "mail.send", {**MAIL, "subject": "Again"})  # and nobody answers this one
    with suppress(Denied):
        child = session.delegate("helper", tools=["page.read", "put.safe"], message="Read page 2")
        with child:
            tried(child, "page.read", {"id": "2"})
            tried(child, "page.read", {"id": "9"})
            tried(child, "put.safe", {"id": "h"})
    with suppress(Denied):
        session.delegate("off-bot", tools=["page.read"])
