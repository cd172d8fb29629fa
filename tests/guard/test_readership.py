"""Who reads, by the directory."""

from __future__ import annotations

import pytest

from bailiwick.guard.readership import Readership
from bailiwick.identity.directory import load_directory
from bailiwick.model.label import EVERYONE, NOBODY, Readers
from bailiwick.model.principal import EntityKind

TEXT = """
[groups.staff]
[groups.board]
parents = ["staff"]
[groups.empty]
[groups.gone]
[groups.both]
[users.ann]
email = "Ann@acme.example"
groups = ["board"]
[users.bob]
email = "bob@acme.example"
groups = ["staff"]
[users.left]
email = "left@acme.example"
groups = ["gone", "staff"]
active = false
[users.both]
[agents.helper]
owner = "bob"
[agents.nobodys]
"""
BOARD, STAFF = Readers.of("Group::board"), Readers.of("Group::staff")


CUSTOMER = Readers.of("Group::staff", "Party::ann@customer.example")


@pytest.fixture(scope="module")
def readers() -> Readership:
    directory = load_directory("directory.toml", TEXT, levels=("low", "high"))
    return Readership(directory, frozenset({"acme.example"}))


@pytest.mark.parametrize(
    ("address", "who", "reads"),
    [
        ("ann@ACME.example", BOARD, True),
        ("ann@acme.example", STAFF, True),
        ("bob@acme.example", BOARD, False),
        ("bob@acme.example", STAFF & BOARD, False),
        ("ann@acme.example", STAFF & BOARD, True),
        ("left@acme.example", STAFF, False),
        ("eve@evil.example", STAFF, False),
        ("eve@evil.example", EVERYONE, True),
        ("ann@acme.example", NOBODY, False),
        ("Ann@Customer.example", CUSTOMER, True),
        ("bob@acme.example", CUSTOMER, True),
        ("ann@customer.example", STAFF, False),
        ("ann@customer.example", CUSTOMER & STAFF, False),
        ("ann+x@customer.example", CUSTOMER, False),
        ("eve@customer.example", CUSTOMER, False),
        ("left@acme.example", Readers.of("Party::left@acme.example"), False),
        ("new@acme.example", Readers.of("Party::new@acme.example"), False),
        ("new@sub.acme.example", Readers.of("Party::new@sub.acme.example"), False),
    ],
)
def test_whoever_gets_mail_reads_or_not(readers: Readership, address: str, who: Readers, reads: bool) -> None:
    assert readers.address(address, who) is reads


@pytest.mark.parametrize(
    ("name", "who", "reads"),
    [
        ("User::ann", BOARD, True),
        ("Group::board", STAFF, True),
        ("Group::staff", BOARD, False),
        ("Group::empty", STAFF, False),
        ("Group::gone", Readers.of("Group::gone"), False),
        ("Group::unknown", Readers.of("Group::unknown"), False),
        ("Agent::helper", STAFF, True),
        ("Agent::helper", BOARD, False),
        ("Agent::nobodys", STAFF, False),
        ("Agent::unknown", STAFF, False),
        ("ann", STAFF, False),
    ],
)
def test_all_of_a_group_read_or_not(readers: Readership, name: str, who: Readers, reads: bool) -> None:
    assert readers.principal(name, who) is reads


def test_whether_there_is_a_reader(readers: Readership) -> None:
    assert readers.any_reader(EVERYONE)
    assert readers.any_reader(BOARD & Readers.of("User::ann"))
    assert not readers.any_reader(BOARD & Readers.of("User::bob"))
    assert not readers.any_reader(NOBODY)
    assert not readers.any_reader(Readers.of("Group::gone"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ann@acme.example", "User::ann"),
        ("ann", "User::ann"),
        ("board", "Group::board"),
        ("Group::board", "Group::board"),
        ("both", None),
        ("User::both", "User::both"),
        ("Group::ann", None),
        ("Agent::helper", None),
        ("eve", None),
    ],
)
def test_whom_a_name_means(readers: Readership, name: str, meant: str | None) -> None:
    assert readers.who(name, (EntityKind.USER, EntityKind.GROUP, EntityKind.ROLE)) == meant


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("Ann@Customer.example", "Party::ann@customer.example"),
        ("bob@acme.example", None),
        ("new@acme.example", None),
        ("customer", None),
        ("ann@customer.example, eve@evil.example", None),
        ("аnn@customer.example", None),  # noqa: RUF001  a Cyrillic letter
    ],
)
def test_an_address_outside_is_a_reader_by_itself(readers: Readership, address: str, name: str | None) -> None:
    assert readers.outsider(address) == name


def test_nobody_outside_is_the_author_of_anything(readers: Readership) -> None:
    assert readers.who("ann@customer.example", (EntityKind.USER,)) is None
