"""What agents wrote and where it may be read back: labels on the way through stores. DESIGN §5 *Flow*, promise 7.

A call whose tool keeps what it is handed is noted before the tool runs, in three ways, and a result is asked for all of
them:

- by **place**: the object that the tool's resource names by a placeholder (`notes/{id}`). A read of exactly this
  object, by a tool with the same template, gets the label that was written there;
- by **store**: the mark of each template of a store, the join of every taint and every strict label that was written.
  A listing or a search gets the marks of its whole store, and so does a read of one object for what was written there
  under another template or under a name that does not read plainly: it may be the same object;
- by **content**: digests of the texts and values that were handed over. What occurs in a result, of whatever tool,
  brings its label along; values endorse nothing in the store in which an agent wrote them.

INVARIANT: nothing here is ever lowered or forgotten; labels merge by join. Where there is too much to list, all that
was written to the store counts for everything that is read from it. Stores are the catalog's word: one that is synced
to another one outside is recognised by content alone.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from bailiwick.flow.atoms import MAX_NESTING, MAX_SCAN, atom_key, atoms, decoded
from bailiwick.flow.normal import normal
from bailiwick.flow.results import KEEPS, written_values
from bailiwick.model.call import Action
from bailiwick.model.canonical import parse
from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import EVERYONE, NOBODY, PUBLIC_TRUSTED, Label, Strictness
from bailiwick.model.tool import Effect, Role, ToolSpec

__all__ = [
    "ANY_STORE",
    "MAX_EVENTS",
    "MAX_TEXTS",
    "NOTHING_WRITTEN",
    "Look",
    "Place",
    "Write",
    "WrittenBefore",
    "WrittenStore",
    "bounded",
    "by_agents",
    "look_at",
    "look_into",
    "text_keys",
    "write_of",
]

ANY_STORE = "*"
"""The store of a tool that may touch any: a shell, or a resource whose first part is an argument."""
MAX_TEXTS = 32_768
"""Digests of texts of one content: about 200 kB of text."""
MAX_SOURCES = 16
MAX_READER_SETS = 16
MAX_EVENTS = 16

_SHORTEST_TEXT = 16
"""Letters and digits of the shortest text that is recognised by itself; shorter ones occur everywhere."""
_SHORTEST_CODE = 8
"""The same for one that mixes letters and digits, or is a number."""
_KEY_DIGITS = 16
_GIVES_BACK = frozenset({Effect.READ, Effect.FETCH, Effect.EXECUTE, Effect.DELEGATE})
_PLAIN_NAME = re.compile(r"[\w .@:+/-]+")
_PIECE = re.compile(r"[^\n\r.!?;|]+")
# A text is cut where its own letters say so, so that the same run is cut alike wherever it stands.
_CHUNK = re.compile(r".{1,22}?(?:[aeiou][nrstdm]|[dhrt]e|$)|.{24}")
_RUN = 32
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a call writes or reads: `template` of its resource in `store`, `name` what the placeholders stand for in
    comparable form; empty where there is none. `unclear`: there are placeholders, but the value names an object in a
    way that may mean another one."""

    store: str
    template: str
    name: str = ""
    unclear: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What a call hands over. `strict`: the label counts for all that is read from the store. `values` are keys of
    atoms that endorse nothing there, `texts` digests by which content is known; `unlisted`: there were too many.
    `event` is that of the decision that let the call run."""

    places: tuple[Place, ...]
    label: Label
    strict: bool
    values: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    unlisted: bool = False
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is asked about a content. `marks` False: the tool gives nothing back but the object it wrote.
    `unsearched`: the content holds more than was listed."""

    places: tuple[Place, ...] = ()
    marks: bool = True
    values: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    unsearched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBefore:
    """What is known about a content: the join of the labels of what agents wrote into it, the keys of its values that
    an agent wrote, and whether it may hold more of them (`everything`). `events` are the decisions of the calls that
    last wrote this object, or these texts, as far as they are known one by one: at most MAX_EVENTS; they explain and
    protect nothing."""

    label: Label = PUBLIC_TRUSTED
    values: tuple[str, ...] = ()
    everything: bool = False
    events: tuple[str, ...] = ()


NOTHING_WRITTEN = WrittenBefore()


class WrittenStore(Protocol):
    """Where it is kept, for a tenant and an environment. Methods raise StoreError; a call that cannot be noted does not
    run, and a result that cannot be asked about is withheld."""

    def note(self, tenant: str, env: str, write: Write) -> None:
        """Keep what is being written. Durable when it returns, all or nothing; the same again changes nothing."""
        ...

    def anything(self, tenant: str, env: str) -> bool:
        """True iff something was ever noted. One look-up."""
        ...

    def before(self, tenant: str, env: str, look: Look) -> WrittenBefore:
        """What was written of this. The cost depends on the content that is asked about, not on what was written."""
        ...


def write_of(action: Action, flow: FlowFacts, *, strictness: Strictness, agent: str, event: str = "") -> Write | None:
    """What a call that is about to run hands to its tool for keeping; None if that leaves no trace: the tool keeps
    nothing, or there is nothing to be known about it.

    The label is that of the call, with the taint of all that the session had seen."""
    if not action.tool.effects & KEEPS:
        return None
    label = replace(flow.label, integrity=min(flow.label.integrity, flow.session_label.integrity), author=None)
    if not (label.tainted or label.sensitivity or label.categories or label.readers != EVERYONE):
        return None
    label = bounded(replace(label, sources=label.sources | {f"agent:{agent}"}))
    values, more = written_values(action, flow)
    texts, longer = text_keys(_handed_over(action, flow))
    return Write(
        places=_places(action),
        label=label,
        strict=strictness.covers(label),
        values=values,
        texts=texts,
        unlisted=more or longer,
        event=event,
    )


def look_at(action: Action, value: object) -> Look:
    """What is to be asked about `value`, the result of a call."""
    return replace(
        _look(value), places=_places(action), marks=bool(action.tool.effects & _GIVES_BACK) or not action.tool.effects
    )


def look_into(store: str, value: object) -> Look:
    """What is to be asked about a content that comes from `store` by other ways than a governed call."""
    return replace(_look(value), places=(Place(store=store, template=""),))


def bounded(label: Label) -> Label:
    """`label` as it is kept, so that joins do not make it grow for ever: with its first sources in order of name, which
    explain and protect nothing, and readable by nobody where there are too many conditions on who reads it."""
    if len(label.sources) > MAX_SOURCES:
        label = replace(label, sources=frozenset(sorted(label.sources)[:MAX_SOURCES]))
    return label if len(label.readers.sets) <= MAX_READER_SETS else replace(label, readers=NOBODY)


def by_agents(label: Label) -> bool:
    """True if an agent may have written some of the content whose WrittenBefore has this label."""
    return label != PUBLIC_TRUSTED


def text_keys(value: object) -> tuple[tuple[str, ...], bool]:
    """(digests by which the texts in `value` are known again, True if there were more): of each whole text, of each
    line and sentence in it, and of runs of _RUN letters and digits or a little more. All are compared in normal form
    (`bailiwick.flow.normal`)."""
    keys: dict[str, None] = {}
    left = MAX_SCAN
    for text in _leaves(value):
        left -= len(text)
        if left < 0:
            return tuple(keys), True
        for piece in _pieces(text):
            keys[hashlib.sha256(piece.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]] = None
        if len(keys) > MAX_TEXTS:
            return tuple(keys)[:MAX_TEXTS], True
    return tuple(keys), False


def _pieces(text: str) -> Iterator[str]:
    whole = normal(text)
    if not _telling(whole, text):
        return
    yield whole
    for piece in _PIECE.findall(text):
        plain = normal(piece)
        if len(plain) < len(whole) and _telling(plain, piece):
            yield plain
    chunks = _CHUNK.findall(whole)
    ends = list(itertools.accumulate(map(len, chunks)))
    start, last = 0, 0
    for chunk in chunks:
        while last < len(ends) and ends[last] - start < _RUN:
            last += 1
        if last == len(ends):
            return
        if ends[last] - start < len(whole):
            yield whole[start : ends[last]]
        start += len(chunk)


def _look(value: object) -> Look:
    found = atoms(value)
    texts, longer = text_keys(value)
    return Look(
        values=tuple(dict.fromkeys(atom_key(atom) for atom, _ in found.found)),
        texts=texts,
        unsearched=found.truncated or longer,
    )


def _handed_over(action: Action, flow: FlowFacts) -> list[object]:
    """The arguments, less those that are as a whole somebody's own words: they say nothing that the agent wrote."""
    given = parse(action.args)
    assert isinstance(given, dict)
    endorsed = {each.name for each in flow.arguments if each.endorsed}
    own = {arg.name for arg in action.arguments if arg.role is not Role.CONTENT and arg.name in endorsed}
    return [value for name, value in given.items() if name not in own]


def _places(action: Action) -> tuple[Place, ...]:
    values = {arg.name: arg.values[0] for arg in action.arguments if arg.values}
    return tuple(_place(action.tool, template, values) for template in action.tool.resources)


def _place(tool: ToolSpec, template: str, values: Mapping[str, str]) -> Place:
    names = _PLACEHOLDER.findall(template)
    store = tool.store or _first_part(tool, template)
    if not names:
        return Place(store=store, template=template)
    parts = [_comparable(values.get(name, "")) for name in names]
    if not all(parts):
        return Place(store=store, template=template, unclear=True)
    return Place(store=store, template=template, name="/".join(parts))


def _first_part(tool: ToolSpec, template: str) -> str:
    """`crm` of `crm/customers/{id}`, and of a tool `crm.find` that names no resource."""
    if Effect.EXECUTE in tool.effects:
        return ANY_STORE
    first = (tool.name.partition(".") if template == tool.name else template.partition("/"))[0]
    return ANY_STORE if "{" in first else first


def _comparable(name: str) -> str:
    """A name as it is compared: without case, spaces, signs and leading zeros, so that writing it differently does not
    make another object of it. Empty for one that may be read as another name (`..`, escapes, wildcards)."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    if not _PLAIN_NAME.fullmatch(plain):
        return ""
    steps = [step for step in plain.split("/") if step not in ("", ".")]
    if ".." in steps:
        return ""
    return "/".join("".join(filter(str.isalnum, step)).lstrip("0") or "0" for step in steps)


def _telling(plain: str, text: str) -> bool:
    if len(plain) >= _SHORTEST_TEXT:
        return True
    return len(plain) >= _SHORTEST_CODE and any(map(str.isdigit, text))


def _leaves(value: object) -> Iterator[str]:
    todo: list[tuple[object, int]] = [(value, 0)]
    while todo:
        node, depth = todo.pop()
        match node:
            case str():
                parsed = decoded(node) if depth < MAX_NESTING else node
                if parsed is node:
                    yield node
                else:
                    todo.append((parsed, depth + 1))
            case int() | float() | Decimal() if not isinstance(node, bool):
                yield str(node)
            case Mapping():
                todo.extend((each, depth + 1) for pair in node.items() for each in pair)
            case list() | tuple():
                todo.extend((item, depth + 1) for item in node)
            case None | bool():
                pass
            case _:
                yield str(node)
