"""The desk that every framework is tested at: a real project folder, and tools that write down each of their runs.

Alice (support) works through `desk-bot`, who may hand work to `helper` (read, write, send) and to `scout` (read);
`rogue` is an agent that nobody may hand work to, `stranger` one that the directory does not know. What the tools do is
kept in a file, so that runs in another process count too.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import BeforeValidator

from bailiwick import Guard, Session
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event
from tests.frameworks.harness import ToolFn
from tests.worlds import AGENT, FILES, MAIL, approve, asked, claimed, decisions, events, make_world

__all__ = ["CARD", "FACT", "LETTER", "MAIL", "Desk", "new_desk", "page"]

CARD = "4111 1111 1111 1111"
"""A rule takes it out of what the tool tells."""

LETTER = "The orchid blooms at midnight."
"""Hidden: the model sees a name in its place."""

FACT = "Ann is a customer since 2019."

_TOOLS = """
[tools."page.later"]
names    = ["read_later"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }

[tools."page.long"]
names      = ["read_long"]
effects    = ["read"]
args.id    = { type = "string", role = "selector" }
args.limit = { type = "long", role = "value", optional = true }

[tools."page.escaped"]              # its function takes escapes out of what it is given
names      = ["read_escaped"]
effects    = ["read"]
args.id    = { type = "string", role = "selector" }

[tools."page.counted"]              # a rule over it can overflow
names      = ["read_counted"]
effects    = ["read"]
args.limit = { type = "long", role = "value" }

[tools."card.read"]
names    = ["read_card"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "confidential", categories = ["pci"], untrusted = [] }

[tools."letter.read"]
names    = ["read_letter"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "confidential", hide = true }

[tools."flaky.read"]
names    = ["read_flaky"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { untrusted = [] }

[tools."page.wipe"]
names       = ["wipe_page"]
effects     = ["delete"]
args.id     = { type = "string", role = "selector" }
change      = { count = 1, reversible = true }
idempotency = "safe"
output      = { untrusted = [] }

[tools."kb.search"]
names      = ["search_kb"]
effects    = ["read"]
args.query = { type = "string", role = "query" }

# Agents that work as tools, for frameworks in which such a tool looks like every other.
"""

_AGENT_TOOL = """
[tools."ask.{name}"]
names        = ["{name}"]
effects      = ["read"]
args.input   = {{ type = "string", role = "content", optional = true }}
args.task    = {{ type = "string", role = "content", optional = true }}
args.request = {{ type = "string", role = "content", optional = true }}
args.prompt  = {{ type = "string", role = "content", optional = true }}
args.query   = {{ type = "string", role = "content", optional = true }}
args.message = {{ type = "string", role = "content", optional = true }}
output       = {{ untrusted = [] }}
"""

_MEMORY = Path("/dev/shm")

_ASKED = ("helper", "scout", "rogue", "stranger")

_ALSO = (
    '[Action::"page.later", Action::"page.long", Action::"page.escaped", Action::"letter.read", Action::"flaky.read",'
    ' Action::"page.wipe", Action::"kb.search", ' + ", ".join(f'Action::"ask.{name}"' for name in _ASKED) + "]"
)

_RULES = f"""
@id("desk-agents-too")
permit (principal in AgentClass::"desk", action in {_ALSO}, resource);

@id("support-people-too")
permit (principal in Group::"support", action in {_ALSO}, resource);

@id("cards-without-numbers") @redact("pci")
permit (principal, action == Action::"card.read", resource);

@id("not-so-long")
@reason("At most 100 lines at once.")
forbid (principal, action == Action::"page.long", resource)
when   {{ context.args has limit && context.args.limit > 100 }};

@id("closed-escaped")
@reason("Page 9 is closed.")
forbid (principal, action == Action::"page.escaped", resource)
when   {{ context.args.id == "9" }};

@id("counts")
permit (principal, action == Action::"page.counted", resource)
when   {{ context.args.limit * 10000 > 5 }};
"""

_AGENTS = """
[agents.rogue]
classes   = ["desk"]
owner     = "carol"
"""

_CLEARED = {
    'email  = "alice@acme.example"': 'email  = "alice@acme.example"\nclearance = "confidential"',
    "[agents.desk-bot]\n": '[agents.desk-bot]\nclearance = "confidential"\n',
}


def page(id: str) -> str:  # noqa: A002  as the tool calls it
    """What a page says."""
    return f"Page {id} says that the harbour opens at nine."


@dataclass(slots=True)
class Desk:
    """One desk. `folder` is the project, `kept` whatever the framework keeps, `effects` what the tools did."""

    folder: Path
    kept: Path
    effects: Path
    _guards: list[Guard] = field(default_factory=list)

    @classmethod
    def make(cls, place: Path) -> Desk:
        """A new desk in an empty folder."""
        desk = cls(place / "project", place / "kept", place / "effects.jsonl")
        desk.folder.mkdir()
        desk.kept.mkdir()
        directory = FILES["directory.toml"] + _AGENTS
        for old, new in _CLEARED.items():
            assert old in directory
            directory = directory.replace(old, new)
        make_world(
            desk.folder,
            directory_toml=directory,
            tools_desk_toml=FILES["tools/desk.toml"]
            + _TOOLS
            + "".join(_AGENT_TOOL.format(name=name) for name in _ASKED),
            policies_desk_cedar=FILES["policies/desk.cedar"] + _RULES,
        )
        return desk

    def forgetful(self, place: Path) -> Desk:
        """The same tools and project, where the framework has kept nothing."""
        place.mkdir()
        return Desk(self.folder, place, self.effects)

    def elsewhere(self, place: Path) -> Desk:
        """The same tools and what the framework kept, in a project that remembers nothing."""
        place.mkdir()
        return Desk(Desk.make(place).folder, self.kept, self.effects)

    # ── the guard ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def guard(self) -> Guard:
        """The project's guard, opened when it is first asked for."""
        if not self._guards:
            self._guards.append(Guard.open(self.folder))
        return self._guards[0]

    def close(self) -> None:
        """End the guard; the next use opens another, as another process would."""
        while self._guards:
            self._guards.pop().close()

    @contextmanager
    def session(self, *, prompt: str = "", conversation: str | None = None) -> Iterator[Session]:
        """Alice's session, which has heard her prompt."""
        with self.guard.session(user="alice", agent=AGENT, task="Work", conversation=conversation) as session:
            if prompt:
                session.prompt(prompt)
            yield session

    # ── what happened ──────────────────────────────────────────────────────────────────────────────────────────────

    def runs(self, tool: str = "") -> list[tuple[str, dict[str, Any]]]:
        """What ran, in order, with which arguments: all tools or one."""
        if not self.effects.exists():
            return []
        found = [json.loads(line) for line in self.effects.read_text(encoding="utf-8").splitlines()]
        return [(each["tool"], each["args"]) for each in found if tool in ("", each["tool"])]

    def events(self, kind: str = "") -> list[Event]:
        """The log, or what it says of one kind."""
        return [event for event in events(self.folder) if kind in ("", event.kind.value)]

    def outcomes(self, tool: str) -> list[str]:
        """How each call of a tool (by its name in the catalog) was decided, in order."""
        return [str(event.body["outcome"]) for event in decisions(self.folder, tool)]

    def chains(self, tool: str) -> list[list[str]]:
        """For whom each call of a tool was decided: the ids along the chain."""
        found: list[list[str]] = []
        for event in decisions(self.folder, tool):
            links: Any = event.body.get("links", [])
            found.append([link["link"].split('"')[1] for link in links])
        return found

    def told_models(self) -> list[Event]:
        """The model calls on record."""
        return self.events("model.called")

    # ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def approve(self, session: Session, *, grant: bool = True, edited: Mapping[str, Any] | None = None) -> None:
        """Bob answers the one request that the session's call waits for."""
        (request,) = asked(session)
        if edited is None:
            assert approve(session, request, grant=grant).code == ""
            return
        given = Answer(approval_id=request, by=claimed("bob"), grant=grant, edited=edited)
        told = session._engine.administer(lambda core: answer(core, given))
        assert not isinstance(told, Reason), told

    # ── tools ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def ran(self, tool: str, **args: Any) -> None:
        """A tool ran. One write, so that lines of several threads and processes do not mix."""
        file = os.open(self.effects, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, json.dumps({"tool": tool, "args": args}).encode() + b"\n")
        os.close(file)

    def tools(self) -> dict[str, ToolFn]:
        """Every tool by name. Each is what a user would write: a typed function with a docstring."""
        return {tool.__name__: tool for tool in (*_reading(self), *_acting(self))}

    def pick(self, *names: str) -> tuple[ToolFn, ...]:
        """These tools, in this order."""
        all_of_them = self.tools()
        return tuple(all_of_them[name] for name in names)


@contextmanager
def new_desk() -> Iterator[Desk]:
    """A desk for one scenario. Nothing of it has to outlive the machine, so it is kept in memory where that can be had:
    most of a scenario's time is waiting for a disk."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as place:
        desk = Desk.make(Path(place))
        try:
            yield desk
        finally:
            desk.close()


def _reading(desk: Desk) -> tuple[Callable[..., Any], ...]:
    def read_page(id: str, limit: int = 7) -> str:  # noqa: A002
        """Read a page.

        Args:
            id: which page
            limit: how many lines
        """
        desk.ran("read_page", id=id, limit=limit)
        return page(id)

    async def read_later(id: str) -> str:  # noqa: A002
        """Read a page without haste.

        Args:
            id: which page
        """
        await asyncio.sleep(0)
        desk.ran("read_later", id=id)
        return page(id)

    def read_long(id: str, limit: int = 500) -> str:  # noqa: A002
        """Read much of a page.

        Args:
            id: which page
            limit: how many lines
        """
        desk.ran("read_long", id=id, limit=limit)
        return page(id)

    def read_escaped(id: Annotated[str, "which page", BeforeValidator(unquote)]) -> str:  # noqa: A002
        """Read a page by its name as it stands in an address.

        Args:
            id: which page
        """
        desk.ran("read_escaped", id=id)
        return page(id)

    def read_counted(limit: int) -> str:
        """Read so many lines.

        Args:
            limit: how many lines
        """
        desk.ran("read_counted", limit=limit)
        return page("0")

    def read_fact(id: str) -> str:  # noqa: A002
        """Read a fact.

        Args:
            id: which fact
        """
        desk.ran("read_fact", id=id)
        return FACT

    def read_card(id: str) -> str:  # noqa: A002
        """Read the number of a card.

        Args:
            id: which card
        """
        desk.ran("read_card", id=id)
        if id == "broken":
            raise ValueError(f"no limit on card {CARD}")
        return f"The card is {CARD}."

    def read_letter(id: str) -> str:  # noqa: A002
        """Read a letter.

        Args:
            id: which letter
        """
        desk.ran("read_letter", id=id)
        return LETTER

    def read_flaky(id: str) -> str:  # noqa: A002
        """Read what is there at the second attempt only.

        Args:
            id: which one
        """
        first = not desk.runs("read_flaky")
        desk.ran("read_flaky", id=id)
        if first:
            raise ConnectionError("the line was cut")
        return f"Flaky {id} answers."

    return (
        read_page,
        read_later,
        read_long,
        read_escaped,
        read_counted,
        read_fact,
        read_card,
        read_letter,
        read_flaky,
    )


def _acting(desk: Desk) -> tuple[Callable[..., Any], ...]:
    def send_mail(to: list[str], subject: str, body: str) -> str:
        """Send a mail.

        Args:
            to: addresses
            subject: its subject
            body: what it says
        """
        desk.ran("send_mail", to=to, subject=subject, body=body)
        return "The mail is sent."

    def put_safe(id: str) -> str:  # noqa: A002
        """Put something.

        Args:
            id: what to put
        """
        desk.ran("put_safe", id=id)
        return f"Put {id}."

    def wipe_page(id: str) -> str:  # noqa: A002
        """Wipe a page.

        Args:
            id: which page
        """
        desk.ran("wipe_page", id=id)
        return f"Wiped {id}."

    def look_at(id: str) -> str:  # noqa: A002
        """Look at something that the catalog does not know.

        Args:
            id: what to look at
        """
        desk.ran("look_at", id=id)
        return f"Looked at {id}."

    return (send_mail, put_safe, wipe_page, look_at)
