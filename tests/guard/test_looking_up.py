"""Hosts are looked up only for calls that could run, once, and what was found stays with the call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Session, effector
from bailiwick.effectors.hosts import HostLookups
from bailiwick.effectors.http import HttpEffector
from bailiwick.effectors.lookups import SystemLookups
from bailiwick.guard.explaining.preview import Preview, judged
from bailiwick.guard.looking_up import supposed
from bailiwick.guard.opening import OpenRequest
from bailiwick.model.call import Call
from bailiwick.model.lookup import SUPPOSED_PUBLIC, Lookup, LookupKind
from bailiwick.project import load_project
from bailiwick.stores.log_reader import LogReader
from tests.effectors.web import serving
from tests.worlds import AGENT, FILES, LOGS, Tool, approve, decisions, make_world, with_ports

TOOLS = """
[tools."web.get"]
effects  = ["fetch"]
args.url = { type = "url", role = "target" }

[tools."web.both"]
effects   = ["fetch"]
args.url  = { type = "url", role = "target" }
args.from = { type = "url", role = "target", optional = true }

[tools."web.many"]
effects   = ["fetch"]
args.url  = { type = "url", role = "target" }
args.urls = { type = "url[]", role = "target", optional = true }
args.hook = { type = "url", role = "value", optional = true }

[tools."web.closed"]
effects  = ["fetch"]
args.url = { type = "url", role = "target" }

[tools."web.own"]
effects  = ["fetch"]
args.url = { type = "url", role = "target" }

[tools."web.asked"]
effects  = ["fetch"]
args.url = { type = "url", role = "target" }
"""

RULES = """
@id("web")
permit (principal, action in [Action::"web.get", Action::"web.both", Action::"web.many", Action::"web.asked",
                              Action::"web.own"], resource);

@id("public-only") @reason("Hosts inside are out of bounds.")
forbid (principal, action in [Action::"web.get", Action::"web.many", Action::"web.closed", Action::"web.asked"],
        resource)
when   { context.fetch.private };

@id("one-side") @reason("This one has to be outside.")
forbid (principal, action == Action::"web.both", resource)
when   { context.args.url.private };

@id("kept-to") @reason("Only a client that keeps to what was decided gets inside.")
forbid (principal, action == Action::"web.own", resource)
unless { context.enforced.contains("url") };

@id("no-evil") @reason("That host is out of bounds.")
forbid (principal, action in Action::"fetch", resource)
when   { context.fetch.sites.contains("evil.example") };

@id("two-sides") @reason("The other one has to be inside.")
forbid (principal, action == Action::"web.both", resource)
unless { context.args has from && context.args.from.private };

@id("ask-first") @gate("approval") @approvers("Group::leads")
@reason("A lead looks at where this goes.")
forbid (principal, action == Action::"web.asked", resource)
unless { context.approved.contains("ask-first") };
"""

ANSWERS = {
    "api.shop.example": ("2606:4700::1111", "1.1.1.1"),
    "db.shop.example": ("10.0.0.5",),
    "rebind.shop.example": ("1.1.1.1", "127.0.0.1"),
}


class Resolver:
    """Knows `answers` and keeps what it was asked."""

    def __init__(self, answers: Mapping[str, tuple[str, ...]]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return self.answers.get(name, ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(
        tmp_path,
        tools_desk_toml=FILES["tools/desk.toml"] + TOOLS,
        policies_desk_cedar=FILES["policies/desk.cedar"] + RULES,
    )


@contextmanager
def at_work(folder: Path, resolver: Resolver, *, mode: str = "") -> Iterator[Session]:
    if mode:
        path = folder / "bailiwick.toml"
        path.write_text(f'{path.read_text(encoding="utf-8")}\n[policies]\nmode = "{mode}"\n', encoding="utf-8")
    with (
        Guard.open(folder) as guard,
        guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session,
    ):
        with_ports(session, lookups=SystemLookups(hosts=HostLookups(resolve=resolver)))
        yield session


def get(session: Session, tool: str, url: str, **more: object) -> str:
    """What became of the call: "" or the code of the first reason."""
    try:
        session.call(tool, {"url": url, **more}, run=Tool().run)
    except Denied as denied:
        return denied.decision.reasons[0].code
    return ""


def found(folder: Path, number: int = -1) -> list[dict[str, Any]]:
    """What a decision was taken on, of its lookups."""
    event = decisions(folder)[number]
    for path in sorted((folder / LOGS).glob("log-*.db")):
        with LogReader.open(path) as reader:
            content = reader.content(event.id, "snapshot")
            if content is not None:
                answers: list[dict[str, Any]] = json.loads(content)["found"]
                return answers
    return []


def test_a_host_is_looked_up_once_and_its_addresses_are_on_record_and_pinned(folder: Path) -> None:
    resolver = Resolver(ANSWERS)
    with at_work(folder, resolver) as session:
        seen: list[Any] = []

        def run(url: str) -> str:
            seen.extend(permit.action.found.items() for permit in session._state.permits.values())  # type: ignore[union-attr]
            return url

        assert session.call("web.get", {"url": "https://api.shop.example/"}, run=run)
    assert resolver.asked == ["api.shop.example"]
    ((asked, addresses),) = seen[0]
    assert asked == Lookup(kind=LookupKind.HOST, name="api.shop.example")
    assert addresses == ANSWERS["api.shop.example"]
    assert found(folder) == [
        {
            "kind": "host",
            "name": "api.shop.example",
            "below": "",
            "answers": list(ANSWERS["api.shop.example"]),
            "supposed": False,
        }
    ]


def test_the_real_addresses_decide(folder: Path) -> None:
    resolver = Resolver(ANSWERS)
    with at_work(folder, resolver) as session:
        assert get(session, "web.get", "https://db.shop.example/") == "public-only"
        assert get(session, "web.get", "https://rebind.shop.example/") == "public-only"
        assert get(session, "web.get", "https://nowhere.shop.example/") == "unresolvable-host"
    assert resolver.asked == ["db.shop.example", "rebind.shop.example", "nowhere.shop.example"]


@pytest.mark.parametrize(
    ("tool", "url", "code"),
    [
        ("web.closed", "https://secret-4711.evil-dns.example/", "no-permit"),
        ("web.get", "https://secret-4711.evil.example/", "no-evil"),
        ("web.get", "https://secret-4711.evil.example@api.shop.example/", "userinfo"),
        ("web.get", "http://secret-4711.internal/", "public-only"),
        ("web.both", "https://secret-4711.shop.example/", "two-sides"),
        ("web.many", "https://secret-4711.evil.example/", "no-evil"),
        ("web.unknown", "https://secret-4711.shop.example/", "unknown-tool"),
    ],
)
def test_nobody_hears_the_name_of_a_host_that_the_call_cannot_reach(
    folder: Path, tool: str, url: str, code: str
) -> None:
    resolver = Resolver(ANSWERS)
    with at_work(folder, resolver) as session:
        assert get(session, tool, url) == code
        session.check(tool, {"url": url})
    assert resolver.asked == []
    assert all(each["supposed"] for each in found(folder))


def test_nobody_hears_the_name_before_a_person_has_said_yes(folder: Path) -> None:
    resolver = Resolver(ANSWERS)
    tool = Tool()
    with at_work(folder, resolver) as session:
        for url, code in (("https://api.shop.example/", ""), ("https://db.shop.example/", "public-only")):
            with pytest.raises(ApprovalPending) as pending:
                session.call("web.asked", {"url": url}, run=tool.run)
            assert resolver.asked == []
            assert [each["supposed"] for each in found(folder)] == [True]
            assert approve(session, pending.value.approval_id).code == ""
            assert get(session, "web.asked", url) == code
            assert len(resolver.asked) == 1
            assert [each["supposed"] for each in found(folder)] == [False]
            resolver.asked.clear()
    assert tool.runs == []


def test_an_approval_that_comes_at_this_very_moment_waits_for_the_addresses(folder: Path) -> None:
    """Between the decision without it and the permit: else the call would run on an address that nobody looked up."""
    resolver, tool = Resolver(ANSWERS), Tool()
    url = "https://db.shop.example/"
    with at_work(folder, resolver) as session:
        with pytest.raises(ApprovalPending) as pending:
            session.call("web.asked", {"url": url}, run=tool.run)
        assert approve(session, pending.value.approval_id).code == ""
        with_ports(session, approvals=Late(session._engine.ports.approvals, unseen=1))
        assert get(session, "web.asked", url) == "not-looked-up"
        assert resolver.asked == []
        assert get(session, "web.asked", url) == "public-only"
    assert tool.runs == []


class Late:
    """A store of approvals that shows what was granted only after it was asked `unseen` times."""

    def __init__(self, store: Any, *, unseen: int) -> None:
        self._store = store
        self._unseen = unseen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def by_digest(self, *key: str) -> Any:
        self._unseen -= 1
        return () if self._unseen >= 0 else self._store.by_digest(*key)


def test_an_effector_connects_to_what_was_decided_whatever_the_name_says_later(folder: Path) -> None:
    answers = iter((("127.0.0.1",), ("127.0.0.2",)))
    hosts = HostLookups(resolve=lambda _: next(answers))
    with serving() as web, serving(host="127.0.0.2") as other, Guard.open(folder) as guard:
        guard.enforce("web.own", url=HttpEffector(hosts=hosts))
        with_ports(guard, lookups=SystemLookups(hosts=hosts))

        def run(url: str) -> bytes:
            handle = effector("url")
            assert url.startswith("http://rebind.shop.example")
            body: bytes = handle.send().body
            return body

        with guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session:
            url = f"http://rebind.shop.example:{web.port}/"
            assert session.call("web.own", {"url": url}, run=run) == b"hello"
        assert len(web.seen) == 1
        assert other.seen == []
    assert next(answers) == ("127.0.0.2",)  # nobody took it


def test_every_combination_of_answers_is_tried_before_anybody_is_asked(folder: Path) -> None:
    resolver = Resolver(ANSWERS)
    urls = {"url": "https://api.shop.example/", "from": "https://db.shop.example/"}
    with at_work(folder, resolver) as session:
        assert get(session, "web.both", **urls) == ""
        assert sorted(resolver.asked) == ["api.shop.example", "db.shop.example"]
        assert get(session, "web.both", urls["from"], **{"from": urls["url"]}) in ("one-side", "two-sides")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, ""),
        ({"urls": ["https://api.shop.example/x"], "hook": "https://api.shop.example/y"}, ""),
        ({"urls": ["https://api.shop.example/x", "https://db.shop.example/"]}, "public-only"),
        ({"hook": "https://db.shop.example/"}, "public-only"),
        ({"hook": "http://169.254.169.254/"}, "public-only"),
        ({"urls": ["https://x.evil.example/"]}, "no-evil"),
        ({"hook": "https://x.evil.example/"}, "no-evil"),
    ],
)
def test_no_url_of_a_call_escapes_a_rule_over_all_fetches(folder: Path, more: dict[str, object], code: str) -> None:
    with at_work(folder, Resolver(ANSWERS)) as session:
        assert get(session, "web.many", "https://api.shop.example/", **more) == code


def test_in_observe_mode_what_would_be_denied_is_looked_up_since_it_runs(folder: Path) -> None:
    resolver = Resolver(ANSWERS)
    with at_work(folder, resolver, mode="observe") as session:
        assert get(session, "web.closed", "https://api.shop.example/") == ""
    assert resolver.asked == ["api.shop.example"]


def test_a_resolver_that_fails_denies(folder: Path) -> None:
    def broken(name: str) -> Sequence[str]:
        raise OSError(f"no network for {name}")

    with at_work(folder, Resolver({})) as session:
        with_ports(session, lookups=SystemLookups(hosts=HostLookups(resolve=broken)))
        assert get(session, "web.get", "https://api.shop.example/") == "unresolvable-host"


def test_explaining_takes_answers_and_asks_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*args: object, **more: object) -> None:
        raise AssertionError(f"the network was asked: {args}")

    monkeypatch.setattr("socket.getaddrinfo", asked)
    planes = load_project(folder).planes
    call = Call(tool="web.get", args={"url": "https://api.shop.example/"})
    request = OpenRequest(user="alice", service=None, agent=AGENT, task="Work", conversation="explain")

    def outcome(hosts: Mapping[str, tuple[str, ...]]) -> str:
        return judged(planes, Preview(request=request, call=call, hosts=hosts), 1_000_000).decision.reasons[0].code

    host = "api.shop.example"
    assert supposed(planes, call) == {Lookup(kind=LookupKind.HOST, name=host): (SUPPOSED_PUBLIC,)}
    assert judged(planes, Preview(request=request, call=call), 1_000_000).decision.allowed
    assert outcome({host: ("10.0.0.1",)}) == "public-only"
    assert outcome({host: ()}) == "unresolvable-host"
    assert outcome({"other.example": ("10.0.0.1",)}) == outcome({})
