"""directory.toml: people, services, agents and tasks, checked as a whole. DESIGN §4, §5 *Identity*.

Every problem is found at once and named with its line (`ProjectError`). INVARIANT: in the directory that is returned
every name that refers to something refers to something declared, and no group, role or class is its own ancestor.

```toml
[attributes.User]
department = "string"                 # "string" "long" "bool"; with "?" it is optional
[groups.support]
parents = []
[users.alice]
email = "alice@example.com"
groups = ["support"]
clearance = "confidential"            # a level of bailiwick.toml, or its index
department = "support"
automated = false                     # true: programs post through this account
[agents.support-bot]
classes = ["support"]
owner = "bob"
keys = ["ed25519:1RBPW0gBvuScB_lZRpCobnkKh_MRzGy8RVAJ2RNRVxY"]       # it may run in a process of its own
[agents.support-bot.may_delegate_to]
researcher = { effects = ["read"], max_depth = 0 }                   # left out: nobody
[tasks.answer-ticket]
purpose = "Answer one ticket"
tools = ["crm.get_customer"]          # left out: every tool
ttl = "1h"
budget = { mails_per_day = 10 }       # a budget of bailiwick.toml; left out: all of it
```
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from bailiwick.errors import ProjectError
from bailiwick.identity.directory_trust import keys_of, may_delegate_to
from bailiwick.model.budget import BudgetShares, share_of
from bailiwick.model.canonical import digest
from bailiwick.model.directory import (
    AgentEntry,
    Attribute,
    DelegationEdge,
    Directory,
    ServiceEntry,
    TaskEntry,
    UserEntry,
)
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityKind
from bailiwick.model.toml_entries import Entry, Problems
from bailiwick.model.toml_lines import TomlText
from bailiwick.model.tool import DELEGATE_TOOL

__all__ = ["load_directory"]

_SECTIONS = ("attributes", "groups", "roles", "users", "services", "classes", "agents", "tasks")
_OWN_KEYS: Mapping[EntityKind, frozenset[str]] = {
    EntityKind.USER: frozenset({"id", "email", "groups", "roles", "active", "automated", "level", "clearance", "keys"}),
    EntityKind.SERVICE: frozenset({"id", "owner", "purpose", "active", "clearance"}),
    EntityKind.AGENT: frozenset({"id", "classes", "owner", "active", "clearance", "may_delegate_to", "keys"}),
}


def load_directory(
    path: str,
    text: str,
    *,
    levels: tuple[str, ...],
    catalog_tools: frozenset[str] | None = None,
    zones: frozenset[str] | None = None,
    budgets: frozenset[str] | None = None,
) -> Directory:
    """The directory that `text`, the content of the file `path`, describes.

    `levels` are the names of the sensitivity levels from low to high. Tasks may name only `catalog_tools`, `zones` and
    `budgets` (None: not checked) and the built-in `agent.delegate`. Raises ProjectError with every finding.
    """
    problems = Problems(text=TomlText.parse(path, text))
    for section in problems.text.data:
        if section not in _SECTIONS:
            problems.note("unknown-key", f"unknown section '{section}'", section, hint=did_you_mean(section, _SECTIONS))
    attributes = _attributes(problems)
    groups = _hierarchy(problems, "groups", "group")
    roles = _hierarchy(problems, "roles", "role")
    classes = _hierarchy(problems, "classes", "class")
    taken: dict[str, str] = {}
    users = _users(problems, levels, attributes[EntityKind.USER], groups=groups, roles=roles, taken=taken)
    services = _services(problems, levels, attributes[EntityKind.SERVICE])
    agents = _agents(problems, levels, attributes[EntityKind.AGENT], classes=classes, taken=taken)
    tools = None if catalog_tools is None else catalog_tools | {DELEGATE_TOOL}
    tasks = _tasks(problems, tools=tools, zones=zones, budgets=budgets)
    if problems.found:
        raise ProjectError(sorted(problems.found, key=lambda finding: finding.where.line))
    kinds = sorted(attributes.items())
    content = [
        [[kind.value, [[a.name, type(a.shape).__name__, a.optional] for a in held]] for kind, held in kinds],
        [_plain(parents) for parents in (groups, roles, classes)],
        [[_row(entries[name]) for name in sorted(entries)] for entries in (users, services, agents, tasks)],
    ]
    return Directory(
        users=users,
        services=services,
        agents=agents,
        tasks=tasks,
        groups=groups,
        roles=roles,
        classes=classes,
        attributes=attributes,
        digest=digest("bailiwick.directory", content),
    )


def _attributes(problems: Problems) -> dict[EntityKind, tuple[Attribute, ...]]:
    """`[attributes.<kind>]`: what every entry of the kind carries beyond our own keys."""
    tables = problems.tables("attributes")
    found: dict[EntityKind, tuple[Attribute, ...]] = dict.fromkeys(_OWN_KEYS, ())
    for kind_name, table in tables.items():
        kind = next((kind for kind in _OWN_KEYS if kind.value == kind_name), None)
        if kind is None:
            problems.note(
                "unknown-kind",
                f"attributes are declared for '{kind_name}'",
                "attributes",
                kind_name,
                hint=did_you_mean(kind_name, [kind.value for kind in _OWN_KEYS]),
            )
            continue
        entry = Entry(problems=problems, path=("attributes", kind_name), table=table)
        found[kind] = tuple(
            attribute for name in table if (attribute := entry.declaration(name, _OWN_KEYS[kind])) is not None
        )
    return found


def _hierarchy(problems: Problems, section: str, what: str) -> dict[str, tuple[str, ...]]:
    """`[groups.x] parents = [...]`, and the like: direct parents by name, without cycles."""
    tables = problems.tables(section)
    parents: dict[str, tuple[str, ...]] = {}
    for name, table in tables.items():
        entry = Entry(problems=problems, path=(section, name), table=table)
        parents[name] = entry.names("parents", tables, what) or ()
        entry.done()
    left = dict(parents)
    while True:
        rootless = [name for name, above in left.items() if not any(parent in left for parent in above)]
        for name in rootless:
            del left[name]
        if rootless:
            continue
        if not left:
            return parents
        # Whoever is left has a parent that is left too: going up must come round.
        path = [min(left)]
        while path.count(path[-1]) == 1:
            path.append(next(parent for parent in left[path[-1]] if parent in left))
        cycle = path[path.index(path[-1]) :]
        problems.note(
            "parent-cycle",
            f"{what} '{cycle[0]}' is its own ancestor: {' → '.join(cycle)}",
            section,
            cycle[0],
            "parents",
            hint="take one of these parents away",
        )
        for name in set(cycle):
            del left[name]


def _users(
    problems: Problems,
    levels: tuple[str, ...],
    attributes: tuple[Attribute, ...],
    *,
    groups: Mapping[str, tuple[str, ...]],
    roles: Mapping[str, tuple[str, ...]],
    taken: dict[str, str],
) -> dict[str, UserEntry]:
    users: dict[str, UserEntry] = {}
    by_email: dict[str, str] = {}
    for name, table in problems.tables("users").items():
        entry = Entry(problems=problems, path=("users", name), table=table)
        email = entry.string("email")
        if email and not _is_address(email):
            entry.note("bad-email", f"'{email}' is no mail address", "email", hint="write it like name@example.com")
        other = by_email.setdefault(email.casefold(), name) if email else name
        if other != name:
            entry.note(
                "duplicate-email",
                f"'{email}' is the address of {other} already",
                "email",
                hint="one address belongs to one user; case makes no difference",
            )
        users[name] = UserEntry(
            id=name,
            email=email,
            groups=entry.names("groups", groups, "group") or (),
            roles=entry.names("roles", roles, "role") or (),
            active=entry.boolean("active", default=True),
            automated=entry.boolean("automated", default=False),
            level=entry.integer("level"),
            clearance=entry.clearance(levels),
            keys=keys_of(entry, taken),
            attributes=entry.attributes(attributes),
            where=problems.text.where("users", name),
        )
        entry.done()
    return users


def _services(
    problems: Problems, levels: tuple[str, ...], attributes: tuple[Attribute, ...]
) -> dict[str, ServiceEntry]:
    services: dict[str, ServiceEntry] = {}
    for name, table in problems.tables("services").items():
        entry = Entry(problems=problems, path=("services", name), table=table)
        services[name] = ServiceEntry(
            id=name,
            owner=_owner(problems, entry, required=True),
            purpose=entry.string("purpose", required=True),
            active=entry.boolean("active", default=True),
            clearance=entry.clearance(levels),
            attributes=entry.attributes(attributes),
            where=problems.text.where("services", name),
        )
        entry.done()
    return services


def _agents(
    problems: Problems,
    levels: tuple[str, ...],
    attributes: tuple[Attribute, ...],
    *,
    classes: Mapping[str, tuple[str, ...]],
    taken: dict[str, str],
) -> dict[str, AgentEntry]:
    agents: dict[str, AgentEntry] = {}
    # A session's key joins the agents of a chain with "/".
    tables = problems.tables("agents", refuse="/")
    for name, table in tables.items():
        entry = Entry(problems=problems, path=("agents", name), table=table)
        agents[name] = AgentEntry(
            id=name,
            classes=entry.names("classes", classes, "class") or (),
            owner=_owner(problems, entry, required=False),
            active=entry.boolean("active", default=True),
            clearance=entry.clearance(levels),
            may_delegate_to=may_delegate_to(entry, tables),
            keys=keys_of(entry, taken),
            attributes=entry.attributes(attributes),
            where=problems.text.where("agents", name),
        )
        entry.done()
    return agents


def _owner(problems: Problems, entry: Entry, *, required: bool) -> str:
    owner = entry.string("owner", required=required)
    if owner:
        users = problems.text.data.get("users", {})
        entry.check_known(owner, users if isinstance(users, dict) else {}, "user", "owner")
    return owner


def _shares(entry: Entry, known: frozenset[str] | None) -> BudgetShares:
    """`budget = { mails_per_day = 10 }`: at most so much of each."""
    entry.asked.add("budget")
    table = entry.table.get("budget", {})
    if not isinstance(table, dict):
        entry.note("wrong-type", f"'budget' of {entry.title} is no table", "budget", hint="write { name = 10 }")
        return ()
    shares = Entry(problems=entry.problems, path=(*entry.path, "budget"), table=table)
    for name in table:
        shares.check_known(name, known, "budget", name)
    return share_of({name: shares.integer(name, low=0) for name in table})


def _tasks(
    problems: Problems,
    *,
    tools: frozenset[str] | None,
    zones: frozenset[str] | None,
    budgets: frozenset[str] | None,
) -> dict[str, TaskEntry]:
    tasks: dict[str, TaskEntry] = {}
    for name, table in problems.tables("tasks").items():
        entry = Entry(problems=problems, path=("tasks", name), table=table)
        granted = entry.names("tools", tools, "tool")
        within = entry.names("zones", zones, "zone")
        for key, value in (("tools", granted), ("zones", within)):
            if value == () and table.get(key) == []:
                # An empty list reads as "nothing" to one person and as "no restriction" to the next.
                entry.note(
                    "empty-list",
                    f"'{key}' of {entry.title} is empty",
                    key,
                    hint=f"name the {key}, or leave '{key}' out if the task does not narrow them",
                )
        tasks[name] = TaskEntry(
            id=name,
            purpose=entry.string("purpose", required=True),
            tools=None if granted is None else frozenset(granted),
            zones=frozenset(within or ()),
            ttl_ms=entry.duration_ms("ttl", 3_600_000),
            budgets=_shares(entry, budgets),
            where=problems.text.where("tasks", name),
        )
        entry.done()
    return tasks


def _is_address(text: str) -> bool:
    local, at, domain = text.partition("@")
    return bool(at and local and domain.strip(".") == domain != "") and "@" not in domain and not re.search(r"\s", text)


def _row(entry: UserEntry | ServiceEntry | AgentEntry | TaskEntry) -> list[object]:
    """An entry as plain JSON, without the place where it was written."""
    return [_plain(getattr(entry, each.name)) for each in dataclasses.fields(entry) if each.name != "where"]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return [[name, _plain(value[name])] for name in sorted(value)]
    if isinstance(value, DelegationEdge):
        return [sorted(effect.value for effect in value.effects), value.max_depth]
    return sorted(value) if isinstance(value, frozenset) else value
