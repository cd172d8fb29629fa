"""The whole guard under random traces, on the project folder of `tests.guard.label_folder`: sessions of two people, in
two guards over one state, with sub-agents, stores, handles, restarts and people who approve.

What a tool says when it reads is part of the model; all else is the product.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bailiwick import ApprovalPending, Denied, Document, Guard, Session
from bailiwick.flow.handles import Handle
from bailiwick.guard.current import running
from bailiwick.guard.state import Permit
from tests.guard.label_folder import ANN, BASE, BEN, HIDDEN, INSIDE, ITEMS, PLACES, READS, TEMPLATES, TRIPS, UNKNOWN
from tests.guard.label_model import ANYWHERE, INNOCENT, Known, Spot, World, below, must_hold, phrase
from tests.worlds import AGENT, abandon, approve

__all__ = ["Walk"]


@dataclass
class Talk:
    """One conversation of one agent, and what is true of it. `opens` begins it, also again."""

    name: str
    user: str
    session: Session
    known: Known = field(default_factory=lambda: Known(may=frozenset({BASE})))
    contents: list[tuple[str, Known]] = field(default_factory=list)
    let_go: set[str] = field(default_factory=set)
    handles: dict[str, tuple[Handle, Known]] = field(default_factory=dict)
    texts: dict[str, Known] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    """What only handles of the session stand for, word by word."""
    out: list[tuple[Permit, Callable[[], None]]] = field(default_factory=list)
    """Permits that nobody started yet, and what becomes of them."""
    helper: Talk | None = None
    gone: Known = INNOCENT
    """What helpers of this conversation knew, whose next one is told by the store."""

    def loses_its_helper(self) -> None:
        if self.helper is not None:
            self.gone |= self.helper.known
        self.helper = None

    def saw(self, content: str, known: Known, *texts: str) -> None:
        self.contents.append((content, known))
        self.known |= known
        self.texts.update(dict.fromkeys(texts, known))

    def left(self) -> Known:
        """What counts for a mail to Ann."""
        each = (known if content not in self.let_go else known.only_perhaps for content, known in self.contents)
        return replace(functools.reduce(Known.__or__, each, INNOCENT), tainted=self.known.tainted)


class Walk:
    """One random trace in one project folder. Raises AssertionError where a label is lost, or made up."""

    def __init__(self, folder: Path, luck: random.Random, met: Counter[str], undo: ExitStack) -> None:
        self.folder, self.luck, self.met = folder, luck, met
        self.ids = itertools.count(luck.randrange(1_000) * 10_000)
        self.world = World()
        self.guards = [undo.enter_context(Guard.open(folder)) for _ in range(2)]
        self.undo = undo
        self.talks: list[Talk] = []
        self.sessions: list[Session] = []
        self.opens()

    def step(self) -> None:
        every = [*self.talks, *(talk.helper for talk in self.talks if talk.helper)]
        what = self.luck.choice(STEPS)
        self.met[what.__name__] += 1
        what(self, self.luck.choice(every))

    # ── sessions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def opens(self, _: Talk | None = None) -> None:
        if len(self.talks) < 3:
            user, name = self.luck.choice(("alice", "bob")), f"c-{next(self.ids)}"
            self.talks.append(Talk(name=name, user=user, session=self.session(user, name)))

    def session(self, user: str, name: str) -> Session:
        guard = self.luck.choice(self.guards)
        session = guard.session(user=user, agent=AGENT, task="Work", conversation=name)
        self.sessions.append(self.undo.enter_context(session))
        return session

    def comes_back(self, talk: Talk) -> None:
        """Closed or not, in this guard or the other one: the conversation goes on."""
        if talk in self.talks:
            if self.luck.random() < 0.5:
                talk.session.close()
                talk.loses_its_helper()
            talk.out.clear()
            talk.session = self.session(talk.user, talk.name)

    def restarts(self, _: Talk) -> None:
        number = self.luck.randrange(2)
        gone = self.guards[number]
        for session in self.sessions:
            if session.belongs_to(gone.engine):
                abandon(session)
        gone.close()
        self.guards[number] = self.undo.enter_context(Guard.open(self.folder))
        for talk in self.talks:
            if talk.session.belongs_to(gone.engine):
                talk.session = self.session(talk.user, talk.name)
                talk.out.clear()
                talk.loses_its_helper()

    def delegates(self, talk: Talk) -> None:
        if talk not in self.talks:
            return
        named = self.luck.sample(sorted(talk.handles), min(1, len(talk.handles)))
        texts = self.luck.sample(sorted(talk.texts), min(self.luck.randrange(2), len(talk.texts)))
        session = talk.session.delegate("helper", message=" ".join(("Look into it:", *named, *texts)))
        self.sessions.append(session)
        talk.loses_its_helper()
        known = talk.known | talk.gone
        talk.helper = Talk(name=f"{talk.name}/helper", user=talk.user, session=session, known=known)
        talk.helper.texts = {text: talk.texts[text] for text in texts}
        talk.helper.handles = {name: talk.handles[name] for name in named}
        talk.helper.contents = [("delegation", known)]

    # ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

    def reads(self, talk: Talk) -> None:
        number = self.luck.randrange(len(READS))
        tool, _, others, value = READS[number]
        item = ITEMS[number]
        self.call(talk, tool, {"id": "private-7"}, value(item.text), Known.of(item, tainted=others), (item.text,))

    def reads_back(self, talk: Talk) -> None:
        _, tool, at, _, store = self.luck.choice(TRIPS)
        args, spot = self.place(tool, {"ticket.read": "number"}.get(tool, at), store)
        if tool == "memory.search":
            args = {"text": "plans"}
        # A search or a listing says nothing that could be recognised.
        self.call(talk, tool, args, {"text": f"short {next(self.ids)}"}, self.world.there(spot))

    def reads_a_copy(self, talk: Talk) -> None:
        if self.world.texts:
            text = self.luck.choice(list(self.world.texts))
            self.call(
                talk, "wiki.read", {"page": "home"}, f"Home\n> {text}\nBye", self.world.somewhere("wiki"), (text,)
            )

    def meets_the_unknown(self, talk: Talk) -> None:
        text = f"somebody said {next(self.ids)}"
        assert talk.session.model_input([text]) == [text]
        talk.saw("", Known.of(UNKNOWN, tainted=True))
        assert talk.session.model_input([text]) == []

    def sees_again_what_it_saw(self, talk: Talk) -> None:
        """What is known needs no label; what was hidden is not known."""
        for text in self.luck.sample(sorted({*talk.texts, *talk.hidden}), min(1, len({*talk.texts, *talk.hidden}))):
            unknown = talk.session.model_input([text])
            assert unknown or text in talk.texts
            if unknown:
                talk.saw("", Known.of(UNKNOWN, tainted=True), text)

    def retrieves(self, talk: Talk) -> None:
        item = self.luck.choice(ITEMS)
        told = Known.of(item) | self.world.in_text(item.text) | self.world.somewhere("kb")
        if talk.session.retrieved("kb", [Document(item.text, {}, "d")], label=item.label):
            talk.saw("", told, item.text)

    def is_told(self, talk: Talk) -> None:
        if self.luck.random() < 0.5:
            talk.session.prompt("Please go on with it.")
        else:
            talk.session.model_output("I did what you asked for.")

    def hears_from_its_helper(self, talk: Talk) -> None:
        if talk.helper is not None:
            talk.session.message("helper", f"it is done {next(self.ids)}")
            told = self.world.somewhere("helper") | Known.of(UNKNOWN, tainted=True)
            talk.saw("", told | talk.helper.known.only_perhaps)

    def asks_about(self, talk: Talk) -> None:
        if talk.handles:
            handle, known = self.luck.choice(list(talk.handles.values()))
            try:
                talk.session.inspect(handle, "?", {"type": "boolean"}, inspector=lambda *_: self.luck.random() < 0.5)
            except Denied as refused:
                self.refused(refused, "inspected-enough")
                return
            found = self.world.somewhere("inspect:letter.read")
            talk.saw("", replace(known, tainted=False, may_taint=known.may_taint) | found)

    # ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

    def saves(self, talk: Talk) -> None:
        tool, _, at, text, store = self.luck.choice(TRIPS)
        args, spot = self.place(tool, at, store)
        self.hands_over(talk, tool, {**args, text: ""}, text, spot)

    def runs_commands(self, talk: Talk) -> None:
        spot = Spot(store=ANYWHERE, template="shell.run")
        self.hands_over(talk, "shell.run", {"command": "sort notes.txt"}, "", spot)

    def asks_an_agent_that_works_as_a_tool(self, talk: Talk) -> None:
        """The tool opens a session of its own, reads a secret there, and writes a report of it."""
        if talk not in self.talks:
            return
        number = self.luck.randrange(7)
        tool, _, others, value = READS[number]
        item, title = ITEMS[number], f"r{self.luck.randrange(2)}"
        spot = Spot(store="reports", template="reports/{}", name=title)
        permit = self.enter(talk, "helper.ask", {"title": title}, INNOCENT)
        talk.session.start(permit)
        self.world.wrote(spot, "", talk.known.told)
        with running(permit), talk.session.delegate("helper", message="Report.") as inner:
            inner.call(tool, {"id": "private-7"}, run=lambda **_: value(item.text))
        talk.loses_its_helper()
        known = Known.of(item, tainted=others) | talk.known | self.world.in_text(item.text) | talk.gone
        talk.gone = known
        self.world.wrote(spot, "", known.told)
        end = self.luck.choice(("left", "failed", "cancelled"))
        self.ends(talk, permit, "ok", known | self.world.there(spot, answer=True), (), end)

    def reads_a_report(self, talk: Talk) -> None:
        title = f"r{self.luck.randrange(2)}"
        spot = Spot(store="reports", template="reports/{}", name=title)
        self.call(talk, "report.read", {"title": title}, "short", self.world.there(spot))

    def lets_go(self, talk: Talk) -> None:
        """A person lets one content go to Ann, or does not."""
        if not talk.handles:
            return
        name, (handle, _) = self.luck.choice(list(talk.handles.items()))
        if handle.content in talk.let_go:
            return
        try:
            talk.session.declassify(handle, to=[ANN])
        except Denied as refused:
            self.refused(refused, "not-a-reader")
        except ApprovalPending as waits:
            if self.answered(talk, waits.approval_id):
                talk.session.declassify(handle, to=[ANN])
                talk.let_go.add(handle.content)
        self.mails_what_it_never_saw(talk, name)

    def answered(self, talk: Talk, approval: str) -> bool:
        grant = self.luck.random() < 0.7
        assert approve(talk.session, approval, "dora", grant=grant).code == ""
        return grant

    def refused(self, refusal: Denied, *codes: str) -> None:
        assert refusal.decision.reasons[0].code in codes, refusal

    def mails_what_it_never_saw(self, talk: Talk, name: str) -> None:
        handle, known = talk.handles[name]
        carried = known if handle.content not in talk.let_go else known.only_perhaps
        args = {"to": [ANN], "body": f"It says: {{{{{name}}}}}"}
        self.leaves(talk, "mail.send", args, carried, INNOCENT)

    def mails(self, talk: Talk) -> None:
        holds, text = self.words(talk)
        to = self.luck.choice(([ANN], [BEN], [ANN, BEN]))
        self.leaves(talk, "mail.send", {"to": to, "body": text}, INNOCENT, holds)

    def fetches(self, talk: Talk) -> None:
        self.leaves(talk, "web.get", {"url": "https://93.184.215.14/a"}, INNOCENT, INNOCENT)

    def posts(self, talk: Talk) -> None:
        holds, text = self.words(talk)
        channel = self.luck.choice(list(INSIDE))
        self.leaves(talk, "chat.post", {"channel": channel, "text": text}, INNOCENT, holds)

    # ── how it happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, tool: str, at: str, store: str) -> tuple[dict[str, Any], Spot]:
        template = TEMPLATES[tool]
        if "{" not in template:
            return {}, Spot(store=store, template=template)
        meant, spelt = self.luck.choice(PLACES)
        return {at: spelt}, Spot(store=store, template=template, name=meant)

    def words(self, talk: Talk) -> tuple[Known, str]:
        """(what a text holds for certain, the text): of the session's own, or word by word of what it saw."""
        if talk.texts and self.luck.random() < 0.4:
            text = self.luck.choice(list(talk.texts))
            return talk.texts[text], text
        return INNOCENT, phrase(self.luck, next(self.ids))

    def hands_over(self, talk: Talk, tool: str, args: dict[str, Any], content: str, spot: Spot) -> None:
        (holds, text), carried = self.words(talk), INNOCENT
        if content and talk.handles and self.luck.random() < 0.5:
            name, (_, carried) = self.luck.choice(list(talk.handles.items()))
            holds, text = INNOCENT, f"see {{{{{name}}}}}"
        if content:
            args[content] = text
        else:
            holds, text = INNOCENT, ""
        permit = self.enter(talk, tool, args, carried, holds)
        told = talk.known.told | holds | carried

        def runs() -> None:
            talk.session.start(permit)
            self.world.wrote(spot, text, told)
            found = self.world.there(spot, answer=tool != "shell.run")
            end = self.luck.choice(("left", "left", "failed", "cancelled"))
            self.ends(talk, permit, "ok", found, (), end, hidden=told if carried != INNOCENT else None)

        if self.luck.random() < 0.8:
            runs()
        else:
            talk.out.append((permit, runs))

    def starts_late(self, talk: Talk) -> None:
        """What was decided then runs now, after whatever has been seen since."""
        if talk.out:
            _, runs = talk.out.pop(0)
            runs()

    def call(
        self, talk: Talk, tool: str, args: Mapping[str, Any], value: object, told: Known, says: Sequence[str] = ()
    ) -> None:
        """A call of a tool that gives something back: nothing denies it."""
        permit = self.enter(talk, tool, args, INNOCENT)
        talk.session.start(permit)
        told |= self.world.in_text(*says) | self.world.somewhere(tool.partition(".")[0])
        hidden = told | talk.known.told if tool == HIDDEN else None
        self.ends(talk, permit, value, told, says, self.luck.choice(("left",) * 5 + ("failed",)), hidden=hidden)

    def enter(self, talk: Talk, tool: str, args: Mapping[str, Any], carried: Known, holds: Known = INNOCENT) -> Permit:
        permit = talk.session.enter(tool, args)
        assert permit.decision.flow is not None
        must_hold(permit.decision.flow, talk.known, carried, holds)
        return permit

    def ends(
        self,
        talk: Talk,
        permit: Permit,
        value: object,
        told: Known,
        says: Sequence[str],
        end: str,
        *,
        hidden: Known | None = None,
    ) -> None:
        session = talk.session
        if end == "cancelled":
            session.cancelled(permit)
            return
        if end == "failed":
            left = session.failed(permit, f"cannot go on: {value}")
            if hidden is None:
                # An error may quote any record that the tool could have returned.
                others = (item for item, read in zip(ITEMS, READS, strict=True) if read[0] == permit.action.tool.name)
                told |= Known.of(*others, UNKNOWN, tainted=True).only_perhaps
                talk.saw(left.content_id, replace(told, tainted=True))
        else:
            left = session.leave(permit, value)
            if hidden is None:
                talk.saw(left.content_id, told, *says)
            else:
                assert isinstance(left.value, Handle)
                assert below(hidden.whole, left.value.label, tainted=hidden.tainted), left.value.label
                talk.hidden.update(says)
                talk.handles[left.value.name] = left.value, hidden | told.only_perhaps | talk.known.only_perhaps
        assert below(talk.known.whole, session.label, tainted=talk.known.tainted), (permit.action.tool.name, end)

    def leaves(self, talk: Talk, tool: str, args: dict[str, Any], carried: Known, holds: Known) -> None:
        """A call to a sink: what a rule lets through is what anybody there may have."""
        session, lowered = talk.session, args.get("to") == [ANN] and bool(talk.let_go)
        counts = talk.left() if lowered else talk.known
        secrets = counts.strict | (carried.strict if carried.strict else frozenset())
        held = holds.whole if not lowered else frozenset()
        permit: Permit | None = None
        try:
            permit = session.enter(tool, args)
        except Denied as refused:
            self.met["denied"] += 1
            self.refused(refused, "strict-stays", "readers-only")
            flow = refused.decision.flow
            may = talk.known.may | carried.may
            suspect = any(item.strict or not item.label.readers.everyone for item in may)
        else:
            self.met["allowed"] += 1
            flow, suspect = permit.decision.flow, True
        assert flow is not None
        must_hold(flow, talk.known, carried, holds, left=counts if lowered else None)
        assert suspect, "it has seen nothing strict"
        if permit is None:
            return
        for item in secrets | frozenset(item for item in held if tool == "chat.post"):
            assert tool == "chat.post", f"{tool} with {item.label}"
            readers = item.label.readers
            allowed = INSIDE[args["channel"]]
            assert all(any(name in one for name in allowed) for one in readers.sets), (args, item.label)
        session.start(permit)
        told = counts.told | holds | carried
        spot = Spot(store=tool.partition(".")[0], template=tool)
        if tool != "web.get":
            self.world.wrote(spot, args.get("body") or args["text"], told)
        hidden = carried | talk.known.told if permit.action.carried else None
        self.ends(talk, permit, "sent", self.world.there(spot, answer=tool != "web.get"), (), "left", hidden=hidden)


STEPS: tuple[Callable[[Walk, Talk], None], ...] = (
    Walk.opens,
    Walk.comes_back,
    Walk.restarts,
    *(Walk.delegates,) * 2,
    *(Walk.reads,) * 4,
    *(Walk.reads_back,) * 4,
    Walk.reads_a_copy,
    Walk.meets_the_unknown,
    Walk.sees_again_what_it_saw,
    Walk.retrieves,
    Walk.is_told,
    Walk.hears_from_its_helper,
    *(Walk.asks_about,) * 2,
    *(Walk.saves,) * 4,
    Walk.runs_commands,
    *(Walk.asks_an_agent_that_works_as_a_tool,) * 1,
    Walk.reads_a_report,
    *(Walk.lets_go,) * 2,
    Walk.starts_late,
    *(Walk.mails,) * 2,
    Walk.fetches,
    *(Walk.posts,) * 2,
)
