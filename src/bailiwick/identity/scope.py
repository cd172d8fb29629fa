"""The scope of a task while a session runs: narrowed at will, widened by leave of a person, kept over restarts.

A session's scope is what its task gives (its *base*) until somebody changes it; from then on it is the *changed* grant,
stored with the base that it was changed from. INVARIANT: where the task itself was changed since, only what both allow
is left: a widening that was approved for another definition of the task does not come back. DESIGN §5 *Identity*.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from bailiwick.model.call import ALL, Authority, Grant
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.directory import Directory, TaskEntry

__all__ = ["ScopeChange", "asked_grant", "narrowed", "rebased", "restored", "task_grant", "widened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeChange:
    """`grant` holds since it was changed; `base` is what the task gave when it was."""

    base: Grant
    grant: Grant


def asked_grant(
    tools: Collection[str] | None, zones: Collection[str] | None, ttl_ms: int | None, now_ms: int
) -> Grant | Reason:
    """What somebody asks a scope to be changed by, or why nothing can be asked so."""
    if tools is None and zones is None and ttl_ms is None:
        return _reason("bad-scope", "Nothing is asked for.", "Name tools, zones or a time.")
    if zones is not None and not zones:
        return _reason("bad-scope", "zones names no zone.", "Name zones, or leave zones out.")
    if ttl_ms is not None and ttl_ms <= 0:
        return _reason("bad-scope", "The time given is over before it begins.", "Give at least one millisecond.")
    return Grant(
        tools=None if tools is None else frozenset(tools),
        zones=frozenset() if zones is None else frozenset(zones),
        expires_ms=None if ttl_ms is None else now_ms + ttl_ms,
    )


def narrowed(authority: Authority, asked: Grant) -> Authority:
    """The same authority with less. Nobody has to be asked."""
    return _with_last(authority, authority.grant.narrowed(asked))


def widened(authority: Authority, asked: Grant) -> Authority | Reason:
    """The same authority with more, once a person has agreed; or why it cannot get more."""
    if authority.chain.depth:
        return _reason(
            "widen-delegated",
            f"{authority.chain.actor.id} works on what it was given, and cannot have more.",
            "Ask the agent that gave it the work.",
        )
    if authority.grant.calls is not None:
        return _reason(
            "widen-plan", "This task is a signed plan, which allows what it lists.", "Have another plan signed."
        )
    return _with_last(authority, authority.grant.widened(asked))


def restored(authority: Authority, change: ScopeChange | None) -> Authority:
    """The authority that a task or a delegation gives, with what its scope was changed to. What was taken from a
    delegated session stays taken from it in this conversation."""
    if change is None:
        return authority
    if authority.chain.depth == 0 and change.base == authority.grant:
        return _with_last(authority, change.grant)
    return _with_last(authority, authority.grant.narrowed(change.grant))


def bounded(authority: Authority, at_most: Grant) -> Authority:
    """The authority with no more than `at_most` in its last grant."""
    return authority if at_most == ALL else _with_last(authority, authority.grant.narrowed(at_most))


def taken_away(authority: Authority) -> Grant:
    """What the last grant of a delegated authority leaves of the one before, where it leaves less: what whoever handed
    on, or narrowed it since, named."""
    own, above = authority.grant, authority.steps[-2] if len(authority.steps) > 1 else ALL
    return Grant(
        tools=None if own.tools == above.tools else own.tools,
        zones=frozenset() if own.zones == above.zones else own.zones,
        expires_ms=None if own.expires_ms == above.expires_ms else own.expires_ms,
        calls=None if own.calls == above.calls else own.calls,
        budgets=() if own.budgets == above.budgets else own.budgets,
    )


def task_grant(entry: TaskEntry, began_ms: int) -> Grant:
    """What a task of the directory gives that began then."""
    return Grant(tools=entry.tools, zones=entry.zones, expires_ms=began_ms + entry.ttl_ms, budgets=entry.budgets)


def rebased(directory: Directory, authority: Authority, *, named: bool, began_ms: int) -> Authority | Reason:
    """The authority after the directory changed under a running session: never more than before, nor than the task now
    gives. `named`: the task was one of the directory's; where it is gone, nothing is left."""
    entry = directory.tasks.get(authority.task)
    if entry is None:
        if not named:
            return authority
        return _reason(
            "unknown-task", f"The task '{authority.task}' is no longer in the directory.", "Open a session for another."
        )
    bound = task_grant(entry, began_ms)
    steps = tuple(step.narrowed(bound) for step in authority.steps or (authority.grant,))
    return replace(authority, grant=steps[-1], steps=steps)


def _with_last(authority: Authority, grant: Grant) -> Authority:
    return replace(authority, grant=grant, steps=(*authority.steps[:-1], grant))


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
