"""Loading many rules finds what loading few of them finds, and does not stop at any number."""

from __future__ import annotations

import pytest

from bailiwick.errors import ProjectError
from bailiwick.model.decision import Outcome
from bailiwick.policy import PolicyEngine
from bailiwick.policy.loader import _WORTH_A_SCHEMA
from tests.policy.desk import decide, load

SOUND = 'permit (principal is User, action == Action::"kb.search", resource) when { context.depth < 9 };'
MANY = "".join(f'@id("s{number}") {SOUND}\n' for number in range(2 * _WORTH_A_SCHEMA))

BAD = {
    "unknown-attribute": 'forbid (principal, action == Action::"kb.search", resource) when { context.args.page > 1 };',
    "invalid-rule": 'forbid (principal, action == Action::"kb.search", resource) when { context.args.query > 1 };',
    "unknown-zone": 'forbid (principal, action == Action::"kb.search", resource in Zone::"moon");',
    "never-fires": 'forbid (principal, action == Action::"kb.search", resource in Zone::"crm");',
    "optional-attribute": (
        'forbid (principal, action == Action::"crm.get_customer", resource) when { context.args.limit > 1 };'
    ),
}
GOOD = {
    "another tool in a condition": (
        'forbid (principal, action == Action::"kb.search", resource) '
        'when { action in [Action::"read", Action::"mail.send"] && context.depth > 3 };'
    ),
    "another tool in an argument": (
        'forbid (principal, action == Action::"agent.delegate", resource) '
        'when { context.args.tools.contains("mail.send") };'
    ),
    "a group": 'forbid (principal, action in Action::"read", resource) when { context.depth > 9 };',
}


def found(text: str) -> set[tuple[str, str]]:
    try:
        return {(each.rule, each.message) for each in load(text).warnings}
    except ProjectError as error:
        return {(each.rule, each.message) for each in error.findings}


@pytest.mark.parametrize("rule", BAD)
def test_a_rule_among_many_of_its_tool_is_found_as_it_is_alone(rule: str) -> None:
    alone = found(f'@id("bad") {BAD[rule]}')
    assert rule in {name for name, _ in alone}
    assert found(f'{MANY}@id("bad") {BAD[rule]}') - found(MANY) == alone - found(MANY)


@pytest.mark.parametrize("name", GOOD)
def test_a_sound_rule_among_many_of_its_tool_is_sound(name: str) -> None:
    assert found(f'{MANY}@id("good") {GOOD[name]}') - found(MANY) == found(f'@id("good") {GOOD[name]}') - found(MANY)
    engine = load(f'{MANY}@id("good") {GOOD[name]}')
    assert "good" in engine.policies


def test_the_line_of_a_bad_rule_among_many_is_its_own() -> None:
    after = MANY.replace('@id("s', '@id("t')
    with pytest.raises(ProjectError) as caught:
        load(f'{MANY}@id("bad") {BAD["invalid-rule"]}\n{after}')
    (line,) = {each.where.line for each in caught.value.findings if each.rule == "invalid-rule"}
    assert line == 2 * _WORTH_A_SCHEMA + 1


def test_rules_may_be_larger_than_a_record() -> None:
    """Decisions record the digest of all rules; a canonical value is of at most 4 MB."""

    def large(last: str) -> PolicyEngine:
        long = "because " * 13_000
        rules = "".join(f'@id("r{n}") @reason("{long}{n}") {SOUND}\n' for n in range(45))
        return load(
            rules + f'@id("last") @reason("{last}") permit (principal, action == Action::"kb.search", resource);'
        )

    one, other = large("one"), large("other")
    assert decide(one, "kb.search").outcome is Outcome.ALLOW
    assert one.digest == large("one").digest != other.digest
