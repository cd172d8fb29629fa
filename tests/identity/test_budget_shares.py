"""Promise 3 for budgets (DESIGN §3): shares only get smaller along a chain, in this process and over tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from bailiwick.identity.authority import delegate
from bailiwick.identity.chain_link import grant_of, written_grant
from bailiwick.identity.chain_token import JOIN, VerifiedChain, token_hash
from bailiwick.identity.directory import load_directory
from bailiwick.identity.scope import ScopeChange, asked_grant, narrowed, rebased, restored, widened
from bailiwick.model.budget import BudgetShares, share_of
from bailiwick.model.call import Authority, Grant
from bailiwick.model.decision import Reason

from .chains import WIDE, authority_for, check, key_of, links_of, longer, minted, signed
from .organisation import DIRECTORY, NOW, given, opened, refused

NAMES = ("mails", "rows", "spend")
shares = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 6)).map(share_of)


def verified(token: str) -> VerifiedChain:
    chain = check(token)
    assert isinstance(chain, VerifiedChain), chain
    return chain


def allows(grant: Grant, use: dict[str, int]) -> bool:
    """What shares permit, said once more and independently."""
    return all(use.get(name, 0) <= share for name, share in grant.budgets)


@over(mine=shares, other=shares, use=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 7)))
def test_where_grants_meet_exactly_what_both_permit_is_left(
    mine: BudgetShares, other: BudgetShares, use: dict[str, int]
) -> None:
    one, two = Grant(budgets=mine), Grant(budgets=other)
    both = one.narrowed(two)
    assert both == two.narrowed(one)
    assert allows(both, use) == (allows(one, use) and allows(two, use))
    assert both.within(one)
    assert both.within(two)
    assert both.narrowed(one) == both


@over(mine=shares, other=shares)
def test_a_share_lies_within_another_one_iff_it_permits_no_more(mine: BudgetShares, other: BudgetShares) -> None:
    one, two = Grant(budgets=mine), Grant(budgets=other)
    uses = [{name: amount} for name in NAMES for amount in range(8)]
    assert one.within(two) == all(allows(two, use) for use in uses if allows(one, use))


@over(asked=st.lists(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 6)), max_size=3), first=shares)
def test_along_every_chain_no_share_grows(asked: list[dict[str, int]], first: BudgetShares) -> None:
    opening = given(opened())
    authority = replace(opening, grant=Grant(budgets=first), steps=(Grant(budgets=first),))
    for to, share in zip(("researcher", "writer", "leaf"), asked, strict=False):
        child = delegate(
            DIRECTORY,
            authority,
            to=to,
            tools=None,
            zones=None,
            ttl_ms=None,
            now_ms=NOW,
            conversation="c",
            budgets=share_of(share),
        )
        if not isinstance(child, Authority):
            continue
        assert child.grant.within(authority.grant)
        assert all(later.within(earlier) for earlier, later in zip(child.steps, child.steps[1:], strict=False))
        authority = child


@pytest.mark.parametrize(
    ("asked", "code"), [(4, "budget-not-granted"), (-1, "bad-delegation"), (True, "bad-delegation")]
)
def test_more_than_one_holds_is_refused_by_name(asked: int, code: str) -> None:
    grant = Grant(budgets=(("mails", 3),))
    authority = replace(given(opened()), grant=grant, steps=(grant,))
    said = delegate(
        DIRECTORY,
        authority,
        to="researcher",
        tools=None,
        zones=None,
        ttl_ms=None,
        now_ms=NOW,
        conversation="c",
        budgets=(("mails", asked),),
    )
    assert refused(said).code == code


@over(held=shares)
def test_a_grant_with_shares_is_written_and_read(held: BudgetShares) -> None:
    grant = replace(WIDE, budgets=held)
    assert grant_of(written_grant(grant)) == grant


@pytest.mark.parametrize("shares", [None, [], {"mails": -1}, {"mails": "1"}, {"mails": True}, {"": 1}, {"mails": 1.5}])
def test_what_are_no_shares_are_not_read(shares: object) -> None:
    assert grant_of({**written_grant(WIDE), "budgets": shares}) is None


def test_a_token_carries_shares_and_cannot_widen_them() -> None:
    token = minted(grant=replace(WIDE, budgets=(("mails", 5),)))
    same = longer(token, "a0", "a1")
    assert verified(same).authority.grant.budgets == (("mails", 5),)
    less = longer(token, "a0", "a1", asked=Grant(budgets=(("mails", 2), ("rows", 7))))
    assert verified(less).authority.grant.budgets == (("mails", 2), ("rows", 7))
    for wider in ((("mails", 6),), (), (("rows", 1),)):
        link = replace(links_of(same)[1], grant=replace(WIDE, budgets=wider), parent=token_hash(token))
        said = check(JOIN.join((token, signed(link, key_of("a0")))))
        assert isinstance(said, Reason)
        assert said.code == "token-widens"


def test_another_conversation_named_by_a_tokens_holder_does_not_hide_where_the_work_began() -> None:
    token = minted()
    link = replace(links_of(longer(token, "a0", "a1"))[1], conversation="fresh")
    authority = verified(JOIN.join((token, signed(link, key_of("a0"))))).authority
    assert (authority.key.conversation, authority.began_in) == ("fresh", "c-1")
    assert verified(longer(token, "a0", "a1")).authority.began_in == ""


TASK = '[users.alice]\n[agents.support-bot]\n[tasks.mailing]\npurpose = "Mail"\nbudget = { mails = 4, rows = 9 }\n'


def test_a_named_task_gives_its_share_and_changing_the_scope_never_raises_it() -> None:
    directory = load_directory("d.toml", TASK, levels=("public",), budgets=frozenset(NAMES))
    authority = given(opened(directory=directory, task="mailing"))
    assert authority.grant.budgets == (("mails", 4), ("rows", 9))
    asked = asked_grant(frozenset({"mail.send"}), None, None, NOW)
    assert isinstance(asked, Grant)
    wider, less = widened(authority, asked), narrowed(authority, asked)
    assert isinstance(wider, Authority)
    assert wider.grant.budgets == less.grant.budgets == authority.grant.budgets
    lower = load_directory("d.toml", TASK.replace("mails = 4", "mails = 1"), levels=("public",))
    after = rebased(lower, authority, named=True, began_ms=NOW)
    assert isinstance(after, Authority)
    assert after.grant.budgets == (("mails", 1), ("rows", 9))
    change = ScopeChange(base=authority.grant, grant=authority.grant)
    fresh = given(opened(directory=lower, task="mailing"))
    assert restored(fresh, change).grant.budgets == (("mails", 1), ("rows", 9))


def test_a_task_names_budgets_that_exist() -> None:
    for text, rule in (("mials = 4", "unknown-budget"), ("mails = -1", "out-of-range"), ('mails = "4"', "wrong-type")):
        with pytest.raises(Exception, match=rule):
            load_directory(
                "d.toml", TASK.replace("mails = 4, rows = 9", text), levels=("public",), budgets=frozenset(NAMES)
            )


def test_every_agent_of_a_chain_has_its_step() -> None:
    authority = authority_for("a0", "a1", steps=(WIDE, replace(WIDE, budgets=(("mails", 1),))))
    assert authority.steps[-1].within(authority.steps[0])
    assert not authority.steps[0].within(authority.steps[-1])
