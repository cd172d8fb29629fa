"""Obligations that rules carry: `@redact`, `@mask` and `@drop` on a permit. DESIGN §5 *Flow*, release.

They say what is done to the result of a call that the permit lets through. INVARIANT: where several permits let it
through, on any link or resource, what one of them asks for is done: a permit more never shows more of a result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.decision import LinkVerdict
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.obligation import NO_OBLIGATIONS, Obligations
from bailiwick.policy.administration import ADMINISTRATION_FOLDER
from bailiwick.policy.bundle import PolicyEffect, PolicyInfo
from bailiwick.policy.scope import action_fits
from bailiwick.policy.tree import Rule
from bailiwick.policy.world import ActionDecl, World

__all__ = ["OBLIGATIONS", "check_obligations", "every_obligation", "obligations_of", "obliging"]

OBLIGATIONS = ("drop", "mask", "redact")
"""The annotations."""

_FIELD = re.compile(r"[^\s,]{1,100}\Z")


def check_obligations(rule: Rule, world: World) -> Iterator[Finding]:
    """What is wrong with the obligations of `rule`."""
    for name in OBLIGATIONS:
        text = rule.tree.annotations.get(name)
        if text is None:
            continue
        if rule.effect is PolicyEffect.FORBID or world.folder == ADMINISTRATION_FOLDER:
            message = f"@{name} stands on {rule.name()}, which returns no result"
            hint = "put it on the permit of the tool whose results it is about"
            yield rule.finding("obligation-without-result", message, name, hint=hint)
        names = _names(text)
        if not names:
            hint = f'as in @{name}("{"notes" if name == "drop" else "pii"}"), several separated by commas'
            yield rule.finding("bad-obligation", f"@{name} names nothing", name, hint=hint)
        for each in names:
            if name == "drop" and not _FIELD.match(each):
                message = f"@drop names {each!r:.60}, which is no name of a field"
                yield rule.finding("bad-obligation", message, name, hint="name fields as the tool's records have them")
            elif name != "drop" and each not in world.categories:
                message = f'@{name} names the category "{each}", which does not exist'
                hint = did_you_mean(each, world.categories, "bailiwick.toml declares no category")
                yield rule.finding("bad-obligation", message, name, hint=hint)


def obliging(policies: Mapping[str, PolicyInfo]) -> Mapping[str, Obligations]:
    """The rules that carry obligations, by id."""
    return {
        name: Obligations(**{each: frozenset(_names(info.annotations.get(each, ""))) for each in OBLIGATIONS})
        for name, info in policies.items()
        if not info.annotations.keys().isdisjoint(OBLIGATIONS)
    }


def obligations_of(links: tuple[LinkVerdict, ...], obliging: Mapping[str, Obligations]) -> Obligations:
    """What is to be done to the result: all that any permit asks for which decided for any link and any resource."""
    if not obliging:
        return NO_OBLIGATIONS
    names = dict.fromkeys(name for link in links if link.allowed for name in link.policies)
    return Obligations.all_of(obliging[name] for name in names if name in obliging)


def every_obligation(
    obliging: Mapping[str, Obligations], rules: pst.PolicySet, action: ActionDecl | None
) -> Obligations:
    """All that any permit asks for which could reach `action`."""
    fits = (due for name, due in obliging.items() if action and action_fits(rules.static_policies[name].action, action))
    return Obligations.all_of(fits)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
