"""The token that a session is opened with: which of those that `Guard.session` takes, and whether it goes with what
else is said. DESIGN §5 *Identity*.
"""

from __future__ import annotations

import secrets

from bailiwick.errors import UsageError
from bailiwick.guard.handing.credentials import DelegationToken, PlanToken, Prover, UserToken
from bailiwick.identity.keys import PrivateKey
from bailiwick.identity.proof import prove
from bailiwick.project.clock import now_us

__all__ = ["Token", "check_named", "token_shown"]

Token = UserToken | PlanToken | DelegationToken


def token_shown(
    *, user_token: str | None, plan: str | None, delegation: str | None, key: PrivateKey | Prover | None
) -> Token | None:
    """The one token that is given, or None. Raises UsageError if there are several, or a delegation has no key."""
    if sum(each is not None for each in (user_token, plan, delegation)) > 1:
        raise UsageError("a session is opened with one token", hint="give user_token, plan or delegation, one of them")
    if (key is None) is not (delegation is None):
        raise UsageError("a delegation goes with the agent's key", hint="give delegation and key, both")
    if user_token is not None:
        return UserToken(user_token)
    if plan is not None:
        return PlanToken(plan)
    if delegation is None or key is None:
        return None
    return DelegationToken(delegation, _prover(delegation, key) if isinstance(key, PrivateKey) else key)


def check_named(token: Token | None, *, user: str | None, service: str | None, agent: str, task: str) -> None:
    """Raises UsageError if something is named that the token says, or not named though no token says it."""
    if isinstance(token, PlanToken | DelegationToken):
        if any((agent, task, user, service)):
            raise UsageError("the token says for whom the session is", hint="leave out user, service, agent and task")
        return
    if isinstance(token, UserToken) and (user or service):
        raise UsageError("the user token says who the user is", hint="leave out user and service")
    if not (agent and task):
        raise UsageError("a session has an agent and a task", hint="name both")


def _prover(token: str, key: PrivateKey) -> Prover:
    def made(digest: str) -> str:
        return prove(token, key=key, digest=digest, nonce=secrets.token_urlsafe(16), now_ms=now_us() // 1000)

    return made
