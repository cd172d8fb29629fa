"""Gathers a case out of the logs of a folder: which records belong to a session, their proofs, their contents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from bailiwick.audit.case import Case, CaseContent, CaseLog, approvals_of
from bailiwick.audit.trace import timeline
from bailiwick.errors import UsageError
from bailiwick.model.event import Event, EventKind
from bailiwick.stores.log_proofs import LogProofs
from bailiwick.stores.log_reader import LogReader

__all__ = ["gather"]

_ANSWERS = frozenset(
    {
        EventKind.APPROVAL_GRANTED,
        EventKind.APPROVAL_DENIED,
        EventKind.APPROVAL_REFUSED,
        EventKind.APPROVAL_EDITED,
        EventKind.APPROVAL_WITHDRAWN,
        EventKind.APPROVAL_EXPIRED,
        EventKind.APPROVAL_REMEMBERED,
        EventKind.APPROVAL_FORGOTTEN,
    }
)
"""What people do to a session's calls from outside of it."""

_AROUND = frozenset({EventKind.LOG_OPENED, EventKind.LOG_RECOVERED, EventKind.ACTION_RECONCILED})
_RULES = frozenset({EventKind.POLICY_ACTIVATED})


def gather(
    readers: Sequence[LogReader],
    session: str,
    *,
    sign: Callable[[str, int, bytes], str],
    revealed: bool,
    made_us: int,
    made_by: str,
) -> Case:
    """The case of a session and of all that it delegated to. Raises UsageError: no log has it; StoreError."""
    sessions, mine = _sessions(readers, session)
    decisions = {event.id for event in mine if event.kind is EventKind.DECISION}
    rules = {event.body["policy_digest"] for event in mine if event.kind is EventKind.DECISION}
    approvals, used = approvals_of(mine), {event.log for event in mine}
    elsewhere = (
        event
        for event in timeline(readers, kinds=[*_ANSWERS, *_AROUND, *_RULES])
        if event.session not in sessions and _belongs(event, approvals, decisions, rules, used)
    )
    events = [*mine, *elsewhere]
    contents, erased = _contents(readers, events) if revealed else ([], [])
    return Case(
        sessions=sessions,
        made_us=made_us,
        made_by=made_by,
        revealed=revealed,
        logs=tuple(_logs(readers, events, sign)),
        contents=tuple(contents),
        erased=tuple(erased),
    )


def _sessions(readers: Sequence[LogReader], session: str) -> tuple[tuple[str, ...], list[Event]]:
    """The session and those that it delegated to, and all that was recorded in them."""
    found: dict[str, list[Event]] = {}
    waiting = [session]
    while waiting:
        at = waiting.pop(0)
        if at in found:
            continue
        found[at] = list(timeline(readers, session=at))
        waiting += [str(event.body["child_session"]) for event in found[at] if "child_session" in event.body]
    if not found[session]:
        raise UsageError(
            f"no log here has a session {session!r}",
            hint="`bailiwick audit sessions --json` lists them with their whole keys.",
        )
    named = tuple(key for key, events in found.items() if events)
    return named, [event for key in named for event in found[key]]


def _belongs(
    event: Event, approvals: Collection[object], decisions: set[str], rules: set[object], logs: set[str]
) -> bool:
    body = event.body
    if event.kind in _ANSWERS:
        return body["approval"] in approvals or body.get("grant") in approvals
    if event.kind is EventKind.ACTION_RECONCILED:
        return body["decision"] in decisions
    if event.kind in _RULES:
        return body["policy_digest"] in rules
    return event.log in logs


def _logs(
    readers: Sequence[LogReader], events: Iterable[Event], sign: Callable[[str, int, bytes], str]
) -> Iterable[CaseLog]:
    ids: dict[str, list[str]] = {}
    for event in events:
        ids.setdefault(event.log, []).append(event.id)
    for reader in readers:
        if reader.log_id in ids:
            with LogProofs.open(reader.path) as proofs:
                note, records = proofs.prove_all(ids[reader.log_id], sign)
            yield CaseLog(log=reader.log_id, checkpoint=note.format(), records=records)


def _contents(
    readers: Sequence[LogReader], events: Iterable[Event]
) -> tuple[list[CaseContent], list[tuple[str, int, str]]]:
    """What there is of the contents, and which are no longer there."""
    at = {reader.log_id: reader for reader in readers}
    there: list[CaseContent] = []
    gone: list[tuple[str, int, str]] = []
    for event in events:
        for role in sorted(event.commitments):
            found = at[event.log].opened(event.id, role)
            if found is None or found.data is None:
                gone.append((event.log, event.seq, role))
            else:
                there.append(CaseContent(log=event.log, seq=event.seq, role=role, salt=found.salt, data=found.data))
    return there, gone
