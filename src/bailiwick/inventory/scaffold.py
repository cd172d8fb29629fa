"""A new project: one that `bailiwick check` takes, and that denies everything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bailiwick.errors import UsageError, Where

__all__ = ["FILES", "scaffold"]

_NAME = re.compile(r"[^a-z0-9]+")

_SETTINGS = """\
# Settings of this project. What is not said here has its default: docs/settings.md lists them all.
tenant = "{name}"
env    = "dev"

[org]
domains = []            # your mail domains: mail to any other is external

[stores]
path = ".bailiwick"     # state and audit log. Keep governed tools, and version control, away from it.
"""
_DIRECTORY = """\
# Who there is. Nobody yet, so nobody can open a session. As in:
#
# [users.alice]
# email = "alice@example.com"
#
# [agents.helper]
# classes = ["helper"]
#
# [classes.helper]
"""
_TOOLS = """\
# What each tool does. A tool that is not in tools/*.toml is denied. As in:
#
# [tools."crm.get_customer"]
# names    = ["get_customer"]
# effects  = ["read"]
# resource = "crm/customers/{id}"
# args.id  = { type = "string", role = "selector" }
#
# `bailiwick init --from-openapi FILE`, `--from-mcp COMMAND` and `--from-python FILE` propose entries.
"""
_POLICIES = """\
// What may be done. What no rule permits is denied, so without any rule everything is; the user needs a permit, and the
// agent that acts for the user needs one too. As in:
//
// @id("people-read")
// permit (principal is User, action in Action::"read", resource);
//
// @id("helpers-read")
// permit (principal in AgentClass::"helper", action in Action::"read", resource);
"""
FILES: Mapping[str, str] = {
    "bailiwick.toml": _SETTINGS,
    "directory.toml": _DIRECTORY,
    "tools/tools.toml": _TOOLS,
    "policies/rules.cedar": _POLICIES,
    ".gitignore": ".bailiwick/\n",
}


def scaffold(folder: Path) -> tuple[str, ...]:
    """Writes the files, none of them over another. → their paths. Raises UsageError if one is there already."""
    there = [name for name in FILES if (folder / name).exists() or (folder / name).is_symlink()]
    there += [name for name in ("tools", "policies") if (folder / name).exists() and not (folder / name).is_dir()]
    if there:
        raise UsageError(
            f"{folder} holds {', '.join(there)} already, and nothing is written over",
            hint="name another folder; --from-openapi, --from-mcp and --from-python add to a project that is there",
            where=Where(file=str(folder)),
        )
    name = _NAME.sub("-", folder.resolve().name.lower()).strip("-")[:40]
    name = name if name[:1].isalpha() else "project"
    for path, text in FILES.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("x", encoding="utf-8") as file:
            file.write(text.replace("{name}", name) if path == "bailiwick.toml" else text)
    return tuple(FILES)
