"""What a run found as SARIF 2.1.0: one rule for each family of attacks, one result for each attack that succeeded.

Ids are stable over runs (`partialFingerprints`). Places are those of the tools in the project's catalog, relative to
the project folder, which is named PROJECTROOT and left for the reader to resolve.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from bailiwick.redteam.hits import ASI_TITLES, ATLAS_TITLES, Hit

__all__ = ["redteam_sarif"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "PROJECTROOT"


def redteam_sarif(hits: Sequence[Hit], why_not: str = "") -> dict[str, Any]:
    """The log of one run. `why_not`: why it says nothing about its target."""
    rules = sorted({hit.kind for hit in hits})
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "bailiwick redteam",
                "version": version("bailiwick"),
                "rules": [_rule(kind, hits) for kind in rules],
            }
        },
        "originalUriBaseIds": {_BASE: {"description": {"text": "The project folder that was attacked."}}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not why_not}],
        "results": [_result(hit, rules) for hit in hits],
    }
    if why_not:
        note = {"level": "error", "message": {"text": why_not}}
        run["invocations"][0]["toolExecutionNotifications"] = [note]
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(kind: str, hits: Sequence[Hit]) -> dict[str, Any]:
    asi = sorted({name for hit in hits if hit.kind == kind for name in hit.asi})
    atlas = sorted({name for hit in hits if hit.kind == kind for name in hit.atlas})
    titles = [f"{name} {ASI_TITLES.get(name, '')}".strip() for name in asi]
    titles += [f"{name} {ATLAS_TITLES.get(name, '')}".strip() for name in atlas]
    return {
        "id": f"redteam/{kind}",
        "shortDescription": {"text": f"An attack of the family {kind} succeeded."},
        "fullDescription": {"text": f"{'; '.join(titles)}." if titles else f"Attacks of the family {kind}."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", *asi, *atlas]},
    }


def _result(hit: Hit, rules: Sequence[str]) -> dict[str, Any]:
    file = hit.where.file if hit.where is not None else "bailiwick.toml"
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(file), "uriBaseId": _BASE}}
    if hit.where is not None and hit.where.line:
        place["region"] = {"startLine": hit.where.line}
    hint = f" A rule that stops it:\n{hit.proposal.policy}" if hit.proposal is not None else ""
    return {
        "ruleId": f"redteam/{hit.kind}",
        "ruleIndex": rules.index(hit.kind),
        "level": "error",
        "message": {"text": f"{hit.message}.{hint}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"bailiwick/v1": hit.id},
        "properties": {
            "world": hit.world,
            "task": hit.task,
            "attack": hit.attack,
            "moments": list(hit.moments),
            "asi": list(hit.asi),
            "atlas": list(hit.atlas),
            "trace": hit.trace,
            "events": list(hit.events),
            "test": hit.proposal.test if hit.proposal is not None else "",
        },
    }
