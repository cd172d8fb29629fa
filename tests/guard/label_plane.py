"""The flow plane alone under random traces: ledgers, their rows, and the store of what agents wrote, without a disk,
without rules. What the guard does around them is done here in few lines, so that a million traces can be walked.

A trace is a seed: `walk(seed, shelf)` asserts after every step that what would leave is labelled as the sets of
`tests.guard.label_model` say. Stores outside are part of the model: a tool that reads says what is there.
"""

from __future__ import annotations

import functools
import itertools
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bailiwick.flow.handles import Handle
from bailiwick.flow.ledger import ContentOrigin, ContentRecord, Ledger, LedgerRow, Seen
from bailiwick.flow.releases import Data, DataKind, Declassified
from bailiwick.flow.written import NOTHING_WRITTEN, WrittenBefore, look_at, look_into, write_of
from bailiwick.guard.record import render
from bailiwick.model.call import Action, ArgFacts, Carried, Fact
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import Integrity, Label
from bailiwick.model.tool import Effect, Role, ToolSpec
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_written import SqliteWritten
from tests.flow.helpers import nobody_reads
from tests.guard.label_model import INNOCENT, STRICT, TOP, Known, World, below, must_hold, phrase
from tests.guard.label_tools import (
    ITEMS,
    NAMING,
    PLACES,
    POST,
    SEND,
    SHELL,
    SOURCES,
    STORES,
    UNKNOWN,
    WIKI,
    Store,
    spot,
    tool,
)

__all__ = ["Trace", "in_memory", "walk"]

ANN = "ann@customer.example"


@contextmanager
def in_memory(folder: Path) -> Iterator[SqliteWritten]:
    """The real store, on tables that are in no file."""
    file = StateFile.open(folder / "tables.db")
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with file.use() as tables:
        tables.backup(connection)
    file.close()
    kept = StateFile(folder / "tables.db", connection)
    try:
        yield SqliteWritten(kept)
    finally:
        kept.close()


@dataclass
class Talk:
    """One session: its rows as a store keeps them, the ledgers of the processes that have it open, and what is true."""

    disk: list[LedgerRow] = field(default_factory=list)
    open: list[tuple[Ledger, int]] = field(default_factory=list)
    contents: list[tuple[str, Known]] = field(default_factory=list)
    handles: dict[str, tuple[Handle, Known]] = field(default_factory=dict)
    let_go: set[str] = field(default_factory=set)
    texts: dict[str, Known] = field(default_factory=dict)
    """What stands in the session's sight word by word."""
    kept: dict[str, str] = field(default_factory=dict)
    """The texts of contents, as a log keeps them."""
    known: Known = INNOCENT

    def saw(self, content: str, known: Known) -> None:
        self.contents.append((content, known))
        self.known |= known

    def behind(self, carried: Sequence[Carried]) -> Known:
        """What a call hands over without the session having seen it."""
        return functools.reduce(Known.__or__, (self.handles[each.handle][1] for each in carried), INNOCENT)

    def left(self) -> Known:
        """What counts for a mail to Ann."""
        known = INNOCENT
        for content, each in self.contents:
            known |= each if content not in self.let_go else each.only_perhaps
        return replace(known, tainted=self.known.tainted)


class Trace:
    """One walk. Raises AssertionError where a label is lost, or made up."""

    def __init__(self, luck: random.Random, shelf: SqliteWritten, tenant: str, met: Counter[str]) -> None:
        self.luck, self.shelf, self.tenant, self.met = luck, shelf, tenant, met
        self.ids = itertools.count()
        self.talks: list[Talk] = []
        self.world = World()
        self.opens()

    # ── what may happen ────────────────────────────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        talk = self.luck.choice(self.talks)
        what = self.luck.choice(STEPS)
        what(self, talk)
        self.judge(talk)

    def opens(self, _: Talk | None = None) -> None:
        if len(self.talks) < 4:
            self.talks.append(Talk(open=[(self.empty(), 0)]))

    def restarts(self, talk: Talk) -> None:
        """The process is gone, and with it all but the rows."""
        talk.open = [(self.empty(), 0)]

    def opens_twice(self, talk: Talk) -> None:
        if len(talk.open) < 2:
            talk.open.append((self.empty(), 0))

    def reads(self, talk: Talk, *, hide: bool = False) -> None:
        item = self.luck.choice(ITEMS)
        tool, value = SOURCES[item]
        called = self.action(tool, at="private-7")
        self.runs(talk, called, value, Known.of(item), says=(item.text,), hide=hide)

    def reads_hidden(self, talk: Talk) -> None:
        self.reads(talk, hide=True)

    def saves(self, talk: Talk, at: tuple[Store, str] | None = None) -> None:
        store, name = at or self.somewhere()
        self.hands_over(talk, store.save, **({"at": name} if store.names else {}))

    def runs_commands(self, talk: Talk) -> None:
        self.hands_over(talk, SHELL)

    def writes_over(self, talk: Talk) -> None:
        """One writes, another one writes to the same place, a third one reads there."""
        at = self.somewhere()
        self.saves(talk, at)
        self.saves(self.luck.choice(self.talks), at)
        self.reads_back(self.luck.choice(self.talks), at)

    def reads_back(self, talk: Talk, at: tuple[Store, str] | None = None) -> None:
        store, name = at or self.somewhere()
        called = self.action(store.read, **({"at": name} if store.names else {}))
        self.runs(talk, called, f"a summary {next(self.ids)}", INNOCENT)

    def reads_a_copy(self, talk: Talk) -> None:
        """Somebody copied what an agent wrote to a place that nobody knows of."""
        if self.world.texts:
            text = self.luck.choice(list(self.world.texts))
            self.runs(talk, self.action(WIKI, at="home"), f"Home\n{text}\nBye", INNOCENT, says=(text,))

    def reads_by_command(self, talk: Talk) -> None:
        self.runs(talk, self.action(SHELL), "some lines", INNOCENT)

    def retrieves(self, talk: Talk) -> None:
        item = self.luck.choice(ITEMS)
        seen = Seen(origin=ContentOrigin.RETRIEVED, source="kb#1", value=item.text, label=item.label)
        self.takes(talk, seen, Known.of(item), says=(item.text,))

    def meets_the_unknown(self, talk: Talk) -> None:
        text = f"somebody said {next(self.ids)}"
        self.takes(
            talk, Seen(origin=ContentOrigin.UNKNOWN, source="unknown", value=text), Known.of(UNKNOWN, tainted=True)
        )

    def says(self, talk: Talk) -> None:
        origin, text = self.luck.choice(((ContentOrigin.PROMPT, "Please go on."), (ContentOrigin.MODEL, "I did.")))
        self.takes(talk, Seen(origin=origin, source="user", value=text), INNOCENT)

    def fails(self, talk: Talk) -> None:
        """A tool says in its error what it would have returned."""
        item = self.luck.choice(ITEMS)
        called = self.action(tool("all.read", Effect.READ))
        flow = self.decided(talk, called)
        own = replace(item.label, integrity=Integrity.UNTRUSTED)
        source, text = f"tool:{called.tool.name}", f"cannot read {item.text}"
        seen = Seen(origin=ContentOrigin.MESSAGE, source=source, value=text, label=own.join(flow.label), own=own)
        self.keeps(talk, self.ledger(talk).wrote(called, flow))
        told = Known.of(item, tainted=True) | self.world.there(spot(called))
        self.takes(talk, seen, told, self.back(called, text), says=(item.text,))

    def delegates(self, talk: Talk) -> None:
        if len(self.talks) >= 4:
            return
        named = self.luck.sample(sorted(talk.handles), min(1, len(talk.handles)))
        message = " ".join(("Please look into it:", *named))
        content = self.id()
        child = self.ledger(talk).child(message, content_id=content, event_id=self.id())
        new = Talk(disk=list(child.rows), open=[(self.empty(), 0)])
        new.handles = {name: talk.handles[name] for name in named}
        new.kept[content] = message
        new.saw("delegation", talk.known)
        self.talks.append(new)
        self.judge(new)

    def answers(self, talk: Talk) -> None:
        """Another session says something to this one: as a message, or as what a tool returned in which it ran."""
        other = self.luck.choice(self.talks)
        label, text = self.ledger(other).label, f"it is done {next(self.ids)}"
        if self.luck.random() < 0.5:
            seen = Seen(origin=ContentOrigin.MESSAGE, source="helper", value=text, label=label)
            self.takes(talk, seen, other.known)
        else:
            self.runs(talk, self.action(WIKI, at="x"), text, other.known, within=label)

    def asks_about(self, talk: Talk) -> None:
        """A typed answer about a hidden content."""
        if talk.handles:
            handle, known = self.luck.choice(list(talk.handles.values()))
            label = replace(handle.label, integrity=Integrity.ORGANISATION)
            seen = Seen(origin=ContentOrigin.MESSAGE, source="inspect:x", value="17", label=label)
            self.takes(talk, seen, replace(known, tainted=False))

    def lets_go(self, talk: Talk) -> None:
        """A person lets one content go to Ann."""
        if talk.contents:
            content, _ = self.luck.choice(talk.contents)
            given = Declassified(
                data=Data(kind=DataKind.CONTENT, name=content),
                recipients=frozenset({ANN}),
                readers=frozenset(),
                event=self.id(),
            )
            self.keeps(talk, self.ledger(talk).declassify(given))
            talk.let_go.add(content)

    # ── how it happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def somewhere(self) -> tuple[Store, str]:
        return self.luck.choice(STORES), self.luck.choice(PLACES)[1]

    def id(self) -> str:
        return f"id-{next(self.ids)}"

    def empty(self) -> Ledger:
        return Ledger(top_sensitivity=TOP, strictness=STRICT, free_text=200)

    def ledger(self, talk: Talk) -> Ledger:
        """One of the processes in which the session is open, up to date."""
        number = self.luck.randrange(len(talk.open))
        ledger, upto = talk.open[number]
        for row in talk.disk[upto:]:
            ledger.apply(row)
        talk.open[number] = ledger, len(talk.disk)
        return ledger

    def keeps(self, talk: Talk, row: LedgerRow) -> None:
        talk.disk.append(row)

    def action(self, tool: ToolSpec, *carried: Carried, to: Sequence[str] = (), text: str = "", at: str = "") -> Action:
        arguments = []
        if at:
            arguments.append(ArgFacts(name="at", role=Role.SELECTOR, facts=at, values=(at,), text=at))
        if text:
            facts: dict[str, Fact] = {"length": len(text), "opaque": False, "addresses": ()}
            arguments.append(ArgFacts(name="text", role=Role.CONTENT, facts=facts, text=text))
        given = {"at": at, "text": text}
        return Action(
            tool=tool,
            args=canonical({name: value for name, value in given.items() if value}),
            arguments=tuple(arguments),
            resources=(),
            recipients=tuple(to),
            recipients_external=bool(to),
            carried=carried,
        )

    def decided(self, talk: Talk, called: Action, holds: Known = INNOCENT) -> FlowFacts:
        """The facts of a call, as they have to be; `holds` is what stands in it for certain."""
        ledger = self.ledger(talk)
        for content in ledger.wanted(called):
            ledger.supply(content, talk.kept.get(content))
        flow = ledger.resolve(called, reads=nobody_reads)
        lowered = bool(talk.let_go) and called.recipients == (ANN,)
        must_hold(flow, talk.known, talk.behind(called.carried), holds, left=talk.left() if lowered else None)
        return flow

    def runs(
        self,
        talk: Talk,
        called: Action,
        value: object,
        told: Known,
        *,
        says: Sequence[str] = (),
        hide: bool = False,
        within: Label | None = None,
        flow: FlowFacts | None = None,
    ) -> None:
        """A call that came back with `value`, which tells `told`."""
        flow = flow or self.decided(talk, called)
        told |= self.world.there(spot(called), answer=Effect.WRITE in called.tool.effects) | self.world.in_text(*says)
        back = self.back(called, value)
        hide = hide or bool(called.carried)
        name = f"h-{next(self.ids):016}".replace("0", "a").replace("1", "b").replace("8", "c").replace("9", "d")
        record = self.ledger(talk).result(
            called.tool,
            called,
            flow,
            value,
            content_id=self.id(),
            event_id=self.id(),
            back=back,
            hide_as=name if hide else "",
            naming=NAMING,
            within=within or Label(),
        )
        self.keeps(talk, record.row)
        talk.kept[record.content] = render(value)
        assert below(told.whole, record.label, tainted=told.tainted), (called.tool.name, record.label)
        if hide:
            (handle,) = record.handles
            told |= talk.behind(called.carried) | talk.known.told
            talk.handles[handle.name] = handle, told
            return
        talk.saw(record.content, told)
        talk.texts.update(dict.fromkeys(says, told))

    def takes(
        self,
        talk: Talk,
        seen: Seen,
        told: Known,
        back: WrittenBefore | None = None,
        *,
        says: Sequence[str] = (),
    ) -> ContentRecord:
        told |= self.world.in_text(*says)
        if back is None and seen.origin in (ContentOrigin.MESSAGE, ContentOrigin.RETRIEVED):
            store = seen.source.partition("#")[0]
            back = self.shelf.before(self.tenant, "test", look_into(store, seen.value))
            told |= self.world.somewhere(store)
        back = back or NOTHING_WRITTEN
        record = self.ledger(talk).ingest(seen, content_id=self.id(), event_id=self.id(), back=back)
        self.keeps(talk, record.row)
        talk.kept[record.content] = render(seen.value)
        talk.saw(record.content, told)
        talk.texts.update(dict.fromkeys(says, told))
        return record

    def hands_over(self, talk: Talk, tool: ToolSpec, *, at: str = "") -> None:
        """A call that keeps what it is handed: in other words, word by word, or behind a handle."""
        carried: tuple[Carried, ...] = ()
        holds, text = INNOCENT, phrase(self.luck, 10_000 + next(self.ids))
        if talk.texts and self.luck.random() < 0.4:
            text = self.luck.choice(list(talk.texts))
            holds = talk.texts[text]
        elif talk.handles and self.luck.random() < 0.5:
            name, (handle, _) = self.luck.choice(list(talk.handles.items()))
            carried = (
                Carried(
                    handle=name,
                    content=handle.content,
                    source=f"tool:{handle.tool}",
                    label=handle.label,
                    arguments=frozenset({"text"}),
                ),
            )
        called = self.action(tool, *carried, text=text, at=at)
        flow = self.decided(talk, called, holds)
        write = write_of(called, flow, strictness=STRICT, agent="desk-bot")
        told = talk.known.told | holds | talk.behind(carried)
        if write is None:
            assert told in (INNOCENT, told.only_perhaps), "there was something to be known of it"
        else:
            self.shelf.note(self.tenant, "test", write)
            self.world.wrote(spot(called), text, told)
        if self.luck.random() < 0.2:
            self.keeps(talk, self.ledger(talk).wrote(called, flow))
        else:
            self.runs(talk, called, "stored", INNOCENT, flow=flow)

    # ── what stands where ──────────────────────────────────────────────────────────────────────────────────────────

    def back(self, called: Action, value: object) -> WrittenBefore:
        if not self.shelf.anything(self.tenant, "test"):
            return NOTHING_WRITTEN
        return self.shelf.before(self.tenant, "test", look_at(called, value))

    def judge(self, talk: Talk) -> None:
        """What would leave now. Mostly nothing is said: what is strict counts all the same, and it is looked at
        quickly."""
        holds, text = INNOCENT, ""
        if talk.texts and self.luck.random() < 0.25:
            text = self.luck.choice(list(talk.texts))
            holds = talk.texts[text]
        called = self.luck.choice((self.action(SEND, to=(ANN,), text=text), self.action(POST, text=text)))
        flow = self.decided(talk, called, holds)
        forbidden = STRICT.covers(flow.label)
        self.met["denied" if forbidden else "allowed"] += 1
        assert forbidden or not (talk.left() if called.recipients else talk.known).strict
        assert not forbidden or any(item.strict for item in talk.known.may), "it has seen nothing strict"


STEPS: tuple[Callable[[Trace, Talk], None], ...] = (
    Trace.opens,
    Trace.restarts,
    Trace.opens_twice,
    *(Trace.reads,) * 2,
    Trace.reads_hidden,
    *(Trace.saves,) * 3,
    *(Trace.writes_over,) * 2,
    Trace.runs_commands,
    *(Trace.reads_back,) * 4,
    Trace.reads_a_copy,
    Trace.reads_by_command,
    Trace.retrieves,
    Trace.meets_the_unknown,
    Trace.says,
    Trace.fails,
    *(Trace.delegates,) * 2,
    Trace.answers,
    Trace.asks_about,
    Trace.lets_go,
)


def walk(seed: int, shelf: SqliteWritten, met: Counter[str], *, longest: int = 12, exactly: int = 0) -> None:
    """One random trace."""
    luck = random.Random(seed)
    trace = Trace(luck, shelf, f"t{seed}", met)
    for _ in range(exactly or luck.randint(3, longest)):
        trace.step()
    met["traces"] += 1
