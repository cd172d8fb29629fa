"""The console's door: enrolling, logins, sessions, signed answers, and everything that must not let anybody in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from bailiwick import ApprovalPending, Guard
from bailiwick.action.approvals import Approval
from bailiwick.guard.administration.suspending import Order, suspend
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.guard.people.accounts import Revoke, revoke
from bailiwick.identity.accounts import Purpose, hidden
from bailiwick.identity.keys import b64url, from_b64url
from bailiwick.identity.passkeys import RelyingParty
from bailiwick.identity.signed_answers import verify_signed_answer
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.model.suspensions import Target, TargetKind
from bailiwick.server.auth import Doorkeeper
from bailiwick.server.doorway import own_path
from bailiwick.server.pages import Pages
from bailiwick.server.security import Fence
from bailiwick.stores.log_reader import LogReader
from tests.server.people import ORIGIN, Device, Visitor, invited
from tests.server.requests import LEADS_ONLY
from tests.worlds import AGENT, LOGS, MAIL, Clock, events, make_world, with_ports

MINUTE_MS = 60_000


@dataclass
class House:
    """A project, its door, and what came of the answers that were given."""

    guard: Guard
    door: Doorkeeper
    clock: Clock
    app: Any = None
    answers: list[Proven | Reason] = field(default_factory=list)

    def visitor(self, device: Device | None = None) -> Visitor:
        return Visitor(self.app, device=device)

    def enrolled(self, user: str = "bob", device: Device | None = None) -> Visitor:
        visitor = self.visitor(device)
        assert visitor.enrol(invited(self.guard, user, by="dora")).status_code == 200
        return visitor

    def inside(self, user: str = "bob") -> Visitor:
        visitor = self.enrolled(user)
        assert visitor.login().status_code == 200
        return visitor

    def events(self, kind: EventKind) -> list[Event]:
        return [event for event in events(self.guard.project.folder) if event.kind is kind]

    def refusals(self) -> list[str]:
        return [str(event.body["code"]) for event in self.events(EventKind.ACCOUNT_REFUSED)]


def who(visitor: Visitor, cookie: dict[str, str] | None = None) -> dict[str, Any]:
    if cookie is not None:
        visitor.client.cookies.clear()
        visitor.client.cookies.update(cookie)
    return dict(visitor.client.get("/who").json())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Guard.open(make_world(tmp_path)) as guard:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        yield housed(guard, clock)


def housed(guard: Guard, clock: Clock) -> House:
    pages = Pages(project="acme/test")
    door = Doorkeeper(guard, pages=pages)
    made = House(guard=guard, door=door, clock=clock)

    def person(request: Request) -> Response:
        found = door.person(request)
        told = {"user": found.user, "method": found.method} if found else {"user": None}
        return JSONResponse({**told, "csrf": door.csrf_token(request)})

    async def answered(request: Request) -> Response:
        body = await request.json()
        approval = guard.state.get("acme", "test", request.path_params["id"])
        assert approval is not None
        proven = await run_in_threadpool(_proven, door, request, approval, body)
        made.answers.append(proven)
        if isinstance(proven, Reason):
            return JSONResponse({"code": proven.code})
        given = Answer(approval_id=approval.id, by=proven, grant=body["grant"], gates=body.get("gates"))
        counted = await run_in_threadpool(guard.engine.administer, lambda core: answer(core, given))
        return JSONResponse({"code": counted.code if isinstance(counted, Reason) else ""})

    app = Starlette(
        routes=[Route("/who", person), Route("/answer/{id}", answered, methods=["POST"]), *door.routes],
    )
    made.app = Fence(app=app, origin=ORIGIN, failed=pages.failed)
    return made


def _proven(door: Doorkeeper, request: Request, approval: Approval, body: dict[str, Any]) -> Proven | Reason:
    return door.proven_answer(
        request,
        approval,
        body.get("gates"),
        grant=body["grant"],
        edited=body.get("edited"),
        signed_text=body.get("signed", ""),
    )


# ── enrolling ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invited_person_enrols_and_signs_in(house: House) -> None:
    visitor = house.enrolled()
    done = visitor.login("/approvals/apr-1")
    assert done.json() == {"next": "/approvals/apr-1"}
    assert who(visitor)["user"] == "bob"
    assert who(visitor)["method"] == "passkey"
    (enrolment,) = house.events(EventKind.ACCOUNT_ENROLLED)
    (invitation,) = house.events(EventKind.ACCOUNT_INVITED)
    assert enrolment.body["by"] == invitation.id
    assert from_b64url(str(enrolment.body["public_key"])) == visitor.device.cose()
    assert invitation.body["by"] == "dora"
    assert [event.body["user"] for event in house.events(EventKind.ACCOUNT_SIGNED_IN)] == ["bob"]


def test_an_invitation_is_for_one_passkey(house: House) -> None:
    code = invited(house.guard, "bob", by="dora")
    first, second = house.visitor(), house.visitor()
    token = second.token(f"/enrol/{code}")
    options = second.options(f"/enrol/{code}", token)
    assert "is enrolled" not in first.client.get("/login").text
    done = first.enrol(code)
    assert done.status_code == 200
    assert "Your passkey is enrolled." in first.client.get(done.json()["next"]).text
    assert second.post(f"/enrol/{code}", token, {"answer": second.device.create(options)}).status_code == 403
    assert second.client.get(f"/enrol/{code}").status_code == 404
    assert second.login().status_code == 403


def test_an_invitation_ends(house: House) -> None:
    code = invited(house.guard, "bob", by="dora")
    visitor = house.visitor()
    token = visitor.token(f"/enrol/{code}")
    options = visitor.options(f"/enrol/{code}", token)
    house.clock.forward(ms=MINUTE_MS)
    assert visitor.post(f"/enrol/{code}", token, {"answer": visitor.device.create(options)}).status_code == 403
    assert visitor.client.get(f"/enrol/{code}").status_code == 404


def test_a_newer_invitation_ends_the_older_one(house: House) -> None:
    old = invited(house.guard, "bob", by="dora")
    new = invited(house.guard, "bob", by="dora")
    assert house.visitor().client.get(f"/enrol/{old}").status_code == 404
    assert house.visitor().enrol(new).status_code == 200


def test_looking_at_an_invitation_does_not_use_it_up(house: House) -> None:
    code = invited(house.guard, "bob", by="dora")
    for _ in range(3):
        assert house.visitor().client.get(f"/enrol/{code}").status_code == 200
    assert house.visitor().enrol(code).status_code == 200


def test_only_who_may_invites(house: House) -> None:
    with pytest.raises(AssertionError, match="not-an-administrator"):
        invited(house.guard, "bob", by="carol")
    with pytest.raises(AssertionError, match="nobody-to-invite"):
        invited(house.guard, "gone", by="dora")
    assert not house.events(EventKind.ACCOUNT_INVITED)


def test_an_enrolment_asked_for_with_one_invitation_is_not_answered_with_another(house: House) -> None:
    bobs, eves = invited(house.guard, "bob", by="dora"), invited(house.guard, "eve", by="dora")
    visitor = house.visitor()
    token = visitor.token(f"/enrol/{eves}")
    made = visitor.device.create(visitor.options(f"/enrol/{eves}", token))
    assert visitor.post(f"/enrol/{bobs}", token, {"answer": made}).status_code == 403
    assert house.guard.engine.ports.accounts.passkeys("acme", "test") == ()


def test_one_credential_is_never_two_peoples(house: House) -> None:
    device = Device()
    house.enrolled("bob", device)
    assert house.visitor(device).enrol(invited(house.guard, "eve", by="dora")).status_code == 403
    assert [key.user for key in house.guard.engine.ports.accounts.passkeys("acme", "test")] == ["bob"]


def test_a_second_passkey_needs_a_fresh_login_with_the_first(house: House) -> None:
    visitor = house.inside()
    token, second = visitor.token("/passkeys"), Device()
    made = second.create(visitor.options("/passkeys", token))
    assert visitor.post("/passkeys", token, {"answer": made}).status_code == 200
    assert house.visitor(second).login().status_code == 200
    house.clock.forward(ms=5 * MINUTE_MS)
    assert visitor.post("/passkeys/options", token, {}).status_code == 403
    assert "login-not-fresh" in house.refusals()


def test_a_second_passkey_is_not_added_without_a_login(house: House) -> None:
    visitor = house.enrolled()
    token = visitor.token("/login")
    assert visitor.post("/passkeys/options", token, {}).status_code == 401
    assert visitor.client.get("/passkeys").headers["location"] == "/login?next=/passkeys"


# ── signing in ──────────────────────────────────────────────────────────────────────────────────────────────────────

ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "another origin": ({"origin": "https://evil.example"}, "passkey-origin"),
    "another relying party": ({"rp": "evil.example"}, "passkey-refused"),
    "not verified": ({"verified": False}, "passkey-unverified"),
    "counter went back": ({"count": 1}, "passkey-counter"),
    "a challenge that nobody made": ({"challenge": "AAAA"}, "challenge-gone"),
    "an enrolment": ({"kind": "webauthn.create"}, "bad-passkey"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_wrong_answer_lets_nobody_in_and_is_on_record(house: House, name: str) -> None:
    change, code = ATTACKS[name]
    visitor = house.inside()
    visitor.client.cookies.clear()
    refused = visitor.login(**change)
    assert refused.status_code == 403
    assert refused.json()["error"] == "This sign-in did not succeed."
    assert who(visitor)["user"] is None
    assert house.refusals() == [code]


def test_every_failed_login_looks_the_same(house: House) -> None:
    strangers, known = house.visitor(), house.enrolled()
    told = {strangers.login().text, known.login(verified=False).text, known.login(origin="https://evil.example").text}
    assert len(told) == 1


def test_a_login_is_answered_once(house: House) -> None:
    visitor = house.enrolled()
    token = visitor.token("/login")
    given = visitor.device.get(visitor.options("/login", token))
    assert visitor.post("/login", token, {"answer": given}).status_code == 200
    again = house.visitor(visitor.device)
    token = again.token("/login")
    assert again.post("/login", token, {"answer": given}).status_code == 403
    assert house.refusals() == ["challenge-gone"]


def test_a_challenge_is_for_the_browser_that_asked(house: House) -> None:
    victim, other = house.enrolled(), house.visitor()
    options = other.options("/login", other.token("/login"))
    token = victim.token("/login")
    assert victim.post("/login", token, {"answer": victim.device.get(options)}).status_code == 403
    assert house.refusals() == ["challenge-gone"]


def test_a_challenge_ends(house: House) -> None:
    visitor = house.enrolled()
    token = visitor.token("/login")
    given = visitor.device.get(visitor.options("/login", token))
    house.clock.forward(ms=5 * MINUTE_MS)
    assert visitor.post("/login", token, {"answer": given}).status_code == 403


def test_nobody_is_signed_in_by_somebody_elses_page(house: House) -> None:
    """Login CSRF: an answer with a valid challenge of the attacker's own, sent from the victim's browser."""
    attacker, victim = house.enrolled("eve"), house.visitor()
    given = attacker.device.get(attacker.options("/login", attacker.token("/login")))
    victim.token("/login")
    body = json.dumps({"answer": given}).encode()
    for headers in (
        {"origin": "https://evil.example", "content-type": "application/json"},
        {"origin": ORIGIN, "content-type": "application/json"},
        {"origin": ORIGIN, "content-type": "text/plain", "x-csrf-token": "x"},
    ):
        assert victim.client.post("/login", content=body, headers=headers).status_code == 403
    assert who(victim)["user"] is None


def test_the_session_is_new_at_each_login(house: House) -> None:
    visitor = house.enrolled()
    visitor.client.cookies.set("bailiwick", "chosen-by-somebody-else", domain="localhost.local", path="/")
    assert visitor.login().status_code == 200
    first = visitor.client.cookies["bailiwick"]
    assert first != "chosen-by-somebody-else"
    token = visitor.token("/passkeys")  # a page with a visit, for the login below
    given = visitor.device.get(visitor.options("/login", token))
    assert visitor.post("/login", token, {"answer": given}).status_code == 200
    assert visitor.client.cookies["bailiwick"] != first
    assert who(visitor, {"bailiwick": first})["user"] is None


def test_the_store_holds_no_cookie_and_no_code(house: House) -> None:
    code = invited(house.guard, "eve", by="dora")
    visitor = house.inside()
    folder = house.guard.project.state
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert hidden(visitor.client.cookies["bailiwick"]).encode() in kept
    assert visitor.client.cookies["bailiwick"].encode() not in kept
    assert code.encode() not in kept


def test_cookies_are_kept_from_scripts_and_other_sites(house: House) -> None:
    visitor = house.enrolled()
    cookies = [visitor.client.get("/login").headers.get("set-cookie", ""), visitor.login().headers["set-cookie"]]
    for cookie in filter(None, cookies):
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie


def test_over_https_cookies_are_bound_to_the_host(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    toml = folder / "bailiwick.toml"
    toml.write_text(toml.read_text() + '\n[console]\nurl = "https://console.example"\n')
    with Guard.open(folder) as guard:
        house = housed(guard, Clock(guard.engine.ports.clock()))
        inner = house.app.app
        visitor = Visitor(Fence(app=inner, origin="https://console.example", failed=house.door._way.pages.failed))
        visitor.client = TestClient(visitor.client.app, base_url="https://console.example", follow_redirects=False)
        visitor.client.headers["origin"] = "https://console.example"
        cookie = visitor.client.get("/login").headers["set-cookie"]
        assert cookie.startswith("__Host-bailiwick-visit=")
        assert "Secure" in cookie
        code = invited(guard, "bob", by="dora")
        assert visitor.enrol(code, origin="https://console.example").status_code == 200
        done = visitor.login(origin="https://console.example")
        assert "__Host-bailiwick=" in done.headers["set-cookie"]
        assert "Secure" in done.headers["set-cookie"]


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_logout_the_cookie_is_good_for_nothing(house: House) -> None:
    visitor = house.inside()
    stolen = {"bailiwick": visitor.client.cookies["bailiwick"]}
    assert visitor.client.post("/logout", data={"csrf": "x"}).status_code == 403
    assert who(visitor)["user"] == "bob"
    assert visitor.client.post("/logout", data={"csrf": who(visitor)["csrf"]}).status_code == 303
    assert who(visitor, stolen)["user"] is None
    (login_,) = house.events(EventKind.ACCOUNT_SIGNED_IN)
    assert [event.body["login"] for event in house.events(EventKind.ACCOUNT_SIGNED_OUT)] == [login_.id]


def test_a_session_that_nobody_uses_ends(house: House) -> None:
    visitor = house.inside()
    for _ in range(3):
        house.clock.forward(ms=14 * MINUTE_MS)
        assert who(visitor)["user"] == "bob"
    house.clock.forward(ms=15 * MINUTE_MS)
    assert who(visitor)["user"] is None
    house.clock.forward(ms=-MINUTE_MS)
    assert who(visitor)["user"] is None


def test_a_session_ends_however_much_it_is_used(house: House) -> None:
    visitor = house.inside()
    for _ in range(48):
        assert who(visitor)["user"] == "bob"
        house.clock.forward(ms=10 * MINUTE_MS)
    assert who(visitor)["user"] is None


def test_a_clock_before_the_login_lets_nobody_in(house: House) -> None:
    visitor = house.inside()
    house.clock.forward(ms=-1)
    assert who(visitor)["user"] is None


def test_who_is_suspended_is_out_at_once_and_stays_out(house: House) -> None:
    visitor = house.inside()
    target = Target(TargetKind.USER, "bob")
    order = Order(target=target, by="dora", reason="gone mad", os_user="0:test")
    done = house.guard.engine.administer(lambda core: suspend(core, order))
    assert not isinstance(done, Reason), done
    assert who(visitor)["user"] is None
    visitor.client.cookies.clear()
    assert visitor.login().status_code == 403
    assert house.refusals() == ["account-closed"]


def test_what_is_revoked_ends_the_sessions_too(house: House) -> None:
    visitor, other = house.inside(), house.inside("eve")
    order = Revoke(user="bob", by="dora", os_user="0:test", reason="lost")
    done = house.guard.engine.administer(lambda core: revoke(core, order))
    assert not isinstance(done, Reason)
    assert (done.passkeys, done.sessions) == (1, 1)
    assert who(visitor)["user"] is None
    assert who(other)["user"] == "eve"
    visitor.client.cookies.clear()
    assert visitor.login().status_code == 403
    assert house.enrolled("bob").login().status_code == 200
    assert [event.body["again"] for event in house.events(EventKind.ACCOUNT_INVITED)] == [False, False, False]


def test_a_passkey_revoked_between_answer_and_login_lets_nobody_in(house: House) -> None:
    visitor = house.enrolled()
    accounts = house.guard.engine.ports.accounts
    (key,) = accounts.passkeys("acme", "test")
    accounts.revoke("acme", "test", "bob", passkey=key.id)
    assert not accounts.counted("acme", "test", key, sign_count=9, used_ms=1)
    assert visitor.login().status_code == 403


# ── how often ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_fails_too_often_has_to_wait_and_does_not_fill_the_log(house: House) -> None:
    visitor = house.visitor()
    token = visitor.token("/login")
    codes = []
    for _ in range(30):
        answer_ = visitor.post("/login", token, {"answer": {}})
        codes.append(answer_.status_code)
    assert codes == [403] * 10 + [429] * 20
    assert len(house.refusals()) == 10


def test_strangers_at_the_same_address_keep_nobody_from_signing_an_answer(house: House) -> None:
    visitor, approval, stranger = house.inside(), _asked(house), house.visitor()
    token = stranger.token("/login")
    while stranger.post("/login", token, {"answer": {}}).status_code != 429:
        pass
    csrf, path = who(visitor)["csrf"], f"/approvals/{approval.id}/sign-options"
    text = visitor.sign(path, csrf, grant=True)
    assert _sent(visitor, approval, {"grant": True, "signed": text}) == ""
    # Who is signed in has a limit of their own.
    codes = [visitor.post(path, csrf, {"grant": True}).status_code for _ in range(70)]
    assert (codes[0], codes[-1]) == (200, 429)


# ── where to ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "there",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/a\\b", "javascript:alert(1)",
     "evil", "", "/\t/evil.example", "/a\nb", "/ä", None, 7, "/" + "a" * 3000],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(there: object) -> None:
    assert own_path(there) == "/"


@pytest.mark.parametrize("there", ["/", "/approvals/apr-1", "/history?page=2", "/approvals/a?next=https://x.example"])
def test_people_come_back_to_where_they_were(there: str) -> None:
    assert own_path(there) == there


# ── signed answers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(house: House, subject: str = "Hello") -> Approval:
    mail = {**MAIL, "subject": subject}
    with (
        house.guard.session(user="alice", agent=AGENT, task="Work") as session,
        pytest.raises(ApprovalPending) as pending,
    ):
        session.call("mail.send", mail, run=lambda **_: "sent")
    found = house.guard.state.get("acme", "test", pending.value.approval_id)
    assert found is not None
    return found


def _sent(visitor: Visitor, approval: Approval, body: dict[str, Any]) -> str:
    return str(visitor.client.post(f"/answer/{approval.id}", json=body).json()["code"])


def _content(house: House, event: Event, role: str) -> bytes:
    for path in (house.guard.project.folder / LOGS).glob("log-*.db"):
        with LogReader.open(path) as reader:
            found = reader.content(event.id, role)
        if found is not None:
            return found
    raise AssertionError(f"no content {role}")


def test_a_signed_answer_is_proven_from_the_log_alone(house: House) -> None:
    visitor, approval = house.inside(), _asked(house)
    csrf = who(visitor)["csrf"]
    text = visitor.sign(f"/approvals/{approval.id}/sign-options", csrf, grant=True)
    assert _sent(visitor, approval, {"grant": True, "signed": text}) == ""
    (proven,) = house.answers
    assert isinstance(proven, Proven)
    assert (proven.user, proven.method) == ("bob", ProofMethod.SIGNED)
    # From here on with what an auditor has: events, and the contents that they commit to.
    (enrolment,) = house.events(EventKind.ACCOUNT_ENROLLED)
    (granted,) = house.events(EventKind.APPROVAL_GRANTED)
    (request,) = house.events(EventKind.APPROVAL_REQUESTED)
    assert granted.body["method"] == "signed"
    assert granted.body["by"] == enrolment.body["user"]
    evidence = _content(house, granted, "evidence")
    assert granted.body["evidence"] == proven.evidence_digest
    told = verify_signed_answer(
        evidence,
        from_b64url(str(enrolment.body["public_key"])) or b"",
        credential=str(enrolment.body["credential"]),
        party=RelyingParty(id=str(enrolment.body["rp"]), origin=str(enrolment.body["origin"])),
    )
    assert not isinstance(told, Reason), told
    assert (told.approval, told.action) == (request.body["approval"], request.body["digest"])
    assert (told.user, told.grant, told.gates) == ("bob", True, ("external-mail",))
    for changed in (b'"grant":false', b'"user":"dora"', b'"approval":"apr-x"', b'"edited":"sha256:0"'):
        name = changed.split(b":")[0]
        start = evidence.index(name)
        end = min(at for at in (evidence.find(b",", start), evidence.find(b"}", start)) if at > 0)
        forged = evidence[:start] + changed + evidence[end:]
        assert isinstance(
            verify_signed_answer(
                forged, visitor.device.cose(), credential=b64url(visitor.device.id), party=house.door._way.door.party
            ),
            Reason,
        )


def test_a_signature_is_for_one_answer(house: House) -> None:
    visitor, approval, other = house.inside(), _asked(house), _asked(house, "Another")
    path = f"/approvals/{approval.id}/sign-options"
    csrf = who(visitor)["csrf"]

    def signed(**said: Any) -> str:
        return visitor.sign(path, csrf, **{"grant": True, **said})

    assert _sent(visitor, other, {"grant": True, "signed": signed()}) == "passkey-challenge"
    assert _sent(visitor, approval, {"grant": True, "signed": signed(grant=False)}) == "passkey-challenge"
    assert _sent(visitor, approval, {"grant": True, "signed": signed(gates=["x"])}) == "passkey-challenge"
    assert _sent(visitor, approval, {"grant": True, "signed": signed(edited='{"a": 1}')}) == "passkey-challenge"
    assert _sent(visitor, approval, {"grant": True, "edited": {"a": 1}, "signed": signed()}) == "passkey-challenge"
    text = signed()
    house.clock.forward(ms=5 * MINUTE_MS)
    assert _sent(visitor, approval, {"grant": True, "signed": text}) == "challenge-gone"
    assert _sent(visitor, approval, {"grant": True, "signed": "{}"}) == "bad-signature"
    assert not house.events(EventKind.APPROVAL_GRANTED)


def test_who_may_not_see_a_request_gets_nothing_to_sign_and_learns_nothing(tmp_path: Path) -> None:
    rules = (
        LEADS_ONLY
        + '@id("dora-keeps-accounts") permit (principal == User::"dora", action == Action::"admin.accounts", resource);'
    )
    with Guard.open(make_world(tmp_path, administration_people_cedar=rules)) as guard:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        house = housed(guard, clock)
        approval, eve, bob = _asked(house), house.inside("eve"), house.inside()
        asked = {"grant": False, "gates": None, "edited": None}
        told = [
            eve.post(f"/approvals/{id_}/sign-options", who(eve)["csrf"], asked) for id_ in (approval.id, "apr-none")
        ]
        assert [(answer_.status_code, answer_.text) for answer_ in told] == [(404, told[1].text)] * 2
        assert bob.post(f"/approvals/{approval.id}/sign-options", who(bob)["csrf"], asked).status_code == 200


def test_text_that_is_no_unicode_is_no_answer_and_no_failure(house: House, caplog: pytest.LogCaptureFixture) -> None:
    visitor, approval = house.inside(), _asked(house)
    csrf, path = who(visitor)["csrf"], f"/approvals/{approval.id}/sign-options"
    for part in (
        {"gates": ["\ud800"]},
        {"remember": {"scope": "task", "open_\ud800": "on"}},
        {"edited": '{"a":"\\ud800"}'},
    ):
        body = json.dumps({"grant": True, "gates": None, "edited": None, **part})
        headers = {"x-csrf-token": csrf, "content-type": "application/json"}
        assert visitor.client.post(path, content=body, headers=headers).status_code in (400, 404)
    for signed in ('{"nonce": "\\ud800"}', '{"nonce": "x", "answer": "\\ud800"}', "[" * 9999):
        assert _sent(visitor, approval, {"grant": True, "signed": signed}) == "bad-signature"
    assert caplog.text == ""


def test_a_signature_counts_once_in_the_session_that_asked(house: House) -> None:
    visitor, dora, approval = house.inside(), house.inside("dora"), _asked(house)
    path = f"/approvals/{approval.id}/sign-options"
    text = visitor.sign(path, who(visitor)["csrf"], grant=False)
    assert _sent(dora, approval, {"grant": False, "signed": text}) == "challenge-gone"
    # Dora signs what she asked for herself, with bob's passkey.
    own, dora.device = dora.device, visitor.device
    asked = dora.post(path, who(dora)["csrf"], {"grant": False, "gates": None, "edited": None}).json()
    given = {"nonce": asked["nonce"], "answer": visitor.device.get(asked["publicKey"])}
    assert _sent(dora, approval, {"grant": False, "signed": json.dumps(given)}) == "unknown-passkey"
    dora.device = own
    text = dora.sign(path, who(dora)["csrf"], grant=False)
    assert _sent(dora, approval, {"grant": False, "signed": text}) == ""
    assert _sent(dora, approval, {"grant": False, "signed": text}) == "challenge-gone"


def test_without_a_signature_it_is_the_login_that_answers(house: House) -> None:
    visitor, approval = house.inside(), _asked(house)
    assert _sent(visitor, approval, {"grant": True}) == ""
    (proven,) = house.answers
    assert isinstance(proven, Proven)
    assert proven.method is ProofMethod.PASSKEY
    assert _sent(house.visitor(), approval, {"grant": True}) == "not-signed-in"


def test_options_to_sign_need_the_session_and_its_token(house: House) -> None:
    visitor, approval = house.inside(), _asked(house)
    path = f"/approvals/{approval.id}/sign-options"
    body = {"grant": True, "gates": None, "edited": None}
    assert visitor.post(path, "x", body).status_code == 403
    assert house.visitor().post(path, "x", body).status_code == 403
    csrf = who(visitor)["csrf"]
    assert visitor.post("/approvals/apr-none/sign-options", csrf, body).status_code == 404
    for wrong in ({"grant": "yes"}, {"grant": True, "gates": []}, {"grant": True, "edited": "[1]"}, {}):
        assert visitor.post(path, csrf, wrong).status_code == 404


def test_of_fifty_who_use_one_challenge_at_once_one_does(house: House) -> None:
    visitor = house.enrolled()
    token = visitor.token("/login")
    given = visitor.device.get(visitor.options("/login", token))
    accounts, start = house.guard.engine.ports.accounts, threading.Barrier(50)
    challenge = json.loads(from_b64url(given["response"]["clientDataJSON"]) or b"")["challenge"]

    def take() -> bool:
        start.wait()
        return accounts.take_challenge("acme", "test", challenge, purpose=Purpose.LOGIN) is not None

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(lambda _: take(), range(50))) == 1
