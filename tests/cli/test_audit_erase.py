"""`bailiwick audit erase`, `hold` and `retain` as people and scripts meet them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.terminal import Said
from tests.worlds import FILES, make_world, opened

Terminal = Callable[..., Said]

ADMINS = """
@id("dora-erases")
permit (principal == User::"dora", action in [Action::"admin.erase", Action::"admin.hold"], resource);
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = make_world(tmp_path, administration_people_cedar=FILES["administration/people.cedar"] + ADMINS)
    with opened(folder) as session:
        session.prompt("My name is Wilhelmina")
    return folder


def test_counting_changes_nothing_and_erasing_says_what_remains(terminal: Terminal, folder: Path) -> None:
    erase = ("audit", "erase", "--subject", "alice", "--reason", "she asked", "--as", "dora", "--dir", folder)
    dry = terminal(*erase, "--dry-run", "--json").json
    assert (dry["subject"], dry["done"], dry["event"]) == ("user:alice", False, None)
    assert dry["contents"] > 0
    assert terminal(*erase, "--json").code == 2, "nobody can be asked"
    done = terminal(*erase, "--yes")
    assert (done.code, "what remains" in done.out) == (0, True)
    assert terminal(*erase, "--yes", "--json").json["contents"] == dry["contents"]
    verified = terminal("audit", "verify", folder)
    assert verified.code == 0
    assert f"{dry['contents']} of " in verified.out


def test_what_the_rules_or_a_hold_forbid_is_refused(terminal: Terminal, folder: Path) -> None:
    erase = ("audit", "erase", "--subject", "alice", "--reason", "x", "--yes", "--dir", folder, "--json", "--as")
    assert terminal(*erase, "bob").code == 1
    hold = ("audit", "hold", "set", "--reason", "case", "--as", "dora", "--dir", folder)
    assert terminal(*hold).code == 2, "whose contents?"
    held = terminal(*hold, "--subject", "alice", "--json").json
    assert held["subject"] == "user:alice"
    unknown = terminal(*hold, "--subject", "pages/1")
    assert (unknown.code, "held: pages/1" in unknown.out, "nothing is kept about pages/1" in unknown.err) == (
        0,
        True,
        True,
    )
    refused = terminal(*erase, "dora")
    assert (refused.code, "on-hold" in refused.out) == (1, True)
    assert held["id"] in terminal("audit", "hold", "list", "--dir", folder, "--json").out
    lift = ("audit", "hold", "lift", "--reason", "over", "--as", "dora", "--dir", folder)
    assert terminal(*lift, "hld-unknown").code == 1
    assert terminal(*lift, held["id"]).code == 0
    assert terminal(*erase, "dora").code == 0


def test_nothing_is_old_enough_to_be_dropped(terminal: Terminal, folder: Path) -> None:
    told = terminal("audit", "retain", "--as", "dora", "--yes", "--dir", folder, "--json")
    assert (told.code, told.json["contents"], told.json["event"]) == (0, 0, None)
    assert terminal("audit", "retain", "--as", "bob", "--yes", "--dir", folder).code == 1
