"""Labels on the way through stores: what a call hands to its tool is noted before the tool runs, and every content that
comes in is asked about. DESIGN §5 *Flow*, promise 7.

INVARIANT: the note is durable before the tool may start. Killed in between, there is a label for a text that was never
written, which is the careful side; a text without its label cannot be. Only what a tool learns while it runs, from
sessions of its own, is noted when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bailiwick.flow.written import NOTHING_WRITTEN, Look, Write, WrittenBefore, look_at, look_into, write_of
from bailiwick.guard.core import Core
from bailiwick.guard.effects import DelegatedSessions, Flow, StoreLedger
from bailiwick.guard.ports import Ports
from bailiwick.guard.state import Permit, SessionState
from bailiwick.identity.ports import StoredSession

__all__ = ["came_back", "came_from", "hands_over", "learnt_within", "runs_now"]


@dataclass(frozen=True, slots=True)
class NoteWritten:
    """Keep what is being written. Durable when it returns."""

    tenant: str
    env: str
    write: Write

    def do(self, ports: Ports) -> None:
        ports.written.note(self.tenant, self.env, self.write)


@dataclass(frozen=True, slots=True)
class WhatWasWritten:
    """→ what agents wrote of a content. `look` is made only where something was ever written."""

    tenant: str
    env: str
    look: Callable[[], Look]

    def do(self, ports: Ports) -> WrittenBefore:
        if not ports.written.anything(self.tenant, self.env):
            return NOTHING_WRITTEN
        return ports.written.before(self.tenant, self.env, self.look())


def hands_over(core: Core, session: SessionState, permit: Permit) -> Flow[None]:
    """The tool of `permit` is about to run with what it is handed."""
    flow, settings = permit.decision.flow, core.planes.settings
    assert flow is not None
    agent = session.authority.chain.actor.id
    write = write_of(permit.action, flow, strictness=session.ledger.strictness, agent=agent, event=permit.event_id)
    if write is not None:
        yield NoteWritten(settings.tenant, settings.env, write)


def runs_now(session: SessionState, permit: Permit) -> Flow[None]:
    """The tool of `permit` is about to run: whoever works on the same task must not run it once more unasked. Sessions
    above this one, and those that they delegated, learn it with the next rows that they load."""
    with session.lock:
        row = session.ledger.started(permit.action, permit.event_id)
    if row is None:
        return
    ords: Sequence[int] = yield StoreLedger(session.authority.key.id, (row,))
    with session.lock:
        session.stored(ords)
    key = session.authority.key
    root = replace(key, agent=key.agent.partition("/")[0])
    below: Sequence[StoredSession] = yield DelegatedSessions(root)
    for other in {root.id, *(each.key.id for each in below)} - {key.id}:
        yield StoreLedger(other, (row,))


def learnt_within(core: Core, session: SessionState, permit: Permit) -> Flow[None]:
    """The tool of `permit` is over: what the sessions saw that it opened may stand where it writes, in whatever words.
    What it was handed it had before them."""
    flow, settings = permit.decision.flow, core.planes.settings
    assert flow is not None
    if not permit.within:
        return
    flow = replace(flow, label=flow.label.join(permit.label_within()))
    agent = session.authority.chain.actor.id
    write = write_of(permit.action, flow, strictness=session.ledger.strictness, agent=agent, event=permit.event_id)
    if write is not None:
        yield NoteWritten(settings.tenant, settings.env, replace(write, values=(), texts=(), unlisted=False))


def came_back(core: Core, permit: Permit, value: object) -> Flow[WrittenBefore]:
    """What agents wrote of `value`, the result of a call."""
    settings = core.planes.settings
    found: WrittenBefore = yield WhatWasWritten(settings.tenant, settings.env, lambda: look_at(permit.action, value))
    return found


def came_from(core: Core, store: str, value: object) -> Flow[WrittenBefore]:
    """What agents wrote of `value`, which came out of `store` by other ways than a governed call."""
    settings = core.planes.settings
    found: WrittenBefore = yield WhatWasWritten(settings.tenant, settings.env, lambda: look_into(store, value))
    return found
