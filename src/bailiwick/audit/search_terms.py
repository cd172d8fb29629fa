"""What a person may search the log by: `tool:mail.send outcome:deny since:7d "acme ltd"`.

A term is `name:value`; several values of one name mean any of them, different names all of them; `-name:value` leaves
out. A word without a name (or in quotes) is looked for in contents, which takes the right to see them. Nothing is
understood that is not listed in TERMS: a mistyped term is an error with what it may have meant, never a search for
something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

from bailiwick.audit.schema_parts import ORIGINS
from bailiwick.errors import UsageError
from bailiwick.model.decision import Outcome
from bailiwick.model.event import EventKind
from bailiwick.model.nearest import nearest

__all__ = ["TERMS", "Query", "parse_terms"]

TERMS: Mapping[str, str] = MappingProxyType(
    {
        "kind": "kind of event: `kind:decision`, or all of a family: `kind:approval`",
        "tool": "tool by its catalog name: `tool:mail.send`, or a family: `tool:mail.*`",
        "outcome": "what was decided (`allow`, `deny`, `needs_approval`) or became of a call (`completed`, `failed`, "
        "`cancelled`, `expired`), or `would_deny`, `would_ask` of rules that are only observed",
        "actor": "anybody in the chain: `actor:alice`, `actor:support-bot`, `actor:User::alice`",
        "policy": "rule, gate or reason that decided: `policy:external-mail`",
        "source": "where a content came from: `source:kb`, `source:tool:crm.get_customer`",
        "origin": "how a content came in: `prompt`, `instructions`, `retrieved`, `result`, `message`, `model`, "
        "`unknown`",
        "session": "the session's whole key",
        "task": "the task's name",
        "log": "the log's id",
        "since": "from then on: `2026-11-20`, `2026-11-20T15:04`, or an age: `90s`, `30m`, `12h`, `7d`",
        "until": "up to then, in the same forms",
    }
)
"""Every term, and what it means."""

_MANY = frozenset({"kind", "tool", "outcome", "actor", "policy", "source", "origin", "session", "task", "log"})
_OUTCOMES = frozenset(
    {*(outcome.value for outcome in Outcome), "completed", "failed", "cancelled", "expired", "would_deny", "would_ask"}
)
_KINDS = frozenset(kind.value for kind in EventKind)
_FAMILIES = frozenset(kind.partition(".")[0] for kind in _KINDS)
_TOKEN = re.compile(r'\s*(?P<out>-)?(?:(?P<name>[A-Za-z_]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))(?=\s|$)')
_AGE = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhd])")
_UNITS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86400})
MAX_TERMS = 32
MAX_LENGTH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for. `wanted` and `unwanted` map a term to its values; times are microseconds since the epoch,
    `since_us` included, `until_us` not; `texts` have to stand in a content of the event, without regard to case."""

    wanted: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    unwanted: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    since_us: int | None = None
    until_us: int | None = None
    texts: tuple[str, ...] = ()


def parse_terms(text: str, *, now_us: int) -> Query:
    """The query that `text` says. `now_us` is what ages count from. Raises UsageError, with the term at fault."""
    if len(text) > MAX_LENGTH:
        raise UsageError(f"a search has at most {MAX_LENGTH} characters", hint="leave terms out")
    query, at, terms = Query(), 0, 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        terms += 1
        if found is None:
            raise UsageError(f"this is no term: {text[at:].strip()[:60]!r}", hint='write name:value or "some words"')
        if terms > MAX_TERMS:
            raise UsageError(f"a search has at most {MAX_TERMS} terms", hint="leave some out")
        query = _with(query, found, now_us)
        at = found.end()
    if query.since_us is not None and query.until_us is not None and query.since_us >= query.until_us:
        raise UsageError("since: is not before until:", hint="nothing lies between them")
    return query


def _with(query: Query, found: re.Match[str], now_us: int) -> Query:
    name, out = found["name"], found["out"] is not None
    value = found["quoted"] if found["quoted"] is not None else found["plain"]
    if name is None:
        return _text(query, value, out=out)
    name = name.lower()
    if name not in TERMS:
        close = nearest(name, TERMS)
        hint = f"did you mean {close}:?" if close else f"terms are {', '.join(f'{term}:' for term in TERMS)}"
        raise UsageError(f"there is no term {name}:", hint=f'{hint} (words to look for in contents go in "quotes")')
    if not value:
        raise UsageError(f"{name}: has no value", hint=TERMS[name])
    if name not in _MANY:
        if out:
            raise UsageError(f"-{name}: means nothing", hint="since: and until: bound the time")
        key = f"{name}_us"
        if getattr(query, key) is not None:
            raise UsageError(f"{name}: stands twice", hint="give it once")
        moment = _moment(name, value, now_us)
        return replace(query, since_us=moment) if name == "since" else replace(query, until_us=moment)
    _CHECKS.get(name, _anything)(name, value)
    side = dict(query.unwanted if out else query.wanted)
    side[name] = tuple(dict.fromkeys((*side.get(name, ()), value)))
    return replace(query, unwanted=side) if out else replace(query, wanted=side)


def _text(query: Query, value: str, *, out: bool) -> Query:
    if out:
        raise UsageError(f"-{value}: only terms can be left out", hint="such as -outcome:allow")
    if value.endswith(":"):
        hint = TERMS.get(value[:-1].lower(), 'write name:value or "some words"')
        raise UsageError(f"{value} has no value", hint=hint)
    if len(value.strip()) < 2:
        raise UsageError("a text to look for has at least two characters", hint="write more of it")
    return replace(query, texts=(*query.texts, value))


def _moment(name: str, value: str, now_us: int) -> int:
    if age := _AGE.fullmatch(value):
        return now_us - int(age["count"]) * _UNITS[age["unit"]] * 1_000_000
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise UsageError(f"{name}:{value} is no time", hint=TERMS["since"]) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def _anything(_name: str, _value: str) -> None:
    return


def _one_of(known: frozenset[str]) -> Callable[[str, str], None]:
    def check(name: str, value: str) -> None:
        if value not in known:
            close = nearest(value, known)
            hint = f"did you mean {name}:{close}?" if close else f"it is one of {', '.join(sorted(known))}"
            raise UsageError(f"there is no {name} {value!r}", hint=hint)

    return check


_CHECKS: Mapping[str, Callable[[str, str], None]] = MappingProxyType(
    {"kind": _one_of(_KINDS | _FAMILIES), "outcome": _one_of(_OUTCOMES), "origin": _one_of(ORIGINS)}
)
