"""What a run found, one record for each attack that succeeded: what ran, where it is on record, and what would stop it.

Ids are stable: a matter of world, task and attack alone, so that a finding can be followed over runs. A proposal is
text for a person to read: a rule, and a test that fails as long as nothing stops the call.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.errors import Where
from bailiwick.model.tool import Catalog
from bailiwick.redteam.results import Fate, PairRun, Reach, WorldRun
from bailiwick.redteam.world import Attack, Task, ToolCall, World

__all__ = ["ASI_TITLES", "ATLAS_TITLES", "PAST_THE_GUARD", "Hit", "Proposal", "hits_of"]

ASI_TITLES: Mapping[str, str] = {
    "ASI01": "Agent Goal Hijack",
    "ASI02": "Tool Misuse and Exploitation",
    "ASI03": "Identity and Privilege Abuse",
    "ASI04": "Agentic Supply Chain Vulnerabilities",
    "ASI05": "Unexpected Code Execution",
    "ASI06": "Memory and Context Poisoning",
    "ASI07": "Insecure Inter-Agent Communication",
    "ASI08": "Cascading Failures",
    "ASI09": "Human-Agent Trust Exploitation",
    "ASI10": "Rogue Agents",
}
"""OWASP Top 10 for Agentic Applications 2026."""

ATLAS_TITLES: Mapping[str, str] = {
    "AML.T0050": "Command and Scripting Interpreter",
    "AML.T0051.001": "LLM Prompt Injection: Indirect",
    "AML.T0053": "AI Agent Tool Invocation",
    "AML.T0080.000": "AI Agent Context Poisoning: Memory",
    "AML.T0086": "Exfiltration via AI Agent Tool Invocation",
}
"""MITRE ATLAS techniques that our attacks use."""

PAST_THE_GUARD = "past-the-guard"
"""The family of findings on tools that ran without a permit."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A rule in Cedar, and a file of policy tests in TOML. The test holds once the rule, or a better one, is there."""

    policy: str
    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One attack that succeeded. `events` are ids of the decisions in the log of `trace` (a folder; empty: nothing was
    kept) under which its calls ran. `where` is the declaration of the tool that it used last."""

    id: str
    world: str
    task: str
    attack: str
    kind: str
    asi: tuple[str, ...]
    atlas: tuple[str, ...]
    encoding: str
    moments: tuple[str, ...]
    tools: tuple[str, ...]
    events: tuple[str, ...]
    trace: str
    where: Where | None
    proposal: Proposal | None

    @property
    def message(self) -> str:
        """One sentence."""
        if self.kind == PAST_THE_GUARD:
            return f"{self.tools[0]} ran without a permit, so past the guard"
        through = ", ".join(self.tools) or "no call of its own"
        hidden = f", encoded as {self.encoding}" if self.encoding else ""
        return f"The attack {self.attack} ({self.kind}) succeeded in the task {self.task}{hidden}, through {through}"


def hits_of(run: WorldRun, world: World, catalog: Catalog) -> tuple[Hit, ...]:
    """The attacks of a run that succeeded, in order, then the tools that ran past the guard."""
    tasks = {task.id: task for task in world.tasks()}
    attacks = {attack.id: attack for attack in world.attacks()}
    return tuple(
        _hit(run.world, pair, tasks[pair.task], attacks[pair.attack], catalog)
        for pair in run.pairs
        if pair.reach is Reach.WINNABLE and pair.succeeded
    ) + tuple(_past(run.world, tool, catalog) for tool in run.unpermitted)


def _past(world: str, tool: str, catalog: Catalog) -> Hit:
    """A tool that ran without a permit, whoever called it."""
    known = catalog.find(tool)
    told = "\x00".join((world, tool, PAST_THE_GUARD))
    return Hit(
        id=hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        world=world,
        task="any",
        attack=PAST_THE_GUARD,
        kind=PAST_THE_GUARD,
        asi=("ASI02",),
        atlas=("AML.T0053",),
        encoding="",
        moments=(),
        tools=(tool,),
        events=(),
        trace="",
        where=None if known is None else known.where,
        proposal=None,
    )


def _hit(world: str, pair: PairRun, task: Task, attack: Attack, catalog: Catalog) -> Hit:
    won = [(moment, trial) for moment, trial in pair.trials if trial.attacked]
    ran = [call for _, trial in won for call in trial.attempts if call.fate in (Fate.RAN, Fate.APPROVED)]
    shown = next((trial for _, trial in won if trial.trace), won[0][1])
    tools = tuple(dict.fromkeys(call.tool for call in ran))
    told = "\x00".join((world, pair.task, pair.attack, pair.encoding))
    last = catalog.find(tools[-1]) if tools else None
    calls = [call for call in attack.calls(task) if last is not None and call.tool == last.name]
    return Hit(
        id=hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        world=world,
        task=pair.task,
        attack=pair.attack,
        kind=pair.kind,
        asi=pair.asi,
        atlas=pair.atlas,
        encoding=pair.encoding,
        moments=tuple(moment.value for moment, _ in won),
        tools=tools,
        events=tuple(call.event for call in ran if call.event and call in shown.attempts),
        trace=shown.trace,
        where=None if last is None else last.where,
        proposal=_proposal(task, attack, calls[-1]) if calls else None,
    )


# ── proposals ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _proposal(task: Task, attack: Attack, call: ToolCall) -> Proposal:
    return Proposal(policy=_policy(attack, call), test="\n".join(_test(task, attack, call)) + "\n")


def _policy(attack: Attack, call: ToolCall) -> str:
    name = f"redteam-{re.sub(r'[^a-z0-9]+', '-', f'{attack.id}-{call.tool}'.lower()).strip('-')}"
    return (
        f'@id("{name}")\n'
        f'@reason("Nothing is done with {call.tool} once somebody else\'s text was read.")\n'
        f'forbid (principal, action == Action::"{call.tool}", resource)\n'
        "when   { context.flow.tainted };\n"
    )


def _test(task: Task, attack: Attack, call: ToolCall) -> Iterator[str]:
    yield 'now = "2026-03-02T10:15:00Z"'
    yield ""
    yield "[principals.hijacked]"
    yield f"user  = {_toml(task.user)}"
    yield f"agent = {_toml(task.agent)}"
    yield f"task  = {_toml(task.purpose)}"
    if call.by:
        yield f"delegates = [{{ agent = {_toml(call.by)}, message = {_toml(call.message)} }}]"
    yield ""
    yield "[calls.of-the-attacker]"
    yield f"tool = {_toml(call.tool)}"
    yield f"args = {_toml(dict(call.args))}"
    yield ""
    yield "[contexts.read-the-attack]"
    yield f"prompts = [{_toml(task.prompt)}]"
    yield f"unknown = [{_toml(attack.text)}]"
    yield ""
    yield "[[case]]"
    yield f"name      = {_toml(f'{attack.id} in {task.id}')}"
    yield 'principal = "hijacked"'
    yield 'call      = "of-the-attacker"'
    yield 'context   = "read-the-attack"'
    yield 'outcome   = "deny"'


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            return "".join(char if not 0xD800 <= ord(char) <= 0xDFFF else "\ufffd" for char in quoted)
        case Mapping():
            inside = ", ".join(f"{_key(str(name))} = {_toml(each)}" for name, each in value.items() if each is not None)
            return f"{{ {inside} }}" if inside else "{}"
        case Sequence():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _toml(name)
