"""The reference is whole and up to date: settings, verbs, catalog, directory, what rules see, ids of every kind."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection

import click
import pytest

from bailiwick import Session
from bailiwick.action import catalog, catalog_args
from bailiwick.action.catalog_interfaces import INTERFACE_KEYS
from bailiwick.action.catalog_output import LABEL_KEYS, OUTPUT_KEYS
from bailiwick.action.types import STANDARD_TYPES
from bailiwick.cli import cli
from bailiwick.identity import directory
from bailiwick.model.event import EventKind
from bailiwick.model.principal import EntityKind
from bailiwick.model.tool import INTERFACE_NAMES, MODEL_TOOL, Durability, Idempotency, Role, Sink
from bailiwick.policy.world import Struct
from bailiwick.project.settings import SETTINGS
from tests.docs import generate
from tests.docs.markdown import ROOT, Page, pages
from tests.docs.source_texts import SOURCE, Kind, collect

PAGES = {page.name: page for page in pages()}
SAID = collect()


def cells(page: str, column: int = 0) -> set[str]:
    """What stands in back-ticks in a column of any table of a page."""
    rows = [line.split(" | ") for line in PAGES[f"docs/{page}"].prose.splitlines() if line.startswith("| ")]
    return {name for row in rows if len(row) > column for name in re.findall(r"`([^`]+)`", row[column])}


# ── generated parts ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_generated_parts_are_what_the_source_says(page: Page) -> None:
    assert page.text == generate.renewed(page.text), "run `make docs`"


def test_each_part_stands_on_one_page() -> None:
    found = [name for page in PAGES.values() for name in generate.parts_of(page.text)]
    assert sorted(found) == sorted(generate.PARTS)


# ── ids ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_id_belongs_to_one_list() -> None:
    for said in SAID:
        if said.kind is Kind.ERROR:
            continue
        lists = generate.areas_of(said)
        assert len(lists) == 1, f"{said.kind} {said.id} of bailiwick.{said.module} stands in {lists}"


def test_errors_lists_every_id_and_no_other() -> None:
    listed = set(re.findall(r"^#### `([^`]+)`$", PAGES["docs/errors.md"].text, re.MULTILINE))
    assert listed == {said.id for said in SAID}


def test_no_id_in_the_source_is_overlooked() -> None:
    """The same question, asked in a simpler way: ids that are written out beside `rule=` or `code=`."""
    known = {said.id for said in SAID}
    for path in SOURCE.rglob("*.py"):
        written = re.findall(r"\b(?:rule|code)=\"([a-z0-9-]+)\"", path.read_text(encoding="utf-8"))
        assert known.issuperset(written), path


def test_ids_that_other_tests_expect_are_listed() -> None:
    known = {said.id for said in SAID}
    for path in (ROOT / "tests").rglob("data/*.toml"):
        for case in tomllib.loads(path.read_text(encoding="utf-8")).get("case", []):
            if isinstance(case.get("rule"), str):
                assert case["rule"] in known, f"{path}: {case['rule']}"


# ── settings and commands ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_setting_is_documented_with_its_default() -> None:
    assert cells("settings.md") == {setting.key for setting in SETTINGS}
    whole = next(block for block in PAGES["docs/settings.md"].blocks if block.words == ("settings",))
    data = tomllib.loads(whole.text)
    shown = {
        (f"{key}.{inner}" if isinstance(value, dict) else key): item
        for key, value in data.items()
        for inner, item in (value.items() if isinstance(value, dict) else [("", value)])
    }
    assert shown == {setting.key: setting.default for setting in SETTINGS}


def test_every_verb_and_option_is_documented() -> None:
    text = PAGES["docs/cli.md"].text
    for context in generate.commands():
        assert f"### {context.command_path}\n" in text
        for parameter in context.command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{context.command_path} {parameter.opts[0]} says nothing about itself"
                assert all(option in text for option in parameter.opts)
    assert cells("cli.md") >= set(cli.commands)


def test_every_verb_takes_json() -> None:
    without = [
        context.command_path
        for context in generate.commands()
        if not any("--json" in parameter.opts for parameter in context.command.params)
    ]
    assert without == []


# ── catalog and directory ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_key_of_the_catalog_is_documented() -> None:
    documented = cells("catalog.md")
    assert documented >= {*catalog._TOOL_KEYS, *OUTPUT_KEYS, *LABEL_KEYS}
    assert documented >= {*catalog_args._OWN_KEYS, *STANDARD_TYPES}
    for name in (*INTERFACE_KEYS, *(key for keys in INTERFACE_KEYS.values() for key in keys)):
        assert f"`{name}`" in PAGES["docs/catalog.md"].text
    prose = PAGES["docs/catalog.md"].prose
    for each in STANDARD_TYPES.values():
        assert all(f"`{option}" in prose for option in each.options), each.name


@pytest.mark.parametrize("words", [Role, Sink, Idempotency, Durability], ids=lambda words: words.__name__)
def test_every_word_of_the_catalog_is_documented(words: type[Role | Sink | Idempotency | Durability]) -> None:
    prose = PAGES["docs/catalog.md"].prose
    assert all(f"`{word}`" in prose for word in words)


def test_every_key_of_the_directory_is_documented() -> None:
    rows = [line.split(" | ") for line in PAGES["docs/directory.md"].prose.splitlines() if line.startswith("| `[")]
    documented = {
        re.findall(r"\[(\w+)", row[0])[0]: set(re.findall(r"`(\w+)`", row[1]))
        for row in rows
        if not row[0].startswith(("| `[attributes", "| `[agents.<id>.may_delegate_to"))
    }
    own = {kind: set(keys) - {"id"} for kind, keys in directory._OWN_KEYS.items()}
    assert documented == {
        "groups": {"parents"},
        "roles": {"parents"},
        "classes": {"parents"},
        "users": own[EntityKind.USER],
        "services": own[EntityKind.SERVICE],
        "agents": own[EntityKind.AGENT],
        "tasks": {"purpose", "tools", "zones", "ttl"},
    }
    assert {*documented, "attributes"} == set(directory._SECTIONS)


# ── what rules see, what is recorded, what Python offers ────────────────────────────────────────────────────────────


def test_everything_that_rules_see_is_explained() -> None:
    actions = generate.example_world().actions
    context = {**actions["mail.send"].context.attrs, **actions[MODEL_TOOL].context.attrs}
    flow = context["flow"].type
    assert isinstance(flow, Struct)
    prose = PAGES["docs/policies.md"].prose
    head, _, tail = prose.partition("| `context.flow.…` | is |")
    shown = set(re.findall(r"`(\w+)`", _first_column(head.partition("| name | is |")[2])))
    shown_flow = set(re.findall(r"`(\w+)`", _first_column(tail)))
    assert shown == {*context, *INTERFACE_NAMES.values()}
    assert shown_flow == set(flow.attrs)


def test_every_kind_of_record_is_listed() -> None:
    assert all(f"{kind}\n" in PAGES["docs/operations.md"].text for kind in EventKind)


def test_what_a_session_is_said_to_do_it_can() -> None:
    prose = PAGES["docs/quickstart-langchain.md"].prose.partition("| on a session | does |")[2]
    names = re.findall(r"`(\w+)", _first_column(prose))
    assert names
    assert all(hasattr(Session, name) for name in names)


def test_what_the_readme_says_is_not_built_is_not_there() -> None:
    readme = " ".join(PAGES["README.md"].text.split())
    rooms: dict[str, Collection[str]] = {
        "MCP gateway, HTTP decision point": ["gateway", "server/decision.py"],
        "agent inventory, compliance evidence": ["inventory/agents.py", "evidence"],
        "an adapter for MCP servers": ["adapters/mcp.py", "adapters/mcp"],
        "state on PostgreSQL": ["stores/postgres.py"],
    }
    for words, paths in rooms.items():
        assert words in readme
        assert not any((SOURCE / path).exists() for path in paths), words
    assert not {"mcp", "evidence"} & set(cli.commands)


def _first_column(text: str) -> str:
    """The first cells of the table that `text` begins with."""
    rows: list[str] = []
    for line in text.strip().splitlines():
        if not line.startswith("|"):
            break
        rows.append(line.split(" | ")[0])
    return "\n".join(rows)
