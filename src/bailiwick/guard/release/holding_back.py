"""What is kept from whoever called: what an obligation takes out of a result, and results that a handle stands for.

A result is hidden where the catalog says so of its tool, and where its call carried hidden content: it may be that
content again. DESIGN §5 *Flow*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick.flow.release import Detector, released
from bailiwick.guard.effects import Flow
from bailiwick.guard.ports import Ports
from bailiwick.guard.state import Permit
from bailiwick.model.obligation import Released

__all__ = ["FAILED_HIDDEN", "hides", "released_body", "taken_out"]

FAILED_HIDDEN = "The tool failed; what it said is hidden, as its results are."


@dataclass(frozen=True, slots=True)
class _Detectors:
    """→ the detectors that the project's program brought."""

    def do(self, ports: Ports) -> tuple[Detector, ...]:
        return ports.detectors


def hides(permit: Permit) -> bool:
    """Whether the model sees a name in place of what the call returns."""
    return permit.action.tool.output.hide or bool(permit.action.carried)


def taken_out(permit: Permit, value: object) -> Flow[tuple[object, tuple[Released, ...]]]:
    """(`value` as the permits let it be seen, what was done to it)."""
    due = permit.decision.obligations
    if not due:
        return value, ()
    detectors: tuple[Detector, ...] = yield _Detectors()
    return released(value, due, permit.action.tool.output, detectors)


def released_body(done: Sequence[Released]) -> dict[str, object]:
    """What was done to a result, for the record: never with a value."""
    told = [{"what": each.what, "of": each.of, "count": each.count} for each in done]
    return {"released": told} if told else {}
