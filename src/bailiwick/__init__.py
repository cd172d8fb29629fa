"""bailiwick: a runtime policy layer for AI agents.

from bailiwick import ApprovalPending, Denied, Guard

guard = Guard.open("examples/support")
with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
    session.call("crm.get_customer", {"id": "42"}, run=crm.get_customer)
"""

from bailiwick.errors import (
    ApprovalPending,
    BailiwickError,
    Denied,
    DidNotRun,
    MissingExtra,
    OutcomeUnrecorded,
    ProjectError,
    Refused,
    StoreError,
    UsageError,
)
from bailiwick.guard.current import current_session, effector, running_permit
from bailiwick.guard.session import Session
from bailiwick.guard.state import Permit
from bailiwick.model.decision import Decision, Outcome
from bailiwick.model.document import Document
from bailiwick.model.label import Integrity, Label
from bailiwick.project.guard import Guard

__all__ = [
    "ApprovalPending",
    "BailiwickError",
    "Decision",
    "Denied",
    "DidNotRun",
    "Document",
    "Guard",
    "Integrity",
    "Label",
    "MissingExtra",
    "Outcome",
    "OutcomeUnrecorded",
    "Permit",
    "ProjectError",
    "Refused",
    "Session",
    "StoreError",
    "UsageError",
    "current_session",
    "effector",
    "running_permit",
]
