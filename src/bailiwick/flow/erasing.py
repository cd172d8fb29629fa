"""What a session's ledger keeps once the contents that a row is about were erased: the labels, and nothing that was
said. DESIGN §5 *Flow*, promise 7.

A row keeps what raises a label or forbids, and loses what tells of the content or permits: words, values, digests (they
are not keyed, so a guess could be tried on them), names of fields. What it can then no longer say counts the careful
way: texts are unknown to the session, evidence is missing, what was written counts as all that is read back, and
nothing is endorsed or asked for.

INVARIANT: an erased row raises no label less than the row did, and permits no more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from bailiwick.errors import StoreError
from bailiwick.flow.records import ContentOrigin, LedgerRow, RowKind
from bailiwick.flow.row_codec import decode, encode, fields
from bailiwick.model.canonical import canonical

__all__ = ["erased_row", "event_of"]

_NOTHING = canonical({"texts": []})


def event_of(row: LedgerRow) -> str:
    """The event whose content a row is about; empty if it is about none, or does not read. Of a call that was started
    or handed something on, a row keeps digests: what the session may not do again depends on it."""
    if row.kind in (RowKind.RAN, RowKind.WRITTEN):
        return ""
    try:
        event = fields(row).get("event")
    except StoreError:
        return ""
    return event if isinstance(event, str) else ""


def erased_row(row: LedgerRow) -> LedgerRow:
    """The row without what it tells of the content. A row that does not read stays unreadable: the session that it is
    of cannot be restored, before and after."""
    match row.kind:
        case RowKind.CONTENT:
            return replace(row, payload=_content(row))
        case RowKind.WRITTEN:
            return replace(row, payload=_written(row))
        case RowKind.KNOWN | RowKind.RAN | RowKind.ENDORSED | RowKind.DECLASSIFIED | RowKind.INSPECTED:
            # They permit, or count what was permitted to data that nobody has any more.
            return replace(row, kind=RowKind.KNOWN, payload=_NOTHING)
        case _:
            assert_never(row.kind)


def _content(row: LedgerRow) -> bytes:
    try:
        record = decode(row)
    except StoreError:
        return canonical({"erased": True})
    kept = replace(
        record,
        texts=(),
        atoms=(),
        truncated=True,
        endorses=(),
        words="",
        words_by="",
        crossed=(),
        asked=(),
        ran=(),
        said=(),
        parts=(),
        written=(),
        written_all=record.written_all or bool(record.written) or record.origin is ContentOrigin.MODEL,
        handles=tuple(replace(handle, fields=()) for handle in record.handles),
    )
    return encode(kept)


def _written(row: LedgerRow) -> bytes:
    try:
        tool = fields(row).get("tool")
    except StoreError:
        tool = None
    body: dict[str, object] = {"written": [], "written_all": True}
    if isinstance(tool, str):
        body["tool"] = tool
    return canonical(body)
