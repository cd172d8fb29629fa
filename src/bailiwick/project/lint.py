"""What there is to say of a project that loaded: warnings of loading, rules taken together, files that nobody reads."""

from __future__ import annotations

from bailiwick.errors import Finding, Where
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.toml_lines import TomlText
from bailiwick.policy.lint_project import lint_project
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
    whole = (*project.warnings, *found, *stray_files(project.folder))
    return tuple(sorted(whole, key=lambda each: (each.where.file, each.where.line, each.rule, each.message)))
