"""The rulebook, first part: the form of a rule, and whether it can do anything at all."""

from __future__ import annotations

from bailiwick.errors import Severity
from bailiwick.policy.rulebook_entries import Lint

__all__ = ["RULES"]

RULES = (
    Lint(
        id="syntax",
        title="This is not Cedar",
        why="A rule that cannot be read cannot be kept. One broken rule does not hide its neighbours: they are checked "
        "too.",
        mend="Look at the line that is named, and at the end of the rule before it: a missing semicolon or quote shows "
        "up late.",
    ),
    Lint(
        id="template",
        title="A rule has slots that nothing fills",
        why="Cedar's templates (`?principal`, `?resource`) permit or forbid nothing until somebody links them, and "
        "nothing here does.",
        mend="Name a principal, a group or a class in the scope, or leave the scope open.",
    ),
    Lint(
        id="invalid-rule",
        title="Cedar's strict validation refuses a rule",
        why="Something in the rule has a type that does not fit, or its scope fits no request. While it is evaluated "
        "Cedar would skip such a rule.",
        mend="The message is Cedar's own. docs/policies.md lists what rules can see, with types.",
    ),
    Lint(
        id="bad-schema",
        title="Catalog and directory give no schema",
        why="Rules are checked against a Cedar schema that is generated from tools/*.toml and directory.toml. Without "
        "one, Cedar would not see that a name is wrong.",
        mend="Look for unusual names of tools, arguments and attributes.",
    ),
    Lint(
        id="missing-id",
        title="A rule has no @id",
        why="Decisions, approvals and the log name rules by their id. Cedar would number them instead, and the numbers "
        "move when a rule is added.",
        mend='Put `@id("short-name")` before the rule.',
    ),
    Lint(
        id="bad-id",
        title="An @id cannot be used",
        why="Ids stand in approvals, in the log and on command lines; a few are codes of reasons that are no rules.",
        mend="Use letters, digits, dots, dashes and underscores, at most 100, and begin with a letter or a digit.",
    ),
    Lint(
        id="duplicate-id",
        title="Two rules have the same @id",
        why="A decision that names the id would not say which rule decided.",
        mend="Give each rule an id of its own, over all files.",
    ),
    Lint(
        id="arithmetic-in-forbid",
        title="A forbid computes",
        why="Cedar's integers have 64 bits. Where `+`, `-` or `*` overflows, Cedar skips the rule: a forbid that is "
        "skipped forbids nothing. Whoever chooses the numbers could switch it off.",
        mend="Compare facts with constants. A sum or a difference has to be a fact of its own.",
    ),
    Lint(
        id="context-as-value",
        title="`context` is used as a value",
        why="Passed on as a whole, the context hides which attributes a rule reads, and so from every other check.",
        mend="Read its attributes one by one: `context.flow.tainted`.",
    ),
    Lint(
        id="action-literal",
        title="An action is written out on the left of `in`",
        why="The test asks about an action that the rule names itself, not about the call's: its answer never changes.",
        mend='Write `action in Action::"…"`.',
    ),
    Lint(
        id="entity-literal",
        title="A condition asks about somebody who is written out",
        why="A call brings along its own links, task and resources, with what they are in, and nobody else. Of all "
        "others Cedar says that they are in nothing: a forbid on what such a one is in would forbid nothing.",
        mend="Ask about the call's own: `principal`, `resource`, `context.user`, `context.agent`, `context.task`. "
        'Whether it is a certain one, `principal == User::"…"` says.',
    ),
    Lint(
        id="never-fires",
        title="A rule can never fire",
        why="No principal, action and resource fit its scope and its conditions together, or its conditions "
        "contradict each other. A forbid that can never fire looks like protection and is none.",
        mend="Compare what the scope says with what the conditions ask for. For a group of tools write "
        '`action in Action::"send"`, not `==`.',
    ),
    Lint(
        id="needless-has",
        title="`has` asks for what is always there",
        why="The test is always true. Most often the value was meant: `has external` says nothing of whether it is.",
        mend="Compare the value, or leave the test out.",
    ),
    Lint(
        id="optional-attribute",
        title="A rule reads what may be missing",
        why="Where it is missing, Cedar skips the rule. A forbid would forbid nothing for exactly the calls that leave "
        "the argument out.",
        mend="Ask first: `context.args has limit && context.args.limit > 5`.",
    ),
    Lint(
        id="partial-argument",
        title="A rule over a group asks for an argument that only some of its tools have",
        why="The tools of the group that lack the argument would slip through.",
        mend="Use the effect's interface, which every tool of the group has (`context.send`, `context.pay`, "
        "`context.change`, …), or name the tools in the scope.",
    ),
    Lint(
        id="permit-beyond-group",
        title="A permit by effect group reaches a tool that does more",
        why="A tool can read and write. A permit of `read` would also permit what it writes.",
        mend="Name the tools, or name every effect that is meant.",
    ),
    Lint(
        id="bad-obligation",
        title="An obligation names nothing, or a category that does not exist",
        why="What is to be taken out of results must not be a guess: nothing would be, and everybody would think it "
        "was.",
        mend='Write `@redact("pii")` or `@mask("pci")` with categories of bailiwick.toml, `@drop("ssn, notes")` with '
        "names of fields.",
    ),
    Lint(
        id="obligation-without-result",
        title="An obligation stands on a rule that returns no result",
        why="`@redact`, `@mask` and `@drop` change what a permitted call returns. A forbid lets nothing through, and "
        "administration has no results of tools.",
        mend="Put it on the permit of the tool.",
    ),
    Lint(
        id="unscoped-permit",
        title="A permit leaves open which tools, or who",
        severity=Severity.WARNING,
        why="It also permits every tool that is added later, or gives a group of tools to everybody.",
        mend="Say which tools (`action in [...]`) and to whom (`principal in Group::…`).",
    ),
    Lint(
        id="unscoped-forbid",
        title="A forbid has no scope at all",
        severity=Severity.NOTE,
        why="A forbid over everything may be just what is meant. But Cedar has to look at it in each decision: a rule "
        "is set aside beforehand by its scope alone, never by its conditions.",
        mend="If it is about certain tools, principals or zones, say so in the scope instead of in a condition. If it "
        "is about everything, leave it.",
    ),
    Lint(
        id="empty-set",
        title="`containsAll` is true of an empty set",
        severity=Severity.WARNING,
        why="`[…].containsAll(facts)` holds where no fact was found at all: a query without a table passes a test on "
        "tables.",
        mend="Test that too: `!facts.isEmpty() && […].containsAll(facts)`.",
    ),
    Lint(
        id="unknown-annotation",
        title="A forbid has an annotation that nobody reads",
        severity=Severity.WARNING,
        why="It has no effect. A misspelt `@approvers` would look like one.",
        mend="Correct its name, or make it a comment.",
    ),
    Lint(
        id="annotation-on-permit",
        title="A permit has an annotation that nobody reads",
        why="Whoever reads `@disabled` or `@until` takes the permit for switched off, or for narrower than it is. It "
        "permits all the same.",
        mend="Write it as a condition, make it a comment, or delete the permit.",
    ),
    Lint(
        id="empty-reason",
        title="@reason says nothing",
        severity=Severity.WARNING,
        why="The reason is what the model and the person are told when the rule denies.",
        mend="Say in one sentence why the rule is there.",
    ),
    Lint(
        id="no-rules",
        title="There is no rule at all",
        severity=Severity.WARNING,
        why="What no rule permits is denied: here, everything.",
        mend="Write a permit into a file whose name ends in .cedar.",
    ),
    Lint(
        id="shadowed",
        title="A rule changes nothing, because another one covers it",
        severity=Severity.WARNING,
        why="Whenever it fires, another rule has settled the call already: a permit that permits as much or more, a "
        "forbid that a permit can never get past, a forbid that denies as much or more. Whoever edits it later will "
        "think that they changed something. Only rules whose scopes contain each other and whose conditions are the "
        "same (or fewer) count, so this is never a guess.",
        mend="Delete one of the two, or make the wider one narrower.",
    ),
    Lint(
        id="reaches-nobody",
        title="Nobody in the directory fits a rule's principal",
        severity=Severity.WARNING,
        why="The group is empty, everybody in it is switched off, or the one person who is named is not in the group "
        "that a condition asks for. Directories change, so the rule loads; today it does nothing.",
        mend="Put somebody into the group, name another one, or delete the rule.",
    ),
)
