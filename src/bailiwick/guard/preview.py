"""A decision without stores: what would be decided if this agent made this call first thing in a new session.

Backs `bailiwick explain`, policy tests and documentation; nothing is recorded and nobody is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.flow.ledger import ContentOrigin, Ledger, Seen
from bailiwick.guard.decide import deny, judge
from bailiwick.guard.opening import OPEN_TOOL, OpenRequest, authority_of
from bailiwick.guard.planes import Planes
from bailiwick.guard.state import SessionState
from bailiwick.model.call import Call
from bailiwick.model.decision import Decision, Reason

__all__ = ["Preview", "preview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`prompts` is what the user said before, `unknown` what the session read that nobody vouches for."""

    request: OpenRequest
    call: Call
    prompts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def preview(planes: Planes, what: Preview, now_us: int) -> Decision:
    """The decision on `what.call`. Pure."""
    authority = authority_of(planes, what.request, now_us // 1000)
    if isinstance(authority, Reason):
        return deny(OPEN_TOOL, authority)
    session = SessionState(
        authority=authority,
        subject=planes.policy.subject(
            chain=authority.chain,
            task=authority.task,
            purpose=authority.purpose,
            expires_ms=authority.grant.expires_ms,
        ),
        ledger=Ledger(top_sensitivity=planes.top_sensitivity, task=authority.purpose),
        last_us=now_us,
    )
    texts = [(ContentOrigin.PROMPT, text) for text in what.prompts]
    texts += [(ContentOrigin.UNKNOWN, text) for text in what.unknown]
    for number, (origin, text) in enumerate(texts):
        seen = Seen(origin=origin, source=origin.value, value=text)
        session.ledger.ingest(seen, content_id=f"preview-{number}", event_id="")
    return judge(planes, session, what.call, now_us).decision
