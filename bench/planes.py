"""What each plane costs: the real functions on the inputs of one real decision, each timed by itself.

`guard` is what is left of the whole: the generator and its driver, the decision's values, locks, ids. It takes in, too,
that a part which runs by itself finds its data in the processor's caches sooner than within a whole decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from secrets import token_bytes
from time import perf_counter_ns

from bailiwick.action.digest import action_digest, effect_key
from bailiwick.action.parse import parse_call
from bailiwick.audit.envelope import place, seal
from bailiwick.guard.record import decision_draft
from bailiwick.guard.state import Permit
from bailiwick.identity.authority import check_authority
from bailiwick.model.call import Action, Call
from bailiwick.model.event import Draft
from bailiwick.model.tool import Durability
from bailiwick.policy import PolicyRequest
from bailiwick.project.clock import fresh_id, now_us
from bench.desk import Arguments, Desk
from bench.measure import Case, Figure, timed

__all__ = ["APPEND", "WHOLE", "cases", "decision_record", "record_size", "split"]

WHOLE = "the whole decision"
APPEND = "append"
SEAL = "audit: seal (schema, encoding, commitments)"


def cases(desk: Desk, tool: str, arguments: Arguments) -> dict[str, Case]:
    """The whole decision and each of its parts, for calls of `tool`, which only reads."""
    planes, state, log = desk.guard.project.planes, desk.state, desk.guard.log
    spec = planes.catalog.find(tool)
    assert spec is not None
    permit = _permit(desk, tool, arguments)
    draft, action = _draft(desk, permit), permit.action
    call, zones = Call(tool=tool, args=arguments()), tuple(frozenset(spec.zones) for _ in spec.resources)
    request = PolicyRequest(
        subject=state.seen_by(planes.policy).subject,
        tool=spec.name,
        resources=action.resources,
        now_ms=now_us() // 1000,
        args={arg.name: arg.facts for arg in action.arguments},
        interfaces=action.interfaces,
        approved=frozenset(),
        flow=state.ledger.resolve(action, reads=planes.reads),
    )

    def identity() -> None:
        check_authority(
            planes.directory,
            state.authority,
            tool=spec.name,
            effects=spec.effects,
            zones=zones,
            now_ms=request.now_ms,
        )

    def understand() -> None:
        parsed = parse_call(planes.catalog, call, around=planes.surroundings(), types=planes.types)
        assert isinstance(parsed, Action)
        action_digest(parsed, state.authority)
        effect_key(parsed, planes.settings.tenant, planes.settings.env)

    def rows() -> None:
        desk.guard.state.load(state.authority.key.id, state.ledger_ord)

    def append() -> int:
        fresh = replace(draft, id=fresh_id())
        began = perf_counter_ns()
        log.append((fresh,), Durability.BUFFERED)
        return perf_counter_ns() - began

    return {
        WHOLE: desk.enter(tool, arguments),
        "identity: chain, task, grants": timed(identity),
        "action: parsing, digests": timed(understand),
        "flow: label, endorsement, origins": timed(lambda: state.ledger.resolve(action, reads=planes.reads)),
        "policy: Cedar, both links": timed(lambda: planes.policy.decide(request)),
        "audit: the decision as a record": timed(lambda: _draft(desk, permit)),
        SEAL: timed(lambda: seal(draft, token_bytes)),
        APPEND: append,
        "state: rows of other processes": timed(
            lambda: desk.guard.state.load(state.authority.key.id, state.ledger_ord)
        ),
        "state: what is suspended, which bundle holds": timed(desk.guard.engine.ports.holding.now),
    }


def split(measured: Mapping[str, Figure]) -> dict[str, float]:
    """Medians of `cases` as a split of the whole, in microseconds: they add up to it."""
    parts = {name: figure.p50_us for name, figure in measured.items() if name not in (WHOLE, APPEND)}
    parts["audit: commit (tree, SQLite transaction)"] = round(measured[APPEND].p50_us - parts[SEAL], 1)
    parts["guard: what is left"] = round(measured[WHOLE].p50_us - sum(parts.values()), 1)
    return parts


def decision_record(desk: Desk, tool: str, arguments: Arguments) -> Draft:
    """Such a decision as it is handed to the log."""
    return _draft(desk, _permit(desk, tool, arguments))


def record_size(desk: Desk, tool: str, arguments: Arguments) -> int:
    """Bytes of the record of such a decision, with its contents."""
    sealed = seal(_draft(desk, _permit(desk, tool, arguments)), token_bytes)
    contents = sum(len(content.salt) + len(content.data) for content in sealed.contents)
    return len(place(sealed, log=desk.guard.log.log_id, seq=1000, ord_=1000)) + contents


def _permit(desk: Desk, tool: str, arguments: Arguments) -> Permit:
    permit = desk.session.enter(tool, arguments())
    desk.withdraw(permit)
    return permit


def _draft(desk: Desk, permit: Permit) -> Draft:
    return decision_draft(
        desk.guard.project.planes,
        desk.state,
        permit.decision,
        event_id=permit.event_id,
        now_us=now_us(),
        args=permit.action.args,
        permit=permit,
        latency_us=300,
    )
