"""Promise 3 (DESIGN §3) at the identity plane, for all chains of delegations."""

from __future__ import annotations

from itertools import combinations, pairwise, product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bailiwick.identity.authority import check_authority, delegate
from bailiwick.identity.directory import load_directory
from bailiwick.model.call import Authority, Grant
from bailiwick.model.decision import Reason
from bailiwick.model.directory import Directory
from bailiwick.model.tool import DELEGATE_TOOL, Effect

from .organisation import NOW, opened, with_agent
from .organisation import given as authority_of

AGENTS = ("support-bot", "researcher", "writer", "leaf", "scout")
TOOLS = ("crm.get", "mail.send", "web.search", DELEGATE_TOOL)
ZONES = ("crm", "web", "hr")
TIMES = (NOW, NOW + 1, NOW + 500, NOW + 1000, NOW + 4_000_000)
PLACES = tuple(frozenset(zones) for size in range(3) for zones in combinations(ZONES, size))

# Every grant of a small world: few enough to try all pairs and triples instead of a sample of them.
EVERY_GRANT = tuple(
    Grant(tools=tools, zones=frozenset(zones), expires_ms=end)
    for tools in (None, frozenset[str](), frozenset(TOOLS[:1]), frozenset(TOOLS[:2]))
    for size in range(4)
    for zones in combinations(ZONES, size)
    for end in (None, NOW + 1)
)

tool_sets = st.none() | st.sets(st.sampled_from(TOOLS)).map(frozenset)
zone_sets = st.sets(st.sampled_from(ZONES)).map(frozenset)
depths = st.lists(st.integers(0, 4), min_size=len(AGENTS), max_size=len(AGENTS))
hops = st.lists(
    st.tuples(
        st.sampled_from(AGENTS),
        tool_sets,
        st.none() | zone_sets,
        st.none() | st.integers(-1, 5000),
        st.integers(0, 700),
    ),
    max_size=6,
)


def directory_with(max_depths: list[int]) -> Directory:
    """Everybody may hand on to everybody, what goes to an agent over as many further hops as its number says."""
    edges = "".join(
        f'{name} = {{ effects = ["read"], max_depth = {depth} }}\n'
        for name, depth in zip(AGENTS, max_depths, strict=True)
    )
    agents = "".join(
        f"[agents.{name}.may_delegate_to]\n{edges}".replace(f"\n{name} = ", f"\n# {name} = ") for name in AGENTS
    )
    return load_directory(
        "d.toml",
        f'[users.alice]\n{agents}[tasks.answer-ticket]\npurpose = "x"\n'
        'tools = ["crm.get", "mail.send", "agent.delegate"]\nzones = ["crm", "web"]\nttl = "1s"\n',
        levels=("public",),
    )


def permitted(directory: Directory, authority: Authority, now_ms: int) -> frozenset[tuple[str, frozenset[str]]]:
    """Every call, over a small world, that the authority reaches."""
    return frozenset(
        (tool, place)
        for tool in TOOLS
        for place in PLACES
        if check_authority(directory, authority, tool=tool, effects=[Effect.READ], zones=[place], now_ms=now_ms) is None
    )


def in_grant(grant: Grant, tool: str, place: frozenset[str], now_ms: int) -> bool:
    """What a grant permits, said once more and independently."""
    return (
        (grant.tools is None or tool in grant.tools)
        and (not grant.zones or bool(place & grant.zones))
        and (grant.expires_ms is None or now_ms < grant.expires_ms)
    )


def test_promise_3_authority_only_narrows_when_any_two_grants_meet() -> None:
    for mine, other in product(EVERY_GRANT, repeat=2):
        both = mine.narrowed(other)
        assert both == other.narrowed(mine)
        for tool, place, now_ms in product(TOOLS[:2], PLACES, (NOW, NOW + 1)):
            in_both = in_grant(mine, tool, place, now_ms) and in_grant(other, tool, place, now_ms)
            if in_grant(both, tool, place, now_ms):
                assert in_both, (mine, other, tool, place)
            elif len(place) <= 1:
                # It takes away no more than that: of a resource in one zone the answer is exact.
                assert not in_both, (mine, other, tool, place)


def test_promise_3_authority_only_narrows_in_whatever_order_grants_meet() -> None:
    some = [grant for grant in EVERY_GRANT if grant.tools in (None, frozenset(TOOLS[:1])) and not grant.expires_ms]
    for first, second, third in product(some, repeat=3):
        one, other = first.narrowed(second).narrowed(third), first.narrowed(second.narrowed(third))
        for tool, place in product(TOOLS[:2], PLACES):
            assert in_grant(one, tool, place, NOW) == in_grant(other, tool, place, NOW), (first, second, third)


@settings(max_examples=150, deadline=None)
@given(max_depths=depths, task=st.sampled_from(["Help a customer", "answer-ticket"]), chain=hops)
def test_promise_3_authority_only_narrows_along_every_chain(
    max_depths: list[int],
    task: str,
    chain: list[tuple[str, frozenset[str] | None, frozenset[str] | None, int | None, int]],
) -> None:
    directory = directory_with(max_depths)
    links = [authority_of(opened(directory=directory, task=task))]
    now_ms = NOW
    for to, tools, zones, ttl_ms, later in chain:
        now_ms += later
        child = delegate(
            directory, links[-1], to=to, tools=tools, zones=zones, ttl_ms=ttl_ms, now_ms=now_ms, conversation="c"
        )
        if isinstance(child, Reason):
            continue
        links.append(child)
        path = [link.id for link in child.chain.links[1:]]
        assert len(set(path)) == len(path)
        limits = dict(zip(AGENTS, max_depths, strict=True))
        assert all(len(path) - 1 - at <= limits[agent] for at, agent in enumerate(path) if at)
    for parent, child in pairwise(links):
        assert child.key.root == parent.key.root
        for at in {*TIMES, now_ms}:
            assert permitted(directory, child, at) <= permitted(directory, parent, at)


@settings(max_examples=60, deadline=None)
@given(chain=hops, at=st.integers(0, 5), when=st.sampled_from(TIMES))
def test_promise_3_authority_only_narrows_so_an_ended_prefix_ends_all(
    chain: list[tuple[str, frozenset[str] | None, frozenset[str] | None, int | None, int]], at: int, when: int
) -> None:
    directory = directory_with([4] * len(AGENTS))
    authority = authority_of(opened(directory=directory, task="answer-ticket"))
    for to, tools, zones, ttl_ms, _ in chain:
        child = delegate(
            directory, authority, to=to, tools=tools, zones=zones, ttl_ms=ttl_ms, now_ms=NOW, conversation="c"
        )
        authority = authority if isinstance(child, Reason) else child
    assume(at < len(authority.chain.links) - 1)
    cut = authority.chain.links[1 + at].id
    assert permitted(with_agent(directory, cut, active=False), authority, when) == frozenset()
    ended = [step.expires_ms for step in authority.steps if step.expires_ms is not None]
    assert permitted(directory, authority, min(ended)) == frozenset()
