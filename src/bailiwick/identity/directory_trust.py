"""Keys and trust between agents in directory.toml: `keys = [...]` and `[agents.<id>.may_delegate_to]`.

DESIGN §5 *Identity*.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from bailiwick.identity.keys import PublicKey
from bailiwick.model.directory import DelegationEdge
from bailiwick.model.toml_entries import Entry, Problems
from bailiwick.model.tool import Effect

__all__ = ["keys_of", "may_delegate_to"]

_DEEPEST_DELEGATION = 32
_EFFECTS = tuple(effect.value for effect in Effect)


def keys_of(entry: Entry, taken: dict[str, str]) -> tuple[str, ...]:
    """`keys = ["ed25519:…"]`. `taken` says who holds which key: a key that two hold would prove neither."""
    found: list[str] = []
    for index, written in enumerate(entry.names("keys", None, "key") or ()):
        key = PublicKey.parse(written)
        if key is None:
            entry.note(
                "bad-key",
                f"'keys' of {entry.title} holds something that is no Ed25519 public key",
                "keys",
                index,
                hint='write it as "ed25519:" and the 43 characters of the key in base64url',
            )
            continue
        holder = taken.setdefault(str(key), entry.title)
        if holder != entry.title:
            entry.note(
                "repeated-key",
                f"{entry.title} has a key that {holder} has too",
                "keys",
                index,
                hint="give each of them a key of its own",
            )
        found.append(str(key))
    return tuple(found)


def may_delegate_to(entry: Entry, agents: Collection[str]) -> Mapping[str, DelegationEdge]:
    """`[agents.<id>.may_delegate_to]`: one line per agent that this one may hand work to."""
    entry.asked.add("may_delegate_to")
    table = entry.table.get("may_delegate_to", {})
    if not isinstance(table, dict):
        entry.note(
            "wrong-type",
            f"'may_delegate_to' of {entry.title} is not a table",
            "may_delegate_to",
            hint='write [agents.<id>.may_delegate_to] and below it: <other agent> = { effects = ["read"] }',
        )
        return MappingProxyType({})
    edges: dict[str, DelegationEdge] = {}
    for name, written in table.items():
        entry.check_known(name, agents, "agent", "may_delegate_to", name)
        if name == entry.path[-1]:
            entry.note(
                "delegation-to-itself",
                f"{entry.title} may delegate to itself",
                "may_delegate_to",
                name,
                hint="take the line out: no agent occurs twice in a chain",
            )
        edge = _edge(entry.problems, (*entry.path, "may_delegate_to", name), written)
        if edge is not None:
            edges[name] = edge
    return MappingProxyType(edges)


def _edge(problems: Problems, path: tuple[str | int, ...], written: object) -> DelegationEdge | None:
    if not isinstance(written, dict):
        problems.note(
            "wrong-type",
            f"'{'.'.join(map(str, path))}' is not a table",
            *path,
            hint=f'write {path[-1]} = {{ effects = ["read"], max_depth = 0 }}',
        )
        return None
    edge = Entry(problems=problems, path=path, table=written)
    effects = edge.names("effects", _EFFECTS, "effect")
    if not effects:
        # Nothing said reads as "nothing" to one person and as "everything" to the next.
        edge.note(
            "missing-effects",
            f"{edge.title} does not say which effects are handed on",
            hint=f'name them, for example effects = ["read"]; there are: {", ".join(_EFFECTS)}',
        )
    depth = edge.integer("max_depth", 0, low=0, high=_DEEPEST_DELEGATION)
    edge.done()
    return DelegationEdge(
        effects=frozenset(Effect(name) for name in effects or () if name in _EFFECTS), max_depth=depth
    )
