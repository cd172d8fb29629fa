"""Changes to what holds around a call: the time, how the user is known, the environment, facts kept elsewhere, what is
enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo

from bailiwick.guard.explaining.whatif_people import Situation
from bailiwick.model.call import Fact
from bailiwick.model.circumstances import Evidence, FactReading, Method, WorkingHours
from bailiwick.policy.alternatives import Change, ChangeKind, Maker, Option
from bailiwick.policy.counterfactual import OtherThan

__all__ = ["around"]

_MINUTE_MS = 60_000
_AHEAD = 8 * 24 * 60
"""Minutes that are searched for a time that would do: each time of a week, and a day."""


def around(situation: Situation, path: tuple[str, ...], wanted: object) -> Iterator[Option[Situation]]:
    """Changes by which the fact at `path` of the context may be `wanted`."""
    match path:
        case ("hours", name):
            yield from _later(situation, name, wanted)
        case ("now",) if type(wanted) is int and wanted * 1000 > situation.now_us:
            yield _at(situation, wanted)
        case ("evidence", name):
            yield from _sign_in(situation, strong=name == "strong" and wanted is True)
        case ("environment", name):
            yield from _environment(situation, name, wanted)
        case ("facts", name, part):
            yield from _fact(situation, name, part, wanted)
        case ("enforced",) if isinstance(wanted, list):
            yield from _enforced(situation, frozenset(wanted))
        case _:
            return


def _later(situation: Situation, name: str, wanted: object) -> Iterator[Option[Situation]]:
    hours: WorkingHours | None = situation.planes.policy.hours
    if hours is None:
        return
    first = situation.now_us // 1000 // _MINUTE_MS + 1
    for minute in range(first, first + _AHEAD):
        value = hours.facts(minute * _MINUTE_MS)[name]
        if value != wanted.value if isinstance(wanted, OtherThan) else value == wanted:
            yield _at(situation, minute * _MINUTE_MS)
            return


def _at(situation: Situation, ms: int) -> Option[Situation]:
    after = _time(ms)
    hours: WorkingHours | None = situation.planes.policy.hours
    return Option(
        change=Change(
            kind=ChangeKind.TIME,
            what="time",
            before=_time(situation.now_us // 1000),
            after=after,
            by=Maker.USER,
            text=f"at {after}{_local(ms, hours.zone) if hours else ''}",
        ),
        apply=lambda before: replace(before, now_us=ms * 1000),
    )


def _sign_in(situation: Situation, *, strong: bool) -> Iterator[Option[Situation]]:
    request = situation.what.request
    if request.user is None:
        return
    known = request.evidence
    signed = Evidence(method=Method.OIDC, at_ms=situation.now_us // 1000, strong=known.strong or strong)
    after = "a fresh sign-in with a second factor" if signed.strong else "a fresh sign-in"
    yield Option(
        change=Change(
            kind=ChangeKind.EVIDENCE,
            what="sign-in",
            before="claimed by the program" if known.at_ms is None else f"signed in at {_time(known.at_ms)}",
            after=after,
            by=Maker.USER,
            text=f"after {after} by {request.user}",
        ),
        apply=lambda before: before.with_what(
            replace(before.what, request=replace(before.what.request, evidence=signed))
        ),
    )


def _environment(situation: Situation, name: str, wanted: object) -> Iterator[Option[Situation]]:
    given = situation.what.request.environment
    value = _as_fact(wanted)
    if value is not None and value != given.get(name):
        after = {**given, name: value}
        yield Option(
            change=_said(ChangeKind.ENVIRONMENT, f"environment.{name}", given.get(name), value, Maker.USER),
            apply=lambda before: before.with_what(
                replace(before.what, request=replace(before.what.request, environment=after))
            ),
        )


def _fact(situation: Situation, name: str, part: str, wanted: object) -> Iterator[Option[Situation]]:
    given = situation.what.facts.get(name)
    value = _as_fact(wanted) if part == "value" else given.value if given is not None else None
    if value is None:
        return
    reading = FactReading(value=value, read_ms=situation.now_us // 1000)
    change = _said(ChangeKind.FACT, f"facts.{name}", given.value if given else None, value, Maker.ADMINISTRATOR)
    if part != "value":
        change = replace(change, text=f"with a fresh reading of facts.{name}")
    yield Option(
        change=change,
        apply=lambda before: before.with_what(replace(before.what, facts={**before.what.facts, name: reading})),
    )


def _enforced(situation: Situation, wanted: frozenset[str]) -> Iterator[Option[Situation]]:
    """With more effectors. Nobody is told to take one away."""
    before = situation.what.enforced
    if wanted > before and wanted <= situation.what.call.args.keys():
        more = ", ".join(sorted(wanted - before))
        yield Option(
            change=Change(
                kind=ChangeKind.EFFECTOR,
                what="enforced",
                before=_shown(sorted(before)) if before else "",
                after=_shown(sorted(wanted)),
                by=Maker.ADMINISTRATOR,
                text=f"if the program bound an effector to {more}",
            ),
            apply=lambda situation: situation.with_what(replace(situation.what, enforced=wanted)),
        )


def _said(kind: ChangeKind, what: str, before: object, after: object, by: Maker) -> Change:
    was, shown = _shown(before), _shown(after)
    instead = f" instead of {was}" if was else ""
    return Change(kind=kind, what=what, before=was, after=shown, by=by, text=f"if {what} were {shown}{instead}")


def _as_fact(wanted: object) -> Fact | None:
    match wanted:
        case bool() | int() | str():
            return wanted
        case list() if all(isinstance(each, str) for each in wanted):
            return tuple(wanted)
        case _:
            return None


def _shown(value: object) -> str:
    return "" if value is None else json.dumps(dict(value) if isinstance(value, Mapping) else value, default=str)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


def _local(ms: int, zone: tzinfo) -> str:
    """The same time in the zone of [hours], in which whoever wrote the rules thinks."""
    there = datetime.fromtimestamp(ms / 1000, zone)
    return "" if str(zone) == "UTC" else f" ({there.strftime('%a %Y-%m-%d %H:%M')} {zone})"
