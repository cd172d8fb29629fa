"""Standing properties: what is proved, what is refuted and how, and conditions that cannot be read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bailiwick.errors import ProjectError, Where
from bailiwick.model.toml_entries import Problems
from bailiwick.model.toml_lines import TomlText
from bailiwick.policy.prove.properties import Property, Reach, parse_properties
from bailiwick.policy.prove.proving import Proof, Result, prove
from bailiwick.policy.prove.witness import Level, Side, ask_link
from tests.policy.desk import DIRECTORY, load

DATA = tomllib.loads((Path(__file__).parent / "data/properties.toml").read_text(encoding="utf-8"))
TIMEOUT_MS = 20_000


def side(more: str = "") -> Side:
    return Side(engine=load(DATA["rules"] + more), directory=DIRECTORY)


def declared(when: str, *, tools: tuple[str, ...] = (), of: str = "link") -> Property:
    where = Where(file="bailiwick.toml", line=20)
    return Property(name="it", when=when, tools=tools, of=Reach(of), where=where)


def proof_of(case: dict[str, Any]) -> tuple[Side, Proof]:
    given = declared(case["when"], tools=tuple(case.get("tools", ())), of=case.get("of", "link"))
    rules = side(case.get("more", ""))
    (proof,) = prove(rules, [given], timeout_ms=TIMEOUT_MS)
    return rules, proof


@pytest.mark.parametrize("case", DATA["case"], ids=lambda case: case["name"])
def test_a_property(case: dict[str, Any]) -> None:
    rules, proof = proof_of(case)
    assert proof.result == case["result"], proof.why
    if proof.result is Result.REFUTED:
        assert proof.whole is (case["reach"] == "whole")
        assert proof.case is not None
        assert ask_link(rules, proof.case, side=0).level is Level.ALLOWED
    else:
        assert "reach" not in case


@pytest.mark.parametrize(
    ("when", "rule", "line"),
    [
        ("principal.", "bad-property", 20),
        ("true }; permit (principal, action, resource) when { true", "bad-property", 20),
        ("true } unless { false", "bad-property", 20),
        ("principal.height > 2", "bad-property", 20),
        ("context.pay.amount_minor > 5", "bad-property", 20),
        ('true &&\naction == Action::"mail.sned"', "unknown-tool", 21),
        ('principal in Group::"suport"', "unknown-group", 20),
        ('principal is User && principal in AgentClass::"any"', "never-fires", 20),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused_with_its_line(when: str, rule: str, line: int) -> None:
    with pytest.raises(ProjectError) as refused:
        prove(side(), [declared(when)], timeout_ms=TIMEOUT_MS)
    assert [(each.rule, each.where.line) for each in refused.value.findings][:1] == [(rule, line)]


def read(text: str) -> tuple[tuple[Property, ...], list[str]]:
    problems = Problems(text=TomlText.parse("bailiwick.toml", text))
    found = parse_properties(problems)
    return found, [f"{each.where.line} {each.rule}" for each in problems.found]


def test_properties_are_read_with_their_lines() -> None:
    text = """
[[properties]]
name = "one"
never = "allowed"
when = 'true'

[[properties]]
name  = "two"
never = "allowed"
of    = "call"
tools = ["mail.send"]
when  = '''
true
'''
"""
    found, problems = read(text)
    assert problems == []
    assert [(each.name, each.of, each.tools, each.where.line) for each in found] == [
        ("one", Reach.LINK, (), 5),
        ("two", Reach.CALL, ("mail.send",), 12),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("properties = 1", "1 wrong-type"),
        ("[properties]\nname = 'x'", "1 wrong-type"),
        ("[[properties]]\nnever = 'allowed'\nwhen = 'true'", "1 missing-key"),
        ("[[properties]]\nname = 'a'\nnever = 'allowed'", "1 missing-key"),
        ("[[properties]]\nname = 'a'\nwhen = 'true'", "1 bad-property"),
        ("[[properties]]\nname = 'a'\nwhen = 'true'\nnever = 'denied'", "4 bad-property"),
        ("[[properties]]\nname = 'a'\nwhen = 'true'\nnever = 'allowed'\nof = 'chain'", "5 bad-property"),
        ("[[properties]]\nname = 'a'\nwhen = 'true'\nnever = 'allowed'\ntools = 'mail.send'", "5 wrong-type"),
        ("[[properties]]\nname = 'a'\nwhen = 'true'\nnever = 'allowed'\nwehn = 'x'", "5 unknown-key"),
        ("[[properties]]\nname = 'a'\nwhen = 'true'\nnever = 'allowed'\n" * 2, "6 repeated"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said(text: str, problem: str) -> None:
    _, problems = read(text)
    assert problems == [problem]
