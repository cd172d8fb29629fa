"""What was decided about a call, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bailiwick.model.label import Label
from bailiwick.model.obligation import NO_OBLIGATIONS, Obligations
from bailiwick.model.principal import EntityRef
from bailiwick.model.tool import Durability

__all__ = [
    "ArgFlow",
    "Decision",
    "FlowFacts",
    "Gate",
    "GateKind",
    "LinkVerdict",
    "Observed",
    "Origin",
    "Outcome",
    "Plane",
    "Reason",
    "Verdict",
]


class Outcome(StrEnum):
    """`str(outcome)` is what users compare with."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_APPROVAL = "needs_approval"


class Plane(StrEnum):
    """Which plane a reason comes from."""

    IDENTITY = "identity"
    ACTION = "action"
    FLOW = "flow"
    POLICY = "policy"
    AUDIT = "audit"
    GUARD = "guard"


class GateKind(StrEnum):
    """CONFIRM accepts the chain's own authenticated user, out of band; APPROVAL needs an independent person."""

    CONFIRM = "confirm"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One sentence on why. `code` is stable (`unknown-tool`, `no-permit`, a policy id ...); `message` may be shown to
    the model: it holds no secret and names no policy that did not decide. `hint` says what would be permitted."""

    plane: Plane
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A policy that a person can lift. `approvers` are groups, roles or users; `quorum` how many of them it takes.

    `text` is a digest of the rule as its author wrote it, annotations and all: while it is the same, the same thing is
    asked. A `phishing_resistant` gate counts only answers that a passkey signed. From `escalate_after_ms` after the
    request on, `escalate_to` may answer too. `ttl_ms` None: requests are good for as long as the project says.
    `no_standing`: people are asked each time."""

    id: str
    kind: GateKind
    approvers: tuple[EntityRef, ...]
    quorum: int
    reason: str = ""
    text: str = ""
    phishing_resistant: bool = False
    escalate_to: tuple[EntityRef, ...] = ()
    escalate_after_ms: int = 0
    ttl_ms: int | None = None
    no_standing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkVerdict:
    """Cedar's answer for one link of the chain and one resource. `policies` are the ids that decided: the permits of an
    allow, the forbids of a deny; an empty tuple on a deny means that no permit fits."""

    link: EntityRef
    resource: EntityRef
    allowed: bool
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The policy plane's answer over all links and resources. `gates` are the ones whose approval would make it an
    allow (empty unless outcome is NEEDS_APPROVAL). `obligations` are those of the permits that decided."""

    outcome: Outcome
    links: tuple[LinkVerdict, ...]
    gates: tuple[Gate, ...] = ()
    reasons: tuple[Reason, ...] = ()
    policy_digest: str = ""
    obligations: Obligations = NO_OBLIGATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value of an argument was seen before. `path` points into the content (`[3].email`), `event` is the id of
    the audit event that recorded the content, `how` is `exact` for whole values, `run` for a run of text, `part` where
    the run only shows together with earlier calls to the same sink; what the argument had to be decoded by stands
    before it (`base64 gzip run`). `more`, without a content, stands for places that were forgotten."""

    content: str
    event: str
    source: str
    path: str
    how: str = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgFlow:
    """What the flow plane knows of one argument. `endorsed_by` says by what each whole value is endorsed, in the order
    of the argument's values; an empty string marks a value that nothing endorses."""

    name: str
    endorsed: bool
    endorsed_by: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFacts:
    """`context.flow`, and behind it the label of the call and the origins of its arguments.

    `label` is that of the call, after strict and evidence mode; `session_label` the high-water mark. `by_colleague`
    are arguments that only an authenticated colleague's own words endorse; `unbound` those that the catalog says belong
    together and that do not; `unasked`: nobody's words ask for this effect on this object; `repeated`: such a call ran
    already, and nobody asks for one more; `undictated`: contents that say what is not in the user's own words;
    `misquoted`: the user said what is to be said, and a content says something else. `recipients_are_readers`: not
    everyone may read what is handed on, and all who come to see it may."""

    label: Label
    session_label: Label
    tainted: bool
    unendorsed: tuple[str, ...] = ()
    unendorsed_values: tuple[str, ...] = ()
    by_colleague: tuple[str, ...] = ()
    unbound: tuple[str, ...] = ()
    unasked: bool = False
    repeated: bool = False
    undictated: tuple[str, ...] = ()
    misquoted: bool = False
    recipients_external: bool = False
    recipients_outside_readers: bool = False
    recipients_are_readers: bool = False
    opaque: bool = False
    arguments: tuple[ArgFlow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What would have become of a call if the rules that are only observed were enforced. `rules` are those that would
    have decided; none where no rule permits the call."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    rules: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """In capitals, since it has to be seen."""
        return "WOULD DENY" if self.outcome is Outcome.DENY else "WOULD ASK"

    def told(self) -> str:
        """What would have been, in one line."""
        return f"{self.word}: {self.reasons[0].message}" if self.reasons else self.word


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to one call. `reasons` is never empty. `digest` is the action digest, empty where the call did not
    even parse. `gates` are those that approval would lift; `approved` those that it did lift, each with its approval's
    id. `observed` is set where rules that are only observed would have decided otherwise."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    tool: str
    digest: str = ""
    verdict: Verdict | None = None
    flow: FlowFacts | None = None
    gates: tuple[Gate, ...] = ()
    approved: Mapping[str, str] | None = None
    durability: Durability = Durability.SYNC
    observed: Observed | None = None
    obligations: Obligations = NO_OBLIGATIONS
    """What is done to the result before anybody sees it."""

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.ALLOW

    def sentence(self) -> str:
        """Why, in one line for the model: what was refused, why, and what would be permitted if that is known."""
        # Whoever waits for a person has to know of every gate, not of the first alone.
        reasons = self.reasons if self.outcome is Outcome.NEEDS_APPROVAL else self.reasons[:1]
        return " ".join(f"{reason.message}{_hint(reason)}" for reason in reasons)

    def explain(self, beneath: Mapping[tuple[EntityRef, EntityRef], Sequence[str]] | None = None) -> str:
        """Everything that decided, for a person: the reasons, then each link of the chain with its policies, then what
        the flow plane found. `beneath` are lines to put under a link and resource: what its rules read."""
        lines = [f"{self.tool}: {self.outcome.value}"]
        lines.extend(f"  {item.plane.value}/{item.code}: {item.message}{_hint(item)}" for item in self.reasons)
        if self.observed is not None:
            lines.extend(_observed_lines(self.observed))
        if self.verdict is not None:
            for link in self.verdict.links:
                lines += [_link_line(link), *(beneath or {}).get((link.link, link.resource), ())]
        for gate in self.gates:
            approvers = ", ".join(f"{ref.kind.value} {ref.id}" for ref in gate.approvers) or "the user"
            lines.append(f"  gate {gate.id}: {gate.kind.value} by {gate.quorum} of {approvers}")
        for gate_id, approval in (self.approved or {}).items():
            lines.append(f"  gate {gate_id}: lifted by {approval}")
        if self.flow is not None:
            lines.extend(_flow_lines(self.flow))
        return "\n".join(lines)


def _hint(reason: Reason) -> str:
    return f" {reason.hint}" if reason.hint else ""


def _observed_lines(observed: Observed) -> list[str]:
    lines = [f"  {observed.word} if its rules were enforced:"]
    return lines + [f"    {item.plane.value}/{item.code}: {item.message}" for item in observed.reasons]


def _link_line(link: LinkVerdict) -> str:
    word = "permits" if link.allowed else "forbids"
    if link.errors:
        why = f"could not be evaluated: {'; '.join(link.errors)}"
    elif link.policies:
        why = f"{word}: {', '.join(link.policies)}"
    else:
        why = "has no permit: this link is missing one"
    return f"  {link.link} on {link.resource} {why}"


def _flow_lines(flow: FlowFacts) -> list[str]:
    word = "tainted" if flow.tainted else "untainted"
    categories = ", ".join(sorted(flow.session_label.categories)) or "none"
    lines = [f"  session: {word}, sensitivity {flow.session_label.sensitivity}, categories {categories}"]
    for argument in flow.arguments:
        if not argument.endorsed:
            lines.append(f"  argument {argument.name}: nothing endorses it")
        for origin in argument.origins:
            at = f" {origin.path}" if origin.path else ""
            event = f" (event {origin.event})" if origin.event else ""
            lines.append(f"  argument {argument.name}: seen in {origin.source}{at}{event}")
    return lines
