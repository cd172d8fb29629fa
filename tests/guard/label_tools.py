"""Tools for `tests.guard.label_plane`: sources that are labelled in every way, stores, and what leaves."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.errors import Where
from bailiwick.flow.naming import Naming
from bailiwick.model.call import Action
from bailiwick.model.label import unknown_label
from bailiwick.model.tool import Durability, Effect, Idempotency, LabelRule, OutputSpec, Sink, ToolSpec
from tests.guard.label_model import ANYWHERE, TOP, Item, Spot, items_of

__all__ = [
    "ITEMS",
    "NAMING",
    "PLACES",
    "POST",
    "SAID",
    "SEND",
    "SHELL",
    "SOURCES",
    "STORES",
    "UNKNOWN",
    "WIKI",
    "Store",
    "spot",
    "tool",
]

NAMING = Naming(top=TOP, levels=("public", "internal", "confidential", "restricted"))
UNKNOWN = Item(99, unknown_label(TOP), "")
ITEMS = items_of(5)
SAID = "The meeting was moved to the afternoon."


def tool(name: str, effect: Effect, resource: str = "", *, store: str = "", **more: object) -> ToolSpec:
    return ToolSpec(
        name=name,
        names=(),
        effects=frozenset({effect}),
        resources=(resource or name,),
        args={},
        idempotency=Idempotency.SAFE,
        durability=Durability.BUFFERED,
        where=Where(file="tools/test.toml"),
        store=store,
        **{"output": OutputSpec(untrusted=()), **more},  # type: ignore[arg-type]
    )


SEND = tool("mail.send", Effect.SEND, sink=Sink.EXTERNAL)
POST = tool("web.post", Effect.SEND, sink=Sink.EXTERNAL)
SHELL = tool("shell.run", Effect.EXECUTE, sink=Sink.EXEC)
WIKI = tool("wiki.read", Effect.READ, "wiki/{page}")


@dataclass(frozen=True, kw_only=True)
class Store:
    """How one store is written to and read back. `same`: reads name objects as writes do."""

    save: ToolSpec
    read: ToolSpec
    names: bool = True
    same: bool = True


NOTES = Store(save=tool("note.save", Effect.WRITE, "notes/{at}"), read=tool("note.read", Effect.READ, "notes/{at}"))
STORES = (
    NOTES,
    Store(save=NOTES.save, read=tool("note.list", Effect.READ, "notes"), same=False),
    Store(save=tool("memory.save", Effect.WRITE), read=tool("memory.find", Effect.READ), names=False, same=False),
    Store(
        save=tool("ticket.note", Effect.WRITE, "tickets/{at}"),
        read=tool("ticket.read", Effect.READ, "desk/{at}", store="tickets"),
        same=False,
    ),
)
PLACES = (("plan1", "plan-1"), ("plan1", "PLAN 1"), ("plan2", "plan-2"), ("", "x/../plan-1"))
"""(the object that is meant, or none that could be told; how it is written)."""


def _sources(item: Item) -> tuple[ToolSpec, object]:
    """A tool whose catalog entry labels the secret in one way or another, and what it returns."""
    kept = item.label
    said = {"sensitivity": kept.sensitivity, "categories": kept.categories}
    readers = None if kept.readers.everyone else next(iter(kept.readers.sets))
    match item.number % 4:
        case 0:
            return tool("all.read", Effect.READ, output=OutputSpec(untrusted=(), readers=readers, **said)), item.text  # type: ignore[arg-type]
        case 1:
            rule = LabelRule(when={"kind": ("se*",)}, readers=readers, **said)  # type: ignore[arg-type]
            value: object = [{"kind": "secret", "text": item.text}, {"kind": "dull", "text": SAID}]
        case 2:
            rule = LabelRule(path="body.text", readers=readers, **said)  # type: ignore[arg-type]
            value = {"id": 7, "body": {"text": item.text}}
        case _:
            rule = LabelRule(when={"args.at": ("private*",)}, readers=readers, **said)  # type: ignore[arg-type]
            value = item.text
    return tool(f"some.read{item.number}", Effect.READ, output=OutputSpec(untrusted=(), labels=(rule,))), value


SOURCES = {item: _sources(item) for item in ITEMS}


def spot(called: Action) -> Spot:
    """Where a call writes or reads."""
    spec, template = called.tool, called.tool.resources[0]
    store = spec.store or (spec.name.partition(".") if template == spec.name else template.partition("/"))[0]
    spelt = next((arg.values[0] for arg in called.arguments if arg.name == "at"), "")
    name = {name: meant for meant, name in PLACES}.get(spelt, spelt)
    return Spot(store=ANYWHERE if Effect.EXECUTE in spec.effects else store, template=template, name=name)
