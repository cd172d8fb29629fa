"""What a running session holds in memory: its authority, its ledger, and the permits that are out."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from bailiwick.action.budgets import Draw
from bailiwick.audit.model_calls import Given
from bailiwick.errors import CanonicalError
from bailiwick.flow.ledger import Ledger
from bailiwick.guard.effectors import NO_HANDLES, Handles
from bailiwick.guard.handing.credentials import Credential
from bailiwick.model.call import Action, Authority
from bailiwick.model.canonical import canonical, parse, thaw
from bailiwick.model.circumstances import Circumstances, Evidence
from bailiwick.model.decision import Decision
from bailiwick.model.event import Receipt
from bailiwick.model.label import PUBLIC_TRUSTED, Label
from bailiwick.model.tool import Idempotency
from bailiwick.policy import PolicyEngine, Subject

__all__ = ["OnRecord", "Opened", "Permit", "PermitState", "SessionState", "Standpoint", "subject_of"]


RECEIPTS = 1_000
"""A session keeps the receipts of so many of its latest decisions."""


class PermitState(Enum):
    """ISSUED → STARTED → CLOSED, or ISSUED → CLOSED when it expires or is withdrawn unstarted."""

    ISSUED = auto()
    STARTED = auto()
    CLOSED = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Permit:
    """Leave to run one call once, with exactly these arguments, before `expires_us`.

    `action.args` are the canonical bytes that were digested; what the tool receives is rebuilt from them.
    `idempotency_key` is the same whenever the same effect is tried again. `on_record` is False until the decision is
    known to be in the log: if whoever asked for the permit went away meanwhile, it may be there or not."""

    id: str
    action: Action
    decision: Decision
    event_id: str
    effect_key: str
    expires_us: int
    state: PermitState = PermitState.ISSUED
    on_record: bool = False
    receipt: Receipt | None = None
    """Where in the log the decision stands, once it is on record."""
    taken: bool = False
    claims: dict[str, object] = field(default_factory=dict)
    """Which layers of a framework have run the tool under it."""
    within: dict[object, Callable[[], Label]] = field(default_factory=dict)
    """The labels of sessions that worked while the tool ran (an agent that works as a tool), each once."""
    draws: tuple[Draw, ...] = ()
    """What it takes of which budgets, counted already."""
    tokens: int | None = None
    """How many were reported while it ran; None: nobody said."""
    handles: Handles = NO_HANDLES
    """What the tool is handed while it runs. They do nothing before it was started, nor after it ended."""

    def covers(self, tool: str, args: Mapping[str, object]) -> bool:
        """True once, while the call runs that this permit is for: a decorated tool asks when it runs inside a governed
        call. An argument that is None counts as not given."""
        if self.taken or self.state is not PermitState.STARTED or tool != self.action.tool.name:
            return False
        self.taken = self._same(args)
        return self.taken

    def claim(self, layer: str, name: str, args: Mapping[str, object] | None = None) -> bool:
        """True once for each layer through which a framework runs the tool: what runs below it, or again, is another
        call. `name` is what the framework calls the tool; `args` are compared where the layer has them as decided."""
        spec = self.action.tool
        if self.state is not PermitState.STARTED or (name != spec.name and name not in spec.names):
            return False
        if args is not None and not self._same(args):
            return False
        claim = object()
        return self.claims.setdefault(layer, claim) is claim  # atomic: two threads cannot both have it

    def _same(self, args: Mapping[str, object]) -> bool:
        """Whether these are the decided arguments; one that is None counts as not given."""
        given = {name: value for name, value in args.items() if value is not None}
        decided = parse(self.action.args)
        assert isinstance(decided, dict)
        try:
            return canonical(given) == canonical(thaw({k: v for k, v in decided.items() if v is not None}))
        except CanonicalError:
            return False

    def label_within(self) -> Label:
        """The join of what those sessions have seen: the result may hold any of it."""
        return functools.reduce(Label.join, (label() for label in tuple(self.within.values())), PUBLIC_TRUSTED)

    def tells(self, text: str) -> bool:
        """Whether this text is an argument of the call, by itself or somewhere in one."""
        waiting: list[object] = [thaw(parse(self.action.args))]
        while waiting:
            each = waiting.pop()
            if each == text:
                return True
            if isinstance(each, dict | list):
                waiting += each.values() if isinstance(each, dict) else each
        return False

    @property
    def counted(self) -> bool:
        """True iff a budget counts the call, so that its outcome has to be settled."""
        return any(draw.counted for draw in self.draws)

    @property
    def idempotency_key(self) -> str:
        return self.effect_key

    @property
    def tracked(self) -> bool:
        """True iff the call is noted as in flight, so that one that may have run is not silently run again."""
        return self.action.tool.idempotency is not Idempotency.SAFE


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a session's scope rests on: its authority as the task or the delegation gave it (None: nothing that could
    change), the version under which it is stored, the directory (by digest) that said so, when the task began, and
    whether the directory names it."""

    authority: Authority | None = None
    version: int = 0
    directory: str = ""
    began_ms: int = 0
    named: bool = False


@dataclass(slots=True, eq=False)
class OnRecord:
    """A standpoint as decisions keep it (`bailiwick.guard.snapshots`), and the event that holds it with its time: None
    until one is known to be in the log."""

    data: bytes = b""
    at: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """On whose behalf calls are decided, with the authority and the circumstances that this was made of."""

    subject: Subject
    authority: Authority
    around: Circumstances
    record: OnRecord = field(default_factory=OnRecord)


def subject_of(policy: PolicyEngine, authority: Authority, around: Circumstances) -> Subject:
    return policy.subject(
        chain=authority.chain,
        task=authority.task,
        purpose=authority.purpose,
        expires_ms=authority.grant.expires_ms,
        tools=authority.grant.reachable,
        zones=authority.grant.zones,
        groups=around.evidence.groups,
    )


@dataclass(slots=True, kw_only=True, eq=False)
class SessionState:
    """INVARIANT: `ledger` and `permits` are touched with `lock` held, and nothing waits for I/O while it is held. No
    call meets the authority of one moment with what it rests on, or with the evidence, of another (`scope`, `seen_by`).
    """

    authority: Authority
    ledger: Ledger
    around: Circumstances = field(default_factory=Circumstances)
    credential: Credential | None = None
    opened: Opened = field(default_factory=lambda: Opened())
    ledger_ord: int = -1
    last_us: int = 0
    decisions: int = 0
    receipts: deque[Receipt] = field(default_factory=lambda: deque(maxlen=RECEIPTS))
    permits: dict[str, Permit] = field(default_factory=dict)
    holding: dict[str, str] = field(default_factory=dict)
    """Permit id → event id of its decision, where budgets may be counted for a permit that does not exist yet."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False
    standpoint: Standpoint | None = None
    given: Given | None = None
    """What the last model call on record was given."""
    above: SessionState | None = None
    """The session that this one was delegated from, where that runs in this process."""
    below: list[SessionState] = field(default_factory=list)
    """Those that were delegated from this one in this process."""

    @property
    def told(self) -> str:
        """The event of what the model was last given, as far as it is on record: a call of the model, or else what its
        user (or whoever delegated to it) said last; empty for none."""
        return self.given.event if self.given is not None else self.ledger.prompted

    @property
    def family(self) -> Iterator[SessionState]:
        """The other sessions of the same work: what was delegated from this one, what it was delegated from, and what
        else was delegated from that, and so on upwards."""
        nearest, met = self, {id(self)}
        while True:
            for state in nearest.with_below():
                if id(state) not in met:
                    met.add(id(state))
                    yield state
            if nearest.above is None:
                return
            nearest = nearest.above

    def with_below(self) -> Iterator[SessionState]:
        """This one, and all that was delegated from it."""
        yield self
        for state in tuple(self.below):
            yield from state.with_below()

    def scope(self) -> tuple[Authority, Opened]:
        """The authority with what it rests on."""
        with self.lock:
            return self.authority, self.opened

    def rescoped(self, authority: Authority, opened: Opened, *, was: Opened) -> bool:
        """The scope changed: from here on this is the authority. → False if another call changed it since it rested on
        `was`: what that one learned may be newer."""
        with self.lock:
            if self.opened is not was:
                return False
            self.authority, self.opened = authority, opened
        return True

    def evidenced(self, evidence: Evidence) -> None:
        """The user proved who they are anew."""
        self.around = replace(self.around, evidence=evidence)

    def seen_by(self, policy: PolicyEngine) -> Standpoint:
        """What these rules are asked about: made anew where they, the authority or the evidence have changed."""
        # Each is looked at once: another thread's call may have begun under other rules, or change them meanwhile.
        held, authority, around = self.standpoint, self.authority, self.around
        if (
            held is None
            or held.authority is not authority
            or held.around is not around
            or not policy.made(held.subject)
        ):
            subject = subject_of(policy, authority, around)
            self.standpoint = held = Standpoint(subject=subject, authority=authority, around=around)
        return held

    @property
    def pending(self) -> tuple[Action, ...]:
        """Calls that may run and were not started yet. With `lock` held."""
        return tuple(each.action for each in self.permits.values() if each.state is PermitState.ISSUED)

    def drop(self, permit: Permit) -> None:
        """The permit is out no longer."""
        with self.lock:
            permit.state = PermitState.CLOSED
            self.permits.pop(permit.id, None)

    def stored(self, ords: Sequence[int]) -> None:
        """Rows of this session were stored under `ords`. Rows of other processes in between are still to be loaded, so
        only an unbroken run moves the mark."""
        if ords[0] == self.ledger_ord + 1:
            self.ledger_ord = ords[-1]
