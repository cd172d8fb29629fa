"""bailiwick.toml: every setting with its default and its meaning, read and checked in one place.

`SETTINGS` is the whole list; `docs/settings.md` is generated from it. An unknown key is refused with the one that was
probably meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.action.types import normal_domain
from bailiwick.errors import Finding, ProjectError, Where
from bailiwick.guard.planes import Settings
from bailiwick.model.duration import duration_ms
from bailiwick.model.toml_lines import TomlText

__all__ = ["SETTINGS", "ProjectSettings", "Setting", "read_settings"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """bailiwick.toml as values. `state_path` is relative to the project folder."""

    decisions: Settings
    domains: frozenset[str]
    state_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key. `check` turns what TOML gave into the value, or returns a sentence on what is wrong with it."""

    key: str
    default: object
    meaning: str
    check: Callable[[object], tuple[Any, str]]


def _name(value: object) -> tuple[Any, str]:
    ok = isinstance(value, str) and _NAME.fullmatch(value)
    return value, "" if ok else "must be a lower-case name: letters, digits and hyphens, at most 63"


def _duration(value: object) -> tuple[Any, str]:
    return duration_ms(value), "" if duration_ms(value) else 'must be a duration such as "30s", "15m" or "1h"'


def _texts(value: object, form: re.Pattern[str]) -> list[str] | None:
    if not isinstance(value, list):
        return None
    found = [item for item in value if isinstance(item, str) and form.fullmatch(item)]
    return found if len(found) == len(value) else None


def _domains(value: object) -> tuple[Any, str]:
    given = value if isinstance(value, list) else [None]
    names = [normal_domain(item) if isinstance(item, str) else None for item in given]
    if None in names:
        return None, "must be a list of mail domains"
    return frozenset(names), ""


def _levels(value: object) -> tuple[Any, str]:
    names = _texts(value, _NAME)
    if names is None or len(names) < 2 or len(set(names)) < len(names):
        return None, "must list at least two different names, the least sensitive first"
    return tuple(names), ""


def _categories(value: object) -> tuple[Any, str]:
    names = _texts(value, _NAME)
    return (None, "must be a list of lower-case names") if names is None else (frozenset(names), "")


def _path(value: object) -> tuple[Any, str]:
    ok = isinstance(value, str) and value and "\x00" not in value
    return value, "" if ok else "must be a path, relative to the project folder or absolute"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="tenant",
        default="default",
        meaning="Whose data this is. Part of every stored key; one Guard serves one tenant.",
        check=_name,
    ),
    Setting(
        key="env",
        default="dev",
        meaning="Which environment this is (dev, staging, prod ...). Part of every stored key.",
        check=_name,
    ),
    Setting(
        key="org.domains",
        default=[],
        meaning="Mail domains of the organisation. Every other domain is external; the empty list makes all external.",
        check=_domains,
    ),
    Setting(
        key="labels.levels",
        default=["public", "internal", "confidential", "restricted"],
        meaning="Sensitivity levels, least first. Policies compare their numbers, counted from 0.",
        check=_levels,
    ),
    Setting(
        key="labels.categories",
        default=["pii", "phi", "pci", "mnpi", "secret"],
        meaning="Categories that labels may carry.",
        check=_categories,
    ),
    Setting(
        key="approvals.ttl",
        default="15m",
        meaning="How long a request for approval, and the approval itself, is good for.",
        check=_duration,
    ),
    Setting(
        key="permits.ttl",
        default="30s",
        meaning="How long a permit may wait for its tool to be started.",
        check=_duration,
    ),
    Setting(
        key="stores.path",
        default=".bailiwick",
        meaning="Folder for state and audit logs. Keep governed tools away from it.",
        check=_path,
    ),
)


def read_settings(path: str, text: str) -> ProjectSettings:
    """Parse bailiwick.toml. Raises ProjectError with every finding."""
    toml = TomlText.parse(path, text)
    findings: list[Finding] = []
    values = {setting.key: setting.check(setting.default)[0] for setting in SETTINGS}
    known = {setting.key: setting for setting in SETTINGS}
    for key, value in _flat(toml.data).items():
        where = toml.where(*key.split("."))
        if key not in known:
            findings.append(_unknown(key, where))
            continue
        checked, wrong = known[key].check(value)
        if wrong:
            findings.append(
                Finding(
                    rule="setting-value",
                    message=f"setting {key!r} {wrong}, not {value!r}",
                    where=where,
                    hint=f"the default is {known[key].default!r}",
                )
            )
        values[key] = checked
    if findings:
        raise ProjectError(findings)
    return ProjectSettings(
        decisions=Settings(
            tenant=values["tenant"],
            env=values["env"],
            levels=values["labels.levels"],
            categories=values["labels.categories"],
            approval_ttl_ms=values["approvals.ttl"],
            permit_ttl_ms=values["permits.ttl"],
        ),
        domains=values["org.domains"],
        state_path=values["stores.path"],
    )


def _flat(data: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    tables = {setting.key.partition(".")[0] for setting in SETTINGS if "." in setting.key}
    for key, value in data.items():
        # An empty table that is no table of ours is kept, to be refused: nothing that is written is ignored.
        if isinstance(value, dict) and (value or key in tables):
            flat.update({f"{key}.{inner}": item for inner, item in value.items()})
        else:
            flat[key] = value
    return flat


def _unknown(key: str, where: Where) -> Finding:
    names = [setting.key for setting in SETTINGS]
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"settings are: {', '.join(names)}"
    return Finding(rule="unknown-setting", message=f"there is no setting {key!r}", where=where, hint=hint)
