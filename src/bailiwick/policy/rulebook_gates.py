"""The rulebook, third part: gates, and who can lift them."""

from __future__ import annotations

from bailiwick.errors import Severity
from bailiwick.policy.rulebook_entries import Lint

__all__ = ["GATES"]

GATES = (
    Lint(
        id="gate-on-permit",
        title="@gate stands on a permit",
        why="A gate denies until somebody lifts it. A permit denies nothing.",
        mend='Make it a forbid: `forbid (…) unless { context.approved.contains("its-own-id") }`.',
    ),
    Lint(
        id="gate-on-administration",
        title="A rule on administration is a gate",
        why="Approvals are for calls of tools. Nobody is asked about reading the log, approving or suspending, so "
        "nobody could lift it.",
        mend="Forbid it, or permit it to fewer people.",
    ),
    Lint(
        id="bad-gate",
        title="A gate of an unknown kind",
        why="Who may lift it is not known, so nobody could.",
        mend='Use `@gate("approval")` for an independent person, `@gate("confirm")` for the user.',
    ),
    Lint(
        id="gate-without-unless",
        title="A gate that no approval could lift",
        why="Somebody would be asked, and their answer would change nothing.",
        mend='Add as a clause of its own: `unless { context.approved.contains("its-own-id") }`.',
    ),
    Lint(
        id="gate-of-another",
        title="A gate is lifted by the approval of another one",
        why="People approve what the card shows them: one gate. Their yes must not open a second one.",
        mend="Name the rule's own id in its unless.",
    ),
    Lint(
        id="approved-outside-gate",
        title="`context.approved` is read outside of a gate's unless",
        why="An approval may lift exactly the gate that it names. Elsewhere it could grant something, or be one "
        "condition of several.",
        mend="Let the whole of one unless be `context.approved.contains(…)`, and put other conditions into clauses of "
        "their own.",
    ),
    Lint(
        id="bad-approvers",
        title="@approvers cannot be read, or names somebody who does not exist",
        why="A gate whose approvers do not exist always denies.",
        mend='Write `@approvers("Group::support-leads")`; groups, roles and users, separated by commas.',
    ),
    Lint(
        id="bad-quorum",
        title="@quorum is not a number of people",
        why="It says how many approvals a gate needs. A confirmation is given by the user alone.",
        mend='Write `@quorum("2")`, on gates of kind approval.',
    ),
    Lint(
        id="bad-escalation",
        title="An escalation that names nobody or no time",
        why="After a time others may answer too. Without both it would never happen, or at once; and a confirmation is "
        "the user's alone.",
        mend='Write `@escalate_to("Group::directors") @escalate_after("10m")`, on gates of kind approval.',
    ),
    Lint(
        id="bad-duration",
        title="@ttl or @escalate_after is no duration",
        why="How long a request is good for, or when others are asked too, must not be a guess.",
        mend='Write `@ttl("1h")`: numbers with `d`, `h`, `m`, `s`, the largest first.',
    ),
    Lint(
        id="bad-phishing-resistant",
        title="@phishing_resistant with a value that is not understood",
        why="Whether a click is enough or a passkey has to sign must not be a guess.",
        mend="Write `@phishing_resistant` to demand a signature of a passkey, or leave it out.",
    ),
    Lint(
        id="bad-no-standing",
        title="@no_standing with a value that is not understood",
        why="Whether a yes may be remembered for calls like the one on the card must not be a guess.",
        mend="Write `@no_standing` to have people asked each time, or leave it out.",
    ),
    Lint(
        id="annotation-without-gate",
        title="An annotation for gates without @gate",
        severity=Severity.WARNING,
        why="It has no effect: the rule denies, and nobody is asked.",
        mend="Add `@gate`, or remove the annotation.",
    ),
    Lint(
        id="gate-out-of-reach",
        title="Nobody is left who could approve",
        severity=Severity.WARNING,
        why="An approval needs people who are independent of the call: active, not the user who asks, and not the "
        "owner of a service or an agent that takes part. For the chain that the finding names fewer are left than the "
        "quorum asks for, so the gate always denies it.",
        mend="Add people to the approvers' groups, name another group beside them, or lower the quorum.",
    ),
    Lint(
        id="confirm-without-user",
        title="A confirmation is asked of a chain without a user",
        severity=Severity.WARNING,
        why="A service starts the call, so there is no user who could confirm it: the gate always denies it.",
        mend='Use `@gate("approval")`, or except services: `when { context has user }`.',
    ),
    Lint(
        id="bad-observe",
        title="@observe with a value that is not understood",
        why="Whether the rule denies or is only watched must not be a guess.",
        mend="Write `@observe` to watch it, or leave it out to enforce it.",
    ),
    Lint(
        id="observe-on-permit",
        title="@observe stands on a permit",
        why="A forbid that is only observed lets pass what it would have denied. A permit denies nothing: observing it "
        "would either change nothing or let pass what no rule permits.",
        mend="Leave the permit out, or enforce it. To try a whole set of rules, set `policies.mode` to `observe`.",
    ),
    Lint(
        id="observe-on-administration",
        title="@observe stands on a rule about administration",
        why="Who may approve, read the log or activate rules is always enforced: a trial of it would be a way around "
        "it.",
        mend="Remove `@observe`.",
    ),
)
