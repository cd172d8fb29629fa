"""How fast a stored log is verified: processor time of one thread over a log of real calls, each with its contents."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import process_time

from bailiwick import Guard
from bailiwick.audit.report import State
from bailiwick.model.event import Content, Draft
from bailiwick.model.tool import Durability
from bailiwick.project.clock import fresh_id
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.sqlite_log import SqliteLog
from bench.desk import look_ups, open_desk
from bench.project import write_project

__all__ = ["VerifyFigures", "measure_verify"]

TOOL = "crm.get_customer_synced"
CALLS_IN_SESSION = 300
APPENDED_AT_ONCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyFigures:
    """`rates` are records in a second of processor time, the median of `runs`: with the keys of the contents, which are
    opened and compared then, and without."""

    records: int
    contents: int
    runs: int
    rates: dict[str, int]


def measure_verify(folder: Path, *, records: int, runs: int) -> VerifyFigures:
    """A log of about so many records, verified so many times each way."""
    with Guard.open(write_project(folder / "verify")) as guard:
        log = guard.log
        assert isinstance(log, SqliteLog)
        call = _recorded_call(guard, log)
        calls = _calls(call, records // len(call))
        while drafts := tuple(islice(calls, APPENDED_AT_ONCE)):
            log.append(drafts, Durability.BUFFERED)
        path = log.path
    copy = folder / path.name  # where no keys lie beside it
    with LogReader.open(path) as reader:
        reader.copy(copy)
    taken = {"with the keys of contents": path, "without keys": copy}
    seconds: dict[str, list[float]] = {how: [] for how in taken}
    counted = (0, 0)
    for _ in range(runs):
        for how, where in taken.items():
            with LogReader.open(where) as reader:
                began = process_time()
                report = reader.verify()
                seconds[how].append(process_time() - began)
            if report.state is not State.SOUND:
                raise RuntimeError(f"the log of the bench is {report.state}: {report.problems[:3]} {report.unreadable}")
            counted = (report.head[0], report.contents)
    rates = {how: round(counted[0] / statistics.median(spent)) for how, spent in seconds.items()}
    return VerifyFigures(records=counted[0], contents=counted[1], runs=runs, rates=rates)


def _recorded_call(guard: Guard, log: SqliteLog) -> tuple[Draft, ...]:
    """What one call leaves in the log: its decision, its result's label, its outcome. They are read back from the log,
    contents and all."""
    with open_desk(guard, documents=20) as desk:
        first = log.head()[0]
        desk.call(TOOL, look_ups())()
        return tuple(
            Draft(
                id=event.id,
                kind=event.kind,
                ts_us=event.ts_us,
                tenant=event.tenant,
                env=event.env,
                session=event.session,
                task=event.task,
                actor=event.actor,
                parents=event.parents,
                body=event.body,
                contents=tuple(
                    Content(role=role, data=log.content(event.id, role) or b"") for role in event.commitments
                ),
            )
            for event in log.events(after_seq=first - 1)
        )


def _calls(call: Sequence[Draft], count: int) -> Iterator[Draft]:
    """The call so many times: ids, permits and contents are new each time."""
    for number in range(count):
        ids = {draft.id: fresh_id() for draft in call}
        permit = f"prm-{fresh_id()}"
        for draft in call:
            body = dict(draft.body)
            if "decision" in body:
                body["decision"] = ids[str(body["decision"])]
            if "permit" in body:
                body["permit"] = permit
            yield replace(
                draft,
                id=ids[draft.id],
                session=f"{draft.session}#{number // CALLS_IN_SESSION}",
                parents=tuple(ids.get(parent, parent) for parent in draft.parents),
                body=body,
                contents=tuple(_another(content, number) for content in draft.contents),
            )


def _another(content: Content, number: int) -> Content:
    """What the policy knew of the world is the same from call to call; the rest is not."""
    if content.role == "standpoint":
        return content
    return replace(content, data=content.data + str(number).encode())
