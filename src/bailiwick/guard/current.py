"""Which session, and which permitted call, this thread or task is in: found through ContextVars, without plumbing."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bailiwick.errors import UsageError
from bailiwick.guard.state import Permit

if TYPE_CHECKING:
    from bailiwick.guard.session import Session

__all__ = ["acting_in", "current_session", "effector", "entered", "left", "running", "running_permit"]

_entered: contextvars.ContextVar[tuple[Session, ...]] = contextvars.ContextVar("bailiwick_sessions", default=())
_running: contextvars.ContextVar[Permit | None] = contextvars.ContextVar("bailiwick_permit", default=None)


def current_session() -> Session | None:
    """The session that this thread or task runs in, None outside of one."""
    inside = _entered.get()
    return inside[-1] if inside else None


def running_permit() -> Permit | None:
    """The permit under which this thread or task runs a tool, None where no governed call is under way."""
    return _running.get()


def effector(argument: str) -> Any:
    """The handle of the effector that is bound to an argument of the governed call that is under way: it does what was
    decided about that argument, and is of no use once the call is over. Raises UsageError where there is none."""
    permit = running_permit()
    if permit is None:
        raise UsageError(
            f"no governed call is under way here, so there is nothing that {argument!r} could stand for",
            hint="use it inside of the function that Guard.tool wraps, or that session.call runs",
        )
    return permit.handles.take(argument)


@contextmanager
def running(permit: Permit) -> Iterator[None]:
    """Marks the block in which a permitted tool runs, so that a decorated function inside is not decided again."""
    token = _running.set(permit)
    try:
        yield
    finally:
        _running.reset(token)


@contextmanager
def acting_in(session: Session) -> Iterator[None]:
    """Marks the block in which an agent acts in an open session: what it calls, and whom it calls, is asked there."""
    token = _entered.set((*_entered.get(), session))
    try:
        yield
    finally:
        _entered.reset(token)


def entered(session: Session) -> None:
    """This thread or task is in `session` from here on."""
    _entered.set((*_entered.get(), session))


def left(session: Session) -> None:
    """It has left it. A thread or task other than the one that entered may leave: it has nothing to take off."""
    inside = _entered.get()
    for at in reversed(range(len(inside))):
        if inside[at] is session:
            _entered.set(inside[:at] + inside[at + 1 :])
            return
