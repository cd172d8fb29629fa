"""Least privilege proposed from history: permits for exactly what was used, tasks, and tests that hold under them.

How permits are made: one for each link of the chains and each way of bounding resources. Tools are named, never effect
groups; links are named, never groups or classes. Up to `MANY` different resources of a tool are named one by one; of
more, those zones of the tool that the catalog knows; a tool whose calls touch nothing that varies is not bounded. What
any permit of the tool obliges to (`@redact` …) is on every permit that is proposed, and so are the conditions of those
permits that had let the calls through, as they are now: what none of them gives any more is left out. Forbids are those
of the project, with their gates. INVARIANT: nothing here is written into a project, and a test is proposed only once it
has passed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bailiwick.errors import ProjectError
from bailiwick.guard.planes import Planes
from bailiwick.model.canonical import thaw
from bailiwick.model.decision import Outcome
from bailiwick.model.duration import duration_text
from bailiwick.model.obligation import Obligations
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import DELEGATE_TOOL, MODEL_TOOL
from bailiwick.policy import PolicyEffect
from bailiwick.policy.granted import Permits, granted
from bailiwick.project.bundle import TESTS_FOLDER, gather
from bailiwick.project.load import Project, load_texts
from bailiwick.project.texts import BundleTexts
from bailiwick.project.using import MANY, Example, Usage, Use
from bailiwick.testing.load import load_tests
from bailiwick.testing.run import run
from bailiwick.testing.write import toml_key, toml_value

__all__ = ["Suggestion", "suggest"]

RULES, KEPT, TASKS, TESTS = "policies/suggested.cedar", "policies/kept.cedar", "tasks.toml", "tests/suggested.toml"
_TTLS_MS = tuple(minutes * 60_000 for minutes in (15, 60, 240, 480, 1440))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What is proposed. `rules` are permits, `tests` what they pass; `untested` are calls that ran and for which no
    test can be written (their arguments were erased, or what the session had seen decides). `unused`: per link the
    tools that permits reach and that no call was let through for."""

    rules: str
    tasks: str
    tests: str
    passed: int
    untested: tuple[str, ...]
    unused: Mapping[EntityRef, tuple[str, ...]]
    unused_agents: tuple[str, ...]
    unused_zones: tuple[str, ...]
    unused_groups: tuple[str, ...]
    planes: Planes
    """The project with these permits in the place of its own."""


def suggest(project: Project, usage: Usage, *, clock: Callable[[], float]) -> Suggestion:
    """What the usage of a project suggests. Raises ProjectError if the rules that are proposed do not load."""
    rules = _rules(project.planes, usage)
    planes = _loaded(project, rules)
    tests, passed, untested = _tests(planes, usage, clock)
    directory = project.planes.directory
    links = sorted({link for link, _ in usage.uses}, key=str)
    reached = granted(project.planes.policy, directory, links)
    tools = {link: frozenset(tool for each, tool in usage.uses if each == link) for link in links}
    zones = {zone for _, tool in usage.uses for zone in _zones(project.planes, tool)}
    people = [link.id for link in links if link.kind is EntityKind.USER and link.id in directory.users]
    groups = {ref.id for name in people for ref in directory.groups_of(name) if ref.kind is EntityKind.GROUP}
    return Suggestion(
        rules=rules,
        tasks=_tasks(project.planes, usage),
        tests=tests,
        passed=passed,
        untested=untested,
        unused={link: left for link in links if (left := tuple(sorted(reached[link] - tools[link])))},
        unused_agents=tuple(sorted(directory.agents.keys() - {link.id for link in links})),
        unused_zones=tuple(sorted(project.planes.catalog.zones - zones)),
        unused_groups=tuple(sorted(directory.groups.keys() - groups)),
        planes=planes,
    )


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rules(planes: Planes, usage: Usage) -> str:
    lines = [
        "// Permits for exactly what was used. They take the place of the project's own permits; its forbids stay.",
        "// What arguments were is told for a person to judge, and bounds nothing.",
        "",
    ]
    permits = Permits(planes.policy, planes.directory)
    for link in sorted({link for link, _ in usage.uses}, key=str):
        grouped: defaultdict[tuple[str, str, Obligations], list[str]] = defaultdict(list)
        for tool, use in sorted((tool, use) for (each, tool), use in usage.uses.items() if each == link):
            asked = permits.asking(link, tool, use.permits)
            if asked is None:
                lines += [f"// {_comment(tool)}: no permit gives it to {_comment(str(link))} any more; left out", ""]
                continue
            grouped[_bound(planes, tool, use), asked, planes.policy.every_obligation(tool)].append(tool)
        for number, ((bound, asked, due), tools) in enumerate(grouped.items(), 1):
            for tool in tools:
                lines += _told(tool, usage.uses[link, tool])
            name = f"suggested-{link.kind.value.lower()}-{_plain(link.id)}-{number}"
            lines += [f"@id({json.dumps(name)})", *_obliges(due), *_permit(link, tools, bound, asked), ""]
    return "\n".join(lines)


def _permit(link: EntityRef, tools: list[str], bound: str, asked: str) -> Iterator[str]:
    named = ", ".join(f"Action::{json.dumps(tool)}" for tool in tools)
    action = f"action == {named}" if len(tools) == 1 else f"action in [{named}]"
    scoped = bound.startswith("resource ")
    yield f"permit (principal == {_uid(link)},"
    yield f"        {action},"
    conditions = [each for each in ("" if scoped else bound, asked) if each]
    yield f"        {bound if scoped else 'resource'})" + ("" if conditions else ";")
    for number, each in enumerate(conditions, 1):
        yield f"when {{ {each} }}" + (";" if number == len(conditions) else "")


def _bound(planes: Planes, tool: str, use: Use) -> str:
    """How resources are bounded: a scope, a condition (in brackets), or nothing."""
    action = planes.policy.actions.get(tool)
    refs = sorted(use.resources, key=str)
    if action is None or (action.resource is EntityKind.RESOURCE and not any("{" in each for each in action.templates)):
        return ""
    if len(refs) == 1:
        return f"resource == {_uid(refs[0])}"
    if len(refs) <= MANY or action.resource is not EntityKind.RESOURCE:
        return "[" + ", ".join(map(_uid, refs)) + "].contains(resource)"
    zones = sorted(action.zones or ())
    return f"resource in Zone::{json.dumps(zones[0])}" if zones else ""


def _told(tool: str, use: Use) -> Iterator[str]:
    yield f"// {_comment(tool)}: {use.count} calls on {len(use.resources)} resources"
    for path, each in sorted(use.bounds.items()):
        if each.high is not None:
            yield f"//   {_comment(path)}: {each.low} to {each.high}"
        elif each.values:
            few = ", ".join(json.dumps(value) for value in sorted(each.values)[:MANY])
            more = f" and {len(each.values) - MANY} more" if len(each.values) > MANY else ""
            yield f"//   {_comment(path)}: {few[:300]}{more}"


def _obliges(due: Obligations) -> Iterator[str]:
    for name in ("redact", "mask", "drop"):
        if names := sorted(getattr(due, name)):
            yield f"@{name}({json.dumps(', '.join(names))})"


def _loaded(project: Project, rules: str) -> Planes:
    """The project with these permits and its own forbids."""
    forbids = [info.text for info in project.planes.policy.policies.values() if info.effect is PolicyEffect.FORBID]
    kept = {
        file.path: file.text for file in gather(project.folder) if not file.path.startswith(("policies/", TESTS_FOLDER))
    }
    texts = {**kept, RULES: rules, KEPT: "\n\n".join(forbids) + "\n"}
    return load_texts(project.folder, BundleTexts(texts), types=project.types).planes


# ── tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tasks(planes: Planes, usage: Usage) -> str:
    """A task for each agent that did something. Zones are named only where every tool has some: a task with zones
    reaches no tool that lies in none."""
    lines = ["# For directory.toml. Sessions are opened with these names as their task.", ""]
    for agent, work in sorted(usage.work.items()):
        zones = [_zones(planes, tool) for tool in work.tools]
        ttl = next((ttl for ttl in _TTLS_MS if ttl * 1000 >= work.longest_us), _TTLS_MS[-1])
        lines += [
            f"[tasks.{toml_key(f'suggested-{_plain(agent)}')}]",
            f"purpose = {toml_value(f'What {agent} did from {_day(work.first_us)} to {_day(work.last_us)}')}",
            f"tools   = {toml_value(sorted(work.tools))}",
        ]
        if all(zones):
            lines.append(f"zones   = {toml_value(sorted(frozenset().union(*zones)))}")
        lines += [f"ttl     = {toml_value(duration_text(ttl))}", ""]
    return "\n".join(lines)


def _zones(planes: Planes, tool: str) -> frozenset[str]:
    spec = planes.catalog.find(tool)
    return frozenset(spec.zones) if spec else frozenset()


# ── tests ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tests(planes: Planes, usage: Usage, clock: Callable[[], float]) -> tuple[str, int, tuple[str, ...]]:
    """A file of tests that pass, how many there are, and the calls for which there is none."""
    untested: list[str] = []
    wanted = [(example, _expected(example)) for example in usage.examples.values()]
    wanted += ((example, Outcome.DENY) for example in _strangers(usage))
    kept: list[tuple[Example, Outcome]] = []
    for example, outcome in wanted:
        if _passes(planes, [(example, outcome)], clock):
            kept.append((example, outcome))
        elif outcome is not Outcome.DENY:
            untested.append(f"{example.taken.chain}: {example.question.tool} ({example.event})")
    if not kept or not _passes(planes, kept, clock):
        return "", 0, tuple(untested)
    return _file(kept), len(kept), tuple(untested)


def _expected(example: Example) -> Outcome:
    """A call that ran by leave of people waits for people in a test."""
    return Outcome.NEEDS_APPROVAL if example.question.approved else Outcome.ALLOW


def _strangers(usage: Usage) -> Iterator[Example]:
    """Calls that somebody made, in the place of one whose chain never made such a call."""
    by_tool = {tool: each for (_, _, tool), each in usage.examples.items()}
    firsts = {(links, task): each for (links, task, _), each in usage.examples.items()}
    for (links, task), own in firsts.items():
        done = {tool for at, of, tool in usage.examples if (at, of) == (links, task)}
        for tool, other in by_tool.items():
            if tool not in done and not all((link, tool) in usage.uses for link in links):
                yield Example(event=other.event, question=other.question, taken=own.taken, args=other.args)


def _passes(planes: Planes, wanted: list[tuple[Example, Outcome]], clock: Callable[[], float]) -> bool:
    try:
        files = load_tests([(TESTS, _file(wanted))], planes=planes)
    except ProjectError:
        return False
    return all(ran.passed for ran in run(planes, [case for file in files for case in file.cases], clock=clock))


def _file(wanted: Iterable[tuple[Example, Outcome]]) -> str:
    parts: dict[str, None] = {}
    cases: list[str] = []
    latest_ms = 0
    for example, outcome in wanted:
        question, taken = example.question, example.taken
        if example.args is None or question.tool in (DELEGATE_TOOL, MODEL_TOOL):
            continue
        latest_ms = max(latest_ms, question.now_ms)
        who, call = _principal(taken.chain.links, taken.task), _call(question.tool, example.args)
        about = _context(example)
        for section, name, text in (who, call, *about):
            parts.setdefault(f"[{section}.{toml_key(name)}]\n{text}\n")
        context = [f"context   = {toml_value(name)}" for _, name, _ in about]
        cases.append(
            "\n".join(
                [
                    "[[case]]",
                    f"principal = {toml_value(who[1])}",
                    f"call      = {toml_value(call[1])}",
                    *context,
                    f"outcome   = {toml_value(outcome.value)}",
                    "",
                ]
            )
        )
    now = datetime.fromtimestamp(latest_ms // 1000, UTC).isoformat()
    return "\n".join([f"now = {toml_value(now)}", "", *parts, *dict.fromkeys(cases)])


def _principal(links: tuple[EntityRef, ...], task: str) -> tuple[str, str, str]:
    root, first, *more = links
    lines = [
        f"{'user' if root.kind is EntityKind.USER else 'service'} = {toml_value(root.id)}",
        f"agent = {toml_value(first.id)}",
        f"task = {toml_value(task)}",
    ]
    if more:
        lines.append(f"delegates = {toml_value([link.id for link in more])}")
    return "principals", "-".join(_plain(link.id) for link in links) + _mark(task), "\n".join(lines) + "\n"


def _call(tool: str, args: Mapping[str, object]) -> tuple[str, str, str]:
    given = {name: value for name, value in args.items() if value is not None}
    thawed = thaw(given)  # type: ignore[arg-type]
    text = f"tool = {toml_value(tool)}\nargs = {toml_value(thawed)}\n"
    return "calls", _plain(tool) + _mark(text), text


def _context(example: Example) -> list[tuple[str, str, str]]:
    """What was around the call, as far as a test can say it."""
    question, lines = example.question, []
    if example.taken.environment:
        lines.append(f"environment = {toml_value(example.taken.environment)}")
    if question.around.facts:
        lines.append(f"facts = {toml_value({name: each.value for name, each in question.around.facts.items()})}")
    if not lines:
        return []
    text = "\n".join(lines) + "\n"
    return [("contexts", f"around{_mark(text)}", text)]


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _uid(ref: EntityRef) -> str:
    return f"{ref.kind.value}::{json.dumps(ref.id)}"


def _plain(text: str) -> str:
    """A part of an id: letters, digits, `-`."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in text)


def _mark(text: str) -> str:
    """Tells names apart that would read the same."""
    return f"-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _comment(text: str) -> str:
    """On one line, whatever it holds."""
    return json.dumps(text)[1:-1]


def _day(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).strftime("%Y-%m-%d")
