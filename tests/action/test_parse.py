"""Calls become actions, or are refused; digests bind exactly what was parsed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action import action_digest, effect_key
from bailiwick.action.ports import effect_scope
from bailiwick.action.templates import render
from bailiwick.errors import CanonicalError
from bailiwick.model.call import Action, Authority, Grant
from bailiwick.model.canonical import MAX_BYTES, MAX_DEPTH, canonical, parse, thaw
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.shape import Bool, Long, Record, Shape, String, StringSet
from bailiwick.model.tool import INTERFACE_NAMES, INTERFACES, Catalog
from tests.action.desk import DESK, cases, parsed


def plain(value: object) -> object:
    """Facts as TOML has them: lists for tuples, dicts for mappings."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("case", cases("calls.toml"), ids=lambda case: str(case["name"]))
def test_calls(case: dict[str, Any]) -> None:
    args = {name: "x" * 5000 if value == "REPEAT 5000" else value for name, value in case["args"].items()}
    found = parsed(case["tool"], args)
    if case.get("code"):
        assert isinstance(found, Reason), found
        assert (found.plane, found.code) == (Plane.ACTION, case["code"])
        assert case.get("says", "") in f"{found.message} | {found.hint}"
        assert found.hint
        return
    assert isinstance(found, Action), found
    assert found.tool.name == case.get("understood_as", found.tool.name)
    resources = [resource.ref.id for resource in found.resources]
    assert resources == case.get("resources", resources)
    assert all(resource.zones == found.tool.zones for resource in found.resources)
    assert list(found.recipients) == case.get("recipients", list(found.recipients))
    assert found.recipients_external == case.get("external", found.recipients_external)
    for name, record in case.get("interfaces", {}).items():
        assert plain(found.interfaces[name]) == record


HOSTILE: list[tuple[str, object]] = [
    ("lone surrogate", "\ud800"),
    ("bytes", b"42"),
    ("object of a class", object()),
    ("nested too deep", [[[]]]),
    ("too large", "x" * (MAX_BYTES + 1)),
    ("key that is no string", {1: "a"}),
    ("forged tag", {"$decimal": "1"}),
    ("huge integer", 10**400),
    ("decimal that is none", Decimal("NaN")),
]


@pytest.mark.parametrize(("name", "value"), HOSTILE, ids=[name for name, _ in HOSTILE])
def test_values_without_a_canonical_form_are_refused_and_named(name: str, value: object) -> None:
    if name == "nested too deep":
        for _ in range(MAX_DEPTH):
            value = [value]
    found = parsed("crm.get_customer", {"id": value})
    assert isinstance(found, Reason)
    assert found.code == "not-canonical"
    assert "'id'" in found.message
    assert found.message.isascii()


def test_an_optional_argument_that_is_null_has_no_facts_and_reaches_the_tool() -> None:
    absent = parsed("crm.update_customer", {"id": 1, "field": "name", "value": "x"})
    null = parsed("crm.update_customer", {"id": 1, "field": "name", "value": "x", "quiet": None})
    assert isinstance(absent, Action)
    assert isinstance(null, Action)
    assert absent.arguments == null.arguments
    assert parse(null.args) == {"id": 1, "field": "name", "value": "x", "quiet": None}
    assert absent.args != null.args


def test_a_required_argument_that_is_null_is_missing() -> None:
    found = parsed("crm.get_customer", {"id": None})
    assert isinstance(found, Reason)
    assert found.code == "missing-argument"


def test_what_was_parsed_is_what_the_tool_gets() -> None:
    args = {"to": ["Bob@ACME.example"], "subject": " Hi ", "body": "\u00e9 \U0001f600"}
    found = parsed("send_email", args)
    assert isinstance(found, Action)
    assert thaw(parse(found.args)) == args
    assert {facts.name: facts.values for facts in found.arguments}["to"] == ("bob@acme.example",)


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["SELECT 1", "a@acme.example", "12.50 EUR", "name", "#help", "\ud800", Decimal("1E+999999999")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), name=st.sampled_from([*DESK.tools, "no.tool"]))
def test_no_arguments_make_it_raise(data: st.DataObject, name: str) -> None:
    tool = DESK.tools.get(name)
    names = st.sampled_from([*tool.args, "other"]) if tool and tool.args else st.just("other")
    args = data.draw(st.dictionaries(names, json_like, max_size=5))
    found = parsed(name, args)
    if isinstance(found, Reason):
        assert found.message
        assert found.code
    else:
        assert found.args == canonical(args)
        conforms_to_catalog(found, DESK)


def conforms_to_catalog(action: Action, catalog: Catalog) -> None:
    """Facts have the shapes that the schema is generated from."""
    for facts in action.arguments:
        assert has_shape(facts.facts, catalog.tools[action.tool.name].args[facts.name].shape)
    for effect in action.tool.effects & INTERFACES.keys():
        assert has_shape(action.interfaces[INTERFACE_NAMES[effect]], action.tool.interface_shape(effect))


def has_shape(fact: object, shape: Shape) -> bool:
    match shape:
        case Bool():
            return isinstance(fact, bool)
        case Long():
            return type(fact) is int
        case String(values=values):
            return isinstance(fact, str) and (not values or fact in values)
        case StringSet():
            return isinstance(fact, tuple) and all(isinstance(item, str) for item in fact)
        case Record(fields=fields):
            return (
                isinstance(fact, Mapping)
                and set(fact) == {field.name for field in fields}
                and all(has_shape(fact[field.name], field.shape) for field in fields)
            )


@pytest.mark.parametrize(
    "case", [case for case in cases("calls.toml") if not case.get("code")], ids=lambda c: str(c["name"])
)
def test_facts_have_the_shapes_of_the_catalog(case: dict[str, Any]) -> None:
    found = parsed(case["tool"], case["args"])
    assert isinstance(found, Action)
    conforms_to_catalog(found, DESK)


@given(first=st.text(min_size=1, max_size=8), second=st.text(min_size=1, max_size=8))
def test_different_selectors_are_different_resources_in_the_same_place(first: str, second: str) -> None:
    try:
        canonical([first, second])
    except CanonicalError:
        return
    one, two = (render("crm/customers/{id}", {"id": value}) for value in (first, second))
    assert (one == two) == (first == second)
    assert one.count("/") == 2
    assert one.isascii()
    assert one.rpartition("/")[2] not in (".", "..")


ALICE = EntityRef(kind=EntityKind.USER, id="alice")
BOT = EntityRef(kind=EntityKind.AGENT, id="bot")
AUTHORITY = Authority(
    key=SessionKey(tenant="t", env="test", root=ALICE, agent="bot", conversation="c"),
    chain=Chain(links=(ALICE, BOT)),
    task="task-1",
    purpose="Answer ticket 4711",
    grant=Grant(),
)


def action(tool: str, args: Mapping[str, object]) -> Action:
    found = parsed(tool, args)
    assert isinstance(found, Action)
    return found


texts = st.text(st.characters(codec="utf-8"), max_size=6)


@given(first=st.tuples(texts, texts), second=st.tuples(texts, texts))
def test_two_calls_have_one_digest_iff_their_arguments_are_equal(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    one, two = (
        action("mail.send", {"to": ["bob@acme.example"], "subject": subject, "body": body})
        for subject, body in (first, second)
    )
    assert (action_digest(one, AUTHORITY) == action_digest(two, AUTHORITY)) == (first == second)
    assert (effect_key(one, "t", "test") == effect_key(two, "t", "test")) == (first == second)


def test_the_order_of_arguments_does_not_matter_and_their_exact_values_do() -> None:
    args = {"to": ["bob@acme.example"], "subject": "a", "body": "b"}
    turned = dict(reversed(args.items()))
    assert action_digest(action("mail.send", args), AUTHORITY) == action_digest(action("send_email", turned), AUTHORITY)
    capital = args | {"to": ["Bob@acme.example"]}
    assert action_digest(action("mail.send", args), AUTHORITY) != action_digest(action("mail.send", capital), AUTHORITY)


def test_the_digest_binds_who_acts_and_where() -> None:
    read = action("crm.get_customer", {"id": "42"})
    key = AUTHORITY.key
    others = [
        dataclasses.replace(AUTHORITY, task="task-2"),
        dataclasses.replace(AUTHORITY, chain=AUTHORITY.chain.extended("researcher")),
        dataclasses.replace(AUTHORITY, key=dataclasses.replace(key, tenant="other")),
        dataclasses.replace(AUTHORITY, key=dataclasses.replace(key, env="other")),
        dataclasses.replace(AUTHORITY, key=dataclasses.replace(key, agent="other")),
        dataclasses.replace(AUTHORITY, key=dataclasses.replace(key, conversation="other")),
    ]
    digests = {action_digest(read, authority) for authority in [AUTHORITY, *others]}
    assert len(digests) == len(others) + 1
    assert effect_key(read, "t", "test").startswith(effect_scope("t", "test"))
    assert len({effect_key(read, *scope) for scope in [("t", "test"), ("t", "prod"), ("tt", "est")]}) == 3
