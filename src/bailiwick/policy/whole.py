"""A project's rules on tools, catalog and directory as one value, for the checks that need all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityRef
from bailiwick.policy.bundle import Bundle, PolicyEffect
from bailiwick.policy.reach import People
from bailiwick.policy.shadow import Scoped
from bailiwick.policy.world import World

__all__ = ["Whole"]


@dataclass(frozen=True, kw_only=True)
class Whole:
    """`people` are those who are active."""

    bundle: Bundle
    world: World
    directory: Directory
    rules: tuple[Scoped, ...]
    people: People

    @cached_property
    def permitted(self) -> Mapping[str, frozenset[EntityRef]]:
        """For each action that a permit's scope reaches, the principals that it does so for."""
        return self._by_action(PolicyEffect.PERMIT, unconditional=False)

    @cached_property
    def closed(self) -> Mapping[str, frozenset[EntityRef]]:
        """For each action, the principals to whom a forbid without conditions closes it. One on some of its resources
        counts as well: this is only asked to say less."""
        return self._by_action(PolicyEffect.FORBID, unconditional=True)

    def _by_action(self, effect: PolicyEffect, *, unconditional: bool) -> Mapping[str, frozenset[EntityRef]]:
        found: defaultdict[str, set[EntityRef]] = defaultdict(set)
        for each in self.rules:
            if each.rule.effect is effect and not (unconditional and (each.goals or each.observed)):
                reached = self.people.of(each.rule.tree.principal)
                for action in each.reached:
                    found[action] |= reached
        return {action: frozenset(refs) for action, refs in found.items()}
