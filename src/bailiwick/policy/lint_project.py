"""What `bailiwick check` says of rules that loaded: about all of them together, with catalog and directory.

`load` looks at each rule by itself and refuses what cannot fire as written; nothing that is found here keeps a project
from loading. Everything is exact for the project as it stands: what depends on a call (conditions) is left out, and
each entry of the rulebook says so. DESIGN §3 promise 2, §4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.directory import Directory
from bailiwick.model.tool import Catalog
from bailiwick.policy.bundle import Bundle, PolicyEffect
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.lint_entities import Named, Place, named_by, reaching_nobody, unused
from bailiwick.policy.lint_gates import gate_findings
from bailiwick.policy.lint_tools import tool_findings
from bailiwick.policy.reach import People
from bailiwick.policy.shadow import Hierarchy, Scoped, scoped, shadowed
from bailiwick.policy.text import split
from bailiwick.policy.tree import Rule
from bailiwick.policy.whole import Whole

__all__ = ["lint_project", "rules_of"]


def lint_project(
    policy: PolicyEngine,
    administration: PolicyEngine,
    *,
    catalog: Catalog,
    directory: Directory,
    place: Place,
    claimed: frozenset[str] = frozenset(),
) -> tuple[Finding, ...]:
    """Everything that is doubtful in the rules of a project beyond what loading them has said, sorted by place.
    `claimed` are the groups into which signing in can put a user."""
    hierarchy = Hierarchy(directory)
    people = People(directory, hierarchy, claimed=claimed)
    everybody = People(directory, hierarchy, everybody=True, claimed=claimed)
    found: list[Finding] = []
    named: set[Named] = set(_readers(catalog))
    sets: list[tuple[Scoped, ...]] = []
    for engine in (policy, administration):
        rules = scoped(rules_of(engine.bundle), engine.world)
        found += shadowed(rules, engine.world, hierarchy)
        found += reaching_nobody(rules, people, everybody)
        found += _unscoped(rules)
        named |= named_by(rules, engine.bundle)
        sets.append(rules)
    whole = Whole(bundle=policy.bundle, world=policy.world, directory=directory, rules=sets[0], people=people)
    found += gate_findings(whole)
    if sets[0]:  # without any rule, `no-rules` has said it all
        found += tool_findings(whole, catalog)
        found += unused(whole, frozenset(named), hierarchy, place)
    return tuple(sorted(found, key=lambda finding: (finding.where.file, finding.where.line, finding.rule)))


def _unscoped(rules: Iterable[Scoped]) -> Iterator[Finding]:
    for each in rules:
        tree = each.rule.tree
        wide = (pst.ScopeAny, pst.ScopeIs)
        if (
            each.rule.effect is PolicyEffect.FORBID
            and isinstance(tree.action, pst.ScopeAny)
            and isinstance(tree.principal, wide)
            and isinstance(tree.resource, wide)
        ):
            yield each.rule.finding(
                "unscoped-forbid",
                f"{each.rule.name()} has no scope, so it is looked at in every decision",
                hint="if it is about certain tools, principals or zones, say so in the scope",
            )


def _readers(catalog: Catalog) -> Iterator[Named]:
    """Groups and roles that the catalog says may read what a tool returns, or come to see what it is handed."""
    for tool in catalog.tools.values():
        sets = [tool.output.readers, *(rule.readers for rule in tool.output.labels)]
        if tool.audience is not None:
            sets += [tool.audience.readers, *tool.audience.known.values()]
        for reader in {reader for readers in sets for reader in readers or ()}:
            kind, _, name = reader.partition("::")
            yield kind, name.strip('"')


def rules_of(bundle: Bundle) -> list[Rule]:
    """The rules of a bundle with their lines, in its order; without their JSON, which is for loading alone."""
    trees: Mapping[str, pst.Template] = bundle.policy_set.to_pst().static_policies
    rules: list[Rule] = []
    for name, info in bundle.policies.items():
        (piece,) = split(info.where.file, info.text, info.where.line)
        rules.append(Rule(id=name, piece=piece, tree=trees[name], json={}))
    return rules
