"""The person who is asked: says yes to exactly the calls of the user's task, and no to everything else.

Answers go through the real flow of approvals, as a person of the directory whom the project's rules let answer. So a
gate that nobody may lift refuses the user's own calls here as it would in life.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from bailiwick.action.approvals import Approval, ApprovalStatus
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Reason
from bailiwick.project import Guard
from bailiwick.redteam.world import ToolCall

__all__ = ["Oracle"]


class Oracle:
    """Knows the calls of one task, and counts what it was asked about them."""

    def __init__(self, guard: Guard, calls: Sequence[ToolCall]) -> None:
        self._guard = guard
        self._left = Counter(_key(call.tool, call.args, call.by) for call in calls)
        self._people = sorted(guard.project.planes.directory.users)
        self.approvals = 0

    def made(self, call: ToolCall) -> None:
        """A call has run, whoever made it: if it is one of the user's, the same one again is not."""
        self._left[_key(call.tool, call.args, call.by)] -= 1

    def asked(self, call: ToolCall, approval_id: str, *, attackers: bool) -> bool:
        """Answer a request. → whether everybody said yes who had to."""
        own = self._left[_key(call.tool, call.args, call.by)] > 0
        if not attackers:
            self.approvals += 1
        return self._answered(approval_id, grant=own)

    def _answered(self, approval_id: str, *, grant: bool) -> bool:
        for person in tuple(self._people):
            told = self._say(approval_id, person, grant=grant)
            if isinstance(told, Reason):
                continue
            # Whoever could answer is asked first from now on.
            self._people.remove(person)
            self._people.insert(0, person)
            if told.status is not ApprovalStatus.REQUESTED:
                return told.status is ApprovalStatus.GRANTED
        return False

    def _say(self, approval_id: str, person: str, *, grant: bool) -> Approval | Reason:
        by = Proven(user=person, method=ProofMethod.CLAIMED, at_ms=time.time_ns() // 1_000_000, os_user="redteam")
        given = Answer(approval_id=approval_id, by=by, grant=grant)
        return self._guard.engine.administer(lambda core: answer(core, given))


def _key(tool: str, args: Mapping[str, object], by: str) -> str:
    return repr((tool, sorted((name, repr(value)) for name, value in args.items()), by))
