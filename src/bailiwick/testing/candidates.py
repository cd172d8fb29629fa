"""Calls that may show a survivor: every principal, call and context of a test file with each other; these with other
facts, times and numbers; then everybody of the directory, tools that no file calls, and a session that has read a
stranger's text. In a fixed order. DESIGN §4 *tests*."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from urllib.parse import unquote

from bailiwick.action.parse import parse_call
from bailiwick.guard.explaining.rehearsal import Rehearsed, rehearse
from bailiwick.guard.looking_up import supposed
from bailiwick.guard.planes import Planes
from bailiwick.model.call import Call
from bailiwick.model.decision import Reason
from bailiwick.model.shape import Bool, Long, Record, Shape, String, StringSet
from bailiwick.model.tool import DELEGATE_TOOL, ArgSpec, ToolSpec
from bailiwick.policy.mutants import named_resources
from bailiwick.testing.expected import PLAIN, Asked, Context, NamedCall, Principal, TestFile
from bailiwick.testing.variations import numbered_calls, variations

__all__ = ["MOST", "Candidate", "Candidates"]

MOST = 5000
"""Candidates that are made for one project."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_STRANGER = "a-strangers-text"
_PURPOSE = "Policy test of the rules"
"""A purpose in plain words: it narrows nothing."""

_Cells = tuple[Sequence[Principal], Sequence[NamedCall], Sequence[Context]]
"""Every principal with every call in every context."""

_SAMPLES: Mapping[str, object] = {
    "length": "Some text",
    "addresses": ["someone@example.com"],
    "currency": "1.00 EUR",
    "statements": "SELECT 1",
    "method": {"method": "GET", "url": "https://www.example.com/"},
    "scheme": "https://www.example.com/",
    "schemes": ["https://www.example.com/"],
}
"""A field of a type's facts → a value that such a type takes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A cell that a file could have. What of it the file does not declare yet is in `new`: of `principals`, `calls`,
    `contexts`."""

    file: TestFile
    asked: Asked
    new: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Candidates:
    """Made once and rehearsed at most once each, whatever the number of survivors. Cells with a `[[case]]` of their own
    are left out: a second one would be refused."""

    planes: Planes
    files: Sequence[TestFile]
    _made: list[Candidate] | None = None
    _rehearsed: dict[int, Rehearsed] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Candidate]:
        if self._made is None:
            self._made = list(islice(self._all(), MOST))
        return iter(self._made)

    def rehearsed(self, candidate: Candidate) -> Rehearsed:
        """What becomes of it under the project's own rules."""
        key = id(candidate)
        if key not in self._rehearsed:
            asked = candidate.asked
            self._rehearsed[key] = rehearse(self.planes, asked.rehearsal(), asked.now_us)
        return self._rehearsed[key]

    def _all(self) -> Iterator[Candidate]:
        """What is near to the tests of any file, before what is far from them."""
        cells = [self._cells(file) for file in self.files]
        known = [{case.asked.key for case in file.cases if not case.group} for file in self.files]
        for distance in zip(*cells, strict=True):
            for file, near, seen in zip(self.files, distance, known, strict=True):
                yield from _candidates(file, near, seen)

    def _cells(self, file: TestFile) -> tuple[_Cells, ...]:
        """What the cells of a file are made of, the nearest first."""
        own, calls, contexts = tuple(file.principals.values()), tuple(file.calls.values()), file.contexts
        every_call = [*calls, *self._other_calls(file)]
        varied = variations(self.planes, file.now_us, every_call)
        around = [_named_apart(context, contexts) for context in (varied.base, *varied.contexts)]
        tools = self.planes.catalog.tools
        numbered = [
            one
            for one in numbered_calls(file.calls, tools, varied.compared)
            if one.name not in file.calls and self._takes(one.call)
        ]
        everybody = [*own, *self._everybody(file)]
        stranger = replace(varied.base, name=_STRANGER, unknown=("Text that nobody vouches for.",))
        declared = (PLAIN, *contexts.values())
        # Every context for everybody would be many cells of little difference.
        few = (*dict.fromkeys((PLAIN.name, around[0].name)), _STRANGER)
        known = {"": PLAIN, around[0].name: around[0], _STRANGER: contexts.get(_STRANGER, stranger)}
        return (
            (own, calls, declared),
            (own, calls, around),
            (own, numbered, (around[0], *declared)),
            (everybody, every_call, [known[name] for name in few]),
            (everybody, every_call, around),
        )

    def _takes(self, call: Call) -> bool:
        around = self.planes.surroundings(supposed(self.planes, call))
        return not isinstance(parse_call(self.planes.catalog, call, around=around, types=self.planes.types), Reason)

    def _everybody(self, file: TestFile) -> Iterator[Principal]:
        """Every user and service with every agent that the file does not pair yet."""
        directory = self.planes.directory
        paired = {(one.user, one.service, one.agent) for one in file.principals.values() if not one.delegations}
        roots = [(user, None) for user in directory.users] + [(None, service) for service in directory.services]
        for agent in directory.agents:
            for user, service in roots:
                name = f"{user or service}-{agent}"
                if (user, service, agent) not in paired and name not in file.principals:
                    yield Principal(name=name, user=user, service=service, agent=agent, task=_PURPOSE)

    def _other_calls(self, file: TestFile) -> Iterator[NamedCall]:
        """A plain call of each tool that the file does not call, as far as one can be thought up."""
        called = {one.call.tool for one in file.calls.values()}
        for tool in self.planes.catalog.tools.values():
            name = tool.name.replace(".", "-")
            call = Call(tool=tool.name, args=_sample_args(tool))
            if tool.name in called or name in file.calls:
                continue
            if self._takes(call):
                yield NamedCall(name=name, call=call)
        yield from self._on_named_resources(file)
        asked = {one.call.args.get("agent") for one in file.calls.values() if one.call.tool == DELEGATE_TOOL}
        for agent in self.planes.directory.agents:
            name = f"hand-on-to-{agent}"
            if agent not in asked and name not in file.calls:
                yield NamedCall(name=name, call=Call(tool=DELEGATE_TOOL, args={"agent": agent}))

    def _on_named_resources(self, file: TestFile) -> Iterator[NamedCall]:
        """Calls on the very resources that rules name."""
        for tool in self.planes.catalog.tools.values():
            known = next((one.call.args for one in file.calls.values() if one.call.tool == tool.name), None)
            for name, values in _placed(tool, named_resources(self.planes.policy)):
                call = Call(tool=tool.name, args={**(_sample_args(tool) if known is None else known), **values})
                title = f"{tool.name}-{name}".replace(".", "-").replace("/", "-")
                same = any(one.call == call for one in file.calls.values()) or title in file.calls
                if not same and self._takes(call):
                    yield NamedCall(name=title, call=call)


def _placed(tool: ToolSpec, resources: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Those of `resources` that are the tool's, with the arguments that lead to them."""
    for template in tool.resources:
        names = _PLACEHOLDER.findall(template)
        form = "([^/]+)".join(map(re.escape, _PLACEHOLDER.split(template)[::2]))
        for resource in resources:
            found = re.fullmatch(form, resource)
            if found is not None and names:
                yield resource, dict(zip(names, map(unquote, found.groups()), strict=True))


def _candidates(file: TestFile, cells: _Cells, seen: set[tuple[str, str, str]]) -> Iterator[Candidate]:
    """Those of these cells that are not among `seen`, to which they are added."""
    principals, calls, contexts = cells
    for call in calls:
        for context in contexts:
            for principal in principals:
                now_us = file.now_us if context.now_us is None else context.now_us
                asked = Asked(principal=principal, call=call, context=context, now_us=now_us)
                if asked.key not in seen and not call.refused:
                    seen.add(asked.key)
                    yield Candidate(file=file, asked=asked, new=_new(file, principal, call, context))


def _named_apart(context: Context, declared: Mapping[str, Context]) -> Context:
    """`context`, under a name that the file does not give to another one."""
    name, number = context.name, 1
    while declared.get(name, context) not in (context, replace(context, name=name)):
        number += 1
        name = f"{context.name}-{number}"
    return replace(context, name=name)


def _new(file: TestFile, principal: Principal, call: NamedCall, context: Context) -> frozenset[str]:
    declared = {
        "principals": principal.name in file.principals,
        "calls": call.name in file.calls,
        "contexts": not context.name or context.name in file.contexts,
    }
    return frozenset(section for section, known in declared.items() if not known)


def _sample_args(tool: ToolSpec) -> dict[str, object]:
    return {arg.name: _sample_arg(arg) for arg in tool.args.values() if not arg.optional}


_BY_TYPE: Mapping[str, object] = {"number": 1, "datetime": "2026-01-01T12:00:00Z", "bytes": "", "json": {}}


def _sample_arg(arg: ArgSpec) -> object:
    if arg.fields:
        made = {each.key: _sample_arg(each) for each in arg.fields if not each.optional}
        return [made] if arg.type == "object[]" else made
    single = arg.type.removesuffix("[]")
    if single in _BY_TYPE:
        return [_BY_TYPE[single]] if arg.type != single else _BY_TYPE[single]
    values = arg.shape.field("values") if isinstance(arg.shape, Record) and arg.type != single else None
    if values is not None:
        return _sample(values.shape) or ["example"]
    return [1] if arg.type == "long[]" else _sample(arg.shape)


def _sample(shape: Shape) -> object:
    match shape:
        case Bool():
            return False
        case Long():
            return 1
        case String(values=values):
            return values[0] if values else "example"
        case StringSet(values=values):
            return list(values[:1])
        case Record(fields=fields):
            names = [field.name for field in fields]
            return next((_SAMPLES[name] for name in _SAMPLES if name in names), "example")
