"""Numbers, times, bytes, JSON, objects and lists: what they come to, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action import load_catalog
from bailiwick.action.approval_card import draw_card
from bailiwick.action.types import STANDARD_TYPES, Parsed, Unparsable, extended, type_registry
from bailiwick.action.types.json_schema import MAX_SCHEMA, as_json, schema_problem
from bailiwick.action.types.lists import MAX_TEXT
from bailiwick.action.types.objects import MAX_DEPTH, MAX_FIELDS
from bailiwick.action.types.plain import StringType
from bailiwick.errors import ProjectError, Where
from bailiwick.flow.confidentiality import Marks
from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.intent import Intentions
from bailiwick.flow.resolve import resolve
from bailiwick.model.call import Action
from bailiwick.model.canonical import parse
from bailiwick.model.decision import FlowFacts, Reason
from bailiwick.model.label import Label
from bailiwick.model.shape import fits
from bailiwick.model.tool import ArgSpec, Catalog, Effect, Role
from bailiwick.testing.candidates import _sample_args
from tests.action.approval_sample import authority, decision
from tests.action.desk import LEVELS, ORG, cases, catalog_of, parsed
from tests.flow.helpers import nobody_reads

SCHEMAS = {
    "schemas/order.json": json.dumps(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {"line": {"properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}}},
            "properties": {"lines": {"items": {"$ref": "#/$defs/line"}}},
        }
    ),
    "schemas/twice.json": '{"type": "object", "type": "string"}',
}

ORDER = catalog_of("""
[tools."order.place"]
effects = ["send"]
sink    = "internal"

[tools."order.place".args.order]
type = "object"

[tools."order.place".args.order.fields]
payee = { type = "object", fields = { iban = { type = "string" }, mail = { type = "email" } } }
note  = { type = "string", role = "content", optional = true }
count = { type = "long", role = "value" }
tags  = { type = "enum[]", values = ["red", "blue"], role = "query", optional = true }

[tools."order.place".args.order.fields.lines]
type      = "object[]"
max_items = 3
optional  = true
fields.sku = { type = "string", role = "selector" }
fields.to  = { type = "email" }

[tools."order.place".args.order.fields.lines.fields.text]
type     = "string"
role     = "content"
optional = true
""")


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


def spec(kind: str, role: Role = Role.TARGET, **options: str | int) -> ArgSpec:
    return ArgSpec(name="x", type=kind, role=role, options=options, where=Where(file="tools/x.toml"))


def one_arg(declared: Mapping[str, object]) -> Catalog:
    """A catalog with one tool of one argument `x`."""
    return load_catalog(
        [("tools/0.toml", f'[tools."a.b"]\neffects = ["read"]\nargs.x = {toml(declared)}')],
        levels=LEVELS,
        categories=frozenset(),
        schemas=SCHEMAS,
    )


def toml(value: object) -> str:
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case str() | bool() | int():
            return json.dumps(value)
        case _:
            return str(value)


def in_sets(facts: object) -> object:
    """Facts as TOML can say them."""
    if isinstance(facts, Mapping):
        return {name: in_sets(item) for name, item in facts.items()}
    return list(facts) if isinstance(facts, tuple) else facts


def holds(facts: object, expected: object) -> bool:
    """Whether facts are as expected; a record may hold more."""
    if isinstance(facts, dict) and isinstance(expected, dict):
        return all(name in facts and holds(facts[name], item) for name, item in expected.items())
    return facts == expected


@pytest.mark.parametrize("case", cases("scalars.toml"), ids=ids)
def test_numbers_and_times(case: dict[str, Any]) -> None:
    catalog = one_arg({"type": case["type"], "role": "value"})
    value = Decimal(case["decimal"]) if "decimal" in case else case["value"]
    found = parsed("a.b", {"x": value}, catalog)
    if "code" in case:
        assert isinstance(found, Reason), found
        assert found.code == case["code"]
    else:
        assert isinstance(found, Action), found
        (argument,) = found.arguments
        assert argument.facts == case["facts"]
        assert argument.values == (case["spelling"],)


@given(st.integers(-(2**53), 2**53) | st.decimals(-(2**52), 2**52, places=6))
def test_a_number_lies_between_its_facts_and_its_spelling_is_its_own(number: int | Decimal) -> None:
    kind = STANDARD_TYPES["number"]
    found = kind.parse(number, spec("number", Role.VALUE), ORG)
    assert isinstance(found, Parsed)
    assert isinstance(found.facts, Mapping)
    floor, ceil = found.facts["floor"], found.facts["ceil"]
    assert isinstance(floor, int)
    assert isinstance(ceil, int)
    assert floor <= number <= ceil
    assert ceil - floor == (0 if number == floor else 1)
    assert kind.parse(Decimal(found.values[0]), spec("number", Role.VALUE), ORG) == found


@given(
    st.integers(-30_000_000_000_000, 220_000_000_000_000),
    st.integers(-23 * 60, 23 * 60),
)
def test_a_time_is_the_same_in_every_offset(ms: int, minutes: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    written = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat(timespec="milliseconds")
    found = STANDARD_TYPES["datetime"].parse(written, spec("datetime"), ORG)
    assert isinstance(found, Parsed), found
    assert found.facts == ms
    assert STANDARD_TYPES["datetime"].parse(found.values[0], spec("datetime"), ORG) == found


@pytest.mark.parametrize("case", cases("payloads.toml"), ids=ids)
def test_bytes_and_json(case: dict[str, Any]) -> None:
    catalog = one_arg({**case["arg"], "role": "content"})
    value = {"n": Decimal(case["decimal"])} if "decimal" in case else case["value"]
    found = parsed("a.b", {"x": value}, catalog)
    if "code" in case:
        assert isinstance(found, Reason), found
        assert found.code == case["code"]
        assert case.get("says", "") in found.message
    else:
        assert isinstance(found, Action), found
        facts = in_sets(found.arguments[0].facts)
        assert isinstance(facts, dict)
        assert {name: facts[name] for name in case["facts"]} == case["facts"]


def test_json_that_is_no_content_is_endorsed_as_a_whole_or_not_at_all() -> None:
    found = parsed("a.b", {"x": {"b": 1, "a": "evil"}}, one_arg({"type": "json"}))
    assert isinstance(found, Action)
    assert found.arguments[0].values == ('{"a":"evil","b":1}',)


@pytest.mark.parametrize("case", cases("schemas.toml"), ids=ids)
def test_a_schema_that_could_do_more_than_describe_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProjectError) as raised:
        one_arg({"type": "json", "role": "content", "schema": case["schema"]})
    (finding,) = raised.value.findings
    assert finding.rule == "bad-option"
    assert finding.where.line == 3
    assert case["says"] in finding.message


def test_a_schema_has_a_size() -> None:
    text, _ = as_json(json.dumps({"description": "x" * MAX_SCHEMA}))
    assert "at most" in schema_problem(text)
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"not": deep}
    assert "deeper" in schema_problem(as_json(json.dumps(deep))[0])
    assert "no JSON" in as_json('{"not":' * 100_000)[1]


def test_values_nested_or_spread_without_end_are_refused() -> None:
    deep: object = "x"
    for _ in range(40):
        deep = [deep]
    kind = STANDARD_TYPES["json"]
    found = kind.parse(deep, spec("json", Role.CONTENT), ORG)
    assert isinstance(found, Unparsable)
    assert found.code == "too-long"
    found = kind.parse([1] * 30_000, spec("json", Role.CONTENT), ORG)
    assert isinstance(found, Unparsable)
    assert "more than" in found.problem


def test_what_a_schema_says_is_part_of_what_the_catalog_is() -> None:
    first = load_one_schema('{"type": "string"}')
    assert first.digest == load_one_schema('{ "type" : "string" }').digest
    assert first.digest != load_one_schema('{"type": "integer"}').digest


def load_one_schema(text: str) -> Catalog:
    return load_catalog(
        [("tools/0.toml", '[tools."a.b"]\neffects = ["read"]\nargs.x = { type = "json", schema = "schemas/x.json" }')],
        levels=LEVELS,
        categories=frozenset(),
        schemas={"schemas/x.json": text},
    )


@pytest.mark.parametrize("case", cases("objects.toml"), ids=ids)
def test_objects_and_lists(case: dict[str, Any]) -> None:
    found = parsed("order.place", case["args"], ORDER)
    if "code" in case:
        assert isinstance(found, Reason), found
        assert found.code == case["code"]
        assert case.get("says", "") in found.message
        return
    assert isinstance(found, Action), found
    (argument,) = found.arguments
    assert fits(ORDER.tools["order.place"].args["order"].shape, argument.facts)
    if "facts" in case:
        assert holds(in_sets(argument.facts), case["facts"])
    judged = {part.name: part for part in found.judged}
    for name, role in case.get("roles", {}).items():
        assert judged[name].role == role
    for name, values in case.get("values", {}).items():
        assert list(judged[name].values) == values
    for name, facts in case.get("joined", {}).items():
        assert holds(in_sets(judged[name].facts), facts)
    if "recipients" in case:
        assert list(found.recipients) == case["recipients"]
        assert found.recipients_external is case["external"]
        assert found.interfaces["send"]["external"] is case["external"]


def flow_of(args: Mapping[str, object], *said: str) -> FlowFacts:
    action = parsed("order.place", args, ORDER)
    assert isinstance(action, Action), action
    endorsements = Endorsements()
    for text in said:
        endorsements.words.add(text, "the user")
    return resolve(
        action,
        marks=Marks(whole=Label(), strict=Label()),
        endorsements=endorsements,
        intentions=Intentions(),
        evidence=(),
        reads=nobody_reads,
    )


def test_a_target_in_an_object_needs_its_own_endorsement() -> None:
    order = {"payee": {"iban": "DE02120300000000202051", "mail": "al@acme.example"}, "count": 1}
    said = "Send it to al@acme.example, please"
    assert flow_of({"order": order}, said).unendorsed == ("order.payee.iban",)
    assert flow_of({"order": order}, said, "DE02120300000000202051").unendorsed == ()
    assert flow_of({"order": order}, said, "DE02120300000000202051").unendorsed_values == ("order.count",)
    lines = [{"sku": "NW-4711", "to": "al@acme.example"}, {"sku": "NW-4712", "to": "al@acme.example"}]
    flow = flow_of({"order": {**order, "lines": lines}}, said, "DE02120300000000202051", "NW-4711")
    assert flow.unendorsed == ("order.lines.sku",)


def test_an_address_in_the_content_of_an_object_needs_endorsement_and_opaque_content_shows() -> None:
    order = {"payee": {"iban": "NW-4711", "mail": "al@acme.example"}, "count": 1, "note": "see https://evil.example/"}
    flow = flow_of({"order": order}, "NW-4711 al@acme.example")
    assert flow.unendorsed == ("order.note",)
    assert not flow.opaque
    assert flow_of({"order": {**order, "note": "x" * 300}}, "NW-4711").opaque


def test_fields_of_an_object_map_onto_an_effect() -> None:
    catalog = catalog_of("""
[tools."bank.pay"]
effects = ["pay"]
args.order = { type = "object", fields = { iban = { type = "string" }, amount = { type = "money", role = "value" } } }
""")
    assert catalog.tools["bank.pay"].interface[Effect.PAY] == {"payee": "order.iban", "amount": "order.amount"}
    found = parsed("bank.pay", {"order": {"iban": "DE02", "amount": "12.50 EUR"}}, catalog)
    assert isinstance(found, Action)
    assert found.interfaces["pay"] == {"payee": "DE02", "amount_minor": 1250, "currency": "EUR"}


@pytest.mark.parametrize(
    "arg",
    [
        '{ type = "object", optional = true, fields = { iban = { type = "string" }, amount = { type = "money" } } }',
        '{ type = "object", fields = { iban = { type = "string", optional = true }, amount = { type = "money" } } }',
        '{ type = "object[]", fields = { iban = { type = "string" }, amount = { type = "money" } } }',
    ],
)
def test_a_field_that_may_be_missing_or_many_is_no_payee(arg: str) -> None:
    with pytest.raises(ProjectError) as raised:
        catalog_of(f'[tools."bank.pay"]\neffects = ["pay"]\nargs.order = {arg}')
    assert {finding.rule for finding in raised.value.findings} == {"unmapped-effect"}


def test_how_deep_and_how_wide_an_object_is() -> None:
    inner = '{ type = "long" }'
    for _ in range(MAX_DEPTH):
        inner = f'{{ type = "object", fields = {{ a = {inner} }} }}'
    assert "x" in catalog_of(f'[tools."a.b"]\neffects = ["read"]\nargs.x = {inner}').tools["a.b"].args
    with pytest.raises(ProjectError, match="nested too deeply"):
        catalog_of(f'[tools."a.b"]\neffects = ["read"]\nargs.x = {{ type = "object", fields = {{ a = {inner} }} }}')
    wide = ", ".join(f'a{number} = {{ type = "long" }}' for number in range(MAX_FIELDS + 1))
    with pytest.raises(ProjectError, match="fields"):
        catalog_of(f'[tools."a.b"]\neffects = ["read"]\nargs.x = {{ type = "object", fields = {{ {wide} }} }}')


def test_every_word_of_a_field_is_part_of_what_the_catalog_is() -> None:
    plain = '[tools."a.b"]\neffects = ["read"]\nargs.x = { type = "object", fields = { a = { type = "string" } } }'
    changed = [
        plain.replace('{ type = "string" }', '{ type = "string", role = "content" }'),
        plain.replace('{ type = "string" }', '{ type = "string", optional = true }'),
        plain.replace('{ type = "string" }', '{ type = "string", max_length = 5 }'),
        plain.replace('"object", fields', '"object[]", fields'),
        f"{plain}\nproposed = true",
    ]
    assert len({catalog_of(text).digest for text in (plain, *changed)}) == len(changed) + 1


def test_a_list_of_content_counts_and_shows_what_is_in_it() -> None:
    found = parsed("a.b", {"x": ["to bob@evil.example", "x" * 300]}, one_arg({"type": "string[]", "role": "content"}))
    assert isinstance(found, Action)
    assert found.arguments[0].facts == {"count": 2, "length": 319, "opaque": True, "addresses": ("bob@evil.example",)}


@pytest.mark.parametrize(
    ("arg", "value", "code"),
    [
        ({"type": "string[]"}, [], "empty-list"),
        ({"type": "string[]"}, ["a"] * 101, "too-long"),
        ({"type": "string[]", "max_items": 2}, ["a", "b", "c"], "too-long"),
        ({"type": "string[]", "max_items": 50}, [str(n) + "a" * (MAX_TEXT // 16) for n in range(20)], "too-long"),
        ({"type": "long[]", "role": "value"}, [1, True], "wrong-type"),
        ({"type": "datetime[]"}, ["2026-03-31T17:00:00Z", "soon"], "not-a-time"),
        ({"type": "string[]"}, {"0": "a"}, "wrong-type"),
        ({"type": "string[]"}, [None], "wrong-type"),
    ],
)
def test_lists_that_are_refused(arg: dict[str, object], value: object, code: str) -> None:
    found = parsed("a.b", {"x": value}, one_arg(arg))
    assert isinstance(found, Reason), found
    assert found.code == code


def test_an_optional_list_may_be_empty_and_needs_nothing_then() -> None:
    found = parsed("a.b", {"x": []}, one_arg({"type": "string[]", "optional": True}))
    assert isinstance(found, Action)
    assert found.arguments[0].facts == {"count": 0, "values": ()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.decimals() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SPECS = [
    *(dataclasses.replace(each, name="x") for each in ORDER.tools["order.place"].args["order"].fields),
    ORDER.tools["order.place"].args["order"],
    *(spec(kind, Role.VALUE) for kind in ("number", "datetime", "json", "string[]", "long[]", "number[]")),
    spec("bytes", Role.CONTENT),
]


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from(SPECS))
def test_no_value_raises_and_what_parses_has_the_declared_shape(value: object, arg: ArgSpec) -> None:
    kind = STANDARD_TYPES[arg.type]
    assert kind.asks(value, arg) == ()
    found = kind.parse(value, arg, ORG)
    assert kind.parse(value, arg, ORG) == found
    if isinstance(found, Parsed):
        assert fits(arg.shape if arg.fields else kind.shape(arg.options, arg.role), found.facts)


def test_a_registry_makes_lists_and_objects_of_its_own_types() -> None:
    registry = type_registry(StringType())
    assert sorted(registry) == ["object", "object[]", "string", "string[]"]
    with pytest.raises(ValueError, match="standard type"):
        extended(StringType())


def test_a_tool_that_nobody_has_reviewed_is_refused_before_anything_is_parsed() -> None:
    catalog = catalog_of('[tools."a.b"]\neffects = ["read"]\nproposed = true\nargs.x = { type = "string" }')
    for args in ({"x": "y"}, {}, {"y": 1.5}):
        found = parsed("a.b", args, catalog)
        assert isinstance(found, Reason)
        assert found.code == "unreviewed-tool"


def test_samples_for_generated_tests_parse() -> None:
    text = """
[tools."a.b"]
effects = ["read"]
args.n = { type = "number", role = "value" }
args.t = { type = "datetime" }
args.b = { type = "bytes", role = "content" }
args.j = { type = "json", role = "content" }
args.s = { type = "string[]" }
args.e = { type = "enum[]", values = ["red", "blue"] }
args.l = { type = "long[]", role = "value" }
args.d = { type = "datetime[]" }
args.o = { type = "object", fields = { a = { type = "string" }, b = { type = "object[]", fields = { c = { type = "long" } } } } }
"""  # noqa: E501
    catalog = catalog_of(text)
    assert isinstance(parsed("a.b", _sample_args(catalog.tools["a.b"]), catalog), Action)


def test_a_value_with_many_errors_is_refused_at_the_first() -> None:
    schema = {"items": {"allOf": [{"pattern": "(a|a)*b"}] * 1_000}}
    catalog = one_arg({"type": "json", "role": "content", "schema": schema})
    began = time.process_time()
    found = parsed("a.b", {"x": ["a" * 100] * 900}, catalog)
    assert isinstance(found, Reason)
    assert found.code == "not-in-schema"
    assert time.process_time() - began < 5


def test_a_card_says_what_each_field_of_an_object_is_for() -> None:
    order = {"payee": {"iban": "DE1", "mail": "a@example.org"}, "note": "x", "count": 1}
    found = parsed("order.place", {"order": order}, ORDER)
    assert isinstance(found, Action)
    flow = resolve(
        found,
        marks=Marks(whole=Label(), strict=Label()),
        endorsements=Endorsements(),
        intentions=Intentions(),
        evidence=(),
        reads=nobody_reads,
    )
    card = draw_card(authority(), found, dataclasses.replace(decision(), flow=flow), LEVELS, expires_ms=1)
    shown: Any = parse(card)
    assert {each["argument"]: each["role"] for each in shown["origins"]} == {
        "order.payee.iban": "target",
        "order.payee.mail": "target",
        "order.note": "content",
        "order.count": "value",
    }
