"""What an investigator's question costs over a long history.

`python -m bench.forensics --events 1000000`: makes logs of so many events through the real log (sealed, hashed and
committed as any other, without contents) and the index through the real index, then asks. The bodies are made here:
sessions of 40 calls whose arguments come from contents of the session, results that are read back by later sessions,
hand-overs to sub-agents (which open their sessions and do no more), denials and approvals.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from bailiwick.audit.search_terms import parse_terms
from bailiwick.audit.slices import Direction, Slice, cut_out
from bailiwick.audit.trace import show, why
from bailiwick.model.event import Draft, EventKind
from bailiwick.model.tool import Durability
from bailiwick.stores.log_index import LogIndex
from bailiwick.stores.sqlite_log import SqliteLog
from bench.conditions import conditions

__all__ = ["ask", "build", "write_logs", "write_note"]

TOOLS = ("crm.get_customer", "kb.search", "db.query", "mail.send", "notes.write", "notes.read", "web.fetch")
CALLS = 40
"""Of one session."""
START_US = 1_700_000_000_000_000


class _Story:
    """Sessions that refer to each other, as drafts."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._seed = seed
        self._number = 0
        self._us = START_US
        self.ids: list[str] = []
        self.decisions: list[str] = []
        self._written: list[str] = []

    def session(self, number: int) -> list[Draft]:
        """All events of one session, in order."""
        user = f"user-{number % 400}"
        key, actor = f"acme|prod|{user}|bot|{self._seed}-{number}", (f'User::"{user}"', 'Agent::"bot"')
        made: list[Draft] = []

        def event(kind: EventKind, body: dict[str, object], parents: tuple[str, ...] = (), at: str = key) -> str:
            self._number += 1
            self._us += self._random.randint(200, 20_000)
            ident = f"{self._us:012x}{self._seed:04x}{self._number:016x}"
            ident = f"{ident[:8]}-{ident[8:12]}-7{ident[13:16]}-8{ident[17:20]}-{ident[20:]}"
            made.append(
                Draft(
                    id=ident,
                    kind=kind,
                    ts_us=self._us,
                    tenant="acme",
                    env="prod",
                    session=at,
                    task="Work" if at else "",
                    actor=actor if at else (),
                    parents=parents,
                    body=body,
                )
            )
            return ident

        opened = {"agent": "bot", "root": actor[0], "conversation": f"c-{number}", "purpose": "Work", "restored": False}
        event(EventKind.SESSION_OPENED, opened)
        prompt = event(EventKind.CONTENT_INGESTED, self._content(f"{key}-p", "user", "prompt"))
        seen = [prompt]
        for turn in range(CALLS):
            seen.append(self._call(event, key, turn, prompt, seen))
        event(EventKind.SESSION_CLOSED, {"decisions": CALLS})
        self.ids += (draft.id for draft in made)
        return made

    def _call(self, event: Callable[..., str], key: str, turn: int, prompt: str, seen: list[str]) -> str:
        pick = self._random
        tool = pick.choice(TOOLS)
        sources = pick.sample(seen[-12:], min(len(seen), 12, pick.randint(1, 3)))
        refused = pick.random() < 0.05
        decision = event(EventKind.DECISION, self._decision(tool, sources, refused=refused), (prompt,))
        self.decisions.append(decision)
        if refused:
            return sources[0]
        if pick.random() < 0.05:
            decision = self._approved(event, f"{key}-{turn}", tool, sources, prompt)
        if pick.random() < 0.03:
            self._handed_over(event, f"{key}-{turn}", sources, decision)
        back = [pick.choice(self._written)] if self._written and tool == "notes.read" else []
        body = self._content(f"{key}-{turn}", f"tool:{tool}", "result")
        read_back = {"read_back": back} if back else {}
        content = event(EventKind.CONTENT_INGESTED, {**body, "decision": decision, **read_back})
        event(EventKind.ACTION_COMPLETED, {"decision": decision, "permit": f"prm-{key}-{turn}"}, (decision,))
        if tool == "notes.write":
            self._written = [*self._written[-500:], decision]
        return content

    def _approved(self, event: Callable[..., str], name: str, tool: str, sources: list[str], prompt: str) -> str:
        """The call is asked about, somebody says yes, and it is made again. → the decision that allowed it."""
        body = {**self._decision(tool, sources, refused=False), "outcome": "needs_approval", "gates": ["mail"]}
        asked = event(EventKind.DECISION, body, (prompt,))
        about = {"approval": name, "digest": body["digest"], "tool": tool, "decision": asked}
        event(EventKind.APPROVAL_REQUESTED, {**about, "gates": ["mail"], "expires_ms": START_US})
        event(EventKind.APPROVAL_GRANTED, {"approval": name, "by": "lead", "method": "claimed"}, at="")
        lifted = [{"gate": "mail", "approval": name}]
        decision = event(EventKind.DECISION, {**body, "outcome": "allow", "approved": lifted}, (prompt,))
        self.decisions.append(decision)
        return decision

    def _handed_over(self, event: Callable[..., str], name: str, sources: list[str], decision: str) -> None:
        origins = [{"content": "c", "event": sources[0], "source": "tool:x", "path": "", "how": "exact"}]
        grant = {"tools": None, "zones": [], "depth": 1, "origins": origins}
        granted = event(EventKind.DELEGATION_GRANTED, {"to": "helper", "child_session": name, **grant}, (decision,))
        opened = {"agent": "helper", "root": "", "conversation": name, "purpose": "Help", "restored": False}
        event(EventKind.SESSION_OPENED, opened, (granted,), name)

    def _content(self, content: str, source: str, origin: str) -> dict[str, object]:
        return {"content": content, "source": source, "origin": origin, "label": self._label()}

    def _label(self) -> dict[str, object]:
        return {
            "sensitivity": self._random.randint(0, 3),
            "categories": ["pii"],
            "readers": None,
            "integrity": self._random.choice(("untrusted", "organisation", "user")),
            "sources": [f"tool:{self._random.choice(TOOLS)}"],
            "author": None,
        }

    def _decision(self, tool: str, sources: list[str], *, refused: bool) -> dict[str, object]:
        origins = [
            {"content": "c", "event": source, "source": "tool:x", "path": f"[{at}].id", "how": "exact"}
            for at, source in enumerate(sources)
        ]
        link = {"resource": 'Resource::"r"', "allowed": not refused, "policies": ["support-agents"], "errors": []}
        return {
            "tool": tool,
            "outcome": "deny" if refused else "allow",
            "digest": "sha256:" + "a" * 64,
            "reasons": [{"plane": "policy", "code": "closed", "message": "It is closed."}] if refused else [],
            "links": [{"link": 'User::"u"', **link}, {"link": 'Agent::"bot"', **link}],
            "gates": [],
            "approved": [],
            "arguments": [
                {"name": "id", "endorsed": True, "endorsed_by": ["the user's own words"], "origins": origins},
                {"name": "text", "endorsed": False, "endorsed_by": [""], "origins": []},
            ],
            "policy_digest": "sha256:" + "b" * 64,
            "catalog_digest": "sha256:" + "c" * 64,
            "durability": "buffered",
        }


def write_logs(folder: Path, events: int, logs: int = 4) -> list[str]:
    """Logs with at least so many events. → ids of decisions in them, spread evenly."""
    decisions: list[str] = []
    for seed in range(logs):
        story, number, size = _Story(seed), 0, 0
        clock = iter(range(START_US, START_US + 10**9)).__next__
        # Each in a folder of its own: a log of one folder that is free would be continued.
        entropy = random.Random(seed).randbytes
        part = folder / f"part-{seed}"
        log = SqliteLog.open(part, build="bench", tenant="acme", env="prod", clock=clock, entropy=entropy)
        with log:
            while size < events // logs:
                drafts = story.session(number)
                log.append(drafts, Durability.BUFFERED)
                number, size = number + 1, size + len(drafts)
        decisions += story.decisions[:: max(1, len(story.decisions) // 250)]
    for path in [*folder.glob("part-*/log-*.db")]:
        path.rename(folder / path.name)
    return decisions


def write_note(folder: Path, readers: int) -> tuple[str, str]:
    """A log in which a note that one call wrote is read back so often before that call's outcome is on record. → the
    ids of the decision and of its outcome."""
    story, made = _Story(0), list[Draft]()

    def event(kind: EventKind, body: dict[str, object], session: str) -> str:
        ident = f"00000000-0000-7000-8000-{len(made):012x}"
        facts = {"id": ident, "kind": kind, "ts_us": START_US + len(made), "tenant": "acme", "env": "prod"}
        made.append(Draft(**facts, session=session, task="Work", actor=('User::"u"',), body=body))  # type: ignore[arg-type]
        return ident

    wrote = event(EventKind.DECISION, story._decision("notes.write", [], refused=False), "writer")
    for number in range(readers):
        body = story._content(f"r{number}", "tool:notes.read", "result")
        event(EventKind.CONTENT_INGESTED, {**body, "read_back": [wrote]}, f"reader-{number}")
    outcome = event(EventKind.ACTION_COMPLETED, {"decision": wrote, "permit": "prm-1"}, "writer")
    clock = iter(range(START_US, START_US + 10**9)).__next__
    entropy = random.Random(0).randbytes
    with SqliteLog.open(folder, build="bench", tenant="acme", env="prod", clock=clock, entropy=entropy) as log:
        log.append(made, Durability.BUFFERED)
    return wrote, outcome


def build(path: Path, folder: Path) -> tuple[LogIndex, float]:
    """The index over these logs, and how long it took to make (s)."""
    index = LogIndex.open(path, folder)
    begun = perf_counter()
    index.catch_up(progress=lambda _count: None)
    return index, perf_counter() - begun


def ask(index: LogIndex, decisions: list[str]) -> dict[str, dict[str, float]]:
    """Milliseconds of each question, p50 and p99: as they passed, and of them those that the processor worked on it (on
    a machine that others use too, only these say something of the index)."""
    now = START_US + 10**12

    def found(terms: str) -> Callable[[str], object]:
        return lambda _id: index.search(parse_terms(terms, now_us=now))

    questions: dict[str, Callable[[str], object]] = {
        "why, back, 50 events": lambda one: cut_out(index, one, Direction.BACK),
        "why, back, read from the log and checked": lambda one: index.confirmed(_slice(index, one)),
        "why, forward, 50 events": lambda one: cut_out(index, one, Direction.FORWARD),
        "why, the decision with its approvals and outcome": lambda one: why(index, one),
        "show, an event with all that belongs to it": lambda one: show(index, one),
        "timeline of a session": lambda one: index.timeline(_session(index, one)),
        "the latest 50 refusals of a tool": found("tool:mail.send outcome:deny"),
        "the latest 50 of one person": found("actor:user-7 kind:decision"),
        "catch up, nothing new": lambda _id: index.catch_up(),
    }
    told: dict[str, dict[str, float]] = {}
    for name, question in questions.items():
        times, busy = [], []
        for one in decisions:
            begun, begun_busy = perf_counter(), process_time()
            question(one)
            times.append((perf_counter() - begun) * 1000)
            busy.append((process_time() - begun_busy) * 1000)
        told[name] = {**_spread(times, ""), **_spread(busy, " of processor")}
    return told


def _spread(times: list[float], of: str) -> dict[str, float]:
    times.sort()
    return {f"p50{of}": round(times[len(times) // 2], 2), f"p99{of}": round(times[int(len(times) * 0.99)], 2)}


def _slice(index: LogIndex, event: str) -> Slice:
    found = cut_out(index, event, Direction.BACK)
    assert found is not None
    return found


def _session(index: LogIndex, event: str) -> str:
    entry = index.entry(event)
    assert entry is not None
    return entry.session


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.forensics", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, default=Path(__file__).parent / "out")
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.dir) as where:
        folder, path = Path(where), Path(where) / "index" / "index.db"
        begun = perf_counter()
        decisions = write_logs(folder, options.events)
        print(f"logs written in {perf_counter() - begun:.0f} s", file=sys.stderr)
        index, took = build(path, folder)
        with index:
            told: dict[str, object] = dict(conditions(folder))
            told["events"] = options.events
            told["index, seconds to make"] = round(took, 1)
            told["index, bytes for each event"] = path.stat().st_size // options.events
            told["milliseconds"] = ask(index, decisions)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
