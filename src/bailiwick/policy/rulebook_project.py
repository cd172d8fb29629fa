"""The rulebook, last part: rules, catalog and directory taken together, and files that nobody reads."""

from __future__ import annotations

from bailiwick.errors import Severity
from bailiwick.policy.rulebook_entries import Lint

__all__ = ["PROJECT"]

PROJECT = (
    Lint(
        id="tool-without-permit",
        title="No permit reaches a tool",
        severity=Severity.NOTE,
        why="Every call of it is denied. That is safe, and right for a tool that is only listed so that it is known; "
        "it is also what a forgotten permit looks like. Conditions are not looked at, only scopes.",
        mend="Write a permit for the people and one for the agents who need it, or take the tool out of the catalog.",
    ),
    Lint(
        id="tool-out-of-reach",
        title="A tool is permitted on one side of the chain only",
        severity=Severity.WARNING,
        why="Every link of a chain needs a permit: the user or service that it starts with, and each agent. Where one "
        "side has none, the permits of the other side do nothing. Only scopes and active entries of the directory "
        "count. If a forbid without conditions closes the tool to that side, somebody has decided so, and nothing is "
        "said.",
        mend="Write the permit that is missing, take the tool out of the others, or forbid it outright to the side "
        "that is not to have it.",
    ),
    Lint(
        id="readers-unsaid",
        title="Nothing says who may read a secret",
        severity=Severity.NOTE,
        why="Results of the second highest level or above, or of a category that is strict, are readable by everybody "
        "unless the catalog says otherwise: `context.flow.recipients_outside_readers` never holds for them, and only "
        "rules over `recipients_external` stand between them and others.",
        mend="Give the output `readers`, or `readers_from` where the record lists them; give labels of single fields "
        "`readers` of their own. Where everybody inside may read it, name the group that holds everybody.",
    ),
    Lint(
        id="unused-entity",
        title="No rule speaks of an entry of the directory",
        severity=Severity.NOTE,
        why="A group, role or class that stands in no rule and in no gate's approvers, nor any that it lies in, "
        "changes no decision. An agent or service that no permit reaches is always denied. Users and tasks are not "
        "looked at: a directory holds everybody, and tasks are chosen by name when a session is opened.",
        mend="Write the rule that was meant, or delete the entry.",
    ),
    Lint(
        id="file-ignored",
        title="A file that is never read",
        severity=Severity.WARNING,
        why="Tools are read from tools/*.toml, rules from policies/**/*.cedar. A rule file with a slip in its name, or "
        "in another folder, forbids nothing, and nobody would notice.",
        mend="Rename it or move it; notes may lie anywhere as .md or .txt.",
    ),
    Lint(
        id="pack-rule-skipped",
        title="A rule of a pack speaks of nothing that this project has",
        severity=Severity.WARNING,
        why="Every tool that its scope names is missing in tools/*.toml, or no tool has its zone or resource. No call "
        "could meet it, so it is left out. A tool that is there under another name is not covered by it.",
        mend="Nothing, if the project has no such tool. Else copy the rule out of policies/packs and name yours.",
    ),
    Lint(
        id="pack-rule-narrowed",
        title="A rule of a pack speaks of tools that this project lacks",
        severity=Severity.WARNING,
        why="The tools that are missing in tools/*.toml are taken out of its scope; for the others it holds as it is "
        "written. A tool that is there under another name is not covered by it.",
        mend="Nothing, if the project has no such tools. Else copy the rule out of policies/packs and name yours.",
    ),
)
