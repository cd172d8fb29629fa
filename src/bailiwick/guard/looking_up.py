"""What has to be looked up before a call can be understood: the addresses of a host, where a path leads.

Looking a host up tells its name to whoever answers for that name: `secret-4711.evil.example` says all that it has to
say by being asked for. So a host is looked up only for a call that could run: the call is decided with made-up answers
first (`model.lookup.SUPPOSED`: a public address, a private one, and both ways round where there are several hosts), and
unless one of these decisions permits it, approvals counted, that decision stands and nobody is asked for the name.

INVARIANT: no permit is made of a supposed answer; what was decided on one is recorded as such (`circumstances`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.action.parse import lookups
from bailiwick.action.types.path import supposed_answer
from bailiwick.guard.decide import Judged
from bailiwick.guard.effects import Flow
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.model.call import Call
from bailiwick.model.decision import Outcome, Plane, Reason
from bailiwick.model.lookup import (
    NO_HOSTS,
    NOTHING_FOUND,
    SUPPOSED,
    SUPPOSED_PRIVATE,
    SUPPOSED_PUBLIC,
    Found,
    Lookup,
    LookupKind,
)

__all__ = ["LookUp", "decided", "supposed", "unanswered"]

_EVERY_WAY = 3
"""Hosts of one call that every combination of answers is tried for; of more, one of them private at a time."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """→ the answers to these questions; what could not be looked up is not among them."""

    asked: tuple[Lookup, ...]

    def do(self, ports: Ports) -> Found:
        return ports.lookups.look_up(self.asked)


def decided(
    planes: Planes, call: Call, judge: Callable[[Found], Flow[Judged]], could_run: Callable[[Judged], Flow[bool]]
) -> Flow[Judged]:
    """The decision on `call` with all that it needs looked up. `judge` decides with given answers; `could_run` says
    whether such a decision, with the approvals that there are, lets the call run."""
    asked = lookups(planes.catalog, call, types=planes.types)
    hosts = tuple(each for each in asked if each.kind is LookupKind.HOST)
    found: Found = yield from _answers(tuple(each for each in asked if each not in hosts))
    if not hosts:
        return (yield from judge(found))
    best: Judged | None = None
    for answers in _supposed(hosts):
        judged = yield from judge({**found, **answers})
        if (yield from could_run(judged)):
            real = yield from _answers(hosts)
            return (yield from judge({**found, **real}))
        if best is None or (_asks(judged) and not _asks(best)):
            best = judged
    assert best is not None
    return best


def unanswered(judged: Judged) -> Reason | None:
    """Why an allowed call must not run after all: it was decided on supposed answers, because it still had to be
    approved then, and the approval came in this very moment."""
    assert judged.action is not None
    if all(SUPPOSED.isdisjoint(answers) for answers in judged.action.found.values()):
        return None
    return Reason(
        plane=Plane.ACTION,
        code="not-looked-up",
        message=f"{judged.decision.tool} was approved only just now, and its host has not been looked up yet.",
        hint="Make the same call again.",
    )


def _answers(asked: tuple[Lookup, ...]) -> Flow[Found]:
    if not asked:
        return NOTHING_FOUND
    found: Found = yield LookUp(asked)
    return found


def _asks(judged: Judged) -> bool:
    return judged.decision.outcome is Outcome.NEEDS_APPROVAL


def _supposed(hosts: Sequence[Lookup]) -> Iterator[Found]:
    """Ways in which the hosts might resolve: all public first."""
    if len(hosts) <= _EVERY_WAY:
        for chosen in itertools.product((SUPPOSED_PUBLIC, SUPPOSED_PRIVATE), repeat=len(hosts)):
            yield {host: (address,) for host, address in zip(hosts, chosen, strict=True)}
        return
    everywhere = dict.fromkeys(hosts, (SUPPOSED_PUBLIC,))
    yield everywhere
    yield dict.fromkeys(hosts, (SUPPOSED_PRIVATE,))
    for host in hosts[:_EVERY_WAY]:
        yield {**everywhere, host: (SUPPOSED_PRIVATE,)}


def supposed(planes: Planes, call: Call, hosts: Mapping[str, tuple[str, ...]] = NO_HOSTS) -> Found:
    """Answers without asking anybody, for explaining and testing rules: those of `hosts`; every other host counts as
    one with a public address, and every path as a file that is where it says."""
    asked = lookups(planes.catalog, call, types=planes.types)
    return {
        each: hosts.get(each.name, (SUPPOSED_PUBLIC,)) if each.kind is LookupKind.HOST else supposed_answer(each)
        for each in asked
    }
