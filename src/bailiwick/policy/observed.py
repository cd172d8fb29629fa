"""Rules that are only observed: `@observe` on a forbid. DESIGN §3 promise 1.

Such a rule is loaded, checked and evaluated as every other one, and what it would have denied is recorded; but it does
not decide. INVARIANT: a request that cannot be judged is denied, also where the rule that fails is only observed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import cedarpy
from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.policy.administration import ADMINISTRATION_FOLDER
from bailiwick.policy.bundle import Bundle, PolicyEffect, PolicyInfo
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import World

__all__ = ["ANNOTATION", "check_observe", "observed", "without"]

ANNOTATION = "observe"


def check_observe(rule: Rule, world: World) -> Iterator[Finding]:
    """What is wrong with the `@observe` of `rule`."""
    value = rule.tree.annotations.get(ANNOTATION)
    if value is None:
        return
    if value not in ("", "true"):
        message = f'@observe("{value}") says nothing that is understood'
        yield rule.finding("bad-observe", message, ANNOTATION, hint="write @observe, or leave it out to enforce")
    if rule.effect is PolicyEffect.PERMIT:
        message = f"{rule.name()} is a permit, and @observe is for forbids"
        yield rule.finding("observe-on-permit", message, ANNOTATION, hint="leave the permit out, or enforce it")
    if world.folder == ADMINISTRATION_FOLDER:
        message = f"{rule.name()} is about administration, which is always enforced"
        yield rule.finding("observe-on-administration", message, ANNOTATION, hint="remove @observe")


def observed(policies: Mapping[str, PolicyInfo]) -> frozenset[str]:
    """The ids of the rules that are only observed."""
    return frozenset(name for name, info in policies.items() if ANNOTATION in info.annotations)


def without(bundle: Bundle, names: frozenset[str]) -> Bundle:
    """`bundle` without these rules. It keeps its digest: it is what the same files enforce."""
    rules = {name: rule for name, rule in bundle.policy_set.to_pst().static_policies.items() if name not in names}
    return replace(
        bundle,
        policy_set=cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=rules, template_links=())),
        policies=MappingProxyType({name: info for name, info in bundle.policies.items() if name not in names}),
    )
