"""What there is to say of a project that loaded: warnings of loading, rules taken together, files that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator

from bailiwick.errors import Finding, Severity, Where
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.toml_lines import TomlText
from bailiwick.model.tool import Catalog
from bailiwick.policy.lint_project import lint_project
from bailiwick.policy.lint_readers import open_to_all
from bailiwick.policy.reads import read_by
from bailiwick.project.load import Project
from bailiwick.project.stray import stray_files

__all__ = ["lint"]

_SECTIONS = {
    EntityKind.GROUP: "groups",
    EntityKind.ROLE: "roles",
    EntityKind.AGENT_CLASS: "classes",
    EntityKind.SERVICE: "services",
    EntityKind.AGENT: "agents",
}
_FILE = "directory.toml"


def unreviewed(catalog: Catalog) -> Iterator[Finding]:
    """The tools whose entry was guessed."""
    for name, tool in catalog.tools.items():
        if tool.proposed:
            yield Finding(
                rule="unreviewed-tool",
                message=f"what is said of '{name}' was guessed and is not reviewed: every call of it is denied",
                where=tool.where,
                hint="check each line against what the tool does, then remove `proposed = true`",
                severity=Severity.WARNING,
            )


def unused_budgets(project: Project) -> Iterator[Finding]:
    """The budgets that deny nothing: without a limit, and neither a rule nor a task speaks of them."""
    planes = project.planes
    rules = planes.policy.bundle.policy_set.to_pst().static_policies.values()
    named = {path[1] for rule in rules for path in read_by(rule) if path[0:1] == ("usage",) and len(path) > 1}
    named |= {name for task in planes.directory.tasks.values() for name, _ in task.budgets}
    for budget in planes.settings.budgets:
        if budget.limit is None and budget.name not in named:
            yield Finding(
                rule="unused-budget",
                message=f"the budget '{budget.name}' has no limit, and no rule or task speaks of it",
                where=budget.where,
                hint=f"write a rule over context.usage.{budget.name}.after, give it a limit, or delete it",
                severity=Severity.WARNING,
            )


def hurried_gates(project: Project) -> Iterator[Finding]:
    """The gates whose times cannot be kept: they wait longer than a request may, or escalate when it is over."""
    settings = project.planes.settings
    for rule in project.planes.policy.bundle.policies.values():
        gate = rule.gate
        if gate is None:
            continue
        asked_ms = settings.approval_ttl_ms if gate.ttl_ms is None else gate.ttl_ms
        if asked_ms > settings.approval_longest_ms:
            yield Finding(
                rule="ttl-is-cut",
                message=f"requests of '{gate.id}' would be good for longer than approvals.longest, and are cut to it",
                where=rule.where,
                hint="give the gate a shorter @ttl, or set approvals.longest higher",
                severity=Severity.WARNING,
            )
        if gate.escalate_to and gate.escalate_after_ms >= min(asked_ms, settings.approval_longest_ms):
            yield Finding(
                rule="escalates-too-late",
                message=f"requests of '{gate.id}' are over before anybody is told of their escalation",
                where=rule.where,
                hint="make @escalate_after shorter than @ttl (without one: than approvals.ttl)",
                severity=Severity.WARNING,
            )


def lint(project: Project) -> tuple[Finding, ...]:
    """All warnings and notes on a project, sorted by file and line. Reads the folder again, for lines."""
    written = TomlText.parse(_FILE, (project.folder / _FILE).read_text(encoding="utf-8"))

    def place(ref: EntityRef) -> Where:
        return written.where(_SECTIONS[ref.kind], ref.id)

    planes = project.planes
    found = lint_project(
        planes.policy,
        planes.administration,
        catalog=planes.catalog,
        directory=planes.directory,
        place=place,
        claimed=frozenset(group for issuer in planes.settings.oidc for group in issuer.groups.values()),
    )
    said = (
        *unreviewed(planes.catalog),
        *unused_budgets(project),
        *hurried_gates(project),
        *open_to_all(planes.catalog, planes.settings.levels, planes.settings.strictness.categories),
        *stray_files(project.folder),
    )
    whole = (*project.warnings, *found, *said)
    return tuple(sorted(whole, key=lambda each: (each.where.file, each.where.line, each.rule, each.message)))
