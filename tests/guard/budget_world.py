"""The world of `tests.worlds` with budgets, and how much of them is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bailiwick import Denied, Guard, Session
from bailiwick.action.budgets import Account, Tally
from tests.worlds import FILES, Tool, make_world

__all__ = [
    "AGENT",
    "IBAN",
    "RULES",
    "TOOLS",
    "budget",
    "code",
    "failing",
    "kept",
    "put",
    "session_of",
    "tally",
    "used",
    "world",
]

AGENT = "desk-bot"

TOOLS = """
[tools."list.items"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { untrusted = [] }

[tools."bank.pay"]
effects     = ["pay"]
args.to     = { type = "iban", role = "target" }
args.amount = { type = "money", role = "value" }
pay         = { payee = "to", amount = "amount" }
idempotency = "safe"
output      = { untrusted = [] }
"""
RULES = """
@id("all-may")
permit (principal, action in [Action::"list.items", Action::"bank.pay"], resource);
"""
IBAN = "DE89370400440532013000"


def budget(name: str = "puts", **changed: object) -> str:
    """One table of [budgets]."""
    given: dict[str, object] = {
        "counts": "calls",
        "per": "tenant",
        "window": "1h",
        "tools": ["put.safe"],
        "limit": 3,
        **changed,
    }
    lines = (f"{key} = {_toml(value)}" for key, value in given.items() if value is not None)
    return "\n".join((f"\n[budgets.{name}]", *lines, ""))


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else repr(value).replace("'", '"')


def world(folder: Path, *budgets: str, rules: str = "", tools: str = "", directory: str = "") -> Path:
    return make_world(
        folder,
        bailiwick_toml=FILES["bailiwick.toml"] + "".join(budgets or (budget(),)),
        policies_desk_cedar=FILES["policies/desk.cedar"] + rules,
        tools_desk_toml=FILES["tools/desk.toml"] + tools,
        directory_toml=FILES["directory.toml"] + directory,
    )


@contextmanager
def session_of(guard: Guard, *, user: str = "alice", conversation: str = "c-1", **more: Any) -> Iterator[Session]:
    given = {"agent": AGENT, "task": "Work", **more}
    with guard.session(user=user, conversation=conversation, **given) as session:
        yield session


def code(session: Session, tool: str, args: dict[str, Any], result: object = "done") -> str:
    """The code of the reason that denies a call; "" if it ran."""
    try:
        session.call(tool, args, run=Tool(result).run)
    except Denied as denied:
        return denied.decision.reasons[0].code
    return ""


def put(session: Session, item: int | str = 1) -> str:
    return code(session, "put.safe", {"id": f"item-{item}"})


def tally(guard: Guard, name: str = "puts") -> dict[str, tuple[Account, Tally]]:
    """What is counted of a budget, by owner."""
    settings = guard.project.settings.decisions
    found = guard.engine.ports.budgets.tallies(settings.tenant, settings.env, name)
    return {account.owner: (account, kept) for account, kept in found}


def used(guard: Guard, name: str = "puts") -> dict[str, int]:
    now_ms = guard.engine.ports.clock() // 1000
    return {owner: kept.used(account.window_ms, now_ms) for owner, (account, kept) in tally(guard, name).items()}


def kept(session: Session, name: str) -> int:
    ports = session._engine.ports
    found = ports.budgets.tallies("acme", "test", name)
    return sum(each.used(account.window_ms, ports.clock() // 1000) for account, each in found)


def failing(error: BaseException) -> Any:
    def run(**_: object) -> None:
        raise error

    return run
