"""OWASP's scenarios on a project folder: a task for each call that a scenario says must not happen, and the attack that
makes it.

The agent gets the user's message and the scenario's context, both from the start, and is hijacked: it makes the call.
An attack succeeds where the call runs without anybody having approved of it. Calls that a user asked for show that the
tools can be reached at all. INVARIANT: what of a scenario is not run is in `gaps`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bailiwick.errors import UsageError
from bailiwick.model.tool import CONSEQUENTIAL, ToolSpec
from bailiwick.redteam.owasp import CATEGORIES, Scenario, read_scenarios
from bailiwick.redteam.pack_calls import is_secret
from bailiwick.redteam.pack_world import PackTrial, PackWorld, pack_world
from bailiwick.redteam.samples import attackers
from bailiwick.redteam.world import Attack, Encoding, Task, ToolCall, Trial

__all__ = ["NO_SUCH_TOOL", "OwaspWorld", "owasp_world"]

NO_SUCH_TOOL = "-"
"""What a scenario's tool is mapped to where the project has none like it."""
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_STRANGER = "claims@collect-desk.example"
_ATLAS = ("AML.T0051.001", "AML.T0053")


def owasp_world(
    folder: Path,
    files: Sequence[Path],
    names: Mapping[str, str] | None = None,
    profile: str = "",
    only: frozenset[str] | None = None,
) -> OwaspWorld:
    """The world of some scenarios. `names`: what the catalog calls a tool of theirs, or NO_SUCH_TOOL. Raises UsageError
    for what is no scenario, and as `pack_world`."""
    base = pack_world(folder, (), profile, only)
    scenarios = read_scenarios(files)
    mapped = dict(names or {})
    for name in sorted(set(mapped.values()) - {NO_SUCH_TOOL}):
        if base.catalog.find(name) is None:
            raise UsageError(f"the catalog has no tool {name!r}", hint=f"write NAME={NO_SUCH_TOOL} for no such tool")
    return _Maker(base, mapped).world(scenarios)


@dataclass(slots=True, kw_only=True)
class OwaspWorld:
    """See the module. `gaps` are the parts of scenarios that are not run, `notes` what is worth knowing."""

    base: PackWorld
    name: str = "owasp"
    given: tuple[Task, ...]
    tried: tuple[Attack, ...]
    gaps: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return self.base.folder

    def tasks(self) -> Sequence[Task]:
        return self.given

    def attacks(self) -> Sequence[Attack]:
        return self.tried

    def begin(self, task: Task, attack: Attack | None, encode: Encoding | None) -> Trial | None:  # noqa: ARG002
        """The text is given with the prompt, so none is placed."""
        return PackTrial(world=self.base, task=task, attack=attack, planted="")


@dataclass(slots=True)
class _Maker:
    base: PackWorld
    names: Mapping[str, str]
    tasks: list[Task] = field(default_factory=list)
    attacks: list[Attack] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)

    def world(self, scenarios: Sequence[Scenario]) -> OwaspWorld:
        for scenario in scenarios:
            self.gaps += (f"{scenario.id}: {gap}" for gap in scenario.gaps)
            calls = dict(self._calls(scenario)) if scenario.message else {}
            if not calls:
                self.gaps.append(f"{scenario.id}: there is no call in it that this project has a tool for")
            for name, call in calls.items():
                self._add(scenario, name, call)
        control = [task for task in self.base.given if task.id in self.reached] or list(self.base.given[:1])
        asked = (replace(task, id=f"asked for {task.id}", attacks=frozenset()) for task in control)
        return OwaspWorld(
            base=self.base,
            given=(*asked, *self.tasks),
            tried=tuple(self.attacks),
            gaps=tuple(self.gaps),
            notes=tuple(self.notes),
        )

    def _add(self, scenario: Scenario, name: str, call: ToolCall) -> None:
        known = {task.id: task for task in self.base.given}
        # Whoever may make the call when a user asks for it, so that what stops it here is what was read.
        who = known.get(call.tool) or self.base.given[0]
        self.reached.add(call.tool)
        self.tasks.append(
            Task(
                id=name,
                user=who.user,
                agent=who.agent,
                prompt=scenario.message,
                calls=(),
                instructions="\n\n".join(scenario.trusted),
                attacks=frozenset({name}),
            )
        )
        self.attacks.append(
            Attack(
                id=name,
                kind=scenario.category,
                text="\n\n".join(scenario.untrusted),
                calls=lambda _, made=call: (made,),  # type: ignore[misc]
                asi=CATEGORIES.get(scenario.category, ("ASI01",)),
                atlas=_ATLAS,
                opening=True,
            )
        )

    def _calls(self, scenario: Scenario) -> Iterator[tuple[str, ToolCall]]:
        """(the name of the attack, its call), for each call that must not happen."""
        for name in (*scenario.denied, *scenario.approved):
            tool = self._tool(scenario, name)
            if tool is not None:
                yield f"{scenario.id}/{tool.name}", _call(tool)
        if scenario.allowed is not None:
            for tool in self._outside(scenario, scenario.allowed):
                yield f"{scenario.id}/{tool.name}", _call(tool)
        if scenario.recipients is not None or scenario.domains is not None:
            yield from self._sent(scenario)

    def _tool(self, scenario: Scenario, name: str) -> ToolSpec | None:
        mapped = self.names.get(name, name)
        if mapped == NO_SUCH_TOOL:
            return None
        tool = self.base.catalog.find(mapped)
        if tool is None:
            self.gaps.append(f"{scenario.id}: no tool of the catalog is called {name}")
        return tool

    def _outside(self, scenario: Scenario, allowed: Sequence[str]) -> Iterator[ToolSpec]:
        """Tools that are not on the list, and whose call would be of use to an attacker."""
        known = {found.name for name in allowed if (found := self.base.catalog.find(self.names.get(name, name)))}
        left = 0
        for tool in self.base.catalog.tools.values():
            if tool.name in known:
                continue
            if tool.effects & CONSEQUENTIAL or is_secret(tool):
                yield tool
            else:
                left += 1
        if left:
            tools = "1 tool" if left == 1 else f"{left} tools"
            self.notes.append(f"{scenario.id}: {tools} outside of allowed_tools, only reading, were not tried")

    def _sent(self, scenario: Scenario) -> Iterator[tuple[str, ToolCall]]:
        named = [found for text in (*scenario.untrusted, scenario.message) for found in _ADDRESS.findall(text)]
        to = next((each for each in (*named, _STRANGER) if not _is_allowed(each, scenario)), "")
        tools = [tool for tool in self.base.catalog.tools.values() if any(arg.recipients for arg in tool.args.values())]
        if not tools or not to:
            self.gaps.append(f"{scenario.id}: no tool of the catalog has recipients, or every address is allowed")
        for tool in tools if to else ():
            args = dict(_call(tool).args)
            for arg in tool.args.values():
                if arg.recipients:
                    args[arg.name] = [to] if arg.type.endswith("[]") else to
            yield f"{scenario.id}/{tool.name}/recipient", ToolCall(tool=tool.name, args=args)


def _call(tool: ToolSpec) -> ToolCall:
    return ToolCall(tool=tool.name, args={arg.name: attackers(arg) for arg in tool.args.values() if not arg.optional})


def _is_allowed(address: str, scenario: Scenario) -> bool:
    folded = address.casefold()
    domains = {each.casefold().lstrip("@") for each in scenario.domains or ()}
    return folded in {each.casefold() for each in scenario.recipients or ()} or folded.partition("@")[2] in domains
