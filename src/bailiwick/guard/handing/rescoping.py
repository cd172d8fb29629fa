"""Keeps the scope of a running session as the store and the directory have it, whoever changed them.

INVARIANT: a session decides nothing on a scope that was narrowed before the decision began, also in another process.
"""

from __future__ import annotations

from dataclasses import replace

from bailiwick.guard.effects import Flow, LoadChanges, LoadScope
from bailiwick.guard.planes import Planes
from bailiwick.guard.state import Opened, SessionState
from bailiwick.identity.scope import ScopeChange, rebased, restored
from bailiwick.model.call import Authority, Grant

__all__ = ["refresh_scope"]


def refresh_scope(planes: Planes, session: SessionState, version: int) -> Flow[None]:
    """Take in a change of the session's scope (its stored `version` is another), or of its task's definition."""
    directory = planes.directory.digest
    while True:
        opened = session.opened
        if opened.authority is None or (version == opened.version and directory == opened.directory):
            return
        given = opened.authority if directory == opened.directory else _rebased(planes, opened.authority, opened)
        change: ScopeChange | None = yield LoadScope(given.key, given.task)
        new = replace(opened, authority=given, version=version, directory=directory)
        if session.rescoped(restored(given, change), new, was=opened):
            return
        # Another thread's call took in something meanwhile, perhaps newer than what was read here.
        _, version = yield LoadChanges(given.key, 2**53)


def _rebased(planes: Planes, given: Authority, opened: Opened) -> Authority:
    found = rebased(planes.directory, given, named=opened.named, began_ms=opened.began_ms)
    if isinstance(found, Authority):
        return found
    # The task is gone: nothing is left of its scope.
    nothing = Grant(tools=frozenset())
    return replace(given, grant=nothing, steps=(*given.steps[:-1], nothing))
