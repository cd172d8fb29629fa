"""The rulebook, second part: names and literals that do not exist, or are taken."""

from __future__ import annotations

from bailiwick.policy.rulebook_entries import Lint

__all__ = ["NAMES"]

_DECLARED = "Cedar accepts any name. A rule on one that does not exist never matches: a permit permits nothing, and a "
_FORBID = "forbid forbids nothing."


def _unknown(what: str, *, where: str, title: str = "") -> Lint:
    return Lint(
        id=f"unknown-{what}",
        title=title or f"A rule names a {what} that does not exist",
        why=_DECLARED + _FORBID,
        mend=f"Correct the name, or declare the {what} in {where}.",
    )


NAMES = (
    _unknown("tool", where="tools/*.toml", title="A rule names a tool or effect group that does not exist"),
    _unknown("group", where="directory.toml"),
    _unknown("role", where="directory.toml"),
    _unknown("class", where="directory.toml"),
    _unknown("user", where="directory.toml"),
    _unknown("service", where="directory.toml"),
    _unknown("agent", where="directory.toml", title="A rule names an agent that does not exist"),
    _unknown("task", where="directory.toml"),
    _unknown("zone", where="the `zones` of a tool"),
    _unknown("model", where="tools/*.toml"),
    Lint(
        id="unknown-resource",
        title="A rule names a resource that no tool can touch",
        why="No `resource` of the catalog can give this id, so no call is ever about it.",
        mend="Compare it with the `resource` templates in tools/*.toml.",
    ),
    Lint(
        id="unknown-type",
        title="A rule names a type that does not exist",
        why=_DECLARED + _FORBID,
        mend="The types are User, Service, Agent, Group, Role, AgentClass, Task, Resource, Zone and Action.",
    ),
    Lint(
        id="unknown-attribute",
        title="A rule reads or asks for an attribute that does not exist",
        why="`has` on it is always false, and reading it fails: Cedar would skip the rule.",
        mend="docs/policies.md lists what rules can see. Arguments differ from tool to tool: over a group, use the "
        "effect's interface.",
    ),
    Lint(
        id="unknown-argument",
        title="A rule compares names of arguments with one that no tool of its scope has",
        why="`context.flow.unendorsed` and its kin hold names of arguments. A name that is not among them never is in "
        "the set. Content is not judged, so its names are not either.",
        mend="Use the argument's name as in tools/*.toml, or ask whether the set is empty.",
    ),
    _unknown("category", where="`labels.categories` of bailiwick.toml"),
    Lint(
        id="unknown-level",
        title="A rule compares with a sensitivity level that does not exist",
        why="Levels are counted from 0 in the order of `labels.levels`. `>= 9` is never true where there are four.",
        mend="Use the number of a level that there is.",
    ),
    Lint(
        id="unknown-value",
        title="A rule compares with a value that this can never be",
        why="The catalog or the directory lists every value, and this is none of them.",
        mend="Correct the value; upper and lower case count.",
    ),
    Lint(
        id="unknown-method",
        title="A rule names a way of signing in that does not exist",
        why="`context.evidence.method` says how the user was recognised. A method that does not exist never is it.",
        mend="Use one of those that the message names.",
    ),
    Lint(
        id="reserved-action",
        title="A rule names an action that can never be called",
        why="Every effect group holds one action of ours (`send:none`), so that general rules can be checked in a "
        "project without such tools. Nobody can request it.",
        mend='Name the group: `action in Action::"send"`.',
    ),
    Lint(
        id="reserved-tool-name",
        title="A tool has a name that is taken",
        why="Effect groups and tools are both actions of Cedar. A tool that is called like a group would be one.",
        mend='A tool\'s name contains a dot and no colon: "crm.get_customer".',
    ),
    Lint(
        id="reserved-attribute",
        title="The directory adds an attribute whose name is taken",
        why="Rules read our attributes (`active`, `level`, `clearance`, …) and yours side by side.",
        mend="Choose another name; attributes are added to User, Service and Agent alone.",
    ),
)
