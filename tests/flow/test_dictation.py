"""What the user said is to be said is said. `data/dictation.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick.flow.ledger import ContentOrigin
from bailiwick.model.decision import FlowFacts
from bailiwick.model.tool import Effect, Role, Sink
from tests.flow.helpers import Desk, arg, call, tool

CASES = tomllib.loads((Path(__file__).parent / "data" / "dictation.toml").read_text(encoding="utf-8"))["case"]
SAY = replace(
    tool("desk.say", Effect.SEND, sink=Sink.EXTERNAL),
    asks=tuple("answer reply tell comment note write send page post schreib sag ecris dis escribe dile email".split()),
)


def _facts(case: Mapping[str, str], text: str, *, tainted: bool = True) -> FlowFacts:
    desk = Desk()
    desk.prompt(case["prompt"])
    if tainted:
        desk.sees(ContentOrigin.RETRIEVED, "somebody else's text")
    return desk.resolve(call(SAY, arg("to", Role.TARGET, case["to"]), arg("text", Role.CONTENT, text=text)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["prompt"]))
def test_what_was_dictated_is_said(case: Mapping[str, str]) -> None:
    facts = _facts(case, case["says"])
    assert not facts.unasked
    assert not facts.misquoted


@pytest.mark.parametrize("case", [case for case in CASES if "lies" in case], ids=lambda case: str(case["prompt"]))
def test_something_else_is_misquoted(case: Mapping[str, str]) -> None:
    assert _facts(case, case["lies"]).misquoted
    assert _facts(case, f"{case['says']} {case['lies']}").misquoted


def test_what_nobody_dictated_is_told_in_a_tainted_session_alone() -> None:
    case = {"prompt": "Note in M-20417: called, no answer", "to": "M-20417"}
    assert _facts(case, "Called, no answer.").undictated == ()
    assert _facts(case, "Thank you. Called, no answer.").undictated == ()
    assert _facts(case, "Penicillin is fine.").undictated == ("text",)
    assert _facts(case, "Called, no answer. Penicillin is fine.").undictated == ("text",)
    assert _facts(case, "Penicillin is fine.", tainted=False).undictated == ()
