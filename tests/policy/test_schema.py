"""The schema is a contract (DESIGN §4): a golden file shows every change. BAILIWICK_UPDATE_GOLDEN=1 rewrites it."""

from __future__ import annotations

import os
from pathlib import Path

import cedarpy
import pytest

from bailiwick.errors import ProjectError
from bailiwick.model.directory import Attribute
from bailiwick.model.principal import EntityKind
from bailiwick.model.shape import BOOL, STRING
from bailiwick.model.tool import DELEGATE_TOOL, Effect
from bailiwick.policy import PolicyEngine, PolicySource
from bailiwick.policy.build import build_world
from bailiwick.policy.schema import quote, render, render_for
from tests.policy.desk import CATALOG, DIRECTORY, NIGHTLY, VOCABULARY, arg, catalog, directory, load, tool

GOLDEN = Path(__file__).parent / "data/schema.cedarschema"
WORLD = build_world(catalog=CATALOG, directory=DIRECTORY, vocabulary=VOCABULARY)


def test_the_schema_is_the_agreed_one() -> None:
    text = render(WORLD)
    if os.environ.get("BAILIWICK_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_cedar_takes_the_schema_and_each_part_of_it() -> None:
    cedarpy.Schema.from_str(render(WORLD))
    for name in WORLD.actions:
        cedarpy.Schema.from_str(render_for(WORLD, name))


GENERAL = [
    ("read", "context.flow.tainted"),
    ("fetch", 'context.fetch.private || context.fetch.host == "x"'),
    ("draft", "context.flow.opaque"),
    ("write", "context.change.count > 5 && !context.change.reversible"),
    ("delete", "context.change.count > 5"),
    ("send", 'context.send.external && context.send.recipients.contains("x") && context.send.content.opaque'),
    ("pay", 'context.pay.amount_minor > 5 && context.pay.currency == "EUR" && context.pay.payee == "x"'),
    ("execute", 'context.execute.network || context.execute.writes || context.execute.programs.contains("sh")'),
    ("delegate", "context.depth > 1"),
    ("high-impact", "context.flow.unasked && context.user.level < 3"),
    ("consequential", "context.flow.session_sensitivity > 1 && context.task.expires < context.now"),
]


@pytest.mark.parametrize(("group", "condition"), GENERAL)
def test_general_rules_hold_in_a_project_without_a_tool(group: str, condition: str) -> None:
    text = f'@id("a") forbid (principal, action in Action::"{group}", resource) when {{ {condition} }};'
    empty = catalog()
    source = PolicySource(path="a.cedar", text=text)
    engine = PolicyEngine.load([source], catalog=empty, directory=DIRECTORY, vocabulary=VOCABULARY)
    assert engine.warnings == ()


def test_every_effect_has_its_group_and_sentinel() -> None:
    for effect in Effect:
        assert WORLD.actions[f"{effect}:none"].sentinel
    assert not WORLD.actions[DELEGATE_TOOL].sentinel


def test_services_make_the_user_optional() -> None:
    assert ", user: User," in load("").schema_text
    text = load("", people=directory(services=(NIGHTLY,))).schema_text
    assert ", user?: User, service?: Service," in text


@pytest.mark.parametrize("name", ["send", "consequential", "mail.send:x", "send:none"])
def test_a_tool_cannot_take_the_name_of_a_group_or_sentinel(name: str) -> None:
    with pytest.raises(ProjectError) as raised:
        PolicyEngine.load([], catalog=catalog(tool(name, Effect.READ)), directory=DIRECTORY, vocabulary=VOCABULARY)
    assert raised.value.findings[0].rule == "reserved-tool-name"
    assert raised.value.findings[0].where.line == 1


@pytest.mark.parametrize(
    ("kind", "attribute"),
    [(EntityKind.USER, "clearance"), (EntityKind.AGENT, "owner"), (EntityKind.GROUP, "colour")],
)
def test_an_attribute_cannot_replace_one_of_ours(kind: EntityKind, attribute: str) -> None:
    people = directory()
    given = {**people.attributes, kind: (Attribute(name=attribute, shape=STRING),)}
    world = build_world(
        catalog=CATALOG,
        directory=type(people)(**{name: getattr(people, name) for name in people.__slots__} | {"attributes": given}),
        vocabulary=VOCABULARY,
    )
    assert [finding.rule for finding in world.findings] == ["reserved-attribute"]


@pytest.mark.parametrize(
    "name", ["in", "has", "with space", 'quo"te', "back\\slash", "naïve", "new\nline", "true", "ümläut"]
)
def test_odd_names_are_quoted(name: str) -> None:
    odd = catalog(tool(f"odd.{name}", Effect.READ, args=(arg(name, BOOL),)))
    world = build_world(catalog=odd, directory=DIRECTORY, vocabulary=VOCABULARY)
    schema = cedarpy.Schema.from_str(render(world))
    condition = f"when {{ context.args[{quote(name)}] }}"
    rule = f"permit (principal, action == Action::{quote(f'odd.{name}')}, resource) {condition};"
    assert cedarpy.validate_policies(rule, schema).errors == []


def test_a_catalog_that_lists_delegation_keeps_our_shape() -> None:
    listed = catalog(*CATALOG.tools.values(), tool(DELEGATE_TOOL, Effect.DELEGATE, args=(arg("whatever"),)))
    world = build_world(catalog=listed, directory=DIRECTORY, vocabulary=VOCABULARY)
    assert set(world.actions[DELEGATE_TOOL].context.attrs["args"].type.attrs) == {"agent", "tools"}  # type: ignore[union-attr]
