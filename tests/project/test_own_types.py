"""Types of arguments that a project brings along: loaded, contained, part of what the catalog is."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bailiwick import Guard
from bailiwick.action.parse import parse_call
from bailiwick.action.types import STANDARD_TYPES
from bailiwick.action.types.base import OptionValue
from bailiwick.errors import Denied, ProjectError, Where
from bailiwick.model.call import Action, Call, Facts
from bailiwick.model.decision import Reason
from bailiwick.project import Project, load_project
from bailiwick.project.bundle import build_bundle, load_bundle
from bailiwick.project.types import load_types
from bailiwick.testing import TypeBroken, check_type
from bailiwick.types import (
    BOOL,
    CONTENT_SHAPE,
    LONG,
    STRING,
    STRING_SET,
    ArgSpec,
    ArgType,
    Beyond,
    Effect,
    Field,
    Lookup,
    LookupKind,
    Option,
    Options,
    Parsed,
    Record,
    Role,
    Shape,
    Unparsable,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
TOOL = """
[tools."order.find"]
effects  = ["read"]
resource = "orders/{id}"
args.id  = { type = "order_id", role = "selector" }
args.ids = { type = "order_id[]", role = "query", optional = true }
args.of  = { type = "object", optional = true, fields = { id = { type = "order_id", role = "query" } } }
"""
RULE = """
@id("north-west")
permit (principal, action == Action::"order.find", resource) when { context.args.id.region == "NW" };
"""


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(EXAMPLES / "own_type"))
    yield importlib.import_module("acme_types")
    sys.modules.pop("acme_types", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The support project with a tool that takes order numbers."""
    made = tmp_path / "project"
    shutil.copytree(EXAMPLES / "support", made, ignore=shutil.ignore_patterns(".bailiwick", "__pycache__"))
    (made / "tools" / "orders.toml").write_text(TOOL)
    (made / "policies" / "orders.cedar").write_text(RULE)
    return made


def declare(folder: Path, line: str) -> None:
    path = folder / "bailiwick.toml"
    path.write_text(f"{path.read_text()}\n[types]\n{line}\n")


def call(project: Project, **args: object) -> Action | Reason:
    planes = project.planes
    found = Call(tool="order.find", args=args)
    return parse_call(planes.catalog, found, around=planes.surroundings(), types=planes.types)


def test_a_declared_type_parses_and_its_facts_reach_rules(folder: Path, acme: ModuleType) -> None:
    declare(folder, 'order_id = "acme_types:OrderId"')
    project = load_project(folder)
    found = call(project, id="NW-004711", ids=["SE-000001", "NW-000002"], of={"id": "SE-000003"})
    assert isinstance(found, Action)
    assert found.arguments[0].facts == {"region": "NW", "number": 4711}
    assert found.arguments[1].facts == {"count": 2}
    assert found.arguments[2].facts == {"id": {"region": "SE", "number": 3}}
    assert str(found.resources[0].ref.id) == "orders/NW-004711"
    refused = call(project, id="4711")
    assert isinstance(refused, Reason)
    assert (refused.code, "order number such as" in refused.hint) == ("not-an-order", True)


def test_a_guard_decides_by_the_facts_of_a_given_type(folder: Path, acme: ModuleType) -> None:
    with (
        Guard.open(folder, types=[acme.OrderId()]) as guard,
        guard.session(user="alice", agent="support-bot", task="Find orders NW-004711 and SE-004711") as session,
    ):
        assert session.call("order.find", {"id": "NW-004711"}, run=lambda **args: args) == {"id": "NW-004711"}
        for number, code in (("SE-004711", "no-permit"), ("4711", "not-an-order")):
            with pytest.raises(Denied) as raised:
                session.call("order.find", {"id": number}, run=lambda **args: args)
            assert raised.value.decision.reasons[0].code == code


def test_a_rule_that_misspells_a_fact_of_an_own_type_does_not_load(folder: Path, acme: ModuleType) -> None:
    declare(folder, 'order_id = "acme_types:OrderId"')
    (folder / "policies" / "orders.cedar").write_text(RULE.replace("id.region", "id.regoin"))
    with pytest.raises(ProjectError, match="regoin"):
        load_project(folder)


@pytest.mark.parametrize(
    ("line", "rule", "says"),
    [
        ('order_id = "acme_types.OrderId"', "wrong-type", "where its class is"),
        ("order_id = 5", "wrong-type", "where its class is"),
        ('order_id = "acme_types:Nothing"', "type-not-imported", "AttributeError"),
        ('order_id = "no_such_module:OrderId"', "type-not-imported", "ModuleNotFoundError"),
        ('order_id = "acme_types:re"', "bad-type", "no type"),
        ('order = "acme_types:OrderId"', "bad-type", "calls itself 'order_id'"),
        ('string = "bailiwick.action.types.plain:StringType"', "type-clash", "nothing can replace"),
    ],
)
def test_what_is_no_type_is_found_at_load(folder: Path, acme: ModuleType, line: str, rule: str, says: str) -> None:
    declare(folder, line)
    with pytest.raises(ProjectError) as raised:
        load_project(folder)
    (finding,) = raised.value.findings
    assert finding.rule == rule
    assert says in finding.message
    assert finding.where.file == "bailiwick.toml"
    assert finding.where.line > 1


def test_a_type_that_is_declared_and_given_is_one_too_many(folder: Path, acme: ModuleType) -> None:
    declare(folder, 'order_id = "acme_types:OrderId"')
    with pytest.raises(ProjectError, match="two types 'order_id'"):
        load_project(folder, types=[acme.OrderId()])


def test_other_code_is_another_catalog(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (EXAMPLES / "own_type" / "acme_types.py").read_text()
    digests = set()
    for number, changed in enumerate((text, text.replace("[0-9]{6}", "[0-9]+"), text)):
        module = tmp_path / f"code{number}" / "acme_types.py"
        module.parent.mkdir()
        module.write_text(changed)
        with monkeypatch.context() as patched:
            patched.syspath_prepend(str(module.parent))
            found = load_types((), [importlib.import_module("acme_types").OrderId()])
            digests.add(found.sources["order_id"])
            sys.modules.pop("acme_types")
    assert len(digests) == 2


def test_a_bundle_names_a_type_and_loads_where_it_is_installed(folder: Path, acme: ModuleType) -> None:
    declare(folder, 'order_id = "acme_types:OrderId"')
    (folder / "schemas").mkdir()
    (folder / "schemas" / "note.json").write_text('{"type": "object"}')
    with (folder / "tools" / "orders.toml").open("a") as file:
        file.write('args.note = { type = "json", role = "content", optional = true, schema = "schemas/note.json" }\n')
    bundle = build_bundle(folder, sequence=1, author="alice")
    assert "schemas/note.json" in bundle.texts
    assert load_bundle(folder, bundle).planes.catalog.digest == load_project(folder).planes.catalog.digest


class Broken(ArgType):
    """Does what the catalog's option `how` says."""

    name = "broken"
    takes = "anything"
    facts = Record((Field("n", LONG),))
    options = {"how": Option(kind=str, required=True)}  # noqa: RUF012

    def read(self, value: object, options: Options) -> Parsed | Unparsable:
        good = Parsed(facts={"n": 1}, values=("x",))
        answers: dict[str, Any] = {
            "another shape": Parsed(facts={"m": 1}, values=("x",)),
            "a float": Parsed(facts={"n": 1.0}, values=("x",)),  # type: ignore[dict-item]
            "true for a number": Parsed(facts={"n": True}, values=("x",)),
            "too large": Parsed(facts={"n": 2**60}, values=("x",)),
            "no values": Parsed(facts={"n": 1}),
            "values that are no texts": Parsed(facts={"n": 1}, values=(1,)),  # type: ignore[arg-type]
            "half a character": Parsed(facts={"n": 1}, values=("\ud800",)),
            "a list of values": Parsed(facts={"n": 1}, values=["x"]),  # type: ignore[arg-type]
            "nothing": None,
            "true": True,
            "parts": Parsed(facts={"n": 1}, values=("x",), parts=()),
            "no effect": Parsed(facts={"n": 1}, values=("x",), beyond=("send",)),  # type: ignore[arg-type]
            "no code": Unparsable(problem="is wrong", code="Not A Code"),
            "no problem": Unparsable(problem=""),
            "half a character in its text": Parsed(facts={"n": 1}, values=("x",), text="\ud800"),
            "effects without end": Parsed(
                facts={"n": 1}, values=("x",), beyond=(Beyond(effect=Effect.READ, saw="it"),) * 1_000
            ),
        }
        match options["how"]:
            case "raises":
                raise RuntimeError("with a secret in it")
            case "recurses":
                return self.read(value, options)
            case "changes the value":
                if isinstance(value, list):
                    value.append("more")
                return good
            case how:
                answer: Parsed | Unparsable = answers.get(str(how), good)
                return answer


HOWS = (
    *("raises", "recurses", "another shape", "a float", "true for a number", "too large", "no values"),
    *("values that are no texts", "half a character", "a list of values", "nothing", "true", "parts", "no effect"),
    *("no code", "no problem", "half a character in its text", "effects without end"),
)


@pytest.mark.parametrize("how", HOWS)
def test_whatever_a_type_does_wrong_refuses_the_argument(folder: Path, how: str) -> None:
    project = broken_project(folder, how)
    found = call(project, id="x")
    assert isinstance(found, Reason), found
    assert found.code == "type-failed"
    assert "secret" not in found.message


def test_a_type_that_does_no_wrong_is_taken(folder: Path) -> None:
    assert isinstance(call(broken_project(folder, "right"), id="x"), Action)


def test_a_type_cannot_change_what_the_tool_gets(folder: Path) -> None:
    value = ["a"]
    found = call(broken_project(folder, "changes the value"), id=value)
    assert isinstance(found, Action)
    assert value == ["a"]
    assert found.args == b'{"id":["a"]}'


def broken_project(folder: Path, how: str) -> Project:
    (folder / "tools" / "orders.toml").write_text(
        f'[tools."order.find"]\neffects = ["read"]\nargs.id = {{ type = "broken", role = "query", how = "{how}" }}\n'
    )
    (folder / "policies" / "orders.cedar").write_text("")
    return load_project(folder, types=[Broken()])


def test_what_a_type_sees_beyond_its_tool_is_refused(folder: Path) -> None:
    class Sends(ArgType):
        name = "broken"
        takes = "anything"
        options = Broken.options

        def read(self, value: object, options: Options) -> Parsed | Unparsable:
            return Parsed(facts="x", values=("x",), beyond=(Beyond(effect=Effect.SEND, saw="a stamp"),))

    broken_project(folder, "right")
    found = call(load_project(folder, types=[Sends()]), id="x")
    assert isinstance(found, Reason)
    assert found.code == "exceeds-effects"


def test_a_type_whose_shape_is_none_keeps_the_project_from_loading(folder: Path) -> None:
    class NoShape(Broken):
        facts = "String"  # type: ignore[assignment]

    class NoContent(Broken):
        roles = frozenset({Role.QUERY, Role.CONTENT})

    broken_project(folder, "right")
    with pytest.raises(ProjectError, match="shape of its facts that is none"):
        load_project(folder, types=[NoShape()])
    path = folder / "tools" / "orders.toml"
    path.write_text(path.read_text().replace('"query"', '"content"'))
    with pytest.raises(ProjectError, match="lack what every content has"):
        load_project(folder, types=[NoContent()])


def own_call(folder: Path, kind: ArgType, tool: str, value: object) -> Action | Reason:
    """A call of the one tool with `value` as its argument `x`."""
    (folder / "tools" / "orders.toml").write_text(f'[tools."order.find"]\n{tool}')
    (folder / "policies" / "orders.cedar").write_text("")
    return call(load_project(folder, types=[kind]), x=value)


@pytest.mark.parametrize("listed", ["", "[]"], ids=["single", "list"])
def test_facts_keep_the_shape_that_rules_were_checked_against(folder: Path, listed: str) -> None:
    class Shifty(Broken):
        options = {}  # noqa: RUF012

        def shape(self, options: Options, role: Role) -> Shape:
            self.asked = getattr(self, "asked", 0) + 1
            return STRING if self.asked == 1 else LONG

        def read(self, value: object, _: Options) -> Parsed | Unparsable:
            return Parsed(facts=4711, values=("x",))

    tool = f'effects = ["read"]\nargs.x = {{ type = "broken{listed}", role = "query" }}'
    found = own_call(folder, Shifty(), tool, ["x"] if listed else "x")
    assert isinstance(found, Reason)
    assert found.code == "type-failed"


class Sealed(ArgType):
    """Content that nobody can read, with a fact beside those that every content has."""

    name = "sealed"
    takes = "anything"
    roles = frozenset({Role.CONTENT})
    facts = Record((*CONTENT_SHAPE.fields, Field("by", STRING)))

    def read(self, value: object, _: Options) -> Parsed | Unparsable:
        facts: Facts = {"length": 9, "opaque": True, "addresses": ("evil.example",), "by": "x"}
        return Parsed(facts=facts, values=("x",))


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ('type = "sealed", role = "content"', 1),
        ('type = "sealed[]", role = "content"', [1, 2]),
        ('type = "object[]", fields = { c = { type = "sealed", role = "content" } }', [{"c": 1}, {"c": 2}]),
        ('type = "object[]", fields = { c = { type = "sealed[]", role = "content" } }', [{"c": [1]}, {"c": [2]}]),
    ],
)
def test_content_stays_opaque_and_keeps_its_addresses_in_every_list(folder: Path, declared: str, value: object) -> None:
    tool = f'effects = ["send"]\nsink = "external"\nargs.x = {{ {declared} }}'
    found = own_call(folder, Sealed(), tool, value)
    assert isinstance(found, Action), found
    (content,) = found.judged
    assert isinstance(content.facts, Mapping)
    assert (content.facts["opaque"], content.facts["addresses"]) == (True, ("evil.example",))
    assert found.interfaces["send"]["content"] == {
        "length": 9 if value == 1 else 18,
        "opaque": True,
        "addresses": ("evil.example",),
    }


@pytest.mark.parametrize(
    ("effect", "facts", "rule"),
    [
        ("execute", {"programs": LONG, "network": LONG, "writes": LONG}, "unmapped-effect"),
        ("fetch", {"host": LONG, "private": BOOL}, "unmapped-effect"),
        ("fetch", {"hosts": STRING, "private": BOOL}, "unmapped-effect"),
        ("send", {"values": LONG}, "bad-recipients"),
        ("send", {"values": STRING_SET, "external": STRING}, "bad-recipients"),
    ],
)
def test_facts_that_are_only_named_as_those_of_an_effect_are_not_taken_for_them(
    folder: Path, effect: str, facts: dict[str, Shape], rule: str
) -> None:
    class Named(ArgType):
        name = "named"
        takes = "anything"
        roles = frozenset({Role.COMMAND if effect == "execute" else Role.TARGET})

    Named.facts = Record(tuple(Field(name, shape) for name, shape in facts.items()))
    role = next(iter(Named.roles))
    recipients = "recipients = true, " if effect == "send" else ""
    tool = f'effects = ["{effect}"]\nsink = "external"\nargs.x = {{ {recipients}type = "named", role = "{role}" }}'
    with pytest.raises(ProjectError) as raised:
        own_call(folder, Named(), tool, "x")
    assert [finding.rule for finding in raised.value.findings] == [rule]


def test_what_a_type_says_is_one_short_line(folder: Path) -> None:
    class Wordy(ArgType):
        name = "wordy"
        takes = "\x1b[2J\ud800" * 100_000

        def read(self, value: object, _: Options) -> Parsed | Unparsable:
            if value == "pays":
                return Parsed(facts="x", values=("x",), beyond=(Beyond(effect=Effect.PAY, saw=self.takes),))
            return Unparsable(problem=self.takes, code="wrong")

    for value in ("x", "pays"):
        found = own_call(folder, Wordy(), 'effects = ["read"]\nargs.x = { type = "wordy" }', value)
        assert isinstance(found, Reason)
        assert len(found.message) + len(found.hint) < 8_000
        assert (found.message + found.hint).isprintable()


@pytest.mark.parametrize(
    "asked",
    [
        [Lookup(kind=LookupKind.HOST, name="a.example")],
        (Lookup(kind=LookupKind.HOST, name=["a.example"]),),  # type: ignore[arg-type]
        (Lookup(kind="host", name="a.example"),),  # type: ignore[arg-type]
        (Lookup(kind=LookupKind.HOST, name="\ud800"),),
        tuple(Lookup(kind=LookupKind.HOST, name=f"h{number}.example") for number in range(1_000)),
    ],
    ids=["no tuple", "no text", "no kind", "half a character", "too many"],
)
def test_questions_that_are_none_are_not_asked(asked: Any) -> None:
    class Asks(Broken):
        def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
            return asked  # type: ignore[no-any-return]

    kind = load_types((), [Asks()]).registry["broken"]
    assert kind.asks("x", ArgSpec(name="x", type="broken", where=Where(file="x"))) == ()


def cannot_judge(_: OptionValue) -> str:
    raise ZeroDivisionError


@pytest.mark.parametrize("judge", [lambda _: 7, lambda _: None, cannot_judge])
def test_an_option_that_cannot_be_judged_is_a_finding(folder: Path, judge: Any) -> None:
    class Judges(Broken):
        options = {"how": Option(kind=str, problem=judge)}  # noqa: RUF012

    broken_project(folder, "right")
    with pytest.raises(ProjectError, match="bad-option"):
        load_project(folder, types=[Judges()])


def test_a_shape_is_nothing_that_can_change(folder: Path) -> None:
    class Lying(Record):
        pass

    for shape in (
        Record(field for field in Broken.facts.fields),  # type: ignore[arg-type]
        Record(list(Broken.facts.fields)),  # type: ignore[arg-type]
        Record((1,)),  # type: ignore[arg-type]
        Lying((Field("n", LONG),)),
    ):
        kind = type("Shaped", (Broken,), {"facts": shape})
        with pytest.raises(ProjectError, match="shape of its facts that is none"):
            broken_types(folder, kind())


def broken_types(folder: Path, kind: ArgType) -> Project:
    broken_project(folder, "right")
    return load_project(folder, types=[kind])


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"options": {5: Option(kind=str)}}, "options"),
        ({"options": {"how": Option(kind=float)}}, "options"),  # type: ignore[arg-type]
        ({"options": {"how": Option(kind=str, problem=None)}}, "options"),  # type: ignore[arg-type]
        ({"name": "Order"}, "no name"),
        ({"name": "order[]"}, "no name"),
        ({"name": ""}, "no name"),
        ({"options": {"role": Option(kind=str)}}, "options"),
        ({"options": {"how": "str"}}, "options"),
        ({"roles": frozenset()}, "roles"),
        ({"roles": {"target"}}, "roles"),
        ({"scalar": 1}, "scalar"),
        ({"parse": None}, "method"),
        ({"roles": property(lambda self: 1 / 0)}, "ZeroDivisionError"),
    ],
)
def test_a_class_that_is_no_type_is_not_taken(attributes: dict[str, Any], says: str) -> None:
    made = type("Made", (ArgType,), {"name": "made", **attributes})
    with pytest.raises(ProjectError, match=says):
        load_types((), [made()])


def test_without_types_of_its_own_a_project_has_the_standard_ones() -> None:
    assert load_types(()).registry is STANDARD_TYPES


# ── check_type ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_example_keeps_the_laws(acme: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    example = importlib.import_module("test_acme_types")
    example.test_order_numbers()
    sys.modules.pop("test_acme_types", None)


@pytest.mark.parametrize("how", [*HOWS, "changes the value"])
def test_check_type_finds_what_is_wrong(how: str) -> None:
    with pytest.raises(TypeBroken):
        check_type(Broken(), good=["x"], bad=["y"], options={"how": how}, examples=5)


def test_check_type_asks_for_words_for_examples_and_for_one_answer(acme: ModuleType) -> None:
    check_type(acme.OrderId(), good=["NW-004711"], bad=["x"], examples=5)
    with pytest.raises(TypeBroken, match="refuses 'NW-4711'"):
        check_type(acme.OrderId(), good=["NW-4711"], bad=["x"], examples=5)
    with pytest.raises(TypeBroken, match="takes 'NW-004711'"):
        check_type(acme.OrderId(), good=["SE-000001"], bad=["NW-004711"], examples=5)
    with pytest.raises(TypeBroken, match="nothing is checked"):
        check_type(acme.OrderId(), good=["NW-004711"], bad=[], examples=5)

    class Wordless(acme.OrderId):  # type: ignore[misc, name-defined]
        takes = " "

    with pytest.raises(TypeBroken, match="does not say what it takes"):
        check_type(Wordless(), good=["NW-004711"], bad=["x"], examples=5)

    class Moody(acme.OrderId):  # type: ignore[misc, name-defined]
        asked = 0

        def read(self, value: object, options: Options) -> Parsed | Unparsable:
            self.asked += 1
            return Unparsable(problem="is wrong") if self.asked % 2 else super().read(value, options)

    with pytest.raises(TypeBroken, match="in two ways"):
        check_type(Moody(), good=["NW-004711"], bad=["x"], examples=5)
