"""Reports: parsed by what reads them, escaped, stable."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from bailiwick.cli import cli
from bailiwick.redteam.hits import Hit, Proposal, hits_of
from bailiwick.redteam.pack_world import pack_world
from bailiwick.redteam.report_html import redteam_html
from bailiwick.redteam.report_junit import redteam_junit
from bailiwick.redteam.report_sarif import redteam_sarif
from bailiwick.redteam.results import WorldRun
from bailiwick.redteam.run import Plan, run_world
from tests.cli.sarif_shape import breaches
from tests.redteam.test_packs import project

NASTY = "<script>alert('x')</script>\x00\u202e&\"'"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[WorldRun, tuple[Hit, ...]]:
    folder = project(tmp_path_factory.mktemp("redteam") / "small")
    world = pack_world(folder, ("injection",))
    run = run_world(lambda: world, Plan(processes=1, keep=folder.parent / "kept"))
    return run, hits_of(run, world, world.catalog)


def hit(text: str) -> Hit:
    return Hit(
        id="0" * 16, world=text, task=text, attack=text, kind=text, asi=("ASI01",), atlas=("AML.T0086",), encoding=text,
        moments=("at-once",), tools=(text,), events=(text,), trace=text, where=None,
        proposal=Proposal(policy=text, test=text),
    )  # fmt: skip


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def page_of(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    page.close()
    return page


def test_sarif_has_the_published_shape_and_a_place_in_the_catalog(found: tuple[WorldRun, tuple[Hit, ...]]) -> None:
    log = redteam_sarif(found[1])
    results = log["runs"][0]["results"]
    assert results
    for result in results:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "tools/all.toml"
        assert place["region"]["startLine"] > 0
        assert log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert json.loads(json.dumps(log)) == log


@pytest.mark.parametrize("why_not", ["", "the target was not reached"])
def test_sarif_keeps_to_what_the_schema_says(found: tuple[WorldRun, tuple[Hit, ...]], why_not: str) -> None:
    for hits in ([], [hit("x")], [hit(NASTY)], found[1]):
        assert breaches(redteam_sarif(hits, why_not)) == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("invocations", 0, "executionSuccessful"), "yes"),
        (("invocations", 0, "exitMessage"), "none"),
        (("invocations", 0, "toolExecutionNotifications", 0, "level"), "fatal"),
        (("results", 0, "partialFingerprints"), {"bailiwick/v1": 1}),
        (("results", 0, "properties"), []),
        (("tool", "driver", "rules", 0, "properties"), {"tags": ["security", "security"]}),
    ],
)
def test_the_shape_would_notice(path: tuple[str | int, ...], wrong: object) -> None:
    log = redteam_sarif([hit("x")], "why")
    at: Any = log["runs"][0]
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = wrong
    assert breaches(log)


def test_a_finding_names_the_decisions_under_which_it_ran(found: tuple[WorldRun, tuple[Hit, ...]]) -> None:
    for each in found[1]:
        assert each.events
        kept = b"".join(path.read_bytes() for path in Path(each.trace).rglob("*") if path.is_file())
        for event in each.events:
            assert event.encode() in kept


def test_ids_are_the_same_in_every_run(found: tuple[WorldRun, tuple[Hit, ...]], tmp_path: Path) -> None:
    world = pack_world(project(tmp_path / "small"), ("injection",))
    again = hits_of(run_world(lambda: world, Plan(processes=1)), world, world.catalog)
    assert [each.id for each in again] == [each.id for each in found[1]]


def test_junit_is_xml_whose_numbers_are_those_of_its_cases(found: tuple[WorldRun, tuple[Hit, ...]]) -> None:
    root = ET.fromstring(redteam_junit([found[0]], found[1]))
    assert int(root.attrib["tests"]) == len(root.findall(".//testcase"))
    assert int(root.attrib["failures"]) == len(root.findall(".//failure")) == len(found[1])
    assert int(root.attrib["skipped"]) == len(root.findall(".//skipped"))


def test_a_run_that_reached_nothing_is_an_error_in_every_report(found: tuple[WorldRun, tuple[Hit, ...]]) -> None:
    why = "the target was not reached"
    assert ET.fromstring(redteam_junit([], [], why)).find(".//error") is not None
    assert redteam_sarif([], why)["runs"][0]["invocations"][0]["executionSuccessful"] is False
    assert why in redteam_html([], [], why)


def test_the_page_is_static_and_escapes_what_others_wrote() -> None:
    page = page_of(redteam_html([], [hit(NASTY)]))
    assert "script" not in page.tags
    assert page.links == []
    assert page.ids == ["0" * 16]


def test_junit_escapes_what_xml_cannot_hold(found: tuple[WorldRun, tuple[Hit, ...]]) -> None:
    named = [hit(NASTY), *found[1]]
    ET.fromstring(redteam_junit([found[0]], named, NASTY))


def test_the_command_writes_them_and_says_by_its_code_what_came_out(tmp_path: Path) -> None:
    folder = project(tmp_path / "small")
    files = {name: tmp_path / f"out.{name}" for name in ("html", "junit", "sarif", "json")}
    asked = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    told = CliRunner().invoke(cli, ["redteam", "run", str(folder), "--pack", "injection", "--processes", "1", *asked])
    assert told.exit_code == 1, told.output
    assert "article" in page_of(files["html"].read_text(encoding="utf-8")).tags
    assert ET.parse(files["junit"]).getroot().tag == "testsuites"
    assert json.loads(files["sarif"].read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert json.loads(files["json"].read_text(encoding="utf-8"))["attack_success"] > 0
