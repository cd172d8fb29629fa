"""A decision without stores: what would be decided if this agent made this call first thing in a new session.

Backs `bailiwick explain`, policy tests and documentation; nothing is recorded and nobody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bailiwick.flow.ledger import ContentOrigin, Ledger, Seen
from bailiwick.guard.decide import Judged, deny, judge
from bailiwick.guard.opening import OPEN_TOOL, OpenRequest, authority_of
from bailiwick.guard.planes import Planes
from bailiwick.guard.state import SessionState
from bailiwick.identity.authority import delegate
from bailiwick.model.call import Authority, Call
from bailiwick.model.circumstances import Circumstances, FactReading
from bailiwick.model.decision import Decision, Reason

__all__ = ["Preview", "judged", "preview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`prompts` is what the user said before, `unknown` what the session read that nobody vouches for, `facts` what
    providers would say. `via` are the agents that hand the work on, the first one first, before `request.agent` makes
    the call: each passes on the user's words as they are. (Whether the rules let them hand work on is a question of its
    own.)"""

    request: OpenRequest
    call: Call
    via: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    facts: Mapping[str, FactReading] = field(default_factory=lambda: MappingProxyType({}))


def preview(planes: Planes, what: Preview, now_us: int) -> Decision:
    """The decision on `what.call`. Pure."""
    return judged(planes, what, now_us).decision


def judged(planes: Planes, what: Preview, now_us: int) -> Judged:
    """The decision on `what.call`, with what it was taken on."""
    request = what.request
    first, *others = (*what.via, request.agent)
    authority = authority_of(planes, replace(request, agent=first), now_us // 1000)
    for agent in others:
        if isinstance(authority, Authority):
            authority = _handed_on(planes, authority, agent, now_us // 1000)
    if isinstance(authority, Reason):
        return Judged(decision=deny(OPEN_TOOL, authority))
    around = Circumstances(evidence=request.evidence, environment=request.environment)
    session = SessionState(
        authority=authority,
        ledger=_ledger(planes, what, authority),
        around=around,
        last_us=now_us,
    )
    spec = planes.catalog.find(what.call.tool)
    read = planes.policy.facts_read(spec.name) if spec else frozenset()
    # As in a running session: providers are asked for those facts alone that the rules of the tool read.
    facts = {name: reading for name, reading in what.facts.items() if name in read}
    return judge(planes, session, what.call, now_us, facts)


def _handed_on(planes: Planes, authority: Authority, agent: str, now_ms: int) -> Authority | Reason:
    return delegate(
        planes.directory,
        authority,
        to=agent,
        tools=None,
        zones=None,
        ttl_ms=None,
        now_ms=now_ms,
        conversation=authority.key.conversation,
    )


def _ledger(planes: Planes, what: Preview, authority: Authority) -> Ledger:
    ledger = Ledger(top_sensitivity=planes.top_sensitivity, task=authority.purpose)
    texts = [(ContentOrigin.PROMPT, text) for text in what.prompts]
    texts += [(ContentOrigin.UNKNOWN, text) for text in what.unknown]
    for number, (origin, text) in enumerate(texts):
        seen = Seen(origin=origin, source=origin.value, value=text)
        ledger.ingest(seen, content_id=f"preview-{number}", event_id="")
    for depth in range(authority.chain.depth):
        ledger = ledger.child("\n".join(what.prompts), content_id=f"preview-message-{depth}", event_id="")
    return ledger
