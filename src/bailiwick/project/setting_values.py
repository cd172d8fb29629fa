"""What a value of bailiwick.toml may be, kind by kind.

Each reader answers with the value that is meant and what is wrong with it: "", or a sentence that begins with "must".
"""

from __future__ import annotations

import re
from datetime import time
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bailiwick.action.types import Address, normal_address, normal_domain
from bailiwick.guard.planes import PolicyMode
from bailiwick.identity.oidc_settings import allowed_url
from bailiwick.model.approver import ProofMethod
from bailiwick.model.duration import duration_ms

__all__ = [
    "categories",
    "characters",
    "console",
    "days",
    "domains",
    "duration",
    "fraction",
    "label_names",
    "level",
    "levels",
    "mailboxes",
    "mode",
    "name",
    "number",
    "path",
    "people",
    "proof",
    "readers",
    "strict",
    "switch",
    "time_of_day",
    "timezone",
    "users",
]

_ANY = re.compile(r".{1,200}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_READER = re.compile(r"(User|Group|Role)::.{1,200}")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def name(value: object) -> tuple[Any, str]:
    ok = isinstance(value, str) and _NAME.fullmatch(value)
    return value, "" if ok else "must be a lower-case name: letters, digits and hyphens, at most 63"


def duration(value: object) -> tuple[Any, str]:
    return duration_ms(value), "" if duration_ms(value) else 'must be a duration such as "30s", "15m" or "1h"'


_PATTERN = re.compile(r"[^/\\\x00]{1,100}")


def _texts(value: object, form: re.Pattern[str]) -> list[str] | None:
    if not isinstance(value, list):
        return None
    found = [item for item in value if isinstance(item, str) and form.fullmatch(item)]
    return found if len(found) == len(value) else None


def domains(value: object) -> tuple[Any, str]:
    given = value if isinstance(value, list) else [None]
    names = [normal_domain(item) if isinstance(item, str) else None for item in given]
    if None in names:
        return None, "must be a list of mail domains"
    return frozenset(names), ""


def mailboxes(value: object) -> tuple[Any, str]:
    given = value if isinstance(value, list) else [None]
    found = [normal_address(item) if isinstance(item, str) else None for item in given]
    addresses = [item.text for item in found if isinstance(item, Address)]
    return (frozenset(addresses), "") if len(addresses) == len(found) else (None, "must be a list of mail addresses")


def levels(value: object) -> tuple[Any, str]:
    names = _texts(value, _NAME)
    if names is None or len(names) < 2 or len(set(names)) < len(names):
        return None, "must list at least two different names, the least sensitive first"
    return tuple(names), ""


def categories(value: object) -> tuple[Any, str]:
    names = _texts(value, _NAME)
    return (None, "must be a list of lower-case names") if names is None else (frozenset(names), "")


def users(value: object) -> tuple[Any, str]:
    names = _texts(value, _ANY)
    return (None, "must be a list of user ids") if names is None else (frozenset(names), "")


def readers(value: object) -> tuple[Any, str]:
    names = _texts(value, _READER)
    wrong = 'must list people as in "User::alice", "Group::leads" or "Role::auditor"'
    return (None, wrong) if names is None else (frozenset(names), "")


def days(value: object) -> tuple[Any, str]:
    given = value if isinstance(value, list) else [None]
    if any(day not in _DAYS for day in given) or len(set(given)) < len(given):
        return None, f"must list days, each once: {', '.join(_DAYS)}"
    return frozenset(_DAYS.index(day) + 1 for day in given), ""


def time_of_day(value: object) -> tuple[Any, str]:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    return (time(int(found[1]), int(found[2])), "") if found else (None, 'must be a time of day such as "09:00"')


def timezone(value: object) -> tuple[Any, str]:
    try:
        return ZoneInfo(value if isinstance(value, str) else ""), ""
    except (KeyError, ValueError, OSError):  # unknown, or no name at all
        return None, 'must be a time zone such as "Europe/Berlin"'


def mode(value: object) -> tuple[Any, str]:
    if isinstance(value, str) and value in set(PolicyMode):
        return PolicyMode(value), ""
    return None, f"must be one of {', '.join(PolicyMode)}"


def proof(value: object) -> tuple[Any, str]:
    if isinstance(value, str) and value in set(ProofMethod):
        return ProofMethod(value), ""
    return None, f"must be one of {', '.join(ProofMethod)}"


def switch(value: object) -> tuple[Any, str]:
    return value, "" if isinstance(value, bool) else "must be true or false"


def people(value: object) -> tuple[Any, str]:
    ok = type(value) is int and 1 <= value <= 20
    return value, "" if ok else "must be a number of people, from 1 to 20"


def strict(value: object) -> tuple[Any, str]:
    names = _texts(value, _NAME)
    return (None, "must be a list of levels and categories") if names is None else (tuple(names), "")


def level(value: object) -> tuple[Any, str]:
    ok = isinstance(value, str) and (not value or _NAME.fullmatch(value))
    return (value, "") if ok else (None, 'must be the name of a level, or ""')


def label_names(value: object) -> tuple[Any, str]:
    wrong = "must map names to a level, a category or a list of them"
    if not isinstance(value, dict):
        return None, wrong
    found = {name: _texts([given] if isinstance(given, str) else given, _NAME) for name, given in value.items()}
    return (None, wrong) if any(not given for given in found.values()) else (found, "")


def patterns(value: object) -> tuple[Any, str]:
    found = _texts(value, _PATTERN)
    return (None, "must be a list of names of files, which may hold *") if found is None else (tuple(found), "")


def characters(value: object) -> tuple[Any, str]:
    ok = type(value) is int and 0 <= value <= 1_000_000
    return (value, "") if ok else (None, "must be a whole number from 0 to 1000000")


def number(value: object) -> tuple[Any, str]:
    ok = type(value) is int and 1 <= value <= 10_000
    return value, "" if ok else "must be a whole number from 1 to 10000"


def fraction(value: object) -> tuple[Any, str]:
    ok = type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]
    return (float(value), "") if ok else (None, "must be a number from 0 to 1")  # type: ignore[arg-type]


def console(value: object) -> tuple[Any, str]:
    ok = isinstance(value, str) and allowed_url(value) and urlsplit(value)[2:] in (("", "", ""), ("/", "", ""))
    return str(value).rstrip("/"), "" if ok else 'must be an address such as "https://console.example.com"'


def path(value: object) -> tuple[Any, str]:
    ok = isinstance(value, str) and value and "\x00" not in value
    return value, "" if ok else "must be a path, relative to the project folder or absolute"
