"""What the published schema of SARIF 2.1.0 demands of the parts that bailiwick writes.

Trimmed by hand from sarif-schema-2.1.0.json (OASIS, errata 01): which properties an object may have, which it must
have, and what is in them. There, every object is closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["breaches"]

Check = Callable[[Any], bool]
LEVELS = ("none", "note", "warning", "error")

_URI = re.compile(r"(?:[A-Za-z0-9\-._~/:?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*\Z")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(least: int) -> Check:
    return lambda value: type(value) is int and value >= least


def _one_of(*words: str) -> Check:
    return lambda value: value in words


def _uri_reference(value: Any) -> bool:
    return isinstance(value, str) and _URI.match(value) is not None


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _texts_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _bag(value: Any) -> bool:
    """A property bag: open, but its `tags`, where it has any, are texts of which no two are the same."""
    if not isinstance(value, dict):
        return False
    tags = value.get("tags", [])
    return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags) and len(set(tags)) == len(tags)


Shape = Mapping[str, tuple[bool, "Check | str"]]
"""Property → whether it is required, and its check or the name of its shape; `[name]` for an array of it, `{name}` for
a map of it."""

SHAPES: Mapping[str, Shape] = {
    "log": {
        "$schema": (False, _uri_reference),
        "version": (True, _one_of("2.1.0")),
        "runs": (True, "[run]"),
    },
    "run": {
        "tool": (True, "tool"),
        "originalUriBaseIds": (False, "{artifactLocation}"),
        "columnKind": (False, _one_of("utf16CodeUnits", "unicodeCodePoints")),
        "results": (False, "[result]"),
        "invocations": (False, "[invocation]"),
    },
    "invocation": {
        "executionSuccessful": (True, _flag),
        "toolExecutionNotifications": (False, "[notification]"),
    },
    "notification": {"level": (False, _one_of(*LEVELS)), "message": (True, "message")},
    "tool": {"driver": (True, "toolComponent")},
    "toolComponent": {"name": (True, _text), "version": (False, _text), "rules": (False, "[reportingDescriptor]")},
    "reportingDescriptor": {
        "id": (True, _text),
        "shortDescription": (False, "multiformatMessageString"),
        "fullDescription": (False, "multiformatMessageString"),
        "help": (False, "multiformatMessageString"),
        "helpUri": (False, _uri_reference),
        "defaultConfiguration": (False, "reportingConfiguration"),
        "properties": (False, _bag),
    },
    "multiformatMessageString": {"text": (True, _text)},
    "reportingConfiguration": {"level": (False, _one_of(*LEVELS))},
    "result": {
        "ruleId": (False, _text),
        "ruleIndex": (False, _whole(-1)),
        "level": (False, _one_of(*LEVELS)),
        "message": (True, "message"),
        "locations": (False, "[location]"),
        "partialFingerprints": (False, _texts_by_name),
        "properties": (False, _bag),
    },
    "message": {"text": (True, _text)},
    "location": {"physicalLocation": (False, "physicalLocation")},
    "physicalLocation": {"artifactLocation": (True, "artifactLocation"), "region": (False, "region")},
    "artifactLocation": {
        "uri": (False, _uri_reference),
        "uriBaseId": (False, _text),
        "description": (False, "message"),
    },
    "region": {"startLine": (False, _whole(1))},
}


def breaches(value: Any, shape: str = "log", at: str = "$") -> list[str]:
    """Where `value` is not as the schema has it."""
    if shape.startswith("["):
        if not isinstance(value, list):
            return [f"{at} is no array"]
        return [said for index, item in enumerate(value) for said in breaches(item, shape[1:-1], f"{at}[{index}]")]
    if not isinstance(value, dict):
        return [f"{at} is no object"]
    if shape.startswith("{"):
        return [said for key, item in value.items() for said in breaches(item, shape[1:-1], f"{at}.{key}")]
    known = SHAPES[shape]
    found = [f"{at} may not have {key}" for key in value.keys() - known.keys()]
    for key, (required, check) in known.items():
        if key not in value:
            found += [f"{at} lacks {key}"] if required else []
        elif isinstance(check, str):
            found += breaches(value[key], check, f"{at}.{key}")
        elif not check(value[key]):
            found.append(f"{at}.{key} is {value[key]!r}")
    return found
