"""bailiwick.toml: every setting with its default and its meaning, read and checked in one place.

`SETTINGS` is the whole list; `docs/settings.md` is generated from it. An unknown key is refused with the one that was
probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from bailiwick.action.types import normal_domain
from bailiwick.errors import Finding, ProjectError, Where
from bailiwick.guard.planes import BundleRules, PolicyMode, Settings
from bailiwick.model.circumstances import WorkingHours
from bailiwick.model.duration import duration_ms
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_entries import Problems
from bailiwick.model.toml_lines import TomlText
from bailiwick.policy import Vocabulary
from bailiwick.project.sections import SECTIONS

__all__ = ["SETTINGS", "ProjectSettings", "Setting", "read_settings"]

_ANY = re.compile(r".{1,200}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """bailiwick.toml as values. `state_path` is relative to the project folder; `sections` are what the tables of
    `SECTIONS` declare, by their key."""

    decisions: Settings
    domains: frozenset[str]
    state_path: str
    vocabulary: Vocabulary
    sections: Mapping[str, Any]


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


def _users(value: object) -> tuple[Any, str]:
    names = _texts(value, _ANY)
    return (None, "must be a list of user ids") if names is None else (frozenset(names), "")


def _days(value: object) -> tuple[Any, str]:
    given = value if isinstance(value, list) else [None]
    if any(day not in _DAYS for day in given) or len(set(given)) < len(given):
        return None, f"must list days, each once: {', '.join(_DAYS)}"
    return frozenset(_DAYS.index(day) + 1 for day in given), ""


def _time_of_day(value: object) -> tuple[Any, str]:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    return (time(int(found[1]), int(found[2])), "") if found else (None, 'must be a time of day such as "09:00"')


def _timezone(value: object) -> tuple[Any, str]:
    try:
        return ZoneInfo(value if isinstance(value, str) else ""), ""
    except (KeyError, ValueError, OSError):  # unknown, or no name at all
        return None, 'must be a time zone such as "Europe/Berlin"'


def _mode(value: object) -> tuple[Any, str]:
    if isinstance(value, str) and value in set(PolicyMode):
        return PolicyMode(value), ""
    return None, f"must be one of {', '.join(PolicyMode)}"


def _switch(value: object) -> tuple[Any, str]:
    return value, "" if isinstance(value, bool) else "must be true or false"


def _people(value: object) -> tuple[Any, str]:
    ok = type(value) is int and 1 <= value <= 20
    return value, "" if ok else "must be a number of people, from 1 to 20"


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
        key="hours.days",
        default=[],
        meaning="Working days. Without any it is never working time, and `context.hours.working` is false.",
        check=_days,
    ),
    Setting(
        key="hours.begin",
        default="09:00",
        meaning="When work begins. Later than the end: over midnight, counted to the day on which it began.",
        check=_time_of_day,
    ),
    Setting(
        key="hours.end",
        default="17:00",
        meaning="When it ends; this minute is free time already.",
        check=_time_of_day,
    ),
    Setting(
        key="hours.timezone",
        default="UTC",
        meaning="The time zone of the working hours.",
        check=_timezone,
    ),
    Setting(
        key="policies.mode",
        default="enforce",
        meaning="`observe`: what the rules would deny is recorded and passes, loudly. Everything else still denies.",
        check=_mode,
    ),
    Setting(
        key="bundles.required",
        default=False,
        meaning="Decide by an activated bundle alone: without one nothing runs from the folder's files.",
        check=_switch,
    ),
    Setting(
        key="bundles.signatures",
        default=1,
        meaning="So many people have to sign a bundle before it can be activated, its author among them.",
        check=_people,
    ),
    Setting(
        key="bundles.separation",
        default=False,
        meaning="Somebody other than its author has to sign a bundle too: nobody activates alone what they wrote.",
        check=_switch,
    ),
    Setting(
        key="plans.approvers",
        default=[],
        meaning="Users who may sign plans for others. Everybody may sign their own.",
        check=_users,
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
    problems = Problems(text=toml, found=findings)
    sections = {section.key: section.parse(problems) for section in SECTIONS}
    known = {setting.key: setting for setting in SETTINGS}
    for key, value in _flat({key: value for key, value in toml.data.items() if key not in sections}).items():
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
            mode=values["policies.mode"],
            environment=sections["environment"],
            facts=sections["facts"],
            oidc=sections["oidc"],
            plan_approvers=values["plans.approvers"],
            bundles=BundleRules(
                required=values["bundles.required"],
                signatures=values["bundles.signatures"],
                separation=values["bundles.separation"],
            ),
        ),
        vocabulary=Vocabulary(
            levels=values["labels.levels"],
            categories=values["labels.categories"],
            environment=sections["environment"],
            facts=sections["facts"],
            hours=_hours(values),
        ),
        sections=MappingProxyType(sections),
        domains=values["org.domains"],
        state_path=values["stores.path"],
    )


def _hours(values: Mapping[str, Any]) -> WorkingHours | None:
    days = values["hours.days"]
    if not days:
        return None
    return WorkingHours(zone=values["hours.timezone"], days=days, begin=values["hours.begin"], end=values["hours.end"])


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
    names = [*(setting.key for setting in SETTINGS), *(section.key for section in SECTIONS)]
    hint = did_you_mean(key, names, f"settings are: {', '.join(names)}")
    return Finding(rule="unknown-setting", message=f"there is no setting {key!r}", where=where, hint=hint)
