"""One governed tool call, for any framework: decide, run, record, and say what the framework may have of it.

    told = govern(find, "send_mail", {"to": [...]}, run)     # await agovern(...) for coroutines
    return told.value if told.open else told.text

INVARIANT: nothing that goes wrong in the guard leaves here as an exception: frameworks swallow those (and run the
tool), hang, or abort. It is a denial whose text the model may read. Only what is no `Exception` passes (a cancelled
task, a framework's own signal), and the call is in doubt then.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from inspect import isawaitable
from typing import Any, Generic, TypeVar

from bailiwick.errors import ApprovalPending, BailiwickError, OutcomeUnrecorded, Refused
from bailiwick.guard.current import acting_in, running
from bailiwick.guard.leave import Left
from bailiwick.guard.session import Session
from bailiwick.guard.state import Permit

__all__ = [
    "Begun",
    "Ended",
    "Told",
    "aattempt",
    "abegin",
    "agovern",
    "attempt",
    "begin",
    "govern",
    "known",
    "refusal_text",
    "refused",
]

R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H")

_LOG = logging.getLogger("bailiwick")


class Ended(StrEnum):
    """What became of a call."""

    COMPLETED = "completed"
    FAILED = "failed"
    """It ran and answered with an error, or raised."""
    DENIED = "denied"
    PENDING = "pending"
    """It did not run: a person is asked."""
    WITHHELD = "withheld"
    """It ran, and its outcome could not be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[R]):
    """What a framework gets of a call. `text` is what the model may read of it. `open`: `value`, or the `error` that
    the tool raised, may be seen by everybody as they are; else nothing but `text` may leave the adapter: no artifact,
    no exception, no trace."""

    ended: Ended
    text: str
    open: bool = False
    value: R | None = None
    error: Exception | None = None
    event_id: str = ""
    approval_id: str = ""
    session: Session | None = None
    refusal: Exception | None = None
    """Why it did not run, for callers that are no model."""

    @property
    def refused(self) -> bool:
        """The tool did not run, or what it gave is withheld."""
        return self.ended in (Ended.DENIED, Ended.PENDING, Ended.WITHHELD)

    def shown_as(self, *texts: str) -> None:
        """The model reads these texts, other renderings of the same: what they say is labelled already."""
        if self.session is not None:
            known(self.session, *texts, event=self.event_id)


@dataclass(slots=True, kw_only=True, eq=False)
class Begun(Generic[R]):
    """A call that may run now, once, inside of `running()`. It is over with exactly one of `returned`, `raised` and
    `broken_off`; `told` is what the first two gave. For adapters that cannot hand `govern` a function."""

    session: Session
    permit: Permit
    tool: str
    args: dict[str, Any]
    told: Told[R] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Marks the block in which the tool runs."""
        with acting_in(self.session), running(self.permit):
            yield

    def returned(self, value: R, *, content: object, failed: bool = False) -> Told[R]:
        """It gave `value`, which says `content` to the model; `failed`: an error that the tool reports."""
        try:
            left = (
                self.session.failed(self.permit, str(content)) if failed else self.session.leave(self.permit, content)
            )
        except Exception as error:  # noqa: BLE001  what is not on record is not shown
            return self._over(_withheld(self.session, self.tool, error))
        return self._over(_told(self.session, left, Ended.FAILED if failed else Ended.COMPLETED, value=value))

    def raised(self, error: Exception) -> Told[R]:
        """It raised this."""
        try:
            left = self.session.failed(self.permit, error)
        except Exception as worse:  # noqa: BLE001  what is not on record is not shown
            return self._over(_withheld(self.session, self.tool, worse))
        return self._over(_told(self.session, left, Ended.FAILED, error=error))

    def broken_off(self) -> None:
        """It was given up: it may have run."""
        self.session.cancelled(self.permit)

    async def areturned(self, value: R, *, content: object, failed: bool = False) -> Told[R]:
        """`returned` without blocking the event loop."""
        try:
            if failed:
                left = await self.session.afailed(self.permit, str(content))
            else:
                left = await self.session.aleave(self.permit, content)
        except Exception as error:  # noqa: BLE001  what is not on record is not shown
            return self._over(_withheld(self.session, self.tool, error))
        return self._over(_told(self.session, left, Ended.FAILED if failed else Ended.COMPLETED, value=value))

    async def araised(self, error: Exception) -> Told[R]:
        """`raised` without blocking the event loop."""
        try:
            left = await self.session.afailed(self.permit, error)
        except Exception as worse:  # noqa: BLE001  what is not on record is not shown
            return self._over(_withheld(self.session, self.tool, worse))
        return self._over(_told(self.session, left, Ended.FAILED, error=error))

    async def abroken_off(self) -> None:
        """`broken_off`, written even though this task is being cancelled itself."""
        await self.session.acancelled(self.permit)

    def _over(self, told: Told[R]) -> Told[R]:
        self.told = told
        return told


Args = Mapping[str, object] | Callable[[], Mapping[str, object]]
"""The arguments of a call, or what makes them: if that fails, the call is denied."""


def begin(find: Callable[[], Session], tool: str, args: Args) -> Begun[Any] | Told[Any]:
    """Decide one call in the session that `find` gives. → the call, which may run now, or why it may not."""

    def enter(session: Session) -> Begun[Any]:
        permit = session.enter(tool, args() if callable(args) else args)
        return Begun(session=session, permit=permit, tool=tool, args=session.start(permit))

    return attempt(find, tool, enter)


async def abegin(find: Callable[[], Session | Awaitable[Session]], tool: str, args: Args) -> Begun[Any] | Told[Any]:
    """`begin` without blocking the event loop; `find` may be a coroutine function."""

    async def enter(session: Session) -> Begun[Any]:
        permit = await session.aenter(tool, args() if callable(args) else args)
        return Begun(session=session, permit=permit, tool=tool, args=await session.astart(permit))

    return await aattempt(find, tool, enter)


def attempt(find: Callable[[], Session], tool: str, step: Callable[[Session], T]) -> T | Told[Any]:
    """What `step` gives, which asks the guard for `tool` in the session that `find` gives, or why it does not run."""
    session: Session | None = None
    try:
        session = find()
        return step(session)
    except Exception as error:  # noqa: BLE001  whatever it is, the tool does not run
        return refused(session, tool, error)


async def aattempt(
    find: Callable[[], Session | Awaitable[Session]], tool: str, step: Callable[[Session], Awaitable[T]]
) -> T | Told[Any]:
    """`attempt` without blocking the event loop; `find` may be a coroutine function."""
    session: Session | None = None
    try:
        found = find()
        session = await found if isawaitable(found) else found
        return await step(session)
    except Exception as error:  # noqa: BLE001  whatever it is, the tool does not run
        return refused(session, tool, error)


def govern(
    find: Callable[[], Session],
    tool: str,
    args: Args,
    run: Callable[[dict[str, Any]], R],
    *,
    plain: Callable[[R], object] = lambda value: value,
    failed: Callable[[R], bool] = lambda _value: False,
) -> Told[R]:
    """Put one call through the planes of the session that `find` gives and run it with the decided arguments.

    `plain` gives the content of what the tool returned, as the catalog speaks of it (a text, or JSON values); `failed`
    says whether that is an error that the tool reports."""
    begun: Begun[R] | Told[R] = begin(find, tool, args)
    if isinstance(begun, Told):
        return begun
    try:
        with begun.running():
            value = run(begun.args)
    except Exception as error:  # noqa: BLE001  the tool's own: frameworks show it as they show every other
        return begun.raised(error)
    except BaseException:
        begun.broken_off()
        raise
    try:
        wrong, content = failed(value), plain(value)
    except Exception as error:  # noqa: BLE001  what cannot be read cannot be labelled
        begun.raised(error)
        return _withheld(begun.session, tool, error)
    return begun.returned(value, content=content, failed=wrong)


async def agovern(
    find: Callable[[], Session | Awaitable[Session]],
    tool: str,
    args: Args,
    run: Callable[[dict[str, Any]], Awaitable[R]],
    *,
    plain: Callable[[R], object] = lambda value: value,
    failed: Callable[[R], bool] = lambda _value: False,
) -> Told[R]:
    """`govern` for coroutines; `find` may be one too."""
    begun: Begun[R] | Told[R] = await abegin(find, tool, args)
    if isinstance(begun, Told):
        return begun
    try:
        with begun.running():
            value = await run(begun.args)
    except Exception as error:  # noqa: BLE001  the tool's own: frameworks show it as they show every other
        return await begun.araised(error)
    except BaseException:
        await begun.abroken_off()
        raise
    try:
        wrong, content = failed(value), plain(value)
    except Exception as error:  # noqa: BLE001  what cannot be read cannot be labelled
        await begun.araised(error)
        return _withheld(begun.session, tool, error)
    return await begun.areturned(value, content=content, failed=wrong)


def handed(find: Callable[[], Session], what: str, give: Callable[[Session], H]) -> H | Told[Any]:
    """What `give` makes of the session that `find` gives (the session of another agent, say), or what the framework is
    told where that is refused. `what` is what the model calls it."""
    session: Session | None = None
    try:
        session = find()
        return give(session)
    except Exception as error:  # noqa: BLE001  whatever it is, nothing is handed over
        return refused(session, what, error)


def refusal_text(tool: str, refused: Refused) -> str:
    """What a model is told of a call that did not run: a word that programs may look for, the tool, why, and the event
    that holds the decision (promise 9)."""
    word = "PENDING_APPROVAL" if isinstance(refused, ApprovalPending) else "DENIED"
    return f"{word} {tool}: {refused} [{refused.event_id or 'not recorded'}]"


def known(session: Session, *texts: str, event: str = "") -> None:
    """The session knows these texts, so that the model may read them. Where that cannot be stored they taint: no
    harm."""
    with suppress(Exception):
        for text in texts:
            session.vouch(text, event=event)


def _told(
    session: Session, left: Left, ended: Ended, *, value: R | None = None, error: Exception | None = None
) -> Told[R]:
    if left.sealed:
        return Told(ended=ended, text=left.text, event_id=left.event_id, session=session)
    return Told(
        ended=ended, text=left.text, open=True, value=value, error=error, event_id=left.event_id, session=session
    )


def refused(session: Session | None, tool: str, error: Exception) -> Told[Any]:
    """What the framework gets of a call that was not begun, since asking for it ended in `error`."""
    if not isinstance(error, Refused):
        _LOG.error("%s was denied, since the guard could not decide it", tool, exc_info=error)
        text = f"DENIED {tool}: the call could not be decided, so it is denied [{_what(error)}]"
        return _known(Told(ended=Ended.DENIED, text=text, session=session, refusal=error))
    pending = isinstance(error, ApprovalPending)
    return _known(
        Told(
            ended=Ended.PENDING if pending else Ended.DENIED,
            text=refusal_text(tool, error),
            event_id=error.event_id or "",
            approval_id=error.approval_id if isinstance(error, ApprovalPending) else "",
            session=session,
            refusal=error,
        )
    )


def _withheld(session: Session, tool: str, error: Exception) -> Told[R]:
    """It ran. What it gave stays here, since its label is not known or its outcome not on record."""
    _LOG.error("the result of %s is withheld", tool, exc_info=error)
    event = error.event_id if isinstance(error, OutcomeUnrecorded) else ""
    text = f"WITHHELD {tool}: it ran, but its result cannot be shown [{event or _what(error)}]"
    return _known(Told(ended=Ended.WITHHELD, text=text, event_id=event or "", session=session))


def _known(told: Told[R]) -> Told[R]:
    """The session knows the text, so that the model may read it."""
    told.shown_as(told.text)
    return told


def _what(error: Exception) -> str:
    """Our own texts hold no secrets, those of others may."""
    return str(error) if isinstance(error, BailiwickError) else type(error).__name__
