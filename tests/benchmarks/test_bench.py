"""`make bench` runs and writes what it promises. Times are not looked at: they belong to the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_bench_runs_and_writes_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "out" / "figures.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(out), "--dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    written = json.loads(out.read_text())

    assert written.keys() == {"conditions", "record_bytes", "figures", "planes_us", "growth", "loads", "targets"}
    assert {"date", "cpu", "load before", "load after", "python", "filesystem", "versions", "runs"} <= (
        written["conditions"].keys()
    )
    assert written["record_bytes"] > 1000
    assert written["figures"].keys() == {
        "decision",
        "evidence",
        "planes",
        "calls",
        "tokens",
        "async",
        "documents",
        "rules",
        "spread",
        "one tool",
    }
    assert set(written["figures"]["decision"]) >= {"enter, buffered", "enter, sync", "bare fdatasync"}
    for taken in written["figures"].values():
        for figure in taken.values():
            assert figure.keys() == {"n", "p05_us", "p50_us", "p95_us"}
            assert figure["n"] > 0
            assert 0 < figure["p05_us"] <= figure["p50_us"] <= figure["p95_us"]
    planes = {name.partition(":")[0] for name in written["planes_us"]}
    assert planes == {"identity", "action", "flow", "policy", "audit", "state", "guard"}
    assert written["growth"].keys() == {"documents", "rules", "spread", "one tool"}
    assert all(load["seconds"] > 0 for load in written["loads"].values())
    for target in written["targets"]:
        assert target["met"] is (target["measured"] <= target["aim"])
        assert ("met" if target["met"] else "MISSED") in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "out"], "the bench left something behind"


def test_the_bench_of_the_log_runs_and_writes_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.log", "-n", "40", "--seconds", "0.2", "--json", "--dir", str(tmp_path)]
    command += ["--records", "2000", "--runs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    assert set(written["figures"]) == {"bare fdatasync", "append, sync", "append, buffered"}
    assert all(rate > 0 for rate in written["rates"].values())
    assert 1000 < written["record_bytes"] < written["bytes_per_decision"]
    assert written["verify"]["records"] > 1900 < written["verify"]["contents"]
    assert all(rate > 0 for rate in written["verify"]["rates"].values())
    assert list(tmp_path.iterdir()) == [], "the bench left something behind"


def test_the_bench_of_the_frameworks_runs_and_writes_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.frameworks", "--rounds", "1", "--calls", "2", "--json"]
    command += ["--only", "langgraph", "--dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (figures,) = json.loads(done.stdout)["frameworks"]
    assert (figures["framework"], figures["rounds"], figures["calls"]) == ("langgraph", 1, 2)
    assert figures["bare_ms"] > 0
    assert figures["guarded_ms"] > 0
    assert list(tmp_path.iterdir()) == [], "the bench left something behind"
