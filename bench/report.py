"""The figures as a table for people and as JSON for tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.measure import Figure
from bench.runs import Results, Target

__all__ = ["as_json", "as_table"]

_SECTIONS = {
    "decision": "One decision: user and agent link, 15 rules, 100 known documents; p50, p95, best twentieth",
    "calls": "Other calls of the same session",
    "tokens": "Delegation tokens from other processes",
    "async": "The async driver: every store is waited for in another thread",
    "documents": "Documents that the session knows",
    "rules": "Rules in the project",
    "spread": "The policy plane alone, rules over many people, tools and resources: a call that meets ten of them",
    "one tool": "The policy plane alone, all rules on the tool of the call: a call that meets ten of them",
}


def as_json(results: Results, conditions: Mapping[str, str]) -> dict[str, Any]:
    """Plain JSON; times are microseconds."""
    return {
        "conditions": dict(conditions),
        "record_bytes": results.record_bytes,
        "figures": {
            section: {name: figure.plain() for name, figure in taken.items()}
            for section, taken in results.figures.items()
        },
        "planes_us": results.planes,
        "growth": results.growth,
        "loads": results.loads,
        "targets": [
            {"name": aim.name, "aim": aim.aim, "measured": aim.measured, "unit": aim.unit, "met": aim.met}
            for aim in results.targets
        ],
    }


def as_table(results: Results, conditions: Mapping[str, str]) -> str:
    """What `make bench` prints."""
    return "\n".join(_lines(results, conditions)) + "\n"


def _lines(results: Results, conditions: Mapping[str, str]) -> Iterator[str]:
    for name, text in conditions.items():
        yield f"{name:12}{text}"
    for section, title in _SECTIONS.items():
        yield ""
        yield title
        for name, figure in results.figures[section].items():
            yield _row(name, figure)
        if section == "decision":
            yield f"  (a record has {results.record_bytes} bytes; that many are written before the bare fdatasync)"
            yield from _planes(results)
        if section in results.growth:
            yield f"  {'last against first':50}{results.growth[section]:9.2f} times"
    yield ""
    yield "Loading a project with so many rules: 200 tools, 200 people; its checks and validation are most of it"
    for name, load in results.loads.items():
        yield f"  {name:50}{load['seconds']:9.2f} s, grown by {load['megabytes']:.0f} MB at most"
    yield ""
    yield "Aims"
    for aim in results.targets:
        yield _aim(aim)


def _planes(results: Results) -> Iterator[str]:
    whole = sum(results.planes.values())
    yield ""
    yield "Where a buffered decision spends its time (medians of the parts, run one after the other)"
    for name, spent in results.planes.items():
        yield f"  {name:50}{spent:9.1f} µs {spent / whole:6.0%}"


def _row(name: str, figure: Figure) -> str:
    return f"  {name:50}{figure.p50_us:9.1f} µs {figure.p95_us:9.1f} {figure.p05_us:9.1f}   n={figure.n}"


def _aim(aim: Target) -> str:
    return f"  {aim.name:50}{aim.measured:9.2f} {aim.unit}, aim {aim.aim:g}: {'met' if aim.met else 'MISSED'}"
