"""Loading the catalog: careful defaults, and every error with its line."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.errors import ProjectError
from bailiwick.model.tool import Audience, Authorship, Durability, Effect, Idempotency, LabelRule, Role, Sink
from tests.action.desk import DESK, LEVELS, cases, catalog_of


@pytest.mark.parametrize("case", cases("catalog.toml"), ids=lambda case: str(case["name"]))
def test_a_wrong_catalog_says_what_is_wrong_and_where(case: dict[str, Any]) -> None:
    with pytest.raises(ProjectError) as raised:
        catalog_of(case["toml"])
    found = [(finding.rule, finding.where.line) for finding in raised.value.findings]
    assert found == [(expected["rule"], expected["line"]) for expected in case["findings"]]
    for finding, expected in zip(raised.value.findings, case["findings"], strict=True):
        assert expected["says"] in f"{finding.message} | {finding.hint}"
        assert finding.where.file == "tools/0.toml"


def test_errors_of_all_files_come_together() -> None:
    with pytest.raises(ProjectError) as raised:
        catalog_of(
            '[tools."a.b"]\neffects = ["red"]\n[tools."a.c"]\nnames = ["x"]\neffects = ["read"]',
            "broken",
            '[tools."a.c"]\nnames = ["x"]\neffects = ["read"]\n[tools."d.e"]\nnames = ["x"]\neffects = ["read"]',
        )
    assert [(finding.where.file, finding.rule) for finding in raised.value.findings] == [
        ("tools/0.toml", "unknown-effect"),
        ("tools/1.toml", "toml-syntax"),
        ("tools/2.toml", "duplicate-tool"),
        ("tools/2.toml", "duplicate-name"),
    ]
    assert "tools/0.toml:3" in raised.value.findings[2].hint


def test_defaults_are_the_careful_ones() -> None:
    tool = catalog_of('[tools."a.b"]\neffects = ["write"]\nargs.x = { type = "string" }').tools["a.b"]
    assert tool.args["x"].role is Role.TARGET
    assert not tool.args["x"].optional
    assert tool.resources == ("a.b",)
    assert tool.zones == ()
    assert tool.output.untrusted is None
    assert tool.output.endorses == {}
    assert tool.output.author is None
    assert tool.asks is None
    assert tool.audience is None
    assert LEVELS[tool.output.sensitivity] == "internal"
    assert tool.idempotency is Idempotency.NONE
    assert tool.durability is Durability.SYNC
    assert tool.interface == {Effect.WRITE: {"count": 1, "reversible": False}}


def test_a_plain_read_may_run_again_and_need_not_wait_for_the_disk() -> None:
    tool = catalog_of('[tools."a.b"]\neffects = ["read"]').tools["a.b"]
    assert (tool.idempotency, tool.durability, tool.sink) == (Idempotency.SAFE, Durability.BUFFERED, Sink.NONE)
    draft = catalog_of('[tools."a.b"]\neffects = ["read", "draft"]').tools["a.b"]
    assert (draft.idempotency, draft.durability) == (Idempotency.NONE, Durability.SYNC)
    chosen = catalog_of('[tools."a.b"]\neffects = ["draft"]\nidempotency = "key"\ndurability = "buffered"').tools["a.b"]
    assert (chosen.idempotency, chosen.durability) == (Idempotency.KEY, Durability.BUFFERED)


@pytest.mark.parametrize(
    ("effects", "sink"), [("send", Sink.EXTERNAL), ("execute", Sink.EXEC), ("read", Sink.NONE), ("draft", Sink.NONE)]
)
def test_default_sinks(effects: str, sink: Sink) -> None:
    tool = catalog_of(
        f'[tools."a.b"]\neffects = ["{effects}"]\n' + 'execute.programs = ["ls"]' * (effects == "execute")
    )
    assert tool.tools["a.b"].sink is sink


def test_what_a_tool_says_is_what_is_loaded() -> None:
    tool = DESK.tools["crm.get_customer"]
    assert tool.names == ("get_customer",)
    assert tool.zones == ("crm",)
    assert tool.output.sensitivity == LEVELS.index("confidential")
    assert tool.output.categories == {"pii"}
    assert tool.output.untrusted == ("notes",)
    assert tool.output.endorses == {"email": Role.TARGET}
    assert DESK.zones == {"crm"}
    assert DESK.find("get_customer") is tool
    assert DESK.find("crm.get_customer") is tool
    assert DESK.find("get_customers") is None
    assert tool.where.line == DESK.tools["crm.get_customer"].args["id"].where.line - 5


def test_what_a_tool_says_of_flows_is_what_is_loaded() -> None:
    tool = catalog_of(
        """
        [tools."chat.post"]
        effects = ["send"]
        sink = "internal"
        args.channel = { type = "string", role = "target" }
        args.text = { type = "string", role = "content" }
        asks = ["post", "tell"]
        store = "chat"
        [tools."chat.post".audience]
        argument = "channel"
        known = { board = ["Group::board"], lobby = "everyone" }
        otherwise = ["Group::staff", "User::bob"]
        [tools."chat.post".output]
        trusted = ["id"]
        records = "posts"
        author = { field = "sender", unless = ["bot"] }
        [[tools."chat.post".output.labels]]
        field = "text"
        when = { channel = "board", "args.channel" = ["a*", "b?"] }
        sensitivity = "confidential"
        readers = ["Group::board"]
        """
    ).tools["chat.post"]
    assert tool.asks == ("post", "tell")
    assert tool.store == "chat"
    assert tool.audience == Audience(
        readers=frozenset({"Group::staff", "User::bob"}),
        argument="channel",
        known={"board": frozenset({"Group::board"}), "lobby": None},
    )
    assert tool.output.author == Authorship(field="sender", unless=("bot",))
    assert (tool.output.trusted, tool.output.untrusted, tool.output.records) == (("id",), None, "posts")
    assert tool.output.labels == (
        LabelRule(
            path="text",
            when={"channel": ("board",), "args.channel": ("a*", "b?")},
            sensitivity=2,
            readers=frozenset({"Group::board"}),
        ),
    )


def test_simple_cases_map_by_themselves() -> None:
    assert DESK.tools["mail.send"].interface == {
        Effect.SEND: {"recipients": ("to", "cc"), "content": ("subject", "body")}
    }
    forward = DESK.tools["mail.forward"]
    assert forward.interface == {Effect.SEND: {"recipients": ("to",), "content": ()}}
    assert forward.args["to"].recipients
    pay = catalog_of(
        '[tools."a.b"]\neffects = ["pay"]\nargs.to = { type = "email" }\nargs.n = { type = "money", role = "value" }'
    ).tools["a.b"]
    assert pay.interface == {Effect.PAY: {"payee": "to", "amount": "n"}}


def test_all_mail_targets_of_a_send_are_recipients_unless_it_says_which() -> None:
    args = 'args.to = { type = "email[]" }\nargs.bcc = { type = "email[]", optional = true }\n'
    tool = catalog_of(f'[tools."a.b"]\neffects = ["send"]\n{args}').tools["a.b"]
    assert [arg.name for arg in tool.args.values() if arg.recipients] == ["to", "bcc"]
    named = catalog_of(f'[tools."a.b"]\neffects = ["send"]\n{args}send.recipients = "to"').tools["a.b"]
    assert [arg.name for arg in named.args.values() if arg.recipients] == ["to"]


TOOL = '[tools."a.b"]\neffects = ["read"]\nargs.x = { type = "string", role = "selector" }\n'
CHANGES = [
    TOOL.replace("selector", "query"),
    TOOL.replace('"read"', '"draft"'),
    TOOL.replace('"selector"', '"selector", max_length = 5'),
    TOOL.replace('"selector"', '"selector", optional = true'),
    TOOL + 'names = ["x"]',
    TOOL + 'resource = "x/{x}"',
    TOOL + 'zones = ["z"]',
    TOOL + "output.untrusted = false",
    TOOL + 'output.readers = ["User::alice"]',
    TOOL + 'output.sensitivity = "public"',
    TOOL + 'output = { untrusted = ["x"], endorses = { y = "target" } }',
    TOOL + 'output = { trusted = ["y"], endorses = { y = "target" } }',
    TOOL + 'output.records = "items"',
    TOOL + 'output.fields = ["x"]',
    TOOL + 'output.labels = [{ categories = ["pii"] }]',
    TOOL + 'output.labels = [{ field = "y", categories = ["pii"] }]',
    TOOL + 'output.labels = [{ when = { y = "z" }, categories = ["pii"] }]',
    TOOL + 'output.level_from = "level"',
    TOOL + 'output.readers_from = "shared_with"',
    TOOL + 'output = { trusted = ["y"], readers_from = "shared_with", party = "y" }',
    TOOL + 'output = { trusted = ["y"], readers_from = "shared_with" }',
    TOOL + "output.detect = true",
    TOOL + 'output.author = "sender"',
    TOOL + 'output.author = { field = "sender", unless = ["bot"] }',
    TOOL + "output.hide = true",
    TOOL + 'store = "x"',
    TOOL + 'asks = ["look up"]',
    TOOL + 'audience = ["Group::staff"]',
    TOOL + 'resource = "x/{x}"\naudience = "party"',
    TOOL + 'audience = { argument = "x", known = { a = ["Group::staff"] } }',
    TOOL + 'args.y = { type = "string", role = "value" }',
    TOOL + 'args.y = { type = "string", role = "value" }\ntogether = ["x", "y"]',
    TOOL + 'idempotency = "none"',
    TOOL + 'durability = "sync"',
    TOOL + 'sink = "external"',
    TOOL + 'description = "x"',
]


def test_the_digest_covers_every_declaration_and_nothing_else() -> None:
    digests = {catalog_of(text).digest for text in [TOOL, *CHANGES]}
    assert len(digests) == len(CHANGES) + 1
    assert catalog_of("# a comment\n\n" + TOOL).digest == catalog_of(TOOL).digest


def test_no_files_are_an_empty_catalog() -> None:
    assert catalog_of().tools == {}


WHOLE = ["host", "hosts", "sites", "private"]
FETCHES = [
    ('args.url = { type = "url" }', {"url": "url"}, WHOLE),
    ('args.request = { type = "http" }', {"url": "request"}, WHOLE),
    ('args.job = { type = "object", fields.url = { type = "url" } }', {"url": "job.url"}, WHOLE),
    ('fetch = { host = "API.example" }', {"host": "api.example", "private": True}, WHOLE),
    ('args.urls = { type = "url[]" }', {"urls": ("urls",)}, WHOLE[1:]),
    (
        'args.url = { type = "url" }\nargs.hook = { type = "url", optional = true }',
        {"urls": ("url", "hook")},
        WHOLE[1:],
    ),
    (
        'args.hook = { type = "url", optional = true }\nfetch = { host = "api.example", private = false }',
        {"urls": ("hook",), "host": "api.example", "private": False},
        WHOLE[1:],
    ),
]


@pytest.mark.parametrize(("text", "mapping", "fields"), FETCHES)
def test_every_url_of_a_fetch_counts_and_only_a_single_one_has_a_host(
    text: str, mapping: dict[str, object], fields: list[str]
) -> None:
    tool = catalog_of(f'[tools."a.b"]\neffects = ["fetch"]\n{text}').tools["a.b"]
    assert tool.interface == {Effect.FETCH: mapping}
    assert [field.name for field in tool.interface_shape(Effect.FETCH).fields] == fields
