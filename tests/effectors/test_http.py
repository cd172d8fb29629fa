"""The HTTP effector goes where it was decided and nowhere else: real servers and certificates, a resolver that lies."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bailiwick.effectors.hosts import HostLookups
from bailiwick.effectors.http import HttpAnswer, HttpEffector, HttpLimits
from bailiwick.errors import DidNotRun, EffectorFailed, UsageError
from bailiwick.model.lookup import SUPPOSED_PUBLIC
from bailiwick.model.tool import ArgSpec, Role
from tests.effectors.deciding import decided_request
from tests.effectors.web import Authority, Reply, Web, raw_server, serving

NAME = "api.shop.example"
HERE = {NAME: ("127.0.0.1",)}


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as found:
        yield found


def no_resolver(name: str) -> tuple[str, ...]:
    raise AssertionError(f"somebody asked for {name}")


def effector(**settings: object) -> HttpEffector:
    return HttpEffector(**{"hosts": HostLookups(resolve=no_resolver), **settings})  # type: ignore[arg-type]


def sent(
    value: object,
    addresses: Mapping[str, tuple[str, ...]] = HERE,
    *,
    options: str = "",
    headers: Mapping[str, str] | None = None,
    by: HttpEffector | None = None,
) -> HttpAnswer:
    decided = decided_request(value, addresses, options=options)
    return (by or effector()).handle(decided).send(headers=headers)


# ── where it goes ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_url_is_fetched_at_its_pinned_address_under_its_own_name(web: Web) -> None:
    answer = sent(f"http://{NAME}:{web.port}/v1?a=b#part")
    assert (answer.status, answer.body, answer.address) == (200, b"hello", "127.0.0.1")
    (seen,) = web.seen
    assert (seen.method, seen.target, seen.headers["host"]) == ("GET", "/v1?a=b", f"{NAME}:{web.port}")


def test_a_name_that_resolves_to_something_else_later_is_not_asked_again(web: Web) -> None:
    answers = iter((("127.0.0.1",), ("127.0.0.2",)))
    hosts = HostLookups(resolve=lambda _: next(answers))
    addresses = hosts.addresses((NAME,))
    with serving(host="127.0.0.2") as other:
        answer = sent(f"http://{NAME}:{web.port}/", addresses, by=effector(hosts=hosts))
        assert answer.address == "127.0.0.1"
        assert other.seen == []
    assert next(answers) == ("127.0.0.2",)  # nobody took it


def test_a_proxy_of_the_environment_is_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert sent(f"http://{NAME}:{web.port}/").status == 200
        assert proxy.seen == []


def test_the_next_address_is_tried_where_the_first_does_not_answer(web: Web) -> None:
    answer = sent(f"http://{NAME}:{web.port}/", {NAME: ("127.0.0.3", "127.0.0.1")})
    assert answer.address == "127.0.0.1"


def test_nobody_there_is_a_call_that_did_not_run() -> None:
    with serving() as gone:
        port = gone.port
    with pytest.raises(DidNotRun, match="cannot connect"):
        sent(f"http://{NAME}:{port}/")


def test_a_supposed_address_is_never_connected_to() -> None:
    with pytest.raises(DidNotRun, match="no address"):
        sent(f"http://{NAME}/", {NAME: (SUPPOSED_PUBLIC,)})


def test_an_address_in_the_url_needs_no_name(web: Web) -> None:
    assert sent(f"http://127.0.0.1:{web.port}/", {}).body == b"hello"


def test_a_whole_request_goes_out_as_it_was_decided(web: Web) -> None:
    request = {
        "method": "POST",
        "url": f"http://{NAME}:{web.port}/orders",
        "headers": {"Content-Type": "text/plain"},
        "body": "zwei B\u00fccher",
    }
    assert sent(request, headers={"Authorization": "Bearer key"}).status == 200
    (seen,) = web.seen
    assert (seen.method, seen.target, seen.body.decode()) == ("POST", "/orders", "zwei B\u00fccher")
    assert seen.headers["content-type"] == "text/plain"
    assert seen.headers["authorization"] == "Bearer key"
    assert "transfer-encoding" not in seen.headers


def test_a_request_is_sent_once(web: Web) -> None:
    decided = decided_request({"method": "POST", "url": f"http://{NAME}:{web.port}/"}, HERE)
    handle = effector().handle(decided)
    assert handle.send() is handle.send()
    assert len(web.seen) == 1


def test_a_request_whose_answer_was_lost_is_not_sent_again() -> None:
    with raw_server(b"nonsense\r\n\r\n") as port:
        handle = effector().handle(decided_request({"method": "POST", "url": f"http://{NAME}:{port}/"}, HERE))
        with pytest.raises(EffectorFailed):
            handle.send()
        with pytest.raises(EffectorFailed, match="sent before"):
            handle.send()


def test_nothing_is_sent_once_the_call_is_over(web: Web) -> None:
    def over() -> None:
        raise UsageError("the call is over")

    handle = effector().handle(decided_request(f"http://{NAME}:{web.port}/", HERE, begin=over))
    with pytest.raises(UsageError, match="over"):
        handle.send()
    assert web.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Content-Length": "0"},
        {"X": "a\r\nY: b"},
        {"Accept": "x"},
        {"X-Forwarded-For": "::1"},
    ],
)
def test_a_tool_cannot_replace_what_was_decided_or_frame_it_anew(web: Web, headers: dict[str, str]) -> None:
    request = {"method": "GET", "url": f"http://{NAME}:{web.port}/", "headers": {"accept": "y"}}
    with pytest.raises(UsageError):
        sent(request, headers=headers)
    assert web.seen == []


def test_an_argument_of_another_type_cannot_be_kept_to() -> None:
    spec = ArgSpec(name="x", type="string", role=Role.TARGET, where=decided_request("http://10.0.0.1/", {}).spec.where)
    assert "not url or http" in effector().problem(spec)


# ── certificates ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_certificate_must_be_the_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    by = effector(ca_file=authority.file)
    with serving(context=authority.context(NAME)) as web:
        assert sent(f"https://{NAME}:{web.port}/", by=by).body == b"hello"
        assert web.seen[0].headers["host"] == f"{NAME}:{web.port}"
        with pytest.raises(DidNotRun, match=r"other\.shop\.example"):
            sent(f"https://other.shop.example:{web.port}/", {"other.shop.example": ("127.0.0.1",)}, by=by)
        with pytest.raises(DidNotRun, match=r"127\.0\.0\.1"):
            sent(f"https://127.0.0.1:{web.port}/", {}, by=by)
        assert len(web.seen) == 1
    with serving(context=authority.context("127.0.0.1")) as web:
        assert sent(f"https://127.0.0.1:{web.port}/", {}, by=by).status == 200


def test_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    with serving(context=Authority(tmp_path).context(NAME)) as web:
        with pytest.raises(DidNotRun, match="cannot connect"):
            sent(f"https://{NAME}:{web.port}/")
        assert web.seen == []


# ── redirects ──────────────────────────────────────────────────────────────────────────────────────────────────────


def redirect(to: str, status: int = 302) -> Reply:
    return Reply(status=status, headers=(("Location", to),), body=b"over there")


def test_no_redirect_is_followed_unless_the_catalog_says_so(web: Web) -> None:
    web.replies["/"] = redirect("/there")
    answer = sent(f"http://{NAME}:{web.port}/")
    assert (answer.status, answer.header("location")) == (302, "/there")
    assert len(web.seen) == 1


def test_a_redirect_on_the_same_host_keeps_to_the_pinned_address(web: Web) -> None:
    web.replies["/"] = redirect("/there", 307)
    answer = sent(
        f"http://{NAME}:{web.port}/", options=', redirects = "same-site"', headers={"Authorization": "Bearer key"}
    )
    assert (answer.status, answer.body, answer.address) == (200, b"hello", "127.0.0.1")
    assert [seen.target for seen in web.seen] == ["/", "/there"]
    assert web.seen[1].headers["authorization"] == "Bearer key"


STOPPED = [
    ("another site", "http://evil.example:PORT/", "another site"),
    ("another host of the site, inside", "http://intern.shop.example:PORT/", "not public"),
    ("an address", "http://127.0.0.1:PORT/", "another site"),
    ("metadata", "http://169.254.169.254:PORT/", "another site"),
    ("another port", f"http://{NAME}:22/", "port 22"),
    ("another scheme", "file:///etc/passwd", "scheme"),
    ("a user name", f"http://{NAME}@evil.example/", "user name"),
    ("a backslash", "http:\\\\evil.example\\", "backslash"),
    ("a host without an address", "http://nowhere.shop.example:PORT/", "no address"),
    ("out of a path", "/%2e%2e/admin", "'.' or '..'"),
]


@pytest.mark.parametrize(("name", "to", "says"), STOPPED, ids=[name for name, _, _ in STOPPED])
def test_a_redirect_is_read_as_strictly_as_a_url(web: Web, name: str, to: str, says: str) -> None:
    assert name
    web.replies["/"] = redirect(to.replace("PORT", str(web.port)))
    inside = {"intern.shop.example": ("127.0.0.1",), "evil.example": ("127.0.0.1",)}
    by = effector(hosts=HostLookups(resolve=lambda name: inside.get(name, ())))
    with pytest.raises(EffectorFailed, match=says):
        sent(f"http://{NAME}:{web.port}/", options=', redirects = "same-site"', by=by)
    assert len(web.seen) == 1


@pytest.mark.parametrize("to", ["http://evil.example:PORT/", "http://127.0.0.1:PORT/x", "http://[::1]:PORT/"])
def test_a_redirect_to_anywhere_leads_to_public_addresses_alone(web: Web, to: str) -> None:
    web.replies["/"] = redirect(to.replace("PORT", str(web.port)))
    by = effector(hosts=HostLookups(resolve=lambda _: ("2606:4700::1111", "127.0.0.1")))
    with pytest.raises(EffectorFailed, match="not public"):
        sent(f"http://{NAME}:{web.port}/", options=', redirects = "any"', by=by)
    assert len(web.seen) == 1


def test_a_redirect_from_https_to_http_is_not_followed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serving(context=authority.context(NAME)) as web:
        web.replies["/"] = redirect(f"http://{NAME}:{web.port}/")
        with pytest.raises(EffectorFailed, match="https to http"):
            sent(
                f"https://{NAME}:{web.port}/",
                options=', redirects = "any"',
                by=effector(ca_file=authority.file),
            )


@pytest.mark.parametrize("more", [{"method": "POST", "body": "x"}, {"method": "OPTIONS"}, {"method": "DELETE"}])
def test_only_a_get_or_head_is_redirected(web: Web, more: dict[str, str]) -> None:
    web.replies["/"] = redirect("/there", 307)
    request = {"url": f"http://{NAME}:{web.port}/", **more}
    assert sent(request, options=', redirects = "any"').status == 307
    assert len(web.seen) == 1


def test_redirects_in_a_circle_end(web: Web) -> None:
    web.replies["/"] = redirect("/")
    with pytest.raises(EffectorFailed, match="more than 2 times"):
        sent(
            f"http://{NAME}:{web.port}/",
            options=', redirects = "same-site"',
            by=effector(limits=HttpLimits(max_redirects=2)),
        )
    assert len(web.seen) == 3


# ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_that_is_too_large_is_not_kept(web: Web) -> None:
    web.replies["/"] = Reply(body=b"x" * 100_001)
    by = effector(limits=HttpLimits(max_bytes=100_000))
    with pytest.raises(EffectorFailed, match="more than 100000 bytes"):
        sent(f"http://{NAME}:{web.port}/", by=by)
    web.replies["/small"] = Reply(body=b"x" * 100_000)
    assert len(sent(f"http://{NAME}:{web.port}/small", by=by).body) == 100_000


def test_nothing_is_decompressed(web: Web) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    web.replies["/"] = Reply(headers=(("Content-Encoding", "gzip"),), body=bomb)
    answer = sent(f"http://{NAME}:{web.port}/", by=effector(limits=HttpLimits(max_bytes=100_000)))
    assert answer.body == bomb
    assert web.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"HTTP/1.1 200 O", b"K"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["body", "headers", "status", "continue", "chunks"],
)
def test_an_answer_that_drips_ends_in_time(answer: bytes, drip: bytes) -> None:
    with raw_server(answer, drip=drip) as port, pytest.raises(EffectorFailed, match=r"longer|took|broke|headers"):
        sent(f"http://{NAME}:{port}/", by=effector(limits=HttpLimits(seconds=0.4)))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"not http at all",
        b"",
    ],
    ids=["cut off", "cut chunk", "no http", "nothing"],
)
def test_an_answer_that_is_not_whole_is_none(answer: bytes) -> None:
    with raw_server(answer) as port, pytest.raises(EffectorFailed, match="broke off"):
        sent(f"http://{NAME}:{port}/")
