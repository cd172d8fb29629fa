"""A small project folder for tests, and hands to reach into it: a clock, stores that fail, people who answer.

The world: alice (support) works through agents; bob and dora (leads) approve; carol owns the agents. Tools are named
for what they are there for: `page.read` taints, `fact.read` does not, `mail.send` has a gate, `put.*` differ in
idempotency.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick import Guard, Session
from bailiwick.action.approvals import Approval
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.stores.log_reader import LogReader

__all__ = [
    "AGENT",
    "FILES",
    "LOGS",
    "MAIL",
    "Clock",
    "Tool",
    "abandon",
    "approve",
    "asked",
    "call",
    "claimed",
    "decisions",
    "edit",
    "events",
    "kinds",
    "make_world",
    "opened",
    "with_ports",
]

AGENT = "desk-bot"
LOGS = Path(".bailiwick/log")
MAIL = {"to": ["ann@customer.example"], "subject": "Hello", "body": "Good morning"}
"""A mail to a stranger: needs an approval."""

FILES = {
    "bailiwick.toml": """\
tenant = "acme"
env    = "test"

# What the session has seen counts for every call: these tests are about other things.
[labels]
strict = ["public"]

[org]
domains = ["acme.example"]

[permits]
ttl = "30s"
""",
    "directory.toml": """\
[groups.support]
[groups.leads]
parents = ["support"]

[users.alice]
email  = "alice@acme.example"
groups = ["support"]
[users.bob]
groups = ["leads"]
clearance = "restricted"
[users.dora]
groups = ["leads"]
clearance = "restricted"
[users.carol]                     # owns the agents, and is a lead all the same
groups = ["leads"]
[users.gone]
groups = ["support"]
active = false
[users.eve]                       # in no group: no rule speaks of her

[services.nightly]
owner   = "carol"
purpose = "Tidy up at night"

[classes.desk]
[classes.scout]

[agents.desk-bot]
classes   = ["desk"]
owner     = "carol"
[agents.desk-bot.may_delegate_to]
helper  = { effects = ["read", "write", "send"], max_depth = 1 }
scout   = { effects = ["read", "write"], max_depth = 1 }
off-bot = { effects = ["read"] }
[agents.helper]
classes   = ["desk"]
owner     = "carol"
[agents.helper.may_delegate_to]
scout     = { effects = ["read", "write"] }
[agents.scout]
classes   = ["scout"]
owner     = "carol"
[agents.scout.may_delegate_to]
helper    = { effects = ["read"] }
[agents.off-bot]
classes   = ["desk"]
owner     = "carol"
active    = false

[tasks.read-pages]
purpose = "Read pages"
tools   = ["page.read", "agent.delegate"]
zones   = ["pages"]
ttl     = "10m"
""",
    "tools/desk.toml": """\
[tools."page.read"]
names    = ["read_page"]
effects  = ["read"]
resource = "pages/{id}"
zones    = ["pages"]
args.id    = { type = "string", role = "selector" }
args.limit = { type = "long", role = "value", optional = true }
output   = { sensitivity = "internal" }

[tools."fact.read"]
names    = ["read_fact"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "confidential", categories = ["pii"], untrusted = [], endorses = { mail = "target" } }

[tools."db.query"]
effects  = ["read"]
args.sql = { type = "sql", dialect = "sqlite", role = "command" }

[tools."mail.send"]
names        = ["send_mail"]
effects      = ["send"]
sink         = "external"
args.to      = { type = "email[]", role = "target", recipients = true }
args.subject = { type = "string", role = "content" }
args.body    = { type = "string", role = "content" }
idempotency  = "none"
output       = { untrusted = [] }

[tools."put.none"]
names       = ["put_none"]
effects     = ["write"]
args.id     = { type = "string", role = "selector" }
change      = { count = 1, reversible = true }
idempotency = "none"
output      = { untrusted = [] }

[tools."put.key"]
effects     = ["write"]
args.id     = { type = "string", role = "selector" }
change      = { count = 1, reversible = true }
idempotency = "key"
output      = { untrusted = [] }

[tools."put.safe"]
names       = ["put_safe"]
effects     = ["write"]
args.id     = { type = "string", role = "selector" }
change      = { count = 1, reversible = true }
idempotency = "safe"
output      = { untrusted = [] }

[tools."put.nobody"]                # no rule speaks of it
effects     = ["write"]
args.id     = { type = "string", role = "selector" }
change      = { count = 1, reversible = true }
idempotency = "safe"
""",
    "administration/people.cedar": """\
@id("anybody-answers")                // so that it is the gate that says who may
permit (principal, action == Action::"admin.approve", resource);

@id("support-reconciles")
permit (principal in Group::"support", action == Action::"admin.reconcile", resource);

@id("leads-revoke")
permit (principal in Group::"leads", action == Action::"admin.revoke", resource);

@id("leads-read")
permit (principal in Group::"leads", action == Action::"admin.read_log", resource);

@id("dora-invites")
permit (principal == User::"dora", action == Action::"admin.accounts", resource);

@id("bob-reveals")
permit (principal == User::"bob", action == Action::"admin.reveal", resource);

@id("leads-stop")
permit (principal in Group::"leads", action in [Action::"admin.suspend", Action::"admin.resume"], resource);
""",
    "policies/desk.cedar": """\
@id("desk-agents")
permit (principal in AgentClass::"desk", action in [Action::"page.read", Action::"fact.read", Action::"db.query",
        Action::"mail.send", Action::"put.none", Action::"put.key", Action::"put.safe"], resource);

@id("scouts-read")
permit (principal in AgentClass::"scout", action in [Action::"page.read", Action::"put.nobody"], resource);

@id("desk-agents-delegate")
permit (principal in AgentClass::"desk", action == Action::"agent.delegate", resource);

@id("people-delegate")
permit (principal in Group::"support", action == Action::"agent.delegate", resource);

@id("support-people")
permit (principal in Group::"support", action in [Action::"page.read", Action::"fact.read", Action::"db.query",
        Action::"mail.send", Action::"put.none", Action::"put.key", Action::"put.safe"], resource);

@id("page-9-is-closed")
@reason("Page 9 is closed.")
forbid (principal, action == Action::"page.read", resource == Resource::"pages/9");

@id("page-8-is-closed-too")
@reason("Page 8 holds the launch codes.")
forbid (principal, action == Action::"page.read", resource == Resource::"pages/8");

@id("external-mail") @gate("approval") @approvers("Group::leads")
@reason("Mail to strangers needs a lead.")
forbid (principal, action in Action::"send", resource)
when   { context.flow.recipients_external }
unless { context.approved.contains("external-mail") };

@id("chosen-by-others")
@reason("Somebody else's text chose this.")
forbid (principal, action in Action::"write", resource)
when   { context.flow.tainted && !context.flow.unendorsed.isEmpty() };
""",
}
"""Path → text of a project folder in which everything is right."""


def make_world(folder: Path, **replaced: str | None) -> Path:
    """Write the project folder. `replaced` changes files: a key is the path with `/` and `.` as `_`; None: left out."""
    names = {path.replace("/", "_").replace(".", "_"): path for path in FILES}
    texts: dict[str, str | None] = {**FILES, **{names[key]: text for key, text in replaced.items()}}
    for path, text in texts.items():
        if text is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return folder


def edit(folder: Path, path: str, old: str, new: str) -> None:
    """Change a file of the project, as its author would."""
    text = (folder / path).read_text(encoding="utf-8")
    assert old in text
    (folder / path).write_text(text.replace(old, new), encoding="utf-8")


class Clock:
    """A wall clock that the test sets: `clock.us` are microseconds since the epoch."""

    def __init__(self, us: int) -> None:
        self.us = us

    def __call__(self) -> int:
        return self.us

    def forward(self, *, ms: int) -> None:
        self.us += ms * 1000


class Tool:
    """A tool that counts its runs; `run` gets whatever arguments the guard gives."""

    def __init__(self, result: object = "done", before: Callable[[], object] = lambda: None) -> None:
        self.result = result
        self.runs: list[dict[str, Any]] = []
        self._before = before

    def run(self, **args: Any) -> Any:
        self.runs.append(args)
        self._before()
        return self.result

    async def arun(self, **args: Any) -> Any:
        return self.run(**args)


def call(session: Session, name: str, args: dict[str, Any], tool: Tool, *, use_async: bool) -> Any:
    """`session.call`, or `session.acall` in an event loop of its own."""
    if use_async:
        return asyncio.run(session.acall(name, args, run=tool.arun))
    return session.call(name, args, run=tool.run)


def with_ports(of: Guard | Session, **ports: Any) -> None:
    """Replace some ports in place, so that sessions which are open already use them too."""
    engine = of._engine
    object.__setattr__(engine, "ports", dataclasses.replace(engine.ports, **ports))


@contextmanager
def opened(folder: Path, *, conversation: str = "c-1", agent: str = AGENT, task: str = "Work") -> Iterator[Session]:
    """Alice's session in a Guard of its own."""
    with (
        Guard.open(folder) as guard,
        guard.session(user="alice", agent=agent, task=task, conversation=conversation) as session,
    ):
        yield session


def abandon(session: Session) -> None:
    """Spare a session its end, which could not be recorded any more."""
    assert session._state is not None
    session._state.closed = True


def claimed(person: str, *, method: ProofMethod = ProofMethod.CLAIMED) -> Proven:
    """Somebody at the machine, who says (or has shown) that they are this person."""
    return Proven(user=person, method=method, at_ms=0, os_user="0:test")


@dataclass(frozen=True)
class Answered:
    """What became of an answer to a request for approval."""

    code: str
    approval: Approval | None


def approve(session: Session, approval_id: str, by: str = "bob", *, grant: bool = True) -> Answered:
    """Somebody answers a request. → the code of the refusal, or "" and the approval as it stands then."""
    given = Answer(approval_id=approval_id, by=claimed(by), grant=grant)
    told = session._engine.administer(lambda core: answer(core, given))
    return Answered(told.code, None) if isinstance(told, Reason) else Answered("", told)


def asked(session: Session) -> tuple[str, ...]:
    """Ids of all requests for approval of a session, oldest first."""
    return tuple(item.id for item in session._engine.ports.approvals.by_session(session.id))


def events(folder: Path) -> list[Event]:
    """Every event of the project, log by log, read from the files as another process would."""
    found: list[Event] = []
    for path in sorted((folder / LOGS).glob("log-*.db")):
        with LogReader.open(path) as reader:
            found.extend(reader.events())
    return found


def decisions(folder: Path, tool: str | None = None) -> list[Event]:
    """Recorded decisions, of one tool if it is named."""
    return [
        event
        for event in events(folder)
        if event.kind is EventKind.DECISION and (tool is None or event.body["tool"] == tool)
    ]


def kinds(folder: Path, *, session: str | None = None) -> list[str]:
    """Kinds of the events of a session (or of all), in order."""
    return [event.kind.value for event in events(folder) if session is None or event.session == session]
