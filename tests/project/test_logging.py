"""What a program logs while it uses a guard holds nothing of the arguments of calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick import Denied, Guard
from tests.worlds import AGENT, FILES, make_world

SQLGLOT = logging.getLogger("sqlglot")
GIVEN_UP = "CREATE TEMP TRIGGER sesame{number} AFTER INSERT ON t BEGIN SELECT 1; END"
"""What was parsed before is not parsed again: each test gives another number."""


@pytest.fixture
def level() -> Iterator[None]:
    """sqlglot's logger as a program finds it."""
    before = SQLGLOT.level
    SQLGLOT.setLevel(logging.NOTSET)
    yield
    SQLGLOT.setLevel(before)


def asked(folder: Path, *texts: str) -> None:
    tools = (
        FILES["tools/desk.toml"]
        + """
[tools."db.ask"]
effects  = ["read"]
args.sql = { type = "sql", dialect = "sqlite", role = "command" }
"""
    )
    ran: list[str] = []
    world = make_world(folder, tools_desk_toml=tools)
    with Guard.open(world) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        for text in texts:
            with pytest.raises(Denied):
                session.call("db.ask", {"sql": text}, run=lambda sql: ran.append(sql))
    assert not ran


@pytest.mark.usefixtures("level")
def test_a_text_that_the_parser_gives_up_on_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        asked(tmp_path, GIVEN_UP.format(number=1), "SELECT FROM WHERE 'sesame'", "GRANT sesame ON t", "SELECT 'sesame")
    assert "sesame" not in caplog.text
    assert not [each for each in caplog.records if "sesame" in f"{each.__dict__}"]


@pytest.mark.usefixtures("level")
def test_the_level_that_a_program_chose_for_the_parser_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    SQLGLOT.setLevel(logging.WARNING)
    asked(tmp_path, GIVEN_UP.format(number=2))
    assert SQLGLOT.level == logging.WARNING
    assert "sesame" in caplog.text
