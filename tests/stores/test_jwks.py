"""Keys of an identity provider, from a file and from a real server: kept, renewed, and given up in time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bailiwick.errors import StoreError, UsageError
from bailiwick.stores.jwks import JwksSource
from tests.identity.issuer import PATH, Issuer, serving


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving(Issuer()) as running:
        yield running


def source_of(issuer: Issuer, clock: Clock, **settings: Any) -> JwksSource:
    return JwksSource(issuer.url + PATH, folder=Path(), clock_ms=clock, **settings)


def ids(source: JwksSource, kid: str | None = None) -> set[str]:
    return {key.kid for key in source.keys(kid).keys}


OLD = {"rsa-1", "ec-1", "ed-1"}


def test_keys_are_fetched_once_and_kept(issuer: Issuer) -> None:
    clock = Clock()
    source = source_of(issuer, clock)
    assert ids(source) == ids(source, "ec-1") == OLD
    clock.ms += 299_999
    assert ids(source) == OLD
    assert issuer.asked == 1


def test_rotation_is_noticed_by_the_unknown_id_and_by_time(issuer: Issuer) -> None:
    clock = Clock()
    source = source_of(issuer, clock)
    assert ids(source) == OLD
    issuer.rotate()
    clock.ms += 10_000
    assert ids(source, "rsa-1") == OLD, "what is known needs no asking"
    assert ids(source, "rsa-2") == {"rsa-2"}
    issuer.keys = {"rsa-3": issuer.keys["rsa-2"]}
    clock.ms += 300_000
    assert ids(source) == {"rsa-3"}
    assert issuer.asked == 3


def test_unknown_ids_ask_once_per_cool_down(issuer: Issuer) -> None:
    clock = Clock()
    source = source_of(issuer, clock)
    for number in range(50):
        assert ids(source, f"unknown-{number}") == OLD
    assert issuer.asked == 1
    clock.ms += 10_000
    for number in range(50):
        ids(source, f"unknown-{number}")
    assert issuer.asked == 2


def test_old_keys_serve_through_an_outage_and_not_beyond_their_age(issuer: Issuer) -> None:
    clock = Clock()
    source = source_of(issuer, clock)
    assert ids(source) == OLD
    issuer.answer = (503, {}, b"")
    clock.ms += 3_599_999
    assert ids(source) == OLD
    clock.ms += 1
    with pytest.raises(StoreError, match="503") as caught:
        source.keys()
    assert "nobody can sign in meanwhile" in caught.value.hint
    issuer.answer = None
    with pytest.raises(StoreError):
        source.keys()  # within the cool-down
    clock.ms += 10_000
    assert ids(source) == OLD


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((302, {"Location": "http://127.0.0.1:1/keys"}, b""), "302"),
        ((301, {"Location": "file:///etc/passwd"}, b""), "301"),
        ((200, {}, b"{" + b" " * 300_000 + b"}"), "longer than"),
        ((200, {}, b"<html>"), "no set of usable keys"),
        ((200, {}, b'{"keys": []}'), "no set of usable keys"),
        ((200, {}, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "x"}]}'), "no set of usable keys"),
        ((404, {}, b""), "404"),
    ],
)
def test_what_is_no_set_of_keys_is_none(issuer: Issuer, answer: tuple[int, dict[str, str], bytes], said: str) -> None:
    issuer.answer = answer
    with pytest.raises(StoreError, match=said):
        source_of(issuer, Clock()).keys()


def test_a_server_that_does_not_answer_is_given_up(issuer: Issuer) -> None:
    issuer.gate = threading.Event()
    began = time.monotonic()
    with pytest.raises(StoreError, match="timed out"):
        source_of(issuer, Clock(), timeout_s=0.3).keys()
    assert time.monotonic() - began < 10
    issuer.gate.set()


def test_who_has_keys_does_not_wait_for_somebody_elses_fetch(issuer: Issuer) -> None:
    clock = Clock()
    source = source_of(issuer, clock, timeout_s=30)
    assert ids(source) == OLD
    clock.ms += 300_000
    issuer.gate = threading.Event()
    with ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(ids, source) for _ in range(20)]
        # All but the one that fetches are through while the server still holds its answer back.
        while sum(each.done() for each in slow) < 19:
            time.sleep(0.001)
        assert issuer.asked == 2
        issuer.gate.set()
    assert all(each.result() == OLD for each in slow)


def test_many_threads_without_keys_make_one_request(issuer: Issuer) -> None:
    source = source_of(issuer, Clock())
    with ThreadPoolExecutor(20) as pool:
        assert all(found == OLD for found in pool.map(lambda _: ids(source), range(20)))
    assert issuer.asked == 1


def test_keys_from_a_file_are_read_again_when_they_change(tmp_path: Path) -> None:
    clock, issuer, path = Clock(), Issuer(), tmp_path / "keys.json"
    source = JwksSource("keys.json", folder=tmp_path, clock_ms=clock)
    with pytest.raises(StoreError, match=r"keys\.json"):
        source.keys()
    clock.ms += 10_000
    path.write_text(json.dumps(issuer.jwks), encoding="utf-8")
    assert ids(source) == OLD
    path.write_text(json.dumps({"keys": issuer.jwks["keys"][:1]}), encoding="utf-8")
    clock.ms += 300_000
    assert ids(source) == {"rsa-1"}
    path.write_bytes(b" " * 300_000)
    clock.ms += 3_600_000
    with pytest.raises(StoreError, match="longer than"):
        source.keys()


@pytest.mark.parametrize(
    "url", ["http://login.example.com/keys", "ftp://127.0.0.1/keys", "file:///etc/keys", "https://user:pw@x.example/"]
)
def test_keys_do_not_come_over_a_line_that_anybody_can_change(url: str) -> None:
    with pytest.raises(UsageError):
        JwksSource(url, folder=Path(), clock_ms=Clock())
