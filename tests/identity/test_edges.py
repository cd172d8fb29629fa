"""Trust between agents, as directory.toml states it: at the delegation, and again at each decision."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bailiwick.identity.authority import check_authority, delegate
from bailiwick.identity.directory import load_directory
from bailiwick.model.call import Authority, Grant
from bailiwick.model.decision import Reason
from bailiwick.model.directory import Directory
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import DELEGATE_TOOL, Effect

from .organisation import NOW, opened

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "delegation_edges.toml").read_text(encoding="utf-8")
)["case"]
EDGE = re.compile(r"(\w) > (\w): ([a-z ]+) / (\d)")


def directory_of(edges: list[str]) -> Directory:
    lines = dict.fromkeys("abcd", "")
    for edge in edges:
        found = EDGE.fullmatch(edge)
        assert found, edge
        giver, holder, effects, depth = found.groups()
        lines[giver] += f"{holder} = {{ effects = {effects.split()}, max_depth = {depth} }}\n"
    agents = "".join(f"[agents.{name}.may_delegate_to]\n{text}" for name, text in lines.items())
    return load_directory("directory.toml", f"[users.alice]\n{agents}", levels=("public",))


def code(answer: object) -> str:
    return answer.code if isinstance(answer, Reason) else ""


def authority_over(agents: list[str]) -> Authority:
    """What a chain would have that came about in some other way: every tool."""
    root = EntityRef(kind=EntityKind.USER, id="alice")
    return Authority(
        key=SessionKey(tenant="acme", env="test", root=root, agent="/".join(agents), conversation="c-1"),
        chain=Chain(links=(root, *(EntityRef(kind=EntityKind.AGENT, id=agent) for agent in agents))),
        task="Help",
        purpose="Help",
        grant=Grant(),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_each_pair_of_agents_needs_its_edge(case: dict[str, Any]) -> None:
    directory = directory_of(case["edges"])
    effects = [Effect(name) for name in case["effects"]]
    decided = check_authority(
        directory, authority_over(case["chain"]), tool="any.tool", effects=effects, zones=(), now_ms=NOW
    )
    assert code(decided) == case["code"]

    authority = opened(directory=directory, agent=case["chain"][0])
    for agent in case["chain"][1:]:
        if isinstance(authority, Authority):
            authority = delegate(
                directory, authority, to=agent, tools=None, zones=None, ttl_ms=None, now_ms=NOW, conversation="c-1"
            )
    assert code(authority) == case.get("delegate", case["code"])


def test_handing_on_is_bounded_by_depth_and_not_by_effects() -> None:
    directory = directory_of(["a > b: read / 1", "b > c: read / 0"])
    authority = authority_over(["a", "b"])
    for tool, said in ((DELEGATE_TOOL, ""), ("a2a.send_task", "effect-not-delegated")):
        decided = check_authority(directory, authority, tool=tool, effects=[Effect.DELEGATE], zones=(), now_ms=NOW)
        assert code(decided) == said
