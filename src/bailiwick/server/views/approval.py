"""`/approvals/{id}`: one request, all of it; and the answer to it.

INVARIANT: a yes is passed on only for the card that the person had before them, and only if all of it was shown.
"""

from __future__ import annotations

from typing import Any

from bailiwick.guard.approvals.approving import Answer, answer, withdrawn
from bailiwick.model.decision import Reason
from bailiwick.server.doorway import json_object
from bailiwick.server.pages import Shown
from bailiwick.server.reading import Reader
from bailiwick.server.remembering import remember_of
from bailiwick.server.visit import Gone, Missing, Visit

__all__ = ["answered", "approval", "taken_back"]


def approval(visit: Visit) -> Shown | Missing | None:
    reader, asked = visit.reader, visit.path["id"]
    page = (reader.by.user, "approval", asked)
    data = visit.live.drawn(page, visit.seen, lambda: reader.traces_of(asked), lambda: _drawn(reader, asked))
    if data is None:
        return None
    if "id" not in data:
        return Missing()
    return Shown(template="approval_state.html" if visit.partial else "approval.html", data=data)


def answered(visit: Visit) -> Shown | Missing | Gone:
    """What the person said is counted, or the page says why not."""
    reader, form = visit.reader, visit.form
    found = reader.find(visit.path["id"])
    if found is None:
        return Missing()
    word = form.get("word")
    if word not in ("approve", "deny"):
        return _refused(reader, found.id, "Nothing was counted.", "The answer was neither yes nor no.")
    if form.get("card_digest") != found.card_digest:
        return _refused(reader, found.id, "Nothing was counted.", "The answer was given on another card than this one.")
    if word == "approve" and not reader.page(found)["card"]["complete"]:
        return _refused(reader, found.id, "Nothing was counted.", "The card cannot be shown in full.")
    edited = json_object(form["edited"].encode()) if "edited" in form else None
    if "edited" in form and edited is None:
        return _refused(reader, found.id, "Nothing was counted.", "The changed arguments are no JSON object.")
    remember, told_to = remember_of(form) if word == "approve" else (None, True)
    if not told_to:
        return _refused(reader, found.id, "Nothing was counted.", "For how many calls and how long is not said.")
    by = visit.proves(found, None, grant=word == "approve", edited=edited, remember=remember)
    if isinstance(by, Reason):
        return _refused(reader, found.id, "Not counted.", by.message, by.hint)
    given = Answer(
        approval_id=found.id, by=by, grant=word == "approve", edited=edited, tool=found.tool, remember=remember
    )
    counted = reader.guard.engine.administer(lambda core: answer(core, given))
    if isinstance(counted, Reason):
        return _refused(reader, found.id, "Not counted.", counted.message, counted.hint)
    return Gone(url=f"/approvals/{counted.id}")


def taken_back(visit: Visit) -> Shown | Missing | Gone:
    """The person on whose behalf it was asked needs it no more."""
    reader = visit.reader
    found = reader.find(visit.path["id"])
    if found is None:
        return Missing()
    gone = reader.guard.engine.administer(lambda core: withdrawn(core, found.id, reader.by))
    if isinstance(gone, Reason):
        return _refused(reader, found.id, "Not withdrawn.", gone.message, gone.hint)
    return Gone(url=f"/approvals/{found.id}")


def _refused(reader: Reader, asked: str, head: str, message: str, hint: str = "") -> Shown | Missing:
    data = _drawn(reader, asked)
    if not data:
        return Missing()
    told = {"kind": "refused", "head": head, "message": message, "hint": hint}
    return Shown(template="approval.html", data={**data, "seen": "", "told": told}, status=409)


def _drawn(reader: Reader, asked: str) -> dict[str, Any]:
    found = reader.find(asked)
    return {} if found is None else {**reader.page(found), "now_ms": reader.now_ms}
