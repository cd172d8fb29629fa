"""What evidence costs: finding where the text of a call was seen before, among many known documents."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from bailiwick.errors import Where
from bailiwick.flow.matching import Matcher, Matching
from bailiwick.flow.records import ContentOrigin, ContentRecord
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.canonical import canonical
from bailiwick.model.label import Label
from bailiwick.model.tool import Durability, Effect, Idempotency, Role, Sink, ToolSpec
from bench.measure import Case, timed

__all__ = ["DOCUMENT", "cases"]

DOCUMENT = 7_000
"""Characters of a known document."""
ASKED = 600
"""Characters of the argument that is searched."""


def cases(known: int) -> dict[str, Case]:
    """Calls of one session that knows `known` documents: stretches of the standard library's modules."""
    texts = _documents(known + 1)
    matcher = Matcher()
    for number, text in enumerate(texts[:known]):
        _take(matcher, number, text)
    draw = random.Random(1)
    new, extra = texts[known][:DOCUMENT], iter(range(known, 10_000_000))

    def seen() -> str:
        text = texts[draw.randrange(known)]
        start = draw.randrange(len(text) - ASKED)
        return text[start : start + ASKED]

    def unseen() -> str:
        words = seen().split(" ")
        draw.shuffle(words)
        return " ".join(words)

    return {
        f"{ASKED} characters that were seen, {known} documents": _asked(matcher, seen),
        f"{ASKED} characters in other words, {known} documents": _asked(matcher, unseen),
        f"an address, {known} documents": _asked(matcher, lambda: "jane.miller@example.com", Role.TARGET),
        f"taking in {DOCUMENT} characters, {known} documents": timed(lambda: _take(matcher, next(extra), new)),
    }


def _asked(matcher: Matcher, text: object, role: Role = Role.CONTENT) -> Case:
    assert callable(text)

    def ask() -> None:
        action = _call(str(text()), role)
        matching = Matching(matcher, action)
        for argument in action.judged:
            matching.origins(argument)
            matching.label(argument)
            matching.opaque(argument)

    return timed(ask)


def _take(matcher: Matcher, number: int, text: str) -> None:
    label = Label(sensitivity=number % 3)
    matcher.expect(
        ContentRecord(content=f"c{number}", event="", source="kb", origin=ContentOrigin.RETRIEVED, label=label)
    )
    matcher.supply(f"c{number}", text)


def _call(text: str, role: Role) -> Action:
    content = role is Role.CONTENT
    tool = ToolSpec(
        name="mail.send",
        names=(),
        effects=frozenset({Effect.SEND}),
        sink=Sink.EXTERNAL,
        resources=("mail.send",),
        args={},
        idempotency=Idempotency.NONE,
        durability=Durability.SYNC,
        where=Where(file="bench"),
    )
    argument = ArgFacts(name="x", role=role, facts={}, values=() if content else (text,), text=text if content else "")
    return Action(tool=tool, args=canonical({"x": text}), arguments=(argument,), resources=())


def _documents(count: int) -> list[str]:
    found: list[str] = []
    for text in _modules():
        found += [text[at : at + DOCUMENT] for at in range(0, len(text) - DOCUMENT, DOCUMENT)]
        if len(found) >= count:
            return found[:count]
    return (found * (count // max(1, len(found)) + 1))[:count]


def _modules() -> Iterator[str]:
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if "site-packages" not in file.parts and "test" not in file.parts:
            yield file.read_text(encoding="utf-8", errors="replace")
