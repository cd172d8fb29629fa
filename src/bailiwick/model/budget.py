"""Budgets as values: what is counted, for whom, in which window. Declared in [budgets] of bailiwick.toml. DESIGN §5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from bailiwick.errors import Where
from bailiwick.model.tool import Effect, ToolSpec

__all__ = ["NO_SHARES", "Budget", "BudgetShares", "BudgetUnit", "Per", "least", "share_of"]


class BudgetUnit(StrEnum):
    """What a budget counts."""

    CALLS = "calls"
    MONEY = "money"
    """Minor units of one currency."""
    ROWS = "rows"
    """Entries of a result."""
    BYTES = "bytes"
    """Of a result, as the model reads it."""
    TOKENS = "tokens"
    """As they are reported: nobody here can count them."""

    @property
    def estimated(self) -> bool:
        """Whether only the outcome says how much a call really used."""
        return self in (BudgetUnit.ROWS, BudgetUnit.BYTES, BudgetUnit.TOKENS)


class Per(StrEnum):
    """Whose use is added up."""

    SESSION = "session"
    """The conversation of the first agent of the chain, with everything that it handed on."""
    TASK = "task"
    """As for the session, of one task."""
    AGENT = "agent"
    """Each agent of the chain: handing a call on does not get round it."""
    USER = "user"
    """The root of the chain, a user or a service."""
    TENANT = "tenant"
    """Everybody in this tenant's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`window_ms` None: no window, over the whole life of what it is per. It counts calls of `tools` and of tools with
    one of `effects`. `expect` is what a call is taken to use until its outcome is known. `limit` None: only rules say
    how much is too much."""

    name: str
    counts: BudgetUnit
    per: Per
    window_ms: int | None = None
    tools: frozenset[str] = frozenset()
    effects: frozenset[Effect] = frozenset()
    currency: str = ""
    expect: int = 0
    limit: int | None = None
    where: Where = field(default_factory=lambda: Where(file="bailiwick.toml"))

    def counts_calls_of(self, tool: ToolSpec) -> bool:
        """Whether a call of `tool` draws on it."""
        return tool.name in self.tools or not self.effects.isdisjoint(tool.effects)

    @property
    def terms(self) -> str:
        """What is counted and in which window, as text: under other terms it is another count."""
        window = "-" if self.window_ms is None else self.window_ms
        return f"{self.counts.value} {self.currency or '-'} {self.per.value} {window}"

    @property
    def written(self) -> list[object]:
        """It as plain JSON, for digests."""
        return [
            *(self.name, self.counts.value, self.per.value, self.window_ms, sorted(self.tools)),
            *(sorted(effect.value for effect in self.effects), self.currency, self.expect, self.limit),
        ]


BudgetShares = tuple[tuple[str, int], ...]
"""At most so much of each named budget; sorted by name, each name once. A budget that is not named is not narrowed."""


NO_SHARES: Mapping[str, int] = MappingProxyType({})


def least(one: BudgetShares, other: BudgetShares) -> BudgetShares:
    """The narrower of both for each budget that either names."""
    found: dict[str, int] = {}
    for name, share in (*one, *other):
        found[name] = min(share, found.get(name, share))
    return share_of(found)


def share_of(given: Mapping[str, int] | Iterable[tuple[str, int]]) -> BudgetShares:
    return tuple(sorted(dict(given).items()))
