"""The values of a test file: who calls what, having seen what, and what is to become of it. DESIGN §4 *tests*."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bailiwick.errors import Where
from bailiwick.guard.explaining.rehearsal import Past, Rehearsal
from bailiwick.guard.handing.delegation import DelegationRequest
from bailiwick.guard.opening import OpenRequest
from bailiwick.model.call import Call, Fact
from bailiwick.model.circumstances import CLAIMED, Evidence, FactReading
from bailiwick.model.decision import Outcome
from bailiwick.model.lookup import NO_HOSTS

__all__ = ["PLAIN", "Asked", "Case", "Context", "Expected", "NamedCall", "Principal", "TestFile"]

_CONVERSATION = "policy-test"
"""No conversation is read or written: the name stands for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A chain: a user or a service, its agent and task, and further agents by delegation."""

    name: str
    user: str | None
    service: str | None
    agent: str
    task: str
    delegations: tuple[DelegationRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCall:
    """A call. `refused` is the code with which the catalog refuses it, whoever makes it; empty if it does not."""

    name: str
    call: Call
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the session has seen, and what holds around it. `now_us` None: the file's own clock. A fact is a value with
    its age in milliseconds; `enforced` are arguments that effectors keep to; `hosts` what names resolve
    to (one that is not named: to a public address)."""

    name: str
    now_us: int | None = None
    prompts: tuple[str, ...] = ()
    results: tuple[Past, ...] = ()
    unknown: tuple[str, ...] = ()
    evidence: Evidence = CLAIMED
    environment: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, tuple[Fact, int]] = field(default_factory=lambda: MappingProxyType({}))
    usage: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How much of each budget was used before."""
    enforced: frozenset[str] = frozenset()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NO_HOSTS)


PLAIN = Context(name="")
"""A session that has seen nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One cell: this principal makes this call in this context, at `now_us`."""

    principal: Principal
    call: NamedCall
    context: Context = PLAIN
    now_us: int

    @property
    def title(self) -> str:
        """`alice → mail-customer`, with the context in brackets if there is one."""
        after = f" [{self.context.name}]" if self.context.name else ""
        return f"{self.principal.name} → {self.call.name}{after}"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.principal.name, self.call.name, self.context.name

    def rehearsal(self) -> Rehearsal:
        """What the guard is to rehearse."""
        who, context = self.principal, self.context
        now_ms = self.now_us // 1000
        spoken = "\n".join(context.prompts)
        return Rehearsal(
            request=OpenRequest(
                user=who.user,
                service=who.service,
                agent=who.agent,
                task=who.task,
                conversation=_CONVERSATION,
                evidence=context.evidence,
                environment=context.environment,
            ),
            call=self.call.call,
            delegations=tuple(replace(each, message=each.message or spoken) for each in who.delegations),
            prompts=context.prompts,
            results=context.results,
            unknown=context.unknown,
            facts={
                name: FactReading(value=value, read_ms=now_ms - age_ms)
                for name, (value, age_ms) in context.facts.items()
            },
            usage=context.usage,
            enforced=context.enforced,
            hosts=context.hosts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is to become of a call. None and "": not asked for.

    `policies` are the rules that decide: those that permit an allow, those that forbid a denial; exactly these, as are
    `gates`, and for each link in `links`. `reason` is the code of a reason, or its whole sentence."""

    outcome: Outcome
    policies: frozenset[str] | None = None
    reason: str = ""
    gates: frozenset[str] | None = None
    links: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One cell with what is expected of it. `group` is the matrix that it belongs to, empty for a `[[case]]`."""

    file: str
    group: str
    name: str
    where: Where
    asked: Asked
    expected: Expected

    @property
    def title(self) -> str:
        """How reports call it."""
        return f"{self.group}: {self.name}" if self.group else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFile:
    """One file of tests. `text` is the file as it was read: missing tests are said in its names."""

    __test__ = False  # pytest: this is not a class of tests

    path: str
    now_us: int
    principals: Mapping[str, Principal]
    calls: Mapping[str, NamedCall]
    contexts: Mapping[str, Context]
    cases: tuple[Case, ...]
