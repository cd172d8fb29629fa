"""What would be decided if this agent made this call first thing in a new session, perhaps after others handed it on.

Backs `bailiwick explain`: the one call that somebody asks about, rehearsed; nothing is recorded and
nobody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bailiwick.guard.decide import Judged
from bailiwick.guard.explaining.rehearsal import Rehearsal, rehearse
from bailiwick.guard.handing.delegation import DelegationRequest
from bailiwick.guard.opening import OpenRequest
from bailiwick.guard.planes import Planes
from bailiwick.model.budget import NO_SHARES
from bailiwick.model.call import Call
from bailiwick.model.circumstances import NO_FACTS, FactReading
from bailiwick.model.lookup import NO_HOSTS

__all__ = ["Preview", "judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`prompts` is what the user said before, `unknown` what the calling agent read that nobody vouches for, `facts`
    what providers would say, `enforced` the arguments that effectors would keep to. `via` are the agents that hand the
    work on, the first one first, before `request.agent` makes the call: each passes on the user's words as they are.
    (Whether the rules let them hand work on is a question of its own.)"""

    request: OpenRequest
    call: Call
    via: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    facts: Mapping[str, FactReading] = field(default_factory=lambda: NO_FACTS)
    usage: Mapping[str, int] = field(default_factory=lambda: NO_SHARES)
    """How much of each budget had been used before; of one that is not named, nothing."""
    enforced: frozenset[str] = frozenset()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NO_HOSTS)
    """What hosts resolve to; one that is not named has a public address."""


def judged(planes: Planes, what: Preview, now_us: int) -> Judged:
    """The decision on `what.call`, with what it was taken on. Pure."""
    first, *others = (*what.via, what.request.agent)
    words = "\n".join(what.prompts)
    rehearsal = Rehearsal(
        request=replace(what.request, agent=first),
        call=what.call,
        delegations=tuple(
            DelegationRequest(to=agent, tools=None, zones=None, ttl_ms=None, message=words) for agent in others
        ),
        prompts=what.prompts,
        unknown=what.unknown,
        facts=what.facts,
        usage=what.usage,
        enforced=what.enforced,
        hosts=what.hosts,
    )
    return rehearse(planes, rehearsal, now_us).steps[-1].judged
