"""The types url, url[] and http: attack lists, and laws of the strict reading."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from bailiwick.action.types import STANDARD_TYPES, Parsed, Surroundings, Unparsable
from bailiwick.action.types.url import URL_SHAPE, UrlListType
from bailiwick.action.types.url_addresses import is_private
from bailiwick.action.types.url_names import looks_like, normal_host
from bailiwick.action.types.url_reading import MAX_URL, Url, read_url
from bailiwick.errors import Where
from bailiwick.model.lookup import SUPPOSED_PRIVATE, SUPPOSED_PUBLIC, Found, Lookup, LookupKind
from bailiwick.model.shape import fits
from bailiwick.model.tool import ArgSpec, Role
from tests.action.desk import INSIDE, cases
from tests.action.test_parse import plain

PUBLIC = ["2606:4700::1111"]
BOTH = ("http", "https")


def spec(kind: str, options: Mapping[str, Any]) -> ArgSpec:
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return ArgSpec(name="x", type=kind, role=Role.TARGET, options=given, where=Where(file="tools/x.toml"))


def parse(kind: str, value: object, *, answers: list[str] | None = None, **options: Any) -> Parsed | Unparsable:
    """What a type makes of a value whose hosts resolve to these addresses (None: PUBLIC)."""
    semantic, arg = STANDARD_TYPES[kind], spec(kind, options)
    known = tuple(PUBLIC if answers is None else answers)
    found: Found = {asked: known for asked in semantic.asks(value, arg) if known}
    return semantic.parse(value, arg, Surroundings(organisation=INSIDE, found=found))


@pytest.mark.parametrize("case", cases("url.toml"), ids=lambda case: str(case["name"]))
def test_urls(case: dict[str, Any]) -> None:
    found = parse("url", case["text"], answers=case.get("found"), **case.get("options", {}))
    if "facts" not in case:
        assert isinstance(found, Unparsable), found
        assert case["says"] in found.problem
        return
    assert isinstance(found, Parsed), found
    assert fits(URL_SHAPE, found.facts)
    assert isinstance(found.facts, Mapping)
    assert {name: found.facts[name] for name in case["facts"]} == case["facts"]
    assert found.values == (case.get("value", found.values[0]),)
    assert found.text == case["text"]


@pytest.mark.parametrize("case", cases("http.toml"), ids=lambda case: str(case["name"]))
def test_requests(case: dict[str, Any]) -> None:
    found = parse("http", case["request"], **case.get("options", {}))
    if "facts" not in case:
        assert isinstance(found, Unparsable), found
        assert case["says"] in found.problem
        return
    assert isinstance(found, Parsed), found
    facts = plain(found.facts)
    assert isinstance(facts, dict)
    assert {name: facts[name] for name in case["facts"]} == case["facts"]
    assert [beyond.effect for beyond in found.beyond] == case["effects"]
    assert list(found.values) == case.get("values", list(found.values))
    assert str(case["request"].get("body", "")) in found.text


def test_a_host_without_an_answer_is_refused() -> None:
    found = parse("url", "https://api.example.com/", answers=[])
    assert isinstance(found, Unparsable)
    assert found.code == "unresolvable-host"


@pytest.mark.parametrize("text", ["https://user@api.example.com/", "http://127.0.0.1/", "http://[::1]/", "x", 4, None])
def test_nobody_is_asked_about_addresses_and_wrong_urls(text: object) -> None:
    assert STANDARD_TYPES["url"].asks(text, spec("url", {})) == ()
    assert STANDARD_TYPES["http"].asks({"method": "GET", "url": text}, spec("http", {})) == ()


def test_a_host_is_asked_for_in_its_one_form() -> None:
    for text in ("https://B\u00fccher.Example/x", "https://xn--bcher-kva.example:8443/y"):
        asked = STANDARD_TYPES["url"].asks(text, spec("url", {}))
        assert asked == (Lookup(kind=LookupKind.HOST, name="xn--bcher-kva.example"),)


def test_a_list_is_private_if_one_of_its_urls_is() -> None:
    urls = ["https://a.example.com/", "http://10.0.0.1/x", "https://A.example.com/y"]
    found = parse("url[]", urls)
    assert isinstance(found, Parsed)
    assert found.facts == {
        "count": 3,
        "schemes": ("https", "http"),
        "hosts": ("a.example.com", "10.0.0.1"),
        "sites": ("example.com", "10.0.0.1"),
        "private": True,
        "metadata": False,
    }
    assert found.values == ("https://a.example.com/", "http://10.0.0.1/x", "https://a.example.com/y")
    assert isinstance(parse("url[]", ["https://a.example.com/", "ftp://b.example.com/"]), Unparsable)
    assert isinstance(parse("url[]", []), Unparsable)
    assert isinstance(parse("url[]", ["https://a.example.com/"] * 101), Unparsable)


def test_the_standard_list_of_urls_is_the_one_with_facts_of_its_own() -> None:
    assert isinstance(STANDARD_TYPES["url[]"], UrlListType)


def test_a_long_url_is_refused() -> None:
    found = parse("url", "https://example.com/" + "a" * MAX_URL)
    assert isinstance(found, Unparsable)
    assert found.code == "too-long"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"schemes": ("file",)}, "https"),
        ({"schemes": ()}, "https"),
        ({"redirects": "everywhere"}, "same-site"),
        ({"methods": ("CONNECT",)}, "GET"),
    ],
)
def test_options_that_make_no_sense_are_said(options: dict[str, Any], says: str) -> None:
    ((name, value),) = options.items()
    assert says in STANDARD_TYPES["http"].options[name].problem(value)


# ── laws ───────────────────────────────────────────────────────────────────────────────────────────────────────────

PARTS = st.sampled_from(
    "https http : / // \\ @ # ? . .. %2e %40 %2f [ ] ::1 127.0.0.1 0x7f 1 a.example evil.example user :80 ; & = % "
    "\u3002 \u0430 \uff0f".split()
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=40))
def test_what_is_read_other_parsers_read_alike(tail: str) -> None:
    for text in (tail, f"https://a.example{tail}", f"https://{tail}"):
        found = read_url(text, BOTH)
        if not isinstance(found, Url):
            continue
        standard, other = urlsplit(text), parse_url(text)
        assert standard.username is None
        assert other.auth is None
        assert (standard.scheme, other.scheme) == (found.scheme, found.scheme)
        for host in (standard.hostname, other.host):
            assert host is not None
            assert read_url(f"https://{_bracketed(host)}/", BOTH) == read_url(f"https://{found.host}/", BOTH)
        assert {standard.port or found.port, other.port or found.port} == {found.port}
        assert standard.path == found.path
        assert unquote_to_bytes(other.path or "") == unquote_to_bytes(found.path)  # %2e and %2E
        assert read_url(found.text, BOTH) == found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_no_address_is_public_that_the_standard_library_does_not_call_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not is_private(address):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize("inner", ["2a00:1::5efe:7f00:1", "2a00:1::200:5efe:a00:5"])
def test_an_address_that_tunnels_to_an_inner_one_is_not_public(inner: str) -> None:
    assert is_private(ipaddress.ip_address(inner))


def test_supposed_addresses_are_what_they_stand_for() -> None:
    assert not is_private(ipaddress.ip_address(SUPPOSED_PUBLIC))
    assert is_private(ipaddress.ip_address(SUPPOSED_PRIVATE))


@given(st.text(max_size=20))
def test_a_host_in_its_one_form_is_its_own_one_form(text: str) -> None:
    name = normal_host(text)
    if name:
        assert normal_host(name) == name
        assert name.isascii()
        assert name == name.lower()


@pytest.mark.parametrize(
    ("domain", "own"),
    [
        ("acme.example", ""),
        ("mail.acme.example", ""),
        ("acme.example.org", "acme.example"),
        ("acrne.example", "acme.example"),
        ("xn--80akut.example", "acme.example"),
        ("other.example", ""),
        ("notacme.example", ""),
        ("c1oud.example", "cloud.example"),
        ("cl0ud.example", "cloud.example"),
        ("c1oud.example.evil.org", "cloud.example"),
        ("cioud.example", "cloud.example"),
        ("xn--coud-lza.example", "cloud.example"),
    ],
)
def test_what_looks_like_an_own_domain(domain: str, own: str) -> None:
    assert looks_like(domain, ("acme.example", "cloud.example")) == own
