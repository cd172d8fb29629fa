"""Hosts are looked up within limits; what is odd is no answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from bailiwick.effectors.hosts import MAX_ADDRESSES, MAX_WAITING, HostLookups, system_addresses
from bailiwick.effectors.lookups import SystemLookups
from bailiwick.model.lookup import SUPPOSED_PRIVATE, SUPPOSED_PUBLIC, Lookup, LookupKind

ANSWERS: dict[str, Sequence[str]] = {
    "two.example": ("192.0.2.1", "2001:DB8::1", "192.0.2.1"),
    "zone.example": ("fe80::1%eth0",),
    "odd.example": ("192.0.2.1", "elsewhere"),
    "many.example": tuple(f"192.0.2.{number}" for number in range(MAX_ADDRESSES + 1)),
    "supposed.example": ("192.0.2.1", SUPPOSED_PUBLIC),
    "inside.example": (SUPPOSED_PRIVATE,),
    "empty.example": (),
}


def resolve(name: str) -> Sequence[str]:
    if name not in ANSWERS:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return ANSWERS[name]


def test_all_addresses_of_both_families_are_the_answer() -> None:
    found = HostLookups(resolve=resolve).addresses(("two.example", "zone.example"))
    assert found == {"two.example": ("192.0.2.1", "2001:db8::1"), "zone.example": ("fe80::1",)}


@pytest.mark.parametrize(
    "name", ["nowhere.example", "odd.example", "many.example", "supposed.example", "inside.example", "empty.example"]
)
def test_what_is_odd_is_no_answer(name: str) -> None:
    assert HostLookups(resolve=resolve).addresses((name, "two.example")).keys() == {"two.example"}


def test_a_resolver_that_hangs_is_not_waited_for_and_asked_no_more() -> None:
    done, asked = threading.Event(), threading.Semaphore(0)

    def hang(name: str) -> Sequence[str]:
        if name == "quick.example":
            return ("192.0.2.1",)
        asked.release()
        done.wait(10)
        return ("192.0.2.9",)

    hosts = HostLookups(resolve=hang, timeout=0.1)
    try:
        assert hosts.addresses(("slow.example", "quick.example")) == {"quick.example": ("192.0.2.1",)}
        assert hosts.addresses(f"n{number}.example" for number in range(MAX_WAITING)) == {}
        assert hosts.addresses(("quick.example",)) == {}
        for _ in range(MAX_WAITING):
            assert asked.acquire(timeout=5)
        assert not asked.acquire(blocking=False)
    finally:
        done.set()


def test_more_names_than_places_are_all_asked() -> None:
    names = [f"n{number}.example" for number in range(3 * MAX_WAITING)]
    assert HostLookups(resolve=lambda _: ("192.0.2.1",), timeout=10).addresses(names).keys() == set(names)


def test_the_system_knows_this_machine() -> None:
    found = SystemLookups().look_up((Lookup(kind=LookupKind.HOST, name="localhost"),))
    ((asked, addresses),) = found.items()
    assert asked.name == "localhost"
    assert set(addresses) & {"127.0.0.1", "::1"}
    assert set(system_addresses("127.0.0.1")) == {"127.0.0.1"}
