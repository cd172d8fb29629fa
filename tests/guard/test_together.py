"""What tasks append at the same time goes to the log in one go, and each of them gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bailiwick.audit.report import State
from bailiwick.errors import LogUnavailable
from bailiwick.guard.together import Together
from bailiwick.model.event import Draft, Receipt
from bailiwick.model.tool import Durability
from bailiwick.stores.log_verification import verify_folder
from bailiwick.stores.sqlite_log import SqliteLog
from tests.stores.log_process import draft, open_log


def together(log: SqliteLog, wanted: Sequence[tuple[Sequence[Draft], Durability]]) -> list[object]:
    """The answers to tasks that append at the same time: receipts, or the error."""

    async def work() -> list[object]:
        gathering = Together()
        with ThreadPoolExecutor(4) as executor:
            asked = [gathering.append(log, drafts, durability, executor) for drafts, durability in wanted]
            return list(await asyncio.gather(*asked, return_exceptions=True))

    return asyncio.run(work())


def test_each_task_gets_the_receipts_of_its_own_records(tmp_path: Path) -> None:
    wanted = [
        ([draft("s") for _ in range(1 + number % 3)], (Durability.SYNC, Durability.BUFFERED)[number % 2])
        for number in range(100)
    ]
    with open_log(tmp_path) as log:
        answers = together(log, wanted)
        events = {event.id: event.seq for event in log.events()}
    for (drafts, durability), receipts in zip(wanted, answers, strict=True):
        assert isinstance(receipts, tuple)
        assert [(receipt.event_id, receipt.durability) for receipt in receipts] == [
            (each.id, durability) for each in drafts
        ]
        assert [receipt.seq for receipt in receipts] == [events[each.id] for each in drafts]
    assert verify_folder(tmp_path).state is State.SOUND


@pytest.mark.parametrize("wrong", ["another tenant's", "outside the schema", "repeated"])
def test_one_that_is_refused_does_not_touch_the_others(tmp_path: Path, wrong: str) -> None:
    good = [draft("s") for _ in range(20)]
    bad = {
        "another tenant's": replace(draft("s"), tenant="other"),
        "outside the schema": draft("s", {"no": "field"}),
        "repeated": good[3],
    }[wrong]
    wanted = [([each], Durability.SYNC) for each in (*good[:10], bad, *good[10:])]
    with open_log(tmp_path) as log:
        answers = together(log, wanted)
        written = [event.id for event in log.events()]
    refused = [number for number, answer in enumerate(answers) if isinstance(answer, LogUnavailable)]
    assert refused == [10]
    assert {each.id for each in good} <= set(written)
    assert len(written) == len(set(written))
    assert verify_folder(tmp_path).state is State.SOUND


def test_a_log_that_takes_nothing_refuses_everybody(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        pass
    answers = together(log, [([draft("s")], Durability.SYNC) for _ in range(10)])
    assert all(isinstance(answer, LogUnavailable) for answer in answers)


def test_a_task_that_asks_for_nothing_gets_nothing(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        answers = together(log, [([], Durability.SYNC), ([draft("s")], Durability.SYNC), ([], Durability.BUFFERED)])
    assert (answers[0], answers[2]) == ((), ())
    assert isinstance(answers[1], tuple)
    assert [type(receipt) for receipt in answers[1]] == [Receipt]


def test_tasks_that_ask_in_one_turn_of_the_loop_go_as_one_lot(tmp_path: Path) -> None:
    class Counting(ThreadPoolExecutor):
        lots = 0

        def submit(self, *args: Any, **named: Any) -> Any:
            self.lots += 1
            return super().submit(*args, **named)

    async def work(logs: Sequence[SqliteLog]) -> int:
        gathering = Together()
        with Counting(4) as executor:
            asked = [gathering.append(log, [draft("s")], Durability.SYNC, executor) for _ in range(50) for log in logs]
            await asyncio.gather(*asked)
            return executor.lots

    with open_log(tmp_path / "one") as one, open_log(tmp_path / "other") as other:
        assert asyncio.run(work([one])) == 1
        assert asyncio.run(work([one, other])) == 2
        assert (one.head()[0], other.head()[0]) == (101, 51)


def test_nobody_waits_for_threads_that_were_shut_down(tmp_path: Path) -> None:
    async def work(log: SqliteLog) -> list[object]:
        gathering, executor = Together(), ThreadPoolExecutor(1)
        executor.shutdown()
        asked = [gathering.append(log, [draft("s")], Durability.SYNC, executor) for _ in range(3)]
        return list(await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10))

    with open_log(tmp_path) as log:
        assert all(isinstance(answer, RuntimeError) for answer in asyncio.run(work(log)))
