"""Standing grants in the embedded state file. What was said is one body that never changes; beside it stand how often
it was used and what became of it.

INVARIANT: a use is counted by one statement that looks at the count while it counts, so of all who try at once no more
than `count` get one. DESIGN §5 *Action*.
"""

from __future__ import annotations

from typing import Any

from bailiwick.action.standing import GrantState, StandingGrant
from bailiwick.errors import CanonicalError, StoreError
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.stores.sqlite_state_file import StateFile, damaged

__all__ = ["SqliteStandingGrants"]

_SELECT = "SELECT tenant, env, id, tool, chain, task, count, used, state, body FROM standing_grants"
_INSERT = "INSERT INTO standing_grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TAKE = (
    "UPDATE standing_grants SET used = used + 1 WHERE tenant = ? AND env = ? AND id = ? AND body = ?"
    " AND state = 'active' AND used < count AND used < ?"
)
_END = "UPDATE standing_grants SET state = ? WHERE tenant = ? AND env = ? AND id = ? AND body = ? AND state = 'active'"


class SqliteStandingGrants:
    """StandingGrantStore over the state file; its port says what it promises."""

    def __init__(self, file: StateFile) -> None:
        self._use = file.use
        self._path = file.path

    def keep(self, grant: StandingGrant) -> None:
        values = (*_key(grant), grant.tool, _chain(grant.chain), grant.task, grant.count, grant.used, grant.state.value)
        with self._use(durable=True) as connection:
            connection.execute(_INSERT, (*values, _encoded(grant)))

    def find(self, tenant: str, env: str, grant_id: str) -> StandingGrant | None:
        found = self._those("tenant = ? AND env = ? AND id = ? ORDER BY rowid", (tenant, env, grant_id))
        return found[0] if found else None

    def those_for(self, tenant: str, env: str, *, tool: str, chain: Chain, task: str) -> tuple[StandingGrant, ...]:
        where = "tenant = ? AND env = ? AND tool = ? AND chain = ? AND task = ? AND state = 'active' ORDER BY rowid"
        return self._those(where, (tenant, env, tool, _chain(chain), task))

    def newest(self, tenant: str, env: str, most: int) -> tuple[StandingGrant, ...]:
        return self._those("tenant = ? AND env = ? ORDER BY rowid DESC LIMIT ?", (tenant, env, most))[::-1]

    def take(self, grant: StandingGrant, *, most: int) -> bool:
        with self._use(durable=True) as connection:
            done = connection.execute(_TAKE, (*_key(grant), _encoded(grant), most))
            return done.rowcount == 1

    def end(self, grant: StandingGrant, state: GrantState) -> bool:
        if state is GrantState.ACTIVE:
            raise StoreError("a standing grant does not begin anew", hint="ask for approval of a call again")
        with self._use(durable=True) as connection:
            done = connection.execute(_END, (state.value, *_key(grant), _encoded(grant)))
            return done.rowcount == 1

    def _those(self, where: str, values: tuple[object, ...]) -> tuple[StandingGrant, ...]:
        """`where` is one of the conditions written above, never a value."""
        with self._use() as connection:
            rows = connection.execute(f"{_SELECT} WHERE {where}", values).fetchall()
        return tuple(self._decoded(row) for row in rows)

    def _decoded(self, row: tuple[Any, ...]) -> StandingGrant:
        tenant, env, id_, tool, chain, task, count, used, state, body = row
        try:
            grant = _read(parse(body), used=used, state=GrantState(state))
            if _encoded(grant) != body or used < 0:
                raise ValueError("it is not in canonical form")
        except (CanonicalError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self._path, f"standing grant {id_}", str(error)) from error
        columns = (*_key(grant), grant.tool, _chain(grant.chain), grant.task, grant.count)
        if columns != (tenant, env, id_, tool, chain, task, count):
            raise damaged(self._path, f"standing grant {id_}", "its columns and its body disagree")
        return grant


def _key(grant: StandingGrant) -> tuple[str, str, str]:
    return grant.tenant, grant.env, grant.id


def _chain(chain: Chain) -> str:
    return canonical([[link.kind.value, link.id] for link in chain.links]).decode("utf-8")


def _encoded(grant: StandingGrant) -> bytes:
    try:
        return canonical(
            {
                "v": 1,
                "id": grant.id,
                "tenant": grant.tenant,
                "env": grant.env,
                "approval": grant.approval,
                "session": grant.session,
                "tool": grant.tool,
                "chain": [[link.kind.value, link.id] for link in grant.chain.links],
                "task": grant.task,
                "open": sorted(grant.open),
                "count": grant.count,
                "since_ms": grant.since_ms,
                "expires_ms": grant.expires_ms,
                "by": list(grant.by),
            }
        )
    except CanonicalError as error:
        raise StoreError(f"standing grant {grant.id} cannot be stored: {error}", hint=error.hint) from error


def _read(raw: Any, *, used: int, state: GrantState) -> StandingGrant:
    if raw["v"] != 1:
        raise ValueError(f"version {raw['v']} is not known")
    return StandingGrant(
        id=raw["id"],
        tenant=raw["tenant"],
        env=raw["env"],
        approval=raw["approval"],
        session=raw["session"],
        tool=raw["tool"],
        chain=Chain(links=tuple(EntityRef(kind=EntityKind(kind), id=name) for kind, name in raw["chain"])),
        task=raw["task"],
        open=frozenset(raw["open"]),
        count=raw["count"],
        since_ms=raw["since_ms"],
        expires_ms=raw["expires_ms"],
        by=tuple(raw["by"]),
        used=used,
        state=state,
    )
