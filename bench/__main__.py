"""`python -m bench`: measure, print the table, write the JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench import frameworks
from bench.conditions import conditions, load
from bench.report import as_json, as_table
from bench.runs import FULL, QUICK, measure

OUT = Path(__file__).parent / "out"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what a decision costs.")
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it runs: figures mean nothing")
    parser.add_argument("--json", type=Path, default=OUT / "results.json", metavar="FILE", help="default: %(default)s")
    parser.add_argument("--dir", type=Path, default=OUT, help="on which disk to measure (default: %(default)s)")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    options.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        told = conditions(Path(folder)) | {"runs": f"{plan.n}{' (quick)' if options.quick else ''}"}
        results = measure(Path(folder), plan, _say)
        agents = [] if options.quick else frameworks.measure(Path(folder) / "agents", rounds=15, calls=10, say=_say)
        told["load after"] = load()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    figures = as_json(results, told) | ({"frameworks": frameworks.as_plain(agents)} if agents else {})
    options.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(as_table(results, told))
    if agents:
        print("\n".join(frameworks.as_lines(agents)) + "\n")
    print(f"written to {options.json}")


def _say(text: str) -> None:
    print(f"measuring {text} ...", file=sys.stderr)


if __name__ == "__main__":
    main()
