"""Which rules a request can meet at all: an index over their scopes, and the rule sets that are cut out by it.

A scope asks for a principal, an action and a resource, by equality, by type, or by what they are in. So rules are kept
by what their scope asks for (*keys*), a request tells which keys it meets, and Cedar is given the rules under these
keys alone: the request's *slice*. That changes no answer, since a scope cannot fail and depends on nothing but the
three ids and what they are in: a rule with a false scope neither decides nor errs. DESIGN §3 promise 8, §5 *Policy
engine*, ADR 0007.

INVARIANT: what an entity is in is read from the entities that Cedar is given, never from anywhere else. A slice may
hold rules too many (it is one for all links and resources of a call), never one too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import cedarpy
from cedarpy import pst

from bailiwick.policy.reads import Path, asks_about_resource, read_by
from bailiwick.policy.world import ActionDecl

__all__ = ["Index", "Key", "Parents", "Row", "Slice", "Slices", "Stock", "index", "keys", "parents"]

Key = tuple[str, ...]
"""What a scope asks of a principal or resource: `()` nothing, `("is", type)`, `("==", type, id)`, `("in", type, id)`,
`("is in", type, type above, id above)`."""

Ref = tuple[str, str]
"""An entity's type and id."""

Parents = Mapping[Ref, tuple[Ref, ...]]

ANY_ACTION = ""
"""Where the rules are whose scope names no action. No tool is called so."""

_BASE = 4096
_ENTRY = 8
"""What a slice weighs in the cache beside its rules."""


@dataclass(slots=True, kw_only=True)
class Bucket:
    """The rules of one scope. `number` is its own among all buckets of an engine, `places` whether any of the rules
    asks what a resource is in or has. Filled by `index`, and not changed after."""

    number: int
    rules: dict[str, pst.Template] = field(default_factory=dict)
    places: bool = False


Row = Mapping[Key, Bucket]
"""The buckets of one principal key, by resource key."""


@dataclass(slots=True, kw_only=True)
class Table:
    """The rules whose scope names one action or group (or none): a row for each principal key; and what of the context
    they read. Filled by `index`, and not changed after."""

    rows: dict[Key, dict[Key, Bucket]] = field(default_factory=dict)
    reads: set[Path] = field(default_factory=set)
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What there is for one tool: the tables of its action, its groups and of no action at all. `name` tells stocks
    apart, and is the same for tools that share all of their rules."""

    name: tuple[str, ...]
    tables: tuple[Table, ...]
    size: int

    @property
    def reads(self) -> frozenset[Path]:
        return frozenset().union(*(table.reads for table in self.tables))

    def rows(self, principals: Iterable[Key]) -> tuple[Row, ...]:
        """The rows of these keys."""
        asked = set(principals)
        return tuple(table.rows[key] for table in self.tables for key in table.rows.keys() & asked)

    def buckets(self) -> Iterator[Bucket]:
        return (bucket for table in self.tables for row in table.rows.values() for bucket in row.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """All rules of an engine, by the action or group that their scope names (`ANY_ACTION`: none)."""

    tables: Mapping[str, Table]
    size: int

    def stock(self, action: ActionDecl) -> Stock:
        """What there is for `action`."""
        name = tuple(
            each for each in (ANY_ACTION, action.name, *sorted(action.ancestors - {action.name})) if each in self.tables
        )
        tables = tuple(self.tables[each] for each in name)
        return Stock(name=name, tables=tables, size=sum(table.size for table in tables))


class Slice(NamedTuple):
    """`rules` for Cedar, `size` of them; `places` whether any asks what a resource is in or has."""

    rules: cedarpy.PolicySet
    size: int
    places: bool


def index(rules: pst.PolicySet) -> Index:
    """The index of `rules`. Raises ValueError if there are templates, which the loader refuses."""
    if rules.templates:
        raise ValueError("templates are not evaluated")
    tables: dict[str, Table] = {}
    numbers = count()
    for name, rule in rules.static_policies.items():
        reads, places = read_by(rule), asks_about_resource(rule)
        principal, resource = _asked(rule.principal), _asked(rule.resource)
        for action in _actions(rule.action):
            table = tables.setdefault(action, Table())
            table.reads |= reads
            table.size += 1
            row = table.rows.setdefault(principal, {})
            bucket = row.get(resource)
            if bucket is None:
                bucket = row[resource] = Bucket(number=next(numbers))
            bucket.rules[name] = rule
            bucket.places |= places
    return Index(tables=tables, size=len(rules.static_policies))


def parents(entities: Iterable[Mapping[str, Any]]) -> dict[Ref, tuple[Ref, ...]]:
    """What each of `entities`, in Cedar's JSON format, is in directly."""
    return {_ref(entity["uid"]): tuple(map(_ref, entity["parents"])) for entity in entities}


def keys(entity: Ref, *above: Parents) -> Iterator[Key]:
    """Every key that a scope can have which holds for `entity`."""
    kind = entity[0]
    yield ()
    yield ("is", kind)
    yield ("==", *entity)
    seen = {entity}
    todo = [entity]
    while todo:
        at = todo.pop()
        yield ("in", *at)
        yield ("is in", kind, *at)
        for lineage in above:
            for parent in lineage.get(at, ()):
                if parent not in seen:
                    seen.add(parent)
                    todo.append(parent)


class Slices:
    """The slices of one engine, as they are asked for. Bounded: what was not asked for again while as many others as
    fit were, is dropped. Threads may share it: the worst that a race does is to build a slice twice."""

    def __init__(self, rules: int) -> None:
        self._room = _BASE + rules
        self._new: dict[object, Slice] = {}
        self._old: dict[object, Slice] = {}
        self._weight = 0

    def of(self, stock: Stock, *, rows: tuple[Row, ...], resources: Iterable[Key]) -> Slice:
        """The rules of `stock` under `rows` and the keys `resources`. All of it, where these are most of it anyway: so
        that rules which nearly everybody meets are not held again for each principal."""
        asked = set(resources)
        hit = {bucket.number: bucket for row in rows for key in asked if (bucket := row.get(key)) is not None}
        if 2 * sum([len(bucket.rules) for bucket in hit.values()]) > stock.size:
            return self._find(stock.name) or self._keep(stock.name, stock.buckets())
        name = tuple(sorted(hit))
        return self._find(name) or self._keep(name, hit.values())

    @property
    def held(self) -> int:
        """How many rules the kept slices hold, each counted as often as it is held."""
        return sum(each.size for kept in (self._new, self._old) for each in kept.values())

    def _find(self, name: object) -> Slice | None:
        found = self._new.get(name)
        if found is None and (found := self._old.pop(name, None)) is not None:
            self._put(name, found)
        return found

    def _keep(self, name: object, buckets: Iterable[Bucket]) -> Slice:
        made = _slice(buckets)
        self._put(name, made)
        return made

    def _put(self, name: object, found: Slice) -> None:
        self._weight += found.size + _ENTRY
        self._new[name] = found
        if self._weight > self._room:
            # What is old now is dropped with the next change, but for what is asked for until then.
            self._old, self._new, self._weight = self._new, {}, 0


def _slice(buckets: Iterable[Bucket]) -> Slice:
    rules: dict[str, pst.Template] = {}
    places = False
    for bucket in buckets:
        rules |= bucket.rules
        places |= bucket.places
    made = cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=rules, template_links=()))
    return Slice(rules=made, size=len(rules), places=places)


def _actions(constraint: pst.ActionConstraint) -> tuple[str, ...]:
    match constraint:
        case pst.ActionEq(entity=uid):
            return (uid.id,)
        case pst.ActionIn(entities=entities):
            return tuple(dict.fromkeys(uid.id for uid in entities))
        case _:
            return (ANY_ACTION,)


def _asked(constraint: pst.PrincipalOrResourceConstraint) -> Key:
    match constraint:
        case pst.ScopeEq(entity=pst.EntityUid() as uid):
            return ("==", str(uid.type), uid.id)
        case pst.ScopeIn(entity=pst.EntityUid() as uid):
            return ("in", str(uid.type), uid.id)
        case pst.ScopeIs(entity_type=kind):
            return ("is", str(kind))
        case pst.ScopeIsIn(entity_type=kind, entity=pst.EntityUid() as uid):
            return ("is in", str(kind), str(uid.type), uid.id)
        case _:
            # Nothing, or something new that Cedar has learned: then the rule is in every slice.
            return ()


def _ref(uid: Mapping[str, str]) -> Ref:
    return uid["type"], uid["id"]
