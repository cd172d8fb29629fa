"""The sync and the async driver: they run a generator of the core against the ports and hold no logic of their own.

What a port raises is thrown into the generator at the request that failed. Whatever leaves the generator as an
exception means that the guard could not decide: `bailiwick.guard.engine` turns that into a denial.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar

from bailiwick.guard.effects import Append, Effect, Flow
from bailiwick.guard.ports import Ports
from bailiwick.guard.together import Together

__all__ = ["drive", "drive_async", "uncancelled"]

T = TypeVar("T")


def drive(flow: Flow[T], ports: Ports) -> T:
    """Run `flow` in this thread."""
    try:
        effect = next(flow)
        while True:
            try:
                answer = effect.do(ports)
            except Exception as error:  # noqa: BLE001  what a port raises belongs to the generator
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value


async def drive_async(flow: Flow[T], ports: Ports, executor: Executor, together: Together) -> T:
    """Run `flow` in this task; stores are waited for in `executor`, so that a slow disk does not stop the event loop,
    and what several tasks append goes to the log `together`."""
    loop = asyncio.get_running_loop()
    try:
        effect = next(flow)
        while True:
            try:
                answer = await _perform(loop, executor, ports, effect, together)
            except Exception as error:  # noqa: BLE001
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as end:
        value: T = end.value
        return value


async def _perform(
    loop: asyncio.AbstractEventLoop, executor: Executor, ports: Ports, effect: Effect, together: Together
) -> object:
    if getattr(effect, "at_once", False):
        return effect.do(ports)
    # A store that was asked must be waited for even when this task is cancelled meanwhile: its answer decides what is
    # true, so the cancellation is delivered only after it.
    if type(effect) is Append:
        return await uncancelled(together.append(ports.log, effect.drafts, effect.durability, executor))
    return await uncancelled(loop.run_in_executor(executor, effect.do, ports))


async def uncancelled(future: asyncio.Future[T]) -> T:
    """What `future` gives. Cancellations of this task, however many, are delivered only once it is done."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((future,))
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not complain of it
        raise
