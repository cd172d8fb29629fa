"""The pages in docs/lint/, one for each entry of the rulebook: all of each is generated."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from bailiwick.errors import Severity
from bailiwick.policy.rulebook import RULEBOOK, Lint
from tests.docs.markdown import ROOT
from tests.policy.lint_world import EXAMPLES, parts_shown

__all__ = ["FOLDER", "lint_pages", "renew_lint_pages"]

FOLDER = ROOT / "docs" / "lint"

_HEAD = """\
# Findings in rules

What [`bailiwick check`](../cli.md#bailiwick-check) can find in rules and in what they refer to, one page each. The ids
are stable. Findings in bailiwick.toml, tools/ and directory.toml are in
[errors.md](../errors.md#findings-in-a-project-folder), with the sentences of these ones too.
`bailiwick check --why ID` prints what is on a page, without its examples, wherever bailiwick is installed.

The pages are made from the source by `make docs`; tests check each of their examples.
"""

_MEANING = {
    Severity.ERROR: "An error keeps the project from loading.",
    Severity.WARNING: "A warning loads, and is hardly what was meant. `bailiwick check --strict` fails on it.",
    Severity.NOTE: "A note loads, and may well be meant.",
}


def lint_pages() -> Mapping[Path, str]:
    """Path → text of every page."""
    pages = {FOLDER / f"{lint.id}.md": _page(lint) for lint in RULEBOOK.values()}
    return {FOLDER / "README.md": _index(), **pages}


def renew_lint_pages(*, write: bool) -> list[Path]:
    """Write them anew, and delete what no entry is behind any more; which of them changed (or would)."""
    wanted = lint_pages()
    there = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    changed = [path for path in {**wanted, **there} if wanted.get(path) != there.get(path)]
    for path in changed:
        print(path.relative_to(ROOT).as_posix())
        if not write:
            continue
        FOLDER.mkdir(exist_ok=True)
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _index() -> str:
    order = list(Severity)
    lints = sorted(RULEBOOK.values(), key=lambda lint: (order.index(lint.severity), lint.id))
    parts = [_HEAD]
    for severity, group in groupby(lints, key=lambda lint: lint.severity):
        rows = "".join(f"| [`{lint.id}`]({lint.id}.md) | {lint.title} |\n" for lint in group)
        parts.append(f"## {severity.value.capitalize()}s\n\n{_MEANING[severity]}\n\n| id | what |\n|---|---|\n{rows}")
    return "\n".join(parts)


def _page(lint: Lint) -> str:
    parts = [f"# `{lint.id}`\n", f"{lint.title}.\n", f"*{lint.severity.value}*: {_MEANING[lint.severity]}\n"]
    parts += ["## Why\n", _filled(lint.why), "## What to do\n", _filled(lint.mend)]
    example = EXAMPLES.get(lint.id)
    if example is not None:
        parts += ["## Found\n", *_shown(example["bad"]), "## Right\n", *_shown(example["good"])]
    parts.append("[All findings in rules](README.md)\n")
    return "\n".join(parts)


def _filled(text: str) -> str:
    return textwrap.fill(text, width=120, break_long_words=False, break_on_hyphens=False) + "\n"


def _shown(example: str | Mapping[str, str]) -> list[str]:
    return [f"In {path}:\n\n```text\n{text}\n```\n" for path, text in parts_shown(example)]
