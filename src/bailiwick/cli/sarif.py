"""Findings as SARIF 2.1.0, the format that code review tools read.

One run, one result for each finding, in the order given. Places are relative to the project folder, whose base is named
PROJECTROOT and left for the reader to resolve: no path of this machine is written. A finding on a file as a whole has
no region.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from bailiwick.errors import Finding
from bailiwick.policy.rulebook import RULEBOOK, why_command

__all__ = ["sarif"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "PROJECTROOT"


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """The log of one run of `bailiwick check`."""
    rules = sorted({finding.rule for finding in findings})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "bailiwick check",
                        "version": version("bailiwick"),
                        "rules": [_rule(name, findings) for name in rules],
                    }
                },
                "originalUriBaseIds": {_BASE: {"description": {"text": "The project folder that was checked."}}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, rules) for finding in findings],
            }
        ],
    }


def _rule(name: str, findings: Sequence[Finding]) -> dict[str, Any]:
    lint = RULEBOOK.get(name)
    first = next(finding for finding in findings if finding.rule == name)
    if lint is None:
        return {"id": name, "defaultConfiguration": {"level": first.severity.value}}
    return {
        "id": name,
        "shortDescription": {"text": f"{lint.title}."},
        "fullDescription": {"text": lint.why},
        "help": {"text": f"{lint.mend} Printed by: {why_command(name)}"},
        "defaultConfiguration": {"level": lint.severity.value},
    }


def _result(finding: Finding, rules: Sequence[str]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.where.file), "uriBaseId": _BASE}}
    if finding.where.line:
        place["region"] = {"startLine": finding.where.line}
    hint = f" What to do: {finding.hint}." if finding.hint else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}.{hint}"},
        "locations": [{"physicalLocation": place}],
    }
