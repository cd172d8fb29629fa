"""The published outcomes: `python -m tests.frameworks.table [FRAMEWORK ...]` runs the scenarios and writes them down.

    {framework: {scenario: "holds" | why the framework has no such thing}}

Frameworks that are not installed here keep what was written. A scenario that fails is not written: it is a defect.
"""

from __future__ import annotations

import functools
import json
import sys
import traceback
from pathlib import Path

from tests.frameworks.asking import Make
from tests.frameworks.desk import new_desk
from tests.frameworks.frameworks import FRAMEWORKS, lacks
from tests.frameworks.harness import NotSupported
from tests.frameworks.scenarios import SCENARIOS

__all__ = ["HOLDS", "TABLE", "outcome", "published"]

TABLE = Path(__file__).parents[2] / "docs/frameworks/conformance.json"
HOLDS = "holds"


def outcome(framework: str, scenario: str) -> str:
    """Run one scenario at a new desk. → HOLDS, or why the framework has no such thing. Raises what the scenario does
    where it does not hold."""
    with new_desk() as desk:
        try:
            SCENARIOS[scenario](Make(framework), desk)
        except NotSupported as why:
            return str(why)
    return HOLDS


@functools.cache
def published() -> dict[str, dict[str, str]]:
    """What is written down."""
    if not TABLE.exists():
        return {}
    found: dict[str, dict[str, str]] = json.loads(TABLE.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Run all that can be run here. Exit code 1 if anything does not hold."""
    wanted = sys.argv[1:] or [name for name in FRAMEWORKS if not lacks(name)]
    failed = False
    for framework in wanted:
        cells = _cells(framework)
        _write(framework, cells)
        failed |= cells.keys() != SCENARIOS.keys()
        print(f"{framework}: {sum(cell == HOLDS for cell in cells.values())} of {len(SCENARIOS)} hold", flush=True)
    sys.exit(1 if failed else 0)


def _cells(framework: str) -> dict[str, str]:
    """The outcome of each scenario that has one."""
    cells: dict[str, str] = {}
    for name in SCENARIOS:
        try:
            cells[name] = outcome(framework, name)
        except Exception:
            traceback.print_exc()
            print(f"{framework}: {name} does not hold", file=sys.stderr)
    return cells


def _write(framework: str, cells: dict[str, str]) -> None:
    published.cache_clear()
    table = {**published(), framework: cells}
    ordered = {name: table[name] for name in FRAMEWORKS if name in table}
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
