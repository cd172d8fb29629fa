"""The tables of docs/frameworks.md: tested versions, and what the conformance suite found."""

from __future__ import annotations

from collections.abc import Iterator

from bailiwick.adapters.versions import TESTED
from tests.frameworks.frameworks import FRAMEWORKS, REFERENCE
from tests.frameworks.scenarios import THEMES, title
from tests.frameworks.table import HOLDS, published

__all__ = ["conformance", "versions"]

_HOLDS = "✓"


def versions() -> str:
    """Every framework with its extra, the tested versions and the line that protects."""
    lines = ["| framework | extra | tested with |", "|---|---|---|"]
    for tested in TESTED.values():
        title_of = tested.title.removeprefix("the ")
        lines.append(
            f"| {title_of} | `{tested.extra}` | `{tested.distribution}` {tested.at_least} up to, not including,"
            f" {tested.below} |"
        )
    return "\n".join(lines) + "\n"


def conformance() -> str:
    """One table for each theme, and below them why a framework has no such thing."""
    notes: dict[str, int] = {}
    parts = [part for theme in THEMES for part in _theme(theme, notes)]
    if notes:
        parts += ["", "What a framework does not have:", ""]
        parts += [f"{number}. {note}" for note, number in notes.items()]
    return "\n".join(parts) + "\n"


def _theme(theme: str, notes: dict[str, int]) -> Iterator[str]:
    columns = [name for name in FRAMEWORKS if name in published() and name != REFERENCE]
    yield f"\n### {theme}\n"
    yield "| | " + " | ".join(FRAMEWORKS[name].title for name in columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for scenario in THEMES[theme]:
        cells = [_cell(name, scenario.__name__, notes) for name in columns]
        yield f"| {' '.join(title(scenario).split())}. | {' | '.join(cells)} |"


def _cell(framework: str, scenario: str, notes: dict[str, int]) -> str:
    came = published()[framework].get(scenario, "")
    if came == HOLDS:
        return _HOLDS
    note = f"{FRAMEWORKS[framework].title}: {came}" if came else f"{FRAMEWORKS[framework].title}: not measured"
    number = notes.setdefault(note.rstrip("."), len(notes) + 1)
    return f"no ({number})"
