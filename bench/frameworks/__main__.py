"""`python -m bench.frameworks`: what the guard adds to a tool call, framework by framework."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from pathlib import Path

from bench.conditions import conditions, load
from bench.frameworks.overhead import as_lines, as_plain, measure
from tests.frameworks.frameworks import FRAMEWORKS

OUT = Path(__file__).parents[1] / "out"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.frameworks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="runs of each agent (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=10, help="tool calls of each run (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=FRAMEWORKS, help="this framework (repeatable)")
    parser.add_argument("--dir", type=Path, default=OUT, help="on which disk to measure (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # frameworks say much
    options.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        told = conditions(Path(folder)) | {"runs": f"{options.rounds} of {options.calls} calls"}
        found = measure(
            Path(folder),
            rounds=options.rounds,
            calls=options.calls,
            say=lambda text: print(f"measuring {text} ...", file=sys.stderr),
            only=options.only,
        )
        told["load after"] = load()
    if options.json:
        print(json.dumps({"conditions": told, "frameworks": as_plain(found)}, indent=2))
        return
    print("\n".join((*(f"{name:12}{text}" for name, text in told.items()), "", *as_lines(found))))


if __name__ == "__main__":
    main()
