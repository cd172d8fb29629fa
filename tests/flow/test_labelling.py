"""Labels of results by record, field and path."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.atoms import MAX_NESTING, atoms
from bailiwick.flow.labelling import Labelled, label_result
from bailiwick.flow.naming import Naming
from bailiwick.model.label import Integrity, Label, NamedLabel, Readers
from bailiwick.model.principal import EntityKind
from bailiwick.model.tool import LabelRule, OutputSpec
from tests.flow.helpers import tool

CASES = tomllib.loads((Path(__file__).parent / "data/labelling.toml").read_text(encoding="utf-8"))["case"]
KNOWN = {
    "ann": ["User::ann"],
    "ann@example.com": ["User::ann"],
    "bob": ["User::bob"],
    "bob@example.com": ["User::bob"],
    "support": ["Group::support"],
    "leads": ["Group::leads"],
    "both": ["User::both", "Group::both"],
}


def who(name: str, kinds: tuple[EntityKind, ...]) -> str | None:
    found = KNOWN.get(name.casefold(), [name] if name == "Group::support" else [])
    found = [one for one in found if EntityKind(one.partition("::")[0]) in kinds]
    return found[0] if len(found) == 1 else None


NAMING = Naming(
    top=3,
    levels=("public", "internal", "confidential", "restricted"),
    categories=frozenset({"pii", "phi", "pci", "mnpi", "secret"}),
    names={
        "general": NamedLabel(level=1),
        "highly confidential/finance": NamedLabel(level=3, categories=frozenset({"mnpi"})),
    },
    who=who,
)


def output_of(told: dict[str, Any]) -> OutputSpec:
    rules = tuple(
        LabelRule(
            path=rule.get("path", ""),
            when={name: tuple(globs) for name, globs in rule.get("when", {}).items()},
            sensitivity=rule.get("sensitivity", 0),
            categories=frozenset(rule.get("categories", ())),
        )
        for rule in told.get("labels", ())
    )
    return OutputSpec(
        sensitivity=told.get("sensitivity", 1),
        categories=frozenset(told.get("categories", ())),
        untrusted=tuple(told["untrusted"]) if "untrusted" in told else None,
        trusted=tuple(told["trusted"]) if "trusted" in told else None,
        records=told.get("records", ""),
        labels=rules,
        level_from=told.get("level_from", ""),
        readers_from=told.get("readers_from", ""),
        detect=frozenset(told.get("detect", ())),
    )


def labelled(value: object, args: dict[str, Any] | None = None, **told: Any) -> Labelled:
    return label_result(tool("t.t", output=output_of(told)), args or {}, value, NAMING)


def shown(label: Label) -> list[Any]:
    return [label.sensitivity, sorted(label.categories), str(label.readers)]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_result_is_labelled_part_by_part(case: dict[str, Any]) -> None:
    found = labelled(json.loads(case["value"]), case.get("args"), **case.get("output", {}))
    assert [*shown(found.label), found.label.tainted] == case["label"]
    parts = {part.path: shown(part.label) for part in found.parts}
    assert {path: parts[path] for path in case.get("parts", {})} == case.get("parts", {})
    assert found.label.sources == {"tool:t.t"}


texts = st.sampled_from(
    ["", "x", "the password is Blue-Sky9", "hr", "ann", '{"notes": "y"}', "a long text of more words"]
)
leaves = texts | st.none() | st.booleans() | st.integers(0, 9)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["notes", "folder", "acl", "label", "items", "two words"]), inner, max_size=3)
    ),
    max_leaves=12,
)
declared = st.fixed_dictionaries(
    {},
    optional={
        "sensitivity": st.integers(0, 3),
        "untrusted": st.sampled_from([[], ["notes"], ["folder", "acl"]]),
        "records": st.sampled_from(["", "items", "items.items"]),
        "labels": st.just([{"when": {"folder": ["hr"]}, "sensitivity": 3}, {"path": "notes", "categories": ["phi"]}]),
        "level_from": st.just("label"),
        "readers_from": st.just("acl"),
        "detect": st.just(["secret"]),
    },
)


@given(values, declared)
def test_the_label_of_a_result_is_the_join_of_its_parts_and_what_is_declared(value: Any, told: dict[str, Any]) -> None:
    found = labelled(value, **told)
    base = Label(sensitivity=told.get("sensitivity", 1), integrity=Integrity.ORGANISATION)
    assert base.flows_to(found.label)
    for part in found.parts:
        assert base.flows_to(part.label)
        assert part.label.flows_to(found.label)


@given(values, declared)
def test_every_text_is_in_a_part(value: Any, told: dict[str, Any]) -> None:
    parts = [part.text for part in labelled(value, **told).parts]
    for atom, _ in atoms(value).found:
        assert any(atom in text for text in parts) or atom in ("notes", "folder", "acl", "label", "items")


def test_what_is_too_deep_to_be_looked_at_taints() -> None:
    value: object = "x"
    for _ in range(MAX_NESTING + 5):
        value = [value]
    found = labelled(value, untrusted=[])
    assert found.truncated
    assert found.label.tainted


def test_what_json_does_not_hold_taints() -> None:
    assert labelled({"a": object()}, untrusted=[]).label.tainted


def test_readers_are_joined_and_not_united() -> None:
    found = labelled([{"acl": "ann"}, {"acl": "support"}], readers_from="acl", untrusted=[])
    assert found.label.readers == Readers.of("User::ann") & Readers.of("Group::support")


@pytest.mark.parametrize(
    "value",
    [
        ["a" * 40_000],
        [{"folder": "a" * 40_000, "text": "b"}],
        {"k" * 40: {"x": ["y"] * 5_000}},
        [{"acl": "ann," * 5_000}],
    ],
    ids=["long", "long field", "many", "many readers"],
)
def test_no_result_makes_it_slow(value: Any) -> None:
    before = time.process_time()
    rules = [{"when": {"folder": ["*a*a*a*b"]}, "sensitivity": 3}]
    labelled(value, untrusted=[], labels=rules, readers_from="acl", detect=["secret", "pci", "pii", "phi"])
    assert time.process_time() - before < 2.0
