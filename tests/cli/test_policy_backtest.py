"""`bailiwick policy backtest` and `policy suggest`: what they print, how they end, and who may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick.project import load_project
from bailiwick.testing import load_tests
from tests.cli.terminal import Said
from tests.project.past_world import copy_of, past
from tests.worlds import decisions, edit

Run = Callable[..., Said]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return past(tmp_path_factory.mktemp("past"))


def test_recorded_rules_reproduce_history(terminal: Run, history: Path) -> None:
    said = terminal("policy", "backtest", "--recorded", "--dir", history, "--as", "bob")
    assert said.code == 0
    assert "reproduced: every one of them came out as it was recorded" in said.out
    assert "refused before any rule was asked" in said.out


def test_flips_are_listed_widened_first_with_their_events(terminal: Run, history: Path, tmp_path: Path) -> None:
    new = copy_of(tmp_path)
    edit(new, "policies/desk.cedar", 'resource == Resource::"pages/9");', 'resource == Resource::"pages/1");')
    asked = ("policy", "backtest", "--bundle", new, "--recorded", "--dir", history, "--as", "bob")
    said = terminal(*asked)
    assert said.code == 1
    lines = [line for line in said.out.splitlines() if " → " in line and " of page.read" in line]
    assert [line.split(" of ")[0].rsplit(" ", 1)[0] for line in lines] == ["deny → allow", "allow → deny"]
    told = terminal(*asked, "--json").json
    assert told["recorded"]["ok"]
    assert not told["new"]["ok"]
    assert told["new"]["widened"] == 4
    known = {each.id for each in decisions(history)}
    assert all(set(flip["events"]) <= known for flip in told["new"]["flips"])
    assert [flip["widened"] for flip in told["new"]["flips"]] == [True, False]


def test_somebody_who_may_not_read_the_log_backtests_nothing(terminal: Run, history: Path) -> None:
    said = terminal("policy", "backtest", "--recorded", "--dir", history, "--as", "alice")
    assert said.code == 1
    assert "decided again" not in said.out


def test_it_has_to_be_said_by_which_rules(terminal: Run, history: Path) -> None:
    said = terminal("policy", "backtest", "--dir", history, "--as", "bob")
    assert said.code == 2
    assert "--bundle" in said.err


def test_where_nothing_could_be_decided_again_it_does_not_look_like_success(
    terminal: Run, history: Path, tmp_path: Path
) -> None:
    del tmp_path
    said = terminal("policy", "backtest", "--recorded", "--since", "2999-01-01", "--dir", history, "--as", "bob")
    assert said.code == 1
    assert "nothing could be decided again" in said.out


def test_a_suggestion_is_written_elsewhere_and_never_into_the_project(
    terminal: Run, history: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in (history / "policies").iterdir())
    for own in (history, history / "policies", history / "tests"):
        said = terminal("policy", "suggest", "--out", own, "--dir", history, "--as", "bob")
        assert said.code == 2, said.err
    said = terminal("policy", "suggest", "--out", tmp_path / "new", "--dir", history, "--as", "bob")
    assert said.code == 0, said.err
    assert sorted(path.name for path in (history / "policies").iterdir()) == before
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == ["suggested-tasks.toml", "suggested-tests.toml", "suggested.cedar"]
    assert "granted and not used" in said.out


def test_a_suggestion_can_be_put_to_use(terminal: Run, history: Path, tmp_path: Path) -> None:
    """The permits in the place of the project's own, and the tests beside them: they load, pass, and widen nothing."""
    told = terminal("policy", "suggest", "--dir", history, "--as", "bob", "--json").json
    new = copy_of(tmp_path)
    rules = (new / "policies/desk.cedar").read_text(encoding="utf-8")
    begin = rules.index('@id("page-9-is-closed")')
    (new / "policies/desk.cedar").write_text(rules[begin:], encoding="utf-8")
    (new / "policies/suggested.cedar").write_text(told["rules"], encoding="utf-8")
    (new / "tests").mkdir()
    (new / "tests/suggested.toml").write_text(told["tests"], encoding="utf-8")
    said = terminal("policy", "test", new)
    assert said.code == 0, said.out
    assert f"{told['passed']} passed, 0 failed" in said.out
    again = terminal("policy", "backtest", "--bundle", new, "--dir", history, "--as", "bob", "--json").json["new"]
    assert again["widened"] == 0
    assert load_tests([("tests/suggested.toml", told["tests"])], planes=load_project(new).planes)


def test_suggesting_needs_leave_to_reveal(terminal: Run, history: Path) -> None:
    said = terminal("policy", "suggest", "--dir", history, "--as", "dora")  # may read the log, and no contents
    assert said.code == 1
    assert "suggested-" not in said.out


def test_what_was_erased_is_counted_and_the_rest_decided_again(terminal: Run, tmp_path: Path) -> None:
    folder = past(tmp_path)
    people = folder / "administration/people.cedar"
    rule = '@id("leads-erase")\npermit (principal in Group::"leads", action == Action::"admin.erase", resource);\n'
    people.write_text(f"{people.read_text(encoding='utf-8')}\n{rule}", encoding="utf-8")
    of_alice = [each for each in decisions(folder) if "alice" in each.actor[0] and each.body["policy_digest"]]
    erased = terminal(
        *("audit", "erase", "--subject", "user:alice", "--reason", "she asked for it"),
        *("--yes", "--as", "dora", "--dir", folder),
    )
    assert erased.code == 0, erased.err
    told = terminal("policy", "backtest", "--recorded", "--dir", folder, "--as", "bob", "--json")
    assert told.code == 0, told.out
    found = told.json["recorded"]
    assert found["coverage"]["snapshot-erased"] == len(of_alice) > 10
    assert found["same"] == found["coverage"]["taken-again"] > 10
    assert found["flips"] == []
