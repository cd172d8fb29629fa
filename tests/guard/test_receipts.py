"""A receipt for every decision: whoever asked knows which leaf must be in the log from then on. DESIGN §5 *Audit*."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Refused, running_permit
from bailiwick.audit.merkle import leaf_hash
from bailiwick.model.event import EventKind, Receipt
from bailiwick.project.load import load_settings
from bailiwick.stores.log_file import connect, log_path
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_proofs import LogProofs
from tests.worlds import LOGS, MAIL, Tool, make_world, opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path)


def stands(folder: Path, receipt: Receipt | None, event_id: str) -> None:
    """The leaf of the receipt is that of a decision in the log, at its place."""
    assert receipt is not None
    path = log_path(folder / LOGS, receipt.log)
    connection = connect(path, read_only=True)
    row = connection.execute("SELECT id, kind, data FROM events WHERE seq = ?", (receipt.seq,)).fetchone()
    connection.close()
    assert row[:2] == (receipt.event_id, EventKind.DECISION.value)
    assert receipt.event_id == event_id
    assert receipt.leaf == "sha256:" + leaf_hash(row[2]).hex()


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_permitted_call_has_a_receipt_while_it_runs_and_in_the_session(folder: Path, use_async: bool) -> None:
    seen: list[Receipt | None] = []

    def look(**args: object) -> str:
        permit = running_permit()
        assert permit is not None
        stands(folder, permit.receipt, permit.event_id)
        seen.append(permit.receipt)
        return "done"

    async def look_async(**args: object) -> str:
        return look(**args)

    with opened(folder) as session:
        if use_async:
            asyncio.run(session.acall("page.read", {"id": "1"}, run=look_async))
        else:
            session.call("page.read", {"id": "1"}, run=look)
        assert session.receipts == tuple(seen)


@pytest.mark.parametrize(
    ("tool", "args", "kind"),
    [("no.such", {}, Denied), ("page.read", {"id": 7}, Denied), ("mail.send", MAIL, ApprovalPending)],
)
def test_a_refused_call_has_a_receipt(folder: Path, tool: str, args: dict[str, object], kind: type[Refused]) -> None:
    with opened(folder) as session:
        with pytest.raises(kind) as refused:
            session.call(tool, args, run=Tool().run)
        stands(folder, refused.value.receipt, refused.value.event_id)
        assert session.receipts == (refused.value.receipt,)


def _open_nothing(guard: Guard) -> None:
    with guard.session(user="alice", agent="nobody", task="Look"):
        pass


def _call_outside(guard: Guard) -> None:
    @guard.tool("page.read")
    def read(id: str) -> str:  # noqa: A002  # as the catalog calls it
        return id

    read(id="1")


@pytest.mark.parametrize("refused_thing", [_open_nothing, _call_outside])
def test_a_refusal_outside_of_any_session_has_a_receipt(folder: Path, refused_thing: Callable[[Guard], None]) -> None:
    with Guard.open(folder) as guard:
        with pytest.raises(Denied) as refused:
            refused_thing(guard)
        stands(folder, refused.value.receipt, refused.value.event_id)


def test_a_receipt_is_proved_by_the_log(folder: Path) -> None:
    with opened(folder) as session:
        session.call("page.read", {"id": "1"}, run=Tool().run)
        (receipt,) = session.receipts
    with LogProofs.open(log_path(folder / LOGS, receipt.log)) as log:
        proof = log.prove(receipt.event_id)
    assert proof is not None
    assert proof.index == receipt.seq

    keys = log_signer(folder / ".bailiwick", load_settings(folder).log_origin, make=False).keys(receipt.log)
    assert proof.verify(bytes.fromhex(receipt.leaf.removeprefix("sha256:")), keys).size > receipt.seq
