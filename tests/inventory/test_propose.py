"""Proposed entries: what is guessed, that it loads and is denied, and that no text of others becomes more than text."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server import MCPServer

from bailiwick.action.catalog import load_catalog
from bailiwick.action.parse import parse_call
from bailiwick.action.types import Organisation, Surroundings
from bailiwick.errors import UsageError
from bailiwick.inventory import Operation, Proposal, propose
from bailiwick.inventory.mcp_server import read_mcp
from bailiwick.inventory.openapi import read_openapi
from bailiwick.inventory.operations import MAX_OPERATIONS, MAX_TEXT, Parameter
from bailiwick.inventory.python_source import read_python
from bailiwick.inventory.results import read_result
from bailiwick.inventory.toml_text import comment, value
from bailiwick.model.call import Call
from bailiwick.model.decision import Reason
from bailiwick.model.tool import Catalog, Effect, Role

DATA = Path(__file__).parent / "data"
SERVER = f"{sys.executable} {Path(__file__).parent / 'server.py'}"


def loaded(proposal: Proposal) -> Catalog:
    return load_catalog([("p.toml", proposal.text)], levels=("public", "internal"), categories=frozenset())


def petstore() -> Proposal:
    title, operations = read_openapi(DATA / "petstore.json")
    return propose(title, operations)


def test_an_openapi_description_becomes_entries_that_load_and_are_denied() -> None:
    catalog = loaded(petstore())
    assert list(catalog.tools) == [
        f"Pet_Store.{name}"
        for name in ("getPet", "removePet", "updatePet", "listPets", "mailOwner", "payOut", "post_import")
    ]
    for name, tool in catalog.tools.items():
        assert tool.proposed
        found = parse_call(catalog, Call(tool=name, args={}), around=Surroundings(organisation=Organisation()))
        assert isinstance(found, Reason)
        assert found.code == "unreviewed-tool"
    assert catalog.tools["Pet_Store.getPet"].effects == {Effect.READ}
    assert catalog.tools["Pet_Store.getPet"].resources == ("pets/{petId}",)
    assert catalog.tools["Pet_Store.removePet"].effects == {Effect.DELETE}
    assert catalog.tools["Pet_Store.mailOwner"].effects == {Effect.SEND}
    assert catalog.find("getPet") is catalog.tools["Pet_Store.getPet"]


def test_types_and_roles_that_are_guessed() -> None:
    catalog = loaded(petstore())
    send = catalog.tools["Pet_Store.mailOwner"].args
    assert {name: (arg.type, arg.role) for name, arg in send.items()} == {
        "to": ("email[]", Role.TARGET),
        "body": ("string", Role.CONTENT),
        "at": ("datetime", Role.VALUE),
        "link": ("url", Role.TARGET),
    }
    listed = catalog.tools["Pet_Store.listPets"].args
    assert listed["status"].options == {"values": ("free", "sold")}
    assert listed["limit"].type == "long"
    pet = catalog.tools["Pet_Store.updatePet"].args
    assert pet["owner"].type == "object"
    assert [field.name for field in pet["owner"].fields] == ["owner.mail", "owner.born"]


def test_every_guess_has_its_reason_beside_it_and_what_cannot_be_mapped_is_said() -> None:
    proposal = petstore()
    for tool in proposal.tools:
        for line in tool.text.splitlines():
            if line.startswith(("effects", "args.", "sink", "change", "execute", "resource", "fetch")):
                assert "  # guess: " in line
    text = proposal.text
    assert "not proposed: argument 'X-Trace-Id'" in text
    assert "not proposed: effect pay" in text
    assert "not proposed: a body that is neither JSON nor a form" in text
    assert "guess within owner: mail: type email" in text


def test_the_same_source_gives_the_same_bytes() -> None:
    assert petstore().text == petstore().text


def test_a_schema_that_contains_itself_ends() -> None:
    looped = {
        "paths": {
            "/a": {"post": {"operationId": "a", "requestBody": {"$ref": "#/b"}}, "get": {"$ref": "#/paths/~1a/get"}}
        },
        "b": {
            "content": {"application/json": {"schema": {"properties": {"x": {"$ref": "#/s"}, "y": {"$ref": "#/t"}}}}}
        },
        "s": {"$ref": "#/s"},
        "t": {"type": "object", "properties": {f"f{n}": {"$ref": "#/t"} for n in range(30)}},
    }
    tool, _ = propose_json(looped).tools
    args = tomllib.loads(tool.text)["tools"][tool.name]["args"]
    assert args["x"]["type"] == "json"
    assert args["y"]["fields"]["f29"]["type"] == "json"


def propose_json(document: dict[str, Any]) -> Proposal:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "api.json"
        path.write_text(json.dumps(document))
        title, operations = read_openapi(path)
    return propose(title, operations)


def test_an_operation_that_is_there_twice_gets_a_name_of_its_own() -> None:
    one = {"operationId": "same"}
    proposal = propose_json({"paths": {"/a": {"get": one}, "/b": {"get": one}, "/c": {"delete": one}}})
    assert [(tool.name, tool.alias) for tool in proposal.tools] == [
        ("api.same", "same"),
        ("api.same_2", ""),
        ("api.same_3", ""),
    ]
    assert loaded(proposal).tools["api.same_3"].effects == {Effect.DELETE}


@pytest.mark.parametrize(
    "document",
    [
        "null",
        "[]",
        "{}",
        '{"paths": 5}',
        "openapi: 3.0.0",
        '{"paths": {',
        '{"paths": {}, "paths": {}}',
        "[" * 100_000,
        '{"paths": {"/a": {"get": {"operationId": "\\ud800"}}}}',
        '{"paths": {}, "x": NaN}',
    ],
)
def test_what_is_no_openapi_description_is_refused(tmp_path: Path, document: str) -> None:
    (tmp_path / "api.json").write_text(document)
    with pytest.raises(UsageError):
        read_openapi(tmp_path / "api.json")


ODD = [
    {"paths": {"/a": None}},
    {"paths": {"/a": {"get": None, "post": [], "put": {"parameters": {"a": 1}}}}},
    {"paths": {"/a": {"get": {"parameters": [None, 5, {}, {"name": 5}, {"name": "x", "in": "query", "schema": 5}]}}}},
    {"paths": {"/{a}/{a}": {"get": {"parameters": [{"name": "a", "in": "path"}]}}}},
    {"paths": {"/{": {"get": {}}, "/..": {"get": {}}, "/%2e": {"get": {}}}},
    {"paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {"enum": [[]]}}}}}}}},
    {"paths": {"/a": {"get": {"operationId": "é ü 名前"}, "post": {"operationId": "\u202e"}}}},
    {"paths": {"/a": {"get": {"parameters": [{"name": f"p{n}", "in": "query"} for n in range(200)]}}}},
    {"paths": {"/a": {"get": {"parameters": [{"name": "q", "in": "query", "schema": {"type": ["string", "null"]}}]}}}},
    {"info": {"title": '"]\n[evil]\n#'}, "paths": {"/a": {"get": {"operationId": "x" * 100_000}}}},
]


@pytest.mark.parametrize("document", ODD, ids=range(len(ODD)))
def test_odd_descriptions_come_out_as_entries_that_load_or_are_left_out(document: dict[str, Any]) -> None:
    proposal = propose_json(document)
    catalog = loaded(proposal)
    assert all(tool.proposed for tool in catalog.tools.values())
    assert len(catalog.tools) == len(proposal.tools)


def test_there_is_an_end_to_what_is_proposed_at_once() -> None:
    operations = [Operation(name=f"op{number}") for number in range(MAX_OPERATIONS + 5)]
    proposal = propose("many", operations)
    assert len(proposal.tools) == MAX_OPERATIONS
    assert proposal.skipped[-1].name == "(all others)"


def test_what_the_catalog_has_is_not_proposed_again() -> None:
    known = load_catalog(
        [("t.toml", '[tools."crm.get_pet"]\nnames = ["getPet"]\neffects = ["read"]')],
        levels=("a", "b"),
        categories=frozenset(),
    )
    proposal = propose(
        "crm", [Operation(name="getPet"), Operation(name="get_pet"), Operation(name="other")], known=known
    )
    assert [tool.name for tool in proposal.tools] == ["crm.other"]
    assert [each.why for each in proposal.skipped] == ["the catalog has it already"] * 2


HOSTILE = st.text(max_size=30) | st.sampled_from(
    [
        '"]\nproposed = false\n[tools."a.b"]',
        '"""',
        "'''",
        "\\",
        "\\u0022",
        "\r",
        "\u2028",
        "\x00",
        "\x7f",
        "\ud800",
        "]",
        "#",
    ]
)


@settings(max_examples=150, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_text_of_others_becomes_more_than_text(area: str, name: str, said: str, arg: str, choice: str) -> None:
    operation = Operation(
        name=name,
        description=said,
        because=said,
        effect=Effect.READ,
        path=f"/{said}/{{{arg}}}",
        parameters=(
            Parameter(name=arg, schema={"enum": [choice]}, required=True, place="path"),
            Parameter(name="plain", schema={"type": said, "format": choice, "$ref": said}),
        ),
        unclear=(said,),
    )
    proposal = propose(area, [operation])
    assert len(proposal.tools) + len(proposal.skipped) == 1
    catalog = loaded(proposal)
    for tool in catalog.tools.values():
        assert tool.proposed
        assert tool.effects <= set(Effect)
        assert set(tool.args) <= {arg, "plain"}
        assert tool.names in ((), (name,))


@given(st.text())
def test_a_text_in_toml_reads_back_and_a_comment_is_one_line(text: str) -> None:
    assert tomllib.loads(f"x = {value(text)}")["x"] == "".join(
        "\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text
    )
    assert tomllib.loads(f"x = 1  {comment(text)}\ny = 2") == {"x": 1, "y": 2}


def test_what_is_made_of_one_source_is_bounded() -> None:
    """A few kilobytes that refer to each other must not become gigabytes of entries, nor lists of lists without end."""
    choices = {"enum": [f"v{number}{'x' * 30}" for number in range(100)]}
    document = {
        "paths": {
            f"/{number}": {"post": {"operationId": f"o{number}", "requestBody": {"$ref": "#/b"}}}
            for number in range(900)
        },
        "b": {
            "content": {
                "application/json": {"schema": {"properties": {f"p{number}": choices for number in range(100)}}}
            }
        },
    }
    proposal = propose_json(document)
    assert len(proposal.text) < 2 * MAX_TEXT
    assert proposal.skipped[-1].name == "(all others)"
    listed = {"type": "array", "items": {"$ref": "#/s"}}
    body = {"content": {"application/json": {"schema": {"properties": {"x": {"$ref": "#/s"}}}}}}
    (tool,) = propose_json({"paths": {"/a": {"post": {"requestBody": body}}}, "s": listed}).tools
    assert tomllib.loads(tool.text)["tools"][tool.name]["args"]["x"]["type"] == "json"


# ── Python ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_python_file_is_read_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text((DATA / "tools.py.txt").read_text())
    name, operations = read_python(str(tmp_path / "desk.py"))
    catalog = loaded(propose(name, operations))
    assert list(catalog.tools) == ["desk.search_tickets", "desk.send_reply", "desk.place", "desk.run_sql"]
    search = catalog.tools["desk.search_tickets"]
    assert search.description == "Find tickets."
    assert (search.args["state"].type, search.args["state"].optional) == ("enum", True)
    assert [field.name for field in catalog.tools["desk.place"].args["lines"].fields] == ["lines.sku", "lines.count"]
    assert catalog.tools["desk.run_sql"].effects == {Effect.EXECUTE}


def test_a_module_is_found_without_importing_what_is_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").write_text('raise SystemExit("imported")')
    (package / "tools.py").write_text("@tool\ndef look(): ...\n\ndef helper(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    name, operations = read_python("acme.tools")
    assert (name, [each.name for each in operations]) == ("tools", ["look"])
    assert "acme" not in sys.modules


@pytest.mark.parametrize("text", ["def f(:", "\x00", "(" * 5_000])
def test_what_is_no_python_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.py").write_text(text)
    with pytest.raises(UsageError):
        read_python(str(tmp_path / "x.py"))
    with pytest.raises(UsageError):
        read_python("no.such.module")


RESULTS = {
    "an object": ({"properties": {"id": {"type": "string"}, "at": {"type": "integer"}}}, ("", ("id", "at"))),
    "a list": ({"type": "array", "items": {"properties": {"id": {}}}}, ("", ("id",))),
    "a list in an envelope": (
        {
            "properties": {
                "data": {
                    "properties": {"items": {"type": "array", "items": {"properties": {"id": {}}}}},
                    "type": "object",
                }
            }
        },
        ("data.items", ("id",)),
    ),
    "a reference": ({"$ref": "#/Pet"}, ("", ("name", "kin", "kin.name", "kin.kin", "kin.kin.name", "kin.kin.kin"))),
    "a text": ({"type": "string"}, None),
    "nothing": (None, None),
    "a field that cannot be written": ({"properties": {"a b": {}, 'x"]': {}, "id": {}}}, ("", ("id",))),
    "more than anybody reviews": ({"properties": {f"f{n}": {} for n in range(61)}}, None),
}


@pytest.mark.parametrize("case", RESULTS.values(), ids=RESULTS.keys())
def test_the_fields_of_a_result_are_those_of_its_schema(case: tuple[Any, tuple[str, tuple[str, ...]] | None]) -> None:
    schema, expected = case
    pet = {"type": "object", "properties": {"name": {"type": "string"}, "kin": {"$ref": "#/Pet"}}}
    found = read_result(schema, {"Pet": pet})
    assert (None if found is None else (found.records, found.fields)) == expected


# ── MCP ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_real_mcp_server_is_asked() -> None:
    name, operations = read_mcp(SERVER)
    catalog = loaded(propose(name, operations))
    assert {name: set(tool.effects) for name, tool in catalog.tools.items()} == {
        "Help_Desk.list_tickets": {Effect.READ},
        "Help_Desk.get_ticket": {Effect.READ},
        "Help_Desk.close_ticket": {Effect.WRITE},
    }
    listed = catalog.tools["Help_Desk.list_tickets"].output
    assert (listed.records, listed.fields) == ("result", ("id", "customer", "customer.name", "text"))
    assert (listed.untrusted, listed.trusted, listed.endorses) == (None, None, {})
    assert catalog.tools["Help_Desk.close_ticket"].args["ticket_id"].role is Role.SELECTOR


def test_a_hint_that_says_less_than_the_name_is_overruled_and_texts_stay_texts() -> None:
    name, operations = read_mcp(f"{SERVER} hostile")
    proposal = propose(name, operations)
    catalog = loaded(proposal)
    assert [tool.effects for tool in catalog.tools.values()] == [{Effect.DELETE}, {Effect.WRITE}]
    assert all(tool.proposed for tool in catalog.tools.values())
    assert "says more" in proposal.text


def test_a_real_mcp_server_is_asked_over_http() -> None:
    server = MCPServer("Help Desk")

    @server.tool()
    def get_ticket(ticket_id: str) -> str:
        return ticket_id

    with served(server.streamable_http_app()) as address:
        name, operations = read_mcp(f"{address}/mcp")
        assert (name, [each.name for each in operations]) == ("Help Desk", ["get_ticket"])
        assert read_mcp(f"{address}/mcp".replace("http://", "HTTP://")) == (name, operations)
        assert list(loaded(propose(name, operations)).tools) == ["Help_Desk.get_ticket"]
        with pytest.raises(UsageError, match="refused"):
            read_mcp(f"{address}/elsewhere")
    with pytest.raises(UsageError, match="cannot be used"):
        read_mcp(f"{address}/mcp")


@contextmanager
def served(app: Any) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize("command", ["", "no-such-command-anywhere", f"{sys.executable} -c pass", "'"])
def test_what_is_no_mcp_server_is_said(command: str) -> None:
    with pytest.raises(UsageError):
        read_mcp(command)
