"""What every request and every answer has to pass (`bailiwick.server.security`)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import urllib3
from starlette.types import ASGIApp

from bailiwick import Guard
from bailiwick.errors import StoreError
from bailiwick.server.app import create_app
from bailiwick.server.pages import Pages
from bailiwick.server.security import CONTENT_SECURITY_POLICY, HEADERS, MAX_BODY_BYTES
from tests.server.console import Console, knock, listening, serving
from tests.server.door import SignedIn
from tests.worlds import make_world, with_ports

PAGES = ("/", "/inbox.json", "/history", "/history.json", "/approvals/apr-none", "/approvals/apr-none.json")
STATIC = ("/static/console.css", "/static/console.js", "/static/htmx.min.js", "/static/icon.svg")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with Guard.open(make_world(tmp_path_factory.mktemp("security"))) as guard, serving(guard) as console:
        yield console


@pytest.mark.parametrize(
    "path", [*PAGES, *STATIC, "/nothing", "/static/nothing", "/static/../app.py", "/static/%2e%2e/app.py"]
)
def test_every_answer_is_sealed(console: Console, path: str) -> None:
    for by in ("", "bob"):
        answer = console.get(path, by)
        for name, value in HEADERS.items():
            assert answer.headers.getlist(name) == [value], (path, by, name)
        assert "server" not in answer.headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_nothing_but_files_of_ours_is_loaded_or_run(console: Console) -> None:
    pages = "".join(console.get(path, "bob").data.decode() for path in ("/", "/history", "/nothing"))
    loaded = set(re.findall(r'(?:src|href)="([^"]*)"', pages))
    assert loaded >= set(STATIC)
    assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in loaded)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|hx-on|https?://", pages)


def test_another_name_gets_nothing(console: Console) -> None:
    port = console.origin.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port}", "localhost", f"localhost:{port}."):
        answer = console.get("/", "bob", Host=host)
        assert answer.status == 421, host
        assert b"Inbox" not in answer.data


def test_a_request_without_a_name_or_with_two_gets_nothing(console: Console) -> None:
    port = int(console.origin.rpartition(":")[2])
    for hosts in (b"", b"Host: localhost:%d\r\nHost: evil.example\r\n" % port):
        with socket.create_connection(("127.0.0.1", port), 10) as wire:
            wire.sendall(b"GET / HTTP/1.1\r\n" + hosts + b"Cookie: who=bob\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: wire.recv(65536), b""))
        assert answer.split(b" ")[1] in (b"400", b"421")
        assert b"Inbox" not in answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 404),
        ({"Origin": "OWN"}, 404),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "OWN", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_only_a_page_of_ours_changes_anything(console: Console, headers: dict[str, str], status: int) -> None:
    """404: it came as far as the request, which is not there."""
    token = re.search(r'name="csrf" value="(\w+)"', console.get("/", "bob").data.decode())
    assert token is not None
    sent = {name: value.replace("OWN", console.origin) for name, value in headers.items()}
    form = {"csrf": token[1], "word": "approve", "card_digest": "x"}
    answer = knock(
        console.origin, "POST", "/approvals/apr-1/answer", headers={"Cookie": "who=bob", **sent}, fields=form
    )
    assert answer.status == status


@pytest.mark.parametrize("csrf", [None, "", "wrong", "of-another"])
def test_a_form_without_its_sessions_token_is_refused(console: Console, csrf: str | None) -> None:
    if csrf == "of-another":
        found = re.search(r'name="csrf" value="(\w+)"', console.get("/", "dora").data.decode())
        assert found is not None
        csrf = found[1]
    form = {"word": "approve"} if csrf is None else {"word": "approve", "csrf": csrf}
    assert console.post("/approvals/apr-1/answer", "bob", form).status == 403


@pytest.mark.parametrize(
    ("mode", "dest", "site", "status"),
    [
        ("navigate", "document", "cross-site", 200),
        ("navigate", "iframe", "cross-site", 403),
        ("no-cors", "image", "cross-site", 403),
        ("cors", "empty", "same-site", 403),
        ("cors", "empty", "same-origin", 200),
    ],
)
def test_other_sites_may_link_here_and_nothing_else(
    console: Console, mode: str, dest: str, site: str, status: int
) -> None:
    headers = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": site}
    assert console.get("/", "bob", **headers).status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_not_known(console: Console, method: str) -> None:
    assert knock(console.origin, method, "/", headers={"Cookie": "who=bob"}).status == 405


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(console: Console) -> None:
    large = b"csrf=x&note=" + b"n" * MAX_BODY_BYTES
    ours = {"Cookie": "who=bob", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    for body, chunked in ((large, False), (iter([large[:1000], large[1000:]]), True)):
        answer = knock(
            console.origin,
            "POST",
            "/approvals/apr-1/answer",
            body=body,
            headers=ours,
            **({"chunked": True} if chunked else {}),
        )
        assert answer.status == 413


def test_a_body_whose_length_is_said_twice_is_refused(console: Console) -> None:
    host, port = console.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(
            f"POST /approvals/x/answer HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: who=bob\r\n"
            "Sec-Fetch-Site: same-origin\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n"
            "Connection: close\r\n\r\n0\r\n\r\n".encode()
        )
        with raw.makefile("rb") as answer:
            assert answer.readline().split()[1] == b"400"


def test_a_field_twice_or_a_file_is_no_field(console: Console) -> None:
    ours = {"Cookie": "who=bob", "Sec-Fetch-Site": "same-origin"}
    token = re.search(r'name="csrf" value="(\w+)"', console.get("/", "bob").data.decode())
    assert token is not None
    twice = f"csrf={token[1]}&csrf={token[1]}&word=approve"
    sent = {**ours, "Content-Type": "application/x-www-form-urlencoded"}
    assert knock(console.origin, "POST", "/approvals/x/answer", body=twice, headers=sent).status == 403


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", b"no such thing"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n1'),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(500))),
        ("text/plain", b"csrf=x"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused_and_is_no_failure(
    console: Console, caplog: pytest.LogCaptureFixture, kind: str, body: bytes
) -> None:
    headers = {"Cookie": "who=bob", "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
    assert knock(console.origin, "POST", "/approvals/x/answer", headers=headers, body=body).status == 403
    assert "request failed" not in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [(RuntimeError("the secret of the inside"), 500), (StoreError("the secret of the inside"), 503)],
    ids=["bug", "store"],
)
def test_a_failure_inside_shows_nothing_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, status: int
) -> None:
    class Broken:
        latest = None

        def now(self) -> object:
            raise error

    with Guard.open(make_world(tmp_path)) as guard, serving(guard) as console:
        holding = guard.engine.ports.holding
        with_ports(guard, holding=Broken())
        for path in ("/", "/inbox.json"):
            answer = console.get(path, "bob")
            assert answer.status == status
            assert b"secret" not in answer.data
            assert b"Traceback" not in answer.data
            assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        with_ports(guard, holding=holding)
    assert "the secret of the inside" in caplog.text


def test_where_even_the_page_for_a_failure_cannot_be_drawn_a_sentence_is_sent(tmp_path: Path) -> None:
    class Undrawable(Pages):
        def html(self, *_: object, **__: object) -> NoReturn:
            raise RuntimeError("the secret of the inside")

    def make(origin: str) -> ASGIApp:
        return create_app(guard, door=SignedIn(), pages=Undrawable(project="acme/test"), origin=origin)

    with Guard.open(make_world(tmp_path)) as guard, listening(make) as origin:
        for path in ("/", "/history", "/nothing"):
            answer = knock(origin, "GET", path, headers={"Cookie": "who=bob"})
            assert (answer.status, b"Failure " in answer.data, b"secret" in answer.data) == (500, True, False)
            assert all(answer.headers.getlist(name) == [value] for name, value in HEADERS.items())


def test_whoever_asks_for_a_page_that_does_not_exist_learns_no_more(console: Console) -> None:
    for path in ("/nothing", "/approvals/", "/approvals/a/b", "/static/nothing.css", "/%00", "/approvals/%ff"):
        answer: urllib3.BaseHTTPResponse = console.get(path, "bob")
        assert answer.status == 404, path
