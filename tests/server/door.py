"""A door that believes a cookie, for tests of what lies behind it. The real one has tests of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from bailiwick.action.approvals import Approval
from bailiwick.action.remember import Remember
from bailiwick.model.approver import ProofMethod, Proven
from bailiwick.model.decision import Reason

__all__ = ["SESSION", "SignedIn"]

SESSION = "who"


class SignedIn:
    """Whoever the cookie names has signed in with a passkey, when they first came."""

    routes: Sequence[BaseRoute] = ()

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def person(self, request: Request) -> Proven | None:
        user = request.cookies.get(SESSION, "")
        if not user:
            return None
        at_ms = self._since.setdefault(user, time.time_ns() // 1_000_000)
        return Proven(user=user, method=ProofMethod.PASSKEY, at_ms=at_ms)

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
        found = self.person(request)
        assert found is not None
        return found

    def csrf_token(self, request: Request) -> str:
        return hashlib.sha256(request.cookies.get(SESSION, "").encode()).hexdigest()

    def csrf_fits(self, request: Request, token: str) -> bool:
        return token == self.csrf_token(request)
