"""The settings of `[audit]`, and what they mean together with the witnesses that the project names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bailiwick.audit.notes import valid_name
from bailiwick.audit.witness_settings import WitnessDecl, WitnessRules, needed
from bailiwick.errors import Finding, Where
from bailiwick.model.tool import Catalog, Durability
from bailiwick.project import setting_values as read
from bailiwick.project.setting import Setting

__all__ = ["AUDIT_SETTINGS", "log_origin", "unwitnessed_tools", "witness_rules"]

MAX_ORIGIN = 190
"""Bytes: with the id of a log behind it, an ML-DSA-44 signature takes 255."""


def _quorum(value: object) -> tuple[Any, str]:
    ok = type(value) is int and 0 <= value <= 100
    return (value, "") if ok else (None, "must be a number of witnesses, or 0 for more than half of them")


def _timeout(value: object) -> tuple[Any, str]:
    return _between(value, 100, '"100ms"')


def _window(value: object) -> tuple[Any, str]:
    # A checkpoint is made up to a second after an event, and cosigned after that.
    return _between(value, 2_000, '"2s"')


def _between(value: object, low: int, shown: str) -> tuple[Any, str]:
    found, wrong = read.duration(value)
    if wrong or not low <= found <= 60_000:
        return None, f'must be a duration from {shown} to "60s"'
    return found, ""


def _long(value: object) -> tuple[Any, str]:
    found, wrong = read.duration(value)
    if wrong or found < 86_400_000:
        return None, 'must be a duration of at least a day, such as "180d"'
    return found, ""


def _megabytes(value: object) -> tuple[Any, str]:
    ok = type(value) is int and (value == 0 or 10 <= value <= 1_000_000_000)
    return (value, "") if ok else (None, "must be a number of megabytes, at least 10, or 0")


def _origin(value: object) -> tuple[Any, str]:
    ok = isinstance(value, str) and (not value or (valid_name(value) and len(value.encode()) <= MAX_ORIGIN))
    fine = ok and not str(value).startswith("/") and not str(value).endswith("/")
    wrong = f'must be a name such as "logs.example.com/prod", at most {MAX_ORIGIN} bytes'
    return (value, "") if fine else (None, wrong)


def log_origin(values: Mapping[str, Any]) -> str:
    """The origin of the project's logs, under which each has its own."""
    return values["audit.origin"] or f"bailiwick.local/{values['tenant']}/{values['env']}"


AUDIT_SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="audit.origin",
        default="",
        meaning="What the project's logs are called in their checkpoints; each adds its own id after a slash. Best a "
        "name under a domain of yours, without a scheme: logs of two deployments must not have the same. Empty: "
        "`bailiwick.local/<tenant>/<env>`.",
        check=_origin,
    ),
    Setting(
        key="audit.quorum",
        default=0,
        meaning="So many of the `[witnesses]` must cosign a checkpoint. 0: more than half of them.",
        check=_quorum,
    ),
    Setting(
        key="audit.witness_timeout",
        default="2s",
        meaning="How long witnesses are waited for, each time that they are asked.",
        check=_timeout,
    ),
    Setting(
        key="audit.window",
        default="5s",
        meaning="How long the record of an event may stay without the quorum of `[witnesses]`. When the oldest such "
        "record is older, effects are denied until the quorum is reached again; reads go on. Without witnesses it "
        "means nothing.",
        check=_window,
    ),
    Setting(
        key="audit.retention",
        default="180d",
        meaning="How long contents (prompts, arguments, results, cards) are kept at least: `bailiwick audit retain` "
        "drops older ones, unless there is a legal hold. Records stay. The EU's AI Act asks for six months of logs "
        "where it applies.",
        check=_long,
    ),
    Setting(
        key="audit.disk_budget",
        default=0,
        meaning="How many megabytes the audit logs may take on the disk; 0: as many as there are. Beyond, effects are "
        "denied until there is room again; nothing is dropped for it.",
        check=_megabytes,
    ),
)


def witness_rules(
    values: Mapping[str, Any],
    witnesses: Sequence[WitnessDecl],
    where: Callable[[str], Where],
    findings: list[Finding],
) -> WitnessRules:
    """What the checked `values` of `audit.…` mean for these witnesses. A quorum that cannot be reached is noted."""
    quorum = values["audit.quorum"] or 0
    if quorum > len(witnesses):
        findings.append(
            Finding(
                rule="quorum-too-large",
                message=f"setting 'audit.quorum' is {quorum}, and {len(witnesses)} witnesses are named",
                where=where("audit.quorum"),
                hint="name them in [witnesses.NAME], or ask for fewer",
            )
        )
    return WitnessRules(
        witnesses=tuple(witnesses),
        quorum=needed(quorum, len(witnesses)),
        timeout_ms=values["audit.witness_timeout"] or 0,
        window_ms=values["audit.window"] or 0,
    )


def unwitnessed_tools(catalog: Catalog, rules: WitnessRules) -> Iterator[Finding]:
    """Tools whose calls nobody could cosign: they could never run."""
    if rules.witnesses:
        return
    for tool in catalog.tools.values():
        if tool.durability is Durability.WITNESSED:
            yield Finding(
                rule="no-witnesses",
                message=f"the tool '{tool.name}' is to be witnessed, and the project names no witnesses",
                where=tool.where,
                hint="name them in [witnesses.NAME] of bailiwick.toml",
            )
