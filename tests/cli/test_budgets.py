"""`bailiwick budgets`: what is used by whom, and setting a count, on record with before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bailiwick import Guard
from bailiwick.model.event import EventKind
from tests.cli.terminal import Said
from tests.guard.budget_world import budget, put, session_of, used, world
from tests.worlds import FILES, edit, events

Terminal = Callable[..., Said]

LEADS = """
@id("leads-look-after-budgets")
permit (principal in Group::"leads", action in [Action::"admin.read_usage", Action::"admin.set_usage"], resource);
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world(tmp_path, budget(per="user"), budget("forever", per="session", window=None, limit=None))
    (tmp_path / "administration/people.cedar").write_text(FILES["administration/people.cedar"] + LEADS)
    with Guard.open(tmp_path) as guard, session_of(guard) as session:
        for number in range(3):
            assert put(session, number) == ""
    return tmp_path


def reset(terminal: Terminal, folder: Path, *more: str, of: str = "User::alice", by: str = "bob") -> Said:
    return terminal(
        "budgets", "reset", "puts", "--of", of, "--reason", "A big day.", *more, "--as", by, "--dir", folder, "--json"
    )


def test_what_is_used_is_listed_by_owner(terminal: Terminal, folder: Path) -> None:
    said = terminal("budgets", "list", "--as", "bob", "--dir", folder)
    assert (said.code, said.err) == (0, "")
    assert "User::alice" in said.out
    assert "nobody yet" not in said.out
    puts, forever = terminal("budgets", "list", "--as", "bob", "--dir", folder, "--json").json["budgets"]
    assert (puts["limit"], puts["window_ms"], forever["limit"], forever["window_ms"]) == (3, 3_600_000, None, None)
    assert [(each["of"], each["used"]) for each in puts["used"]] == [("User::alice", 3)]
    assert puts["used"][0]["frees_ms"] > 0
    assert [(each["used"], each["frees_ms"]) for each in forever["used"]] == [(3, None)]


def test_who_may_neither_see_nor_set_is_refused(terminal: Terminal, folder: Path) -> None:
    assert terminal("budgets", "list", "--as", "alice", "--dir", folder).code == 1
    said = reset(terminal, folder, by="alice")
    assert (said.code, said.json["code"]) == (1, "not-an-administrator")
    assert [event.body["code"] for event in events(folder) if event.kind is EventKind.BUDGET_REFUSED] == [
        "not-an-administrator"
    ]


def test_a_reset_frees_the_budget_and_is_on_record_with_before_and_after(terminal: Terminal, folder: Path) -> None:
    assert reset(terminal, folder).json == {
        "done": True,
        "budget": "puts",
        "of": "User::alice",
        "used": 0,
        "frees_ms": None,
    }
    assert reset(terminal, folder, "--to", "2").json["used"] == 2
    made = [event.body for event in events(folder) if event.kind is EventKind.BUDGET_SET]
    assert [(body["before"], body["after"], body["by"], body["reason"]) for body in made] == [
        (3, 0, "bob", "A big day."),
        (0, 2, "bob", "A big day."),
    ]
    with Guard.open(folder) as guard, session_of(guard) as session:
        assert [put(session, number) for number in range(2)] == ["", "budget-exhausted"]
        assert used(guard) == {"User::alice": 3}


@pytest.mark.parametrize(
    ("of", "more", "code"),
    [("User::alcie", (), "unknown-count"), ("User::alice", ("--to", "-1"), "bad-count")],
)
def test_what_cannot_be_set_stays_as_it_is(
    terminal: Terminal, folder: Path, of: str, more: tuple[str, ...], code: str
) -> None:
    said = reset(terminal, folder, *more, of=of)
    assert (said.code, said.json["code"]) == (1, code)
    with Guard.open(folder) as guard:
        assert used(guard) == {"User::alice": 3}


def test_a_count_of_a_conversation_can_be_named_by_it(terminal: Terminal, folder: Path) -> None:
    said = terminal(
        "budgets", "reset", "forever", "--of", "c-1", "--reason", "Go on.", "--as", "bob", "--dir", folder, "--json"
    )
    assert said.json["used"] == 0
    with Guard.open(folder) as guard:
        assert list(used(guard, "forever").values()) == [0]


def test_an_unknown_budget_is_named(terminal: Terminal, folder: Path) -> None:
    said = terminal("budgets", "reset", "pots", "--of", "x", "--reason", "y", "--as", "bob", "--dir", folder)
    assert said.code == 1
    assert "pots" in said.out


def test_a_project_without_budgets_says_so(terminal: Terminal, folder: Path) -> None:
    (folder / "bailiwick.toml").write_text(FILES["bailiwick.toml"])
    said = terminal("budgets", "list", "--as", "bob", "--dir", folder)
    assert said.out == "no budget is declared in bailiwick.toml\n"


def test_check_warns_of_a_budget_that_denies_nothing(terminal: Terminal, folder: Path) -> None:
    said = terminal("check", folder)
    assert "unused-budget" in said.out
    edit(folder, "bailiwick.toml", "[budgets.forever]", "[budgets.forever]\nlimit = 9")
    assert "unused-budget" not in terminal("check", folder).out


def test_explain_takes_what_was_used_before(terminal: Terminal, folder: Path) -> None:
    asked = ("explain", folder, "--user", "alice", "--agent", "desk-bot", "--task", "Change a few items")
    call = ("--tool", "put.safe", "--args", '{"id": "1"}', "--json")
    for before, outcome in (("2", "allow"), ("3", "deny")):
        assert terminal(*asked, *call, "--usage", f"puts={before}").json["outcome"] == outcome
    assert terminal(*asked, *call, "--usage", "pots=3").code == 2
    assert terminal(*asked, *call, "--usage", "puts=many").code == 2
    assert "NAME=NUMBER" in terminal(*asked, *call, "--usage", "puts").err
