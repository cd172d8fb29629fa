"""Loads a piece of a project that the documentation prints, as `bailiwick check` would."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bailiwick.errors import Finding, ProjectError, Severity
from bailiwick.project import load_project
from tests.docs.markdown import ROOT, Block

__all__ = ["load_block"]

SUPPORT = ROOT / "examples" / "support"
AROUND = """
[hours]
days     = ["monday", "tuesday", "wednesday", "thursday", "friday"]
begin    = "09:00"
end      = "17:00"
timezone = "Europe/Berlin"

[environment]
network = "string"
managed = "bool?"

[facts.on_call]
type    = "bool"
about   = "user"
timeout = "500ms"
max_age = "1m"
"""
"""What docs/circumstances.md declares, for the rules that it shows (`cedar around`)."""
PERSON = '[groups.support-leads]\n[users.alice]\nemail = "alice@northwind.example"\ngroups = ["support-leads"]\n'


def load_block(block: Block, folder: Path) -> None:
    """Load `block` in a project that holds what it may refer to, and nothing that it may clash with.

    Raises AssertionError if it has findings that the page does not speak of, or not the one that it does."""
    project = Path(tempfile.mkdtemp(dir=folder, prefix="project-"))
    part = block.words[0] if block.language == "toml" and block.words else block.language
    for name in ("tools", "policies", "administration"):
        (project / name).mkdir()
    (project / "bailiwick.toml").write_text((SUPPORT / "bailiwick.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (project / "directory.toml").write_text(PERSON, encoding="utf-8")
    match part:
        case "settings":
            (project / "bailiwick.toml").write_text(block.text, encoding="utf-8")
        case "tools":
            (project / "tools" / "page.toml").write_text(block.text, encoding="utf-8")
        case "directory":
            shutil.copytree(SUPPORT / "tools", project / "tools", dirs_exist_ok=True)
            (project / "directory.toml").write_text(block.text, encoding="utf-8")
            if "around" in block.words:
                shutil.copy(SUPPORT / "bailiwick.toml", project)
        case "cedar":
            shutil.copytree(SUPPORT / "tools", project / "tools", dirs_exist_ok=True)
            shutil.copy(SUPPORT / "directory.toml", project)
            if "around" in block.words:
                settings = project / "bailiwick.toml"
                settings.write_text(settings.read_text(encoding="utf-8") + AROUND, encoding="utf-8")
            place = "administration" if "administration" in block.words else "policies"
            (project / place / "page.cedar").write_text(block.text, encoding="utf-8")
        case other:
            raise AssertionError(f"{block}: which part of a project is {other!r}?")
    found = [finding for finding in _findings(project) if finding.rule != "no-rules"]
    wanted = block.option("refused") or block.option("warns")
    said = "\n".join(map(str, found))
    if not wanted:
        assert not found, f"{block} does not load:\n{said}"
        return
    assert {finding.rule for finding in found} == {wanted}, f"{block} should be refused with {wanted}:\n{said}"
    assert all(finding.severity is not Severity.ERROR for finding in found) is bool(block.option("warns")), (
        f"{block}:\n{said}"
    )


def _findings(project: Path) -> tuple[Finding, ...]:
    try:
        return load_project(project).warnings
    except ProjectError as error:
        return error.findings
