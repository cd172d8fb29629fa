"""The policy plane alone, as rules grow: from ten to ten thousand that a call does not meet.

Two ways to grow. *Spread*: rules over many people, groups, classes, tools, resources and zones, as a large company
writes them. *One tool*: all of them on the tool of the call, each for somebody else or for another resource. In both
the call itself meets the same ten rules.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from bailiwick.action.parse import parse_call
from bailiwick.model.call import Action, Call
from bailiwick.model.decision import FlowFacts, Outcome
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.policy import PolicyRequest
from bailiwick.project.load import load_project
from bench.measure import Case, timed

__all__ = ["LAYOUTS", "Loaded", "load_rules"]

TOOLS, PEOPLE, MET = 100, 200, 10

_SETTINGS = 'tenant = "northwind"\nenv = "bench"\n'

_TOOL = """
[tools."desk{n}.read"]
effects = ["read"]
resource = "desk{n}/records/{{id}}"
zones = ["zone{n}"]
args.id = {{ type = "string", role = "selector" }}

[tools."desk{n}.note"]
effects = ["write"]
resource = "desk{n}/records/{{id}}"
zones = ["zone{n}"]
sink = "internal"
args.id = {{ type = "string", role = "selector" }}
args.text = {{ type = "string", role = "content" }}
change = {{ count = 1, reversible = true }}
"""

_PERSON = """
[groups.team{n}]
parents = ["everybody"]
[users.person{n}]
groups = ["team{n}"]
level = {level}
[classes.class{n}]
[agents.bot{n}]
classes = ["class{n}"]
owner = "person{n}"
"""

_MET = """
@id("people") permit (principal in Group::"everybody", action == Action::"desk0.read", resource);
@id("agents") permit (principal in AgentClass::"class0", action == Action::"desk0.read", resource in Zone::"zone0");
@id("no-secrets") forbid (principal, action in Action::"read", resource) when { context.flow.sensitivity >= 3 };
@id("clearance") forbid (principal is User, action == Action::"desk0.read", resource) unless { principal.level >= 1 };
@id("active") forbid (principal, action in Action::"read", resource) when { principal is Agent && !principal.active };
@id("closed") forbid (principal, action, resource in Zone::"zone0") when { context.flow.opaque };
@id("depth") forbid (principal is Agent, action, resource) when { context.depth > 3 };
@id("late") forbid (principal, action, resource) when { context.now >= context.task.expires };
@id("one-record") forbid (principal, action == Action::"desk0.read", resource == Resource::"desk0/records/7")
when { context.flow.tainted };
@id("team") permit (principal == User::"person0", action == Action::"desk0.read", resource);
"""

_SPREAD = """
permit (principal in Group::"team{person}", action == Action::"desk{tool}.read", resource in Zone::"zone{tool}");

permit (principal in AgentClass::"class{person}", action == Action::"desk{tool}.note", resource);

forbid (principal == User::"person{person}", action in Action::"read", resource in Zone::"zone{tool}")
when {{ context.flow.sensitivity >= 2 }};

forbid (principal, action == Action::"desk{tool}.note", resource == Resource::"desk{tool}/records/{n}")
when {{ context.flow.tainted }};

forbid (principal == Agent::"bot{person}", action in Action::"consequential", resource)
when {{ context.flow.sensitivity >= 1 }};
"""
_ONE_TOOL = """
permit (principal == User::"person{person}", action == Action::"desk0.read", resource in Zone::"zone0");

permit (principal in AgentClass::"class{person}", action == Action::"desk0.read", resource);

forbid (principal, action == Action::"desk0.read", resource == Resource::"desk0/records/{n}")
when {{ context.flow.tainted }};

forbid (principal in Group::"team{person}", action == Action::"desk0.read",
        resource == Resource::"desk0/records/{n}")
when {{ context.flow.sensitivity >= 1 }};

forbid (principal == Agent::"bot{person}", action in Action::"read", resource)
when {{ context.flow.sensitivity >= 2 }};
"""
LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "spread": tuple(_SPREAD.strip().split("\n\n")),
    "one tool": tuple(_ONE_TOOL.strip().split("\n\n")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """`seconds` to load the project, and by how much the process grew at its largest, in MB; `decide` is one decision
    of the policy plane, for a user and an agent."""

    seconds: float
    megabytes: float
    decide: Case


def load_rules(folder: Path, layout: str, rules: int) -> Loaded:
    """A project with so many rules (at least ten), loaded, and the case to measure."""
    _write(folder, LAYOUTS[layout], rules)
    before, began = _peak(), perf_counter()
    planes = load_project(folder).planes
    seconds, after = perf_counter() - began, _peak()
    action = parse_call(planes.catalog, Call(tool="desk0.read", args={"id": "7"}), around=planes.surroundings())
    assert isinstance(action, Action)
    user, bot = EntityRef(kind=EntityKind.USER, id="person0"), EntityRef(kind=EntityKind.AGENT, id="bot0")
    subject = planes.policy.subject(chain=Chain(links=(user, bot)), task="t", purpose="Look it up", expires_ms=None)
    request = PolicyRequest(
        subject=subject,
        tool="desk0.read",
        resources=action.resources,
        now_ms=1_700_000_000_000,
        args={arg.name: arg.facts for arg in action.arguments},
        interfaces=action.interfaces,
        approved=frozenset(),
        flow=FlowFacts(label=Label(), session_label=Label(), tainted=False),
    )
    decide: Callable[[], object] = lambda: planes.policy.decide(request)  # noqa: E731
    assert planes.policy.decide(request).outcome is Outcome.ALLOW
    assert len(planes.policy.policies) == rules
    return Loaded(seconds=round(seconds, 2), megabytes=round(after - before, 1), decide=timed(decide))


def _write(folder: Path, kinds: tuple[str, ...], rules: int) -> None:
    for name in ("tools", "policies"):
        (folder / name).mkdir(parents=True)
    (folder / "bailiwick.toml").write_text(_SETTINGS, encoding="utf-8")
    people = "".join(_PERSON.format(n=n, level=1 + n % 5) for n in range(PEOPLE))
    (folder / "directory.toml").write_text("[groups.everybody]\n" + people, encoding="utf-8")
    tools = "".join(_TOOL.format(n=n) for n in range(TOOLS))
    (folder / "tools" / "desks.toml").write_text(tools, encoding="utf-8")
    more = (_rule(kinds, n) for n in range(rules - MET))
    (folder / "policies" / "rules.cedar").write_text(_MET + "\n".join(more), encoding="utf-8")


def _rule(kinds: tuple[str, ...], n: int) -> str:
    """Never for person0, bot0 or record 7, whose call is measured."""
    text = kinds[n % len(kinds)].format(n=100 + n, person=1 + n % (PEOPLE - 1), tool=1 + n // 7 % (TOOLS - 1))
    return f'@id("more-{n}") {text}'


def _peak() -> float:
    """The largest size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
