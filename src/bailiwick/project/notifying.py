"""The channels of an open project: who is told, and the threads that do it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bailiwick.action.channel_settings import ChannelKind
from bailiwick.action.notices import Claim, Told
from bailiwick.channels.dispatcher import Dispatcher, unheard
from bailiwick.project.guard import Guard

__all__ = ["dispatcher_of", "notifying"]


def dispatcher_of(guard: Guard, heard: Callable[[Claim, Told], None] = unheard) -> Dispatcher:
    """What sends this project's notices. Raises MissingExtra where a channel needs what is not installed."""
    settings = guard.project.settings
    channels = settings.sections["channels"]
    if any(each.kind is not ChannelKind.EMAIL for each in channels):
        import bailiwick.channels.web  # noqa: F401  an optional dependency, missed now rather than at the first message
    return Dispatcher(
        engine=guard.engine,
        outbox=guard.outbox,
        channels=channels,
        smtp=settings.sections["smtp"],
        folder=guard.project.folder,
        console=settings.console.url,
        chance=random.SystemRandom().random,
        heard=heard,
    )


@contextmanager
def notifying(guard: Guard, heard: Callable[[Claim, Told], None] = unheard) -> Iterator[None]:
    """Notices are sent while this is entered; an attempt that is under way is brought to its end."""
    dispatcher = dispatcher_of(guard, heard)
    stop = threading.Event()
    thread = threading.Thread(target=dispatcher.run, args=(stop,), name="bailiwick-channels")
    if dispatcher.channels:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if dispatcher.channels:
            thread.join()
