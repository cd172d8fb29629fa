"""One request of a signed-in person, and what a view can make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bailiwick.action.approvals import Approval
from bailiwick.action.remember import Remember
from bailiwick.model.approver import Proven
from bailiwick.model.decision import Reason
from bailiwick.server.live import Live
from bailiwick.server.looking import Investigator
from bailiwick.server.pages import Shown
from bailiwick.server.reading import Reader

__all__ = ["Answerable", "Gone", "Missing", "Picture", "Proves", "Refused", "Visit"]


class Proves(Protocol):
    """How it is known that this person gives this answer, or why it is not."""

    def __call__(
        self,
        approval: Approval,
        gates: None,
        *,
        grant: bool,
        edited: Mapping[str, object] | None,
        remember: Remember | None = None,
    ) -> Proven | Reason: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`partial` is set where a page asks for its changing part again, with the mark of what it shows as `seen`; `form`
    is what was posted, already found to come from a page of ours; `query` what stands in the address, each name
    once."""

    reader: Reader
    log: Investigator
    live: Live
    proves: Proves
    path: Mapping[str, str]
    seen: str = ""
    partial: bool = False
    form: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Done; what comes of it is to be seen at `url`."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """There is no such thing, or none for this person: the same answer for both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The rules do not let this person do it, and it is no secret that it could be done."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing of ours, for an `img` of a page."""

    svg: str


Answerable = Shown | Gone | Missing | Refused | Picture | None
"""None: nothing new for a page that asks again."""
