"""The console as one ASGI application: which page is where, and who is let in.

INVARIANT: every page is made by `_Page`, which asks the doorkeeper for a person before anything else, and for the token
of that person's session before anything that changes something. What a view gives is drawn or, under `.json`, given as
it is: both were authorised as one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from bailiwick.action.approvals import Approval
from bailiwick.action.remember import Remember
from bailiwick.model.approver import Proven
from bailiwick.model.decision import Reason
from bailiwick.project import Guard
from bailiwick.server.auth import Doorkeeper
from bailiwick.server.doorway import form_of
from bailiwick.server.integrity import Verifier
from bailiwick.server.live import Live
from bailiwick.server.looking import Investigator, Looks
from bailiwick.server.pages import Pages, Shown, as_json
from bailiwick.server.reading import Reader
from bailiwick.server.records import log_folder
from bailiwick.server.security import Fence
from bailiwick.server.views.approval import answered, approval, taken_back
from bailiwick.server.views.approvers import approvers
from bailiwick.server.views.compare import compare
from bailiwick.server.views.event import event
from bailiwick.server.views.event import revealed as event_revealed
from bailiwick.server.views.history import history
from bailiwick.server.views.inbox import inbox
from bailiwick.server.views.integrity import Integrity
from bailiwick.server.views.rule import rule
from bailiwick.server.views.search import kept, search
from bailiwick.server.views.search import revealed as search_revealed
from bailiwick.server.views.sessions import sessions
from bailiwick.server.views.standing import revoked, standing
from bailiwick.server.views.stream import stream
from bailiwick.server.views.trace import revealed as session_revealed
from bailiwick.server.views.trace import trace
from bailiwick.server.views.why import drawing, why
from bailiwick.server.visit import Answerable, Gone, Missing, Picture, Refused, Visit

__all__ = ["console_of", "create_app"]

View = Callable[[Visit], Answerable]
_NOT_HERE = "There is no such page, or none for you."


class Door(Protocol):
    """Who lets people in (`bailiwick.server.auth`)."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The pages for those who are not in yet, or go."""

    def person(self, request: Request) -> Proven | None:
        """Who this is, if they signed in."""

    def csrf_token(self, request: Request) -> str:
        """What each form of this person's session carries."""

    def csrf_fits(self, request: Request, token: str) -> bool:
        """Whether that is the token of this session."""

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
        """Who gives this answer: by a passkey's signature over it if the form brought one, else by the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """One view under one path, and under the same with `.json`. `here` is its place in the navigation."""

    guard: Guard
    door: Door
    pages: Pages
    live: Live
    looks: Looks
    view: View
    here: str = ""

    async def html(self, request: Request) -> Response:
        again = request.headers.get("hx-request") == "true"
        by = await run_in_threadpool(self.door.person, request)
        if by is None:
            return _to_the_door(request, again=again)
        form = await form_of(request)
        if request.method == "POST" and not self.door.csrf_fits(request, form.pop("csrf", "")):
            return self.pages.failed(request, 403, "This form is too old, or not of this session. Nothing was counted.")
        made = await run_in_threadpool(self.view, self._visit(request, by, again=again, form=form))
        if isinstance(made, (Missing, Refused)) and again:
            return Response(status_code=204, headers={"HX-Refresh": "true"})
        if isinstance(made, Missing):
            return self.pages.failed(request, 404, _NOT_HERE)
        if isinstance(made, Gone):
            return RedirectResponse(made.url, status_code=303)
        if made is None:
            return Response(status_code=204)
        if isinstance(made, Picture):
            return Response(made.svg, media_type="image/svg+xml")
        around = await run_in_threadpool(self._around, request, by)
        if isinstance(made, Refused):
            told = {"message": made.reason.message, "hint": made.reason.hint, "status": 403}
            return self.pages.html("refused.html", told, status=403, **around)
        return self.pages.html(made.template, made.data, status=made.status, **around)

    async def json(self, request: Request) -> Response:
        by = await run_in_threadpool(self.door.person, request)
        if by is None:
            return as_json({"error": "Sign in first."}, status=401)
        made = await run_in_threadpool(self.view, self._visit(request, by))
        if isinstance(made, Refused):
            return as_json({"error": made.reason.message, "hint": made.reason.hint}, status=403)
        if not isinstance(made, Shown):
            return as_json({"error": _NOT_HERE}, status=404)
        return as_json({name: value for name, value in made.data.items() if name != "seen"}, status=made.status)

    def _visit(
        self, request: Request, by: Proven, *, again: bool = False, form: Mapping[str, str] | None = None
    ) -> Visit:
        return Visit(
            reader=Reader(guard=self.guard, by=by),
            log=self._log(by),
            live=self.live,
            proves=partial(self.door.proven_answer, request, signed_text=(form or {}).get("signed", "")),
            path={name: str(value) for name, value in request.path_params.items()},
            seen=request.query_params.get("seen", "") if again else "",
            partial=again,
            form=form or {},
            query={name: value for name, value in request.query_params.items() if name != "seen"},
        )

    def _around(self, request: Request, by: Proven) -> dict[str, object]:
        return {
            "person": by.user,
            "csrf": self.door.csrf_token(request),
            "here": self.here,
            "answers": Reader(guard=self.guard, by=by).reads_approvers,
            "reads_log": self._log(by).reads,
        }

    def _log(self, by: Proven) -> Investigator:
        return Investigator(guard=self.guard, by=by, looks=self.looks)


def console_of(guard: Guard, *, origin: str, renew: str = "3s") -> ASGIApp:
    """The console of an open project, with its own doorkeeper. `renew` is how often a page asks for what is new.
    Raises UsageError if no browser keeps passkeys for `origin`."""
    decisions = guard.project.settings.decisions
    pages = Pages(project=f"{decisions.tenant}/{decisions.env}", renew=renew)
    return create_app(guard, door=Doorkeeper(guard, pages=pages, url=origin), pages=pages, origin=origin)


def create_app(guard: Guard, *, door: Door, pages: Pages, origin: str) -> ASGIApp:
    """The console of an open project. `origin` is the one under which people reach it; `pages` are those that the
    doorkeeper draws with, too."""
    integrity = Integrity(_verifier(guard))
    page_of = partial(_Page, guard=guard, door=door, pages=pages, live=Live(), looks=Looks())

    def routes(path: str, view: View, *, here: str = "") -> tuple[Route, Route]:
        page = page_of(view=view, here=here)
        twin = "/inbox.json" if path == "/" else f"{path}.json"
        return Route(twin, page.json, methods=["GET"]), Route(path, page.html, methods=["GET"])

    def alone(path: str, view: View) -> Route:
        return Route(path, page_of(view=view).html, methods=["GET"])

    def deed(path: str, view: View, *, here: str = "") -> Route:
        return Route(path, page_of(view=view, here=here).html, methods=["POST"])

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return pages.failed(request, error.status_code, _NOT_HERE if error.status_code == 404 else "Not done here.")

    async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
        await pages.failed(Request(scope), 404, _NOT_HERE)(scope, receive, send)

    router = Router(
        [
            *routes("/", inbox, here="inbox"),
            *routes("/approvals/{id}", approval),
            deed("/approvals/{id}/answer", answered),
            deed("/approvals/{id}/withdraw", taken_back),
            *routes("/history", history, here="history"),
            *routes("/standing", standing, here="standing"),
            deed("/standing/{id}/revoke", revoked),
            *routes("/approvers", approvers, here="approvers"),
            *routes("/sessions", sessions, here="log"),
            *routes("/sessions/{id}", trace, here="log"),
            deed("/sessions/{id}/reveal", session_revealed, here="log"),
            *routes("/events/{id}", event, here="log"),
            *routes("/events/{id}/why", why, here="log"),
            alone("/events/{id}/why.svg", drawing),
            deed("/events/{id}/reveal", event_revealed, here="log"),
            *routes("/stream", stream, here="log"),
            *routes("/search", search, here="log"),
            deed("/search/reveal", search_revealed, here="log"),
            deed("/filters", kept, here="log"),
            *routes("/compare", compare, here="log"),
            *routes("/rule", rule, here="log"),
            *routes("/integrity", integrity, here="log"),
            *door.routes,
            Mount("/static", StaticFiles(packages=[("bailiwick.server", "static")])),
        ],
        default=nowhere,
        redirect_slashes=False,
    )
    # No `Starlette`: it answers failures itself before the fence could.
    app = ExceptionMiddleware(router, handlers={HTTPException: refused})
    return Fence(app=app, origin=origin, failed=pages.failed)


def _verifier(guard: Guard) -> Verifier:
    clock = guard.engine.ports.clock
    return Verifier(log_folder(guard), lambda: clock() // 1000, guard.project.settings.witnessing)


def _to_the_door(request: Request, *, again: bool) -> Response:
    if again:
        # The page as a whole goes to the door, not the part of it that asked.
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    back = _address(request) if request.method == "GET" else "/"
    return RedirectResponse("/login" if back == "/" else f"/login?next={quote(back)}", status_code=303)


def _address(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
