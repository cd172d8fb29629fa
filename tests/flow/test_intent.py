"""What words ask for, and what they do not. `data/intent.toml`, and `data/intent_unseen.toml` as a measure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick.flow.backing import Backing, BackingKind
from bailiwick.flow.clauses import clauses
from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.intent import Intentions
from bailiwick.model.call import Action
from bailiwick.model.canonical import canonical
from bailiwick.model.tool import Effect, Role
from tests.flow.helpers import arg, call, tool

DATA = Path(__file__).parent / "data"
Case = Mapping[str, object]


def _cases(kind: str, file: str = "intent.toml") -> list[Case]:
    return list(tomllib.loads((DATA / file).read_text(encoding="utf-8"))[kind])


def _name(case: Case) -> str:
    return f"{case.get('name', '')} {case['prompt']} → {case['tool']}"


def _texts(case: Case, name: str) -> Sequence[str]:
    found = case.get(name, [])
    assert isinstance(found, list)
    return [str(each) for each in found]


def _asked(case: Case) -> bool:
    said = Intentions()
    prompts = [str(case[name]) for name in ("before", "prompt") if name in case]
    for prompt in prompts:
        said.add(prompt)
    spec = tool(str(case["tool"]), *(Effect(effect) for effect in _texts(case, "effects")))
    if "asks" in case:
        spec = replace(spec, asks=tuple(_texts(case, "asks")))
    arguments, ways = [], {}
    for at, each in enumerate(_texts(case, "objects")):
        value, _, word = each.partition(" < ")
        role = Role.COMMAND if Effect.EXECUTE in spec.effects and " " in value else Role.SELECTOR
        arguments.append(arg(f"a{at}", role, value.lstrip("?")))
        found = [clause.id for prompt in prompts for clause in clauses(prompt) if (word or value) in clause.text]
        assert found or value.startswith("?"), each
        kind = BackingKind.FIELD if word else BackingKind.WORDS
        ways[f"a{at}"] = [[Backing(by="words", kind=kind, clauses=frozenset(found))] if found else []]
    for name, value in _others(case).items():
        titled = name in ("title", "text", "description")
        arguments.append(arg(name, Role.CONTENT, text=value) if titled else arg(name, Role.VALUE, value))
        ways[name] = [[] if titled else _named(value, prompts)]
    action: Action = call(spec, *arguments)
    return said.asks(replace(action, args=canonical(_others(case))) if "args" in case else action, ways)


def _others(case: Case) -> dict[str, str]:
    found = case.get("args", {})
    assert isinstance(found, dict)
    return found


def _named(value: str, prompts: Sequence[str]) -> list[Backing]:
    """As own words name a plain value."""
    words = Endorsements()
    for prompt in prompts:
        words.words.add(prompt, "words")
    return list(words.ways(value, arg("value", Role.VALUE, value), tool("any.tool", Effect.WRITE)))


@pytest.mark.parametrize("case", _cases("honest"), ids=_name)
def test_what_was_asked_for_is_asked_for(case: Case) -> None:
    assert _asked(case)


@pytest.mark.parametrize("case", _cases("attack"), ids=_name)
def test_what_nobody_asked_for_is_not(case: Case) -> None:
    assert not _asked(case)


def test_a_table_that_the_words_were_not_tuned_on_is_judged_well() -> None:
    honest = [_asked(case) for case in _cases("honest", "intent_unseen.toml")]
    attacks = [_asked(case) for case in _cases("attack", "intent_unseen.toml")]
    assert sum(honest) >= 0.93 * len(honest)
    assert sum(attacks) <= 0.08 * len(attacks)
