"""Who is at the console's door: logins with passkeys, invitations, and signed answers.

What decides is in `guard.people`, what the ways in have in common in `server.doorway`; this makes the secrets and draws
the pages. INVARIANTS: whatever changes something carries the token of the session or of the visit (Host, Origin and
size of each request were looked at before: `server.security`); who may not in learns that alone. DESIGN §5 *Identity*.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bailiwick.action.approvals import Approval
from bailiwick.action.remember import Remember, remember_digest
from bailiwick.errors import CanonicalError
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Flow
from bailiwick.guard.people.challenges import TurnedAway
from bailiwick.guard.people.enrolling import ask_enrolment, enrol, invited
from bailiwick.guard.people.signing_in import ToSign, ask_login, ask_signature, login, sign_out, signed
from bailiwick.identity.accounts import ConsoleSession, Invitation, hidden
from bailiwick.identity.answer_to_sign import edit_digest
from bailiwick.identity.passkeys import request_options
from bailiwick.model.approver import Proven
from bailiwick.model.decision import Plane, Reason
from bailiwick.project import Guard
from bailiwick.server.auth_oidc import OidcDoor
from bailiwick.server.doorway import Doorway, form_of, json_object, own_path, told, too_often
from bailiwick.server.pages import Pages
from bailiwick.server.reading import Reader
from bailiwick.server.remembering import remember_of

__all__ = ["Doorkeeper"]

_SECRET_BYTES = 32
_ENROLLED = {"kind": "done", "head": "Your passkey is enrolled.", "message": "Now sign in with it.", "hint": ""}


class Doorkeeper:
    """Lets people in to the console of one open project. Thread-safe."""

    def __init__(self, guard: Guard, *, pages: Pages, url: str = "") -> None:
        """`url` is where the console is, if that is not `console.url`: another port of the same host. Raises UsageError
        if no browser keeps passkeys for it."""
        self._way = Doorway(guard, pages=pages, url=url)

    # ── for the pages of the console ───────────────────────────────────────────────────────────────────────────────

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The pages and endpoints for those who are not in yet, or go."""
        return [
            Route("/login", self._login_page, methods=["GET"]),
            Route("/login/options", self._login_options, methods=["POST"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/enrol/{code}", self._enrol_page, methods=["GET"]),
            Route("/enrol/{code}/options", self._enrol_options, methods=["POST"]),
            Route("/enrol/{code}", self._enrol, methods=["POST"]),
            Route("/passkeys", self._passkeys_page, methods=["GET"]),
            Route("/passkeys/options", self._passkey_options, methods=["POST"]),
            Route("/passkeys", self._passkey, methods=["POST"]),
            Route("/approvals/{id}/sign-options", self._sign_options, methods=["POST"]),
            *OidcDoor(self._way).routes,
        ]

    def person(self, request: Request) -> Proven | None:
        """Who this is, if they signed in, and when they proved it."""
        session = self._way.session(request)
        return None if session is None else _by(session)

    def csrf_token(self, request: Request) -> str:
        """What each form of this session carries."""
        return self._way.csrf_token(request)

    def csrf_fits(self, request: Request, token: str) -> bool:
        """Whether that is the token of this session."""
        return self._way.csrf_fits(request, token)

    def proven_answer(
        self,
        request: Request,
        approval: Approval,
        gates: Collection[str] | None,
        *,
        grant: bool,
        edited: Mapping[str, object] | None = None,
        remember: Remember | None = None,
        signed_text: str = "",
    ) -> Proven | Reason:
        """Who gives this answer: by a passkey's signature over exactly it where the form brought one (its field
        `signed`), else by the session. (Whether that will do is asked where the vote is counted.) `gates` None: all of
        the request's; `edited` are changed arguments."""
        session = self._way.session(request)
        if session is None:
            return _reason("not-signed-in", "Nobody is signed in here.", "Sign in, and answer again.")
        if not signed_text:
            return _by(session)
        said = _to_sign(approval, gates, grant=grant, edited=edited, remember=remember)
        given = json_object(signed_text.encode())
        nonce = given.get("nonce") if given else None
        if said is None or given is None or not isinstance(nonce, str):
            return _reason("bad-signature", "The signature that came with this answer cannot be read.", "Answer again.")
        done = self._way.run(
            lambda core: signed(core, self._way.door, session, said, nonce=nonce, answer=given.get("answer"))
        )
        if isinstance(done, TurnedAway):
            self._way.note(request, done, session)
            return done.reason
        return done

    # ── signing in and out ─────────────────────────────────────────────────────────────────────────────────────────

    def _login_page(self, request: Request) -> Response:
        there = own_path(request.query_params.get("next", ""))
        if self._way.session(request) is not None:
            return RedirectResponse(there, status_code=303)
        issuers = self._way.guard.engine.ports.holding.latest.settings.oidc
        providers = [{"name": each.name} for each in issuers if each.login is not None]
        enrolled = request.query_params.get("enrolled") == "yes"
        data = {"next": there, "providers": providers, "told": _ENROLLED if enrolled else None}
        return self._way.visiting(request, lambda token: self._way.pages.html("login.html", data, token=token))

    async def _login_options(self, request: Request) -> Response:
        return await self._way.json(request, self._asked_login)

    def _asked_login(self, request: Request, _body: Mapping[str, Any]) -> Response:
        challenge, holder = secrets.token_bytes(_SECRET_BYTES), self._way.holder(request)
        return JSONResponse(
            self._way.run(lambda core: ask_login(core, self._way.door, holder=holder, challenge=challenge))
        )

    async def _login(self, request: Request) -> Response:
        return await self._way.json(request, self._logged_in)

    def _logged_in(self, request: Request, body: Mapping[str, Any]) -> Response:
        cookie, fresh = self._way.fresh(request)
        holder, answer = self._way.holder(request), body.get("answer")
        done = self._way.run(lambda core: login(core, self._way.door, answer, holder=holder, fresh=fresh))
        if isinstance(done, TurnedAway):
            return self._turned_away(request, done)
        return self._way.let_in(JSONResponse({"next": own_path(body.get("next"))}), cookie)

    async def _logout(self, request: Request) -> Response:
        fits = self._way.csrf_fits(request, (await form_of(request)).get("csrf", ""))
        return await run_in_threadpool(self._logged_out, request) if fits else told(403, "This form is too old.", "")

    def _logged_out(self, request: Request) -> Response:
        session = self._way.session(request)
        answer = RedirectResponse("/login", status_code=303)
        self._way.let_out(answer)
        if session is not None:
            self._way.run(lambda core: sign_out(core, session))
        return answer

    # ── enrolling ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _enrol_page(self, request: Request) -> Response:
        found = self._invited(request)
        if isinstance(found, Response):
            return self._way.pages.failed(
                request, 404, "There is no such invitation, or it was used, or it is too old."
            )
        data = {"path": f"/enrol/{request.path_params['code']}", "user": found.user, "another": False}
        return self._way.visiting(request, lambda token: self._way.pages.html("enrol.html", data, token=token))

    async def _enrol_options(self, request: Request) -> Response:
        return await self._way.json(request, lambda request, _body: self._asked(request, self._invited(request)))

    async def _enrol(self, request: Request) -> Response:
        return await self._way.json(request, lambda request, body: self._made(request, body, self._invited(request)))

    def _passkeys_page(self, request: Request) -> Response:
        session = self._way.session(request)
        if session is None:
            return RedirectResponse("/login?next=/passkeys", status_code=303)
        data = {"path": "/passkeys", "user": session.user, "another": True}
        answers = Reader(guard=self._way.guard, by=_by(session)).reads_approvers
        around: dict[str, Any] = {"person": session.user, "csrf": self.csrf_token(request), "answers": answers}
        return self._way.visiting(
            request, lambda token: self._way.pages.html("enrol.html", data, token=token, **around)
        )

    async def _passkey_options(self, request: Request) -> Response:
        return await self._way.json(request, lambda request, _body: self._asked(request, self._inside(request)))

    async def _passkey(self, request: Request) -> Response:
        return await self._way.json(request, lambda request, body: self._made(request, body, self._inside(request)))

    def _invited(self, request: Request) -> Invitation | Response:
        code = hidden(str(request.path_params["code"]))
        if not self._way.admits(request):
            return told(429, "Too many attempts.", "Wait a minute.")
        found = self._way.run(lambda core: invited(core, code))
        return self._turned(request, found) if isinstance(found, TurnedAway) else found

    def _inside(self, request: Request) -> ConsoleSession | Response:
        return self._way.session(request) or told(401, "Sign in first.", "")

    def _asked(self, request: Request, who: Invitation | ConsoleSession | Response) -> Response:
        if isinstance(who, Response):
            return who
        challenge, holder = secrets.token_bytes(_SECRET_BYTES), self._way.holder(request)
        done = self._way.run(lambda core: ask_enrolment(core, self._way.door, who, holder=holder, challenge=challenge))
        return self._turned(request, done) if isinstance(done, TurnedAway) else JSONResponse(done)

    def _made(self, request: Request, body: Mapping[str, Any], who: Invitation | ConsoleSession | Response) -> Response:
        if isinstance(who, Response):
            return who
        holder, answer = self._way.holder(request), body.get("answer")
        done = self._way.run(lambda core: enrol(core, self._way.door, who, answer, holder=holder))
        if isinstance(done, TurnedAway):
            return self._turned(request, done)
        return JSONResponse({"next": "/" if isinstance(who, ConsoleSession) else "/login?enrolled=yes"})

    def _turned_away(self, request: Request, away: TurnedAway) -> Response:
        """What everybody sees whose login failed, for whatever reason."""
        self._way.note(request, away)
        hint = "Try again. If it stays so, ask whoever administers this project."
        return told(403, "This sign-in did not succeed.", hint)

    def _turned(self, request: Request, away: TurnedAway) -> Response:
        """For people who are known by an invitation or a session: they are told why."""
        self._way.note(request, away)
        return told(403, away.reason.message, away.reason.hint)

    # ── signing an answer ──────────────────────────────────────────────────────────────────────────────────────────

    async def _sign_options(self, request: Request) -> Response:
        return await self._way.json(request, self._asked_signature, of_session=True)

    def _asked_signature(self, request: Request, body: Mapping[str, Any]) -> Response:
        """The hash of what will be signed; for who may not see the request there is none. Whether their answer counts
        is asked when they give it."""
        session = self._way.session(request)
        if session is None:
            return told(401, "Sign in first.", "")
        if not self._way.admits(request, session):
            return too_often()
        found = Reader(guard=self._way.guard, by=_by(session)).find(str(request.path_params["id"]))
        gates, grant, edited = body.get("gates"), body.get("grant"), body.get("edited")
        remember, told_to = remember_of({name: str(value) for name, value in _fields(body.get("remember")).items()})
        args = json_object(edited.encode()) if isinstance(edited, str) else None
        fine = (gates is None or _names(gates)) and isinstance(grant, bool) and (edited is None or args is not None)
        said = None
        if found is not None and fine and (told_to or grant is False):
            said = _to_sign(found, gates, grant=grant is True, edited=args, remember=remember)
        if said is None:
            return told(404, "There is no such request, or no such answer to it.", "")
        nonce = secrets.token_urlsafe(_SECRET_BYTES)

        def asked(core: Core) -> Flow[dict[str, Any]]:
            ends, keys = yield from ask_signature(core, session, nonce)
            whole = said.by(core, session.user, nonce=nonce, expires_ms=ends)
            return request_options(self._way.door.party, challenge=whole.challenge, allowed=keys)

        options = self._way.run(asked)
        if not options["allowCredentials"]:
            return told(409, "This needs a passkey, and you have none here.", "Ask for an invitation to enrol one.")
        return JSONResponse({"nonce": nonce, "publicKey": options})


def _by(session: ConsoleSession) -> Proven:
    return Proven(user=session.user, method=session.method, at_ms=session.proved_ms)


def _to_sign(
    approval: Approval,
    gates: Collection[str] | None,
    *,
    grant: bool,
    edited: Mapping[str, object] | None,
    remember: Remember | None = None,
) -> ToSign | None:
    """None where the arguments have no canonical form."""
    try:
        digest = edit_digest(edited)
    except CanonicalError:
        return None
    return ToSign(
        approval=approval.id,
        action=approval.digest,
        card=approval.card_digest,
        gates=tuple(gate.id for gate in approval.gates) if gates is None else tuple(gates),
        grant=grant,
        edited=digest,
        remember=remember_digest(remember) if grant else "",
    )


def _fields(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _names(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= 100 and all(isinstance(name, str) for name in value)


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
