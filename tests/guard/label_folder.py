"""A project folder with tools of every kind that labels pass through. Names of tools tell what they are for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bailiwick.model.label import Label, Readers, unknown_label
from tests.guard.label_model import TOP, Item, items_of
from tests.guard.store_world import EVERY, TOOLS
from tests.worlds import edit, make_world

__all__ = [
    "ANN",
    "BASE",
    "BEN",
    "HIDDEN",
    "INSIDE",
    "ITEMS",
    "PLACES",
    "READS",
    "TEMPLATES",
    "TRIPS",
    "UNKNOWN",
    "make_label_world",
]

SOURCES = """
[tools."all.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "public", categories = ["secret"], untrusted = [] }

[tools."person.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "public", untrusted = ["text"], labels = [
  { when = { kind = "patient" }, categories = ["phi"], readers = ["Group::support"] },
  { when = { kind = "deal" }, sensitivity = "confidential", categories = ["mnpi"], readers = ["Group::leads"] },
] }

[tools."field.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "public", untrusted = [], labels = [{ field = "a.diagnosis", categories = ["phi"] }] }

[tools."box.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "public", untrusted = [], labels = [
  { when = { "args.id" = "private-*" }, sensitivity = "restricted" }] }

[tools."level.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "public", untrusted = [], level_from = "level", readers_from = "who" }

[tools."log.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "public", untrusted = [], detect = ["secret"] }

[tools."letter.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "internal", categories = ["phi"], untrusted = ["text"], hide = true }

[tools."page.read"]
effects  = ["read"]
zones    = ["pages"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "internal" }

[tools."fact.read"]
effects  = ["read"]
args.id  = { type = "string", role = "selector" }
output   = { sensitivity = "confidential", categories = ["pii"], untrusted = [] }

[tools."helper.ask"]
effects   = ["write"]
change    = { count = 1, reversible = true }
resource  = "reports/{title}"
args.title = { type = "string", role = "selector" }
output    = { sensitivity = "public", untrusted = [] }

[tools."report.read"]
effects   = ["read"]
resource  = "reports/{title}"
args.title = { type = "string", role = "selector" }
output    = { sensitivity = "public", untrusted = [] }
"""
SINKS = """
[tools."mail.send"]
effects      = ["send"]
sink         = "external"
args.to      = { type = "email[]", role = "target", recipients = true }
args.body    = { type = "string", role = "content" }
output       = { untrusted = [] }

[tools."web.get"]
effects  = ["fetch"]
sink     = "external"
args.url = { type = "url", role = "target" }
output   = { sensitivity = "public", untrusted = [] }

[tools."chat.post"]
effects      = ["send"]
sink         = "internal"
args.channel = { type = "string", role = "target" }
args.text    = { type = "string", role = "content" }
output       = { untrusted = [] }

[tools."chat.post".audience]
argument  = "channel"
known     = { leads = ["Group::leads"], support = ["Group::support"] }
otherwise = ["Group::support"]
"""
NAMES = tuple(re.findall(r'\[tools\."([^"]+)"\]', SOURCES + SINKS))
MINE = ", ".join(f'Action::"{name}"' for name in NAMES)
RULES = f"""
@id("agents")
permit (principal in AgentClass::"desk", action in [{EVERY}, {MINE}, Action::"agent.delegate"], resource);
@id("people")
permit (principal in Group::"support", action in [{EVERY}, {MINE}, Action::"agent.delegate"], resource);

@id("asks") permit (principal, action == Action::"handle.inspect", resource);
@id("lets-go") permit (principal, action == Action::"label.declassify", resource);
@id("a-lead-lets-go") @gate("approval") @approvers("Group::leads")
forbid (principal, action == Action::"label.declassify", resource)
unless {{ context.approved.contains("a-lead-lets-go") }};

@id("strict-stays") @reason("It is too secret for that.")
forbid (principal, action in [Action::"mail.send", Action::"web.get"], resource)
when {{ context.flow.sensitivity >= {TOP} || context.flow.categories.containsAny(["phi", "mnpi", "secret"]) }};

@id("readers-only") @reason("They may not read that.")
forbid (principal, action == Action::"chat.post", resource)
when {{ context.flow.recipients_outside_readers }};
"""
SETTINGS = """
tenant = "acme"
env    = "test"
[org]
domains = ["acme.example"]
[labels]
free_text = 400
"""
ANN, BEN = "ann@customer.example", "ben@customer.example"
INSIDE = {"leads": ("Group::leads", "Group::support"), "support": ("Group::support",)}
"""Channel → sets of readers to which all of its audience belongs."""

BASE = Item(90, Label(sensitivity=1), "")
"""What the catalog says of results where nothing else is declared."""
UNKNOWN = Item(91, unknown_label(TOP), "")
HIDDEN = "letter.read"
READS: tuple[tuple[str, Label, bool, Callable[[str], Any]], ...] = (
    # tool, label of the secret, whether others wrote it, what it returns
    ("all.read", Label(categories=frozenset({"secret"})), False, str),
    (
        "person.read",
        Label(categories=frozenset({"phi"}), readers=Readers.of("Group::support")),
        True,
        lambda text: [{"kind": "patient", "text": text}, {"kind": "other", "text": "x"}],
    ),
    (
        "person.read",
        Label(sensitivity=2, categories=frozenset({"mnpi"}), readers=Readers.of("Group::leads")),
        True,
        lambda text: {"kind": "Deal", "text": text},
    ),
    ("field.read", Label(categories=frozenset({"phi"})), False, lambda text: {"a": {"diagnosis": text}, "b": "x"}),
    ("box.read", Label(sensitivity=3), False, str),
    (
        "level.read",
        Label(sensitivity=3, readers=Readers.of("User::bob")),
        False,
        lambda text: {"level": "restricted", "who": ["User::bob"], "text": text},
    ),
    ("log.read", Label(categories=frozenset({"secret"})), False, lambda text: f"{text}\npassword: kJ8#mQ2$vX9wZ4"),
    (HIDDEN, Label(sensitivity=1, categories=frozenset({"phi"})), True, lambda text: {"text": text}),
    ("page.read", Label(sensitivity=1), True, str),
    ("fact.read", Label(sensitivity=2, categories=frozenset({"pii"})), False, str),
)
ITEMS = items_of(7, (label for _, label, _, _ in READS))
TRIPS: tuple[tuple[str, str, str, str, str], ...] = (
    # tool that writes, tool that reads, argument that names the object, argument that is the text, store
    ("note.save", "note.read", "title", "text", "notes"),
    ("note.save", "note.list", "title", "text", "notes"),
    ("file.write", "file.read", "path", "text", "files"),
    ("ticket.comment", "ticket.read", "id", "text", "tickets"),
    ("calendar.add", "calendar.list", "", "title", "calendar"),
    ("memory.save", "memory.search", "", "text", "memory"),
    ("contact.update", "contact.read", "id", "mail", "contacts"),
)
TEMPLATES = {
    "note.save": "notes/{}",
    "note.read": "notes/{}",
    "note.list": "notes",
    "file.write": "files/{}",
    "file.read": "files/{}",
    "ticket.comment": "tickets/{}",
    "ticket.read": "desk/{}",
    "calendar.add": "calendar",
    "calendar.list": "calendar",
    "memory.save": "memory.save",
    "memory.search": "memory.search",
    "contact.update": "contacts/{}",
    "contact.read": "contacts/{}",
}
PLACES = (("plan1", "plan-1"), ("plan1", "PLAN 1"), ("plan2", "plan-2"), ("", "x/../plan-1"))


def make_label_world(folder: Path) -> Path:
    """Write the project folder."""
    # Made twice or not is for other tests.
    tools = re.sub(r"^effects ", 'idempotency = "safe"\neffects ', TOOLS + SOURCES + SINKS, flags=re.MULTILINE)
    make_world(folder, bailiwick_toml=SETTINGS, tools_desk_toml=tools, policies_desk_cedar=RULES)
    old = 'helper  = { effects = ["read", "write", "send"]'
    edit(folder, "directory.toml", old, f'{old[:-1]}, "fetch", "execute"]')
    for entry in ("[agents.desk-bot]\n", "[agents.helper]\n", "[users.alice]\n"):
        edit(folder, "directory.toml", entry, f'{entry}clearance = "restricted"\n')
    return folder
