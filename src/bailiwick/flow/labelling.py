"""The label of a result, by record, field and path: what the catalog declares, and what the values themselves say.
DESIGN §4 *Catalog*, §5 *Flow*.

A result is labelled part by part, so that evidence can tell a customer's name from her password: each text in it gets
the tool's base label, that of its record (`labels` whose conditions hold, `level_from`, `readers_from`), that of its
field, and the categories of what built-in patterns find in it. The label of the whole result is the join of all of
them, which is what the session's marks take in.

A declared list of untrusted fields means that those fields taint where they hold anything, and that the others were
written by the organisation. A declared list of trusted ones means that every other field does. Text outside any field
taints, and so does a field's name that is none: no declaration speaks of it.

INVARIANT (promise 7): the label of a result is the join of the label of the call and of the label from here. No tool is
trusted by being a tool: without a declaration its result is untrusted. In doubt it is labelled. A condition on a field
that is missing holds; where records are not where the catalog says, what is there is one record without fields; a name
of a level that nobody mapped is the highest one.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from itertools import accumulate

from bailiwick.flow.atoms import MAX_NESTING, decoded
from bailiwick.flow.identifiers import find
from bailiwick.flow.naming import Naming
from bailiwick.model.call import Action
from bailiwick.model.canonical import parse
from bailiwick.model.label import PARTY, Integrity, Label, Readers
from bailiwick.model.tool import LabelRule, OutputSpec, ToolSpec

__all__ = ["Labelled", "Part", "arguments_of", "label_result", "only_record", "party_of"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_WORDS = re.compile(r"[_-]+|(?<=[a-z])(?=[A-Z])")
"""What stands between the words of a field's name."""
_LONGEST_NAME = 64
_APART = "\n" + "\0" * 8 + "\n"
"""Between the texts of a result, so that no pattern reaches from one into the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One text of a result with the label of its own. `path` is written as in `bailiwick.flow.atoms`."""

    path: str
    text: str
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """`label` is the join of all there is, `parts` are the texts. `truncated`: something was too deep to be looked at,
    and is in no part."""

    label: Label
    parts: tuple[Part, ...]
    truncated: bool = False


@dataclass(slots=True)
class _Text:
    """A text on its way: `key` is the name of its field, for patterns that need to know it."""

    path: str
    text: str
    key: str
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A value to look at. `fields` are the names that lead to it, `within` those of them that lie in its record."""

    value: object
    path: str
    label: Label
    fields: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    record: object = None
    depth: int = 0


def label_result(tool: ToolSpec, args: Mapping[str, object], value: object, naming: Naming) -> Labelled:
    """The labels of `value` as what `tool` returned when it was called with `args`."""
    return _Labelling(tool, args, naming).run(value)


def arguments_of(action: Action) -> Mapping[str, object]:
    """The arguments of a call, for conditions on them."""
    args = parse(action.args)
    return args if isinstance(args, dict) else {}


class _Labelling:
    """One result."""

    __slots__ = ("_args", "_base", "_field_rules", "_found", "_naming", "_output", "_records", "_truncated", "_trusts")

    def __init__(self, tool: ToolSpec, args: Mapping[str, object], naming: Naming) -> None:
        output = tool.output
        self._output, self._args, self._naming = output, args, naming
        self._trusts = _Trust(output)
        self._base = Label(
            sensitivity=output.sensitivity,
            categories=output.categories,
            readers=Readers.declared(output.readers),
            integrity=Integrity.ORGANISATION,
            sources=frozenset({f"tool:{tool.name}"}),
        )
        self._field_rules = tuple(rule for rule in output.labels if rule.path)
        self._records: dict[str, tuple[object, Label]] = {}
        self._found: list[_Text] = []
        self._truncated = False

    def run(self, value: object) -> Labelled:
        value = _unwrapped(value)
        self._records = {
            path: (record, self._of_record(record)) for path, record in _records(value, self._output.records)
        }
        # A record may have more readers than its tool says, so what the tool says is not joined once more.
        labels = [label for _, label in self._records.values()]
        whole = reduce(Label.join, labels) if labels else self._base
        # What stands outside the records is about all of them.
        todo = [_Node(value=value, path="", label=whole)]
        while todo:
            todo.extend(reversed(list(self._below(self._entered(todo.pop())))))
        parts = self._detected()
        for part in parts:
            whole = whole.join(part.label)
        tainted = self._truncated or self._trusts.tainted
        integrity = Integrity.UNTRUSTED if tainted else Integrity.ORGANISATION
        return Labelled(label=replace(whole, integrity=integrity), parts=parts, truncated=self._truncated)

    # ── records ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _of_record(self, record: object) -> Label:
        output = self._output
        # Labels of records and fields are told apart on purpose: what they keep to some, the party is not told either.
        label = replace(self._base, readers=self._base.readers.widened(party_of(output, record)))
        for rule in output.labels:
            # In a record without fields, what stands in one of them may stand anywhere.
            if (not rule.path or not isinstance(record, Mapping)) and self._holds(rule, record):
                label = label.join(_of_rule(rule))
        if output.level_from:
            label = label.join(self._naming.label(_at(record, output.level_from)))
        if output.readers_from:
            label = label.join(Label(readers=self._listed(record).widened(party_of(output, record))))
        return label

    def _listed(self, record: object) -> Readers:
        """Whom the record itself lists. INVARIANT: nobody outside is a reader because an outsider wrote so."""
        readers = self._naming.readers(_at(record, self._output.readers_from))
        if self._trusts.vouches(self._output.readers_from):
            return readers
        return Readers(frozenset(frozenset(n for n in one if not n.startswith(PARTY)) for one in readers.sets))

    def _holds(self, rule: LabelRule, record: object) -> bool:
        return all(
            _matches(_at(self._args, name[5:]) if name.startswith("args.") else _at(record, name), globs)
            for name, globs in rule.when.items()
        )

    def _entered(self, node: _Node) -> _Node:
        """`node`, as a record if one begins there."""
        if node.path not in self._records or node.within:
            return node
        record, label = self._records[node.path]
        return replace(node, record=record, label=label)

    # ── texts ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _below(self, node: _Node) -> Iterator[_Node]:
        value = decoded(node.value)
        depth = node.depth + 1
        match value:
            case _ if depth > MAX_NESTING:
                self._truncated = True
            case Mapping():
                for key, item in value.items():
                    yield self._field(node, str(key), item)
            case list() | tuple():
                for at, item in enumerate(value):
                    yield replace(node, value=item, path=f"{node.path}[{at}]", depth=depth)
            case None | bool():
                pass
            case str() | int() | float() | Decimal():
                integrity = self._trusts.of(node.fields, value)
                label = replace(node.label, integrity=integrity)
                key = node.fields[-1] if node.fields else ""
                self._found.append(_Text(node.path, str(value), key, label))
            case _:
                self._truncated = True

    def _field(self, node: _Node, key: str, item: object) -> _Node:
        path, fields = f"{node.path}{_step(key)}", (*node.fields, key)
        within = (*node.within, key) if node.record is not None else ()
        label, dotted = node.label, ".".join(within)
        for rule in self._field_rules:
            if rule.path == dotted and self._holds(rule, node.record):
                label = label.join(_of_rule(rule))
        integrity = self._trusts.field(node.fields, key, item)
        if not _NAME.fullmatch(key):
            self._found.append(_Text(path, key, "", replace(label, integrity=integrity)))
        return replace(node, value=item, path=path, label=label, fields=fields, within=within, depth=node.depth + 1)

    # ── patterns ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _detected(self) -> tuple[Part, ...]:
        """The texts with the categories of what patterns find in them, the name of a field read before its text."""
        found = self._found
        if self._output.detect:
            pieces = [f"{_WORDS.sub(' ', one.key)}: {one.text}" if one.key else one.text for one in found]
            starts = [0, *accumulate(len(piece) + len(_APART) for piece in pieces)]
            for hit in find(_APART.join(pieces), self._output.detect):
                one = found[bisect_right(starts, hit.start) - 1]
                one.label = replace(one.label, categories=one.label.categories | {hit.category})
        return tuple(Part(path=one.path, text=one.text, label=one.label) for one in found if one.text)


class _Trust:
    """Who could have written what, by its field; `tainted` once anything that a third party could have written was
    seen."""

    __slots__ = ("_none", "_trusted", "_untrusted", "tainted")

    def __init__(self, output: OutputSpec) -> None:
        self._trusted = None if output.trusted is None else frozenset(map(_last, output.trusted))
        self._untrusted = None if output.untrusted is None else frozenset(map(_last, output.untrusted))
        self._none = self._trusted is None and self._untrusted is None
        self.tainted = self._none

    def vouches(self, name: str) -> bool:
        """Whether the catalog says that nobody outside writes the field."""
        if self._trusted is not None:
            return _last(name) in self._trusted
        return self._untrusted is not None and _last(name) not in self._untrusted

    def of(self, fields: tuple[str, ...], value: object) -> Integrity:
        """The integrity of a text or number in `fields`."""
        if value == "":
            return Integrity.ORGANISATION
        if self._trusted is not None:
            vouched = not self._trusted.isdisjoint(fields)
        elif not self._untrusted:
            vouched = not self._none
        elif fields:
            vouched = self._untrusted.isdisjoint(fields)
        else:
            vouched = not isinstance(value, str)  # a number beside the fields says nothing by itself
        return self._noted(vouched)

    def field(self, fields: tuple[str, ...], key: str, item: object) -> Integrity:
        """The integrity of the name of a field."""
        if self._trusted is not None:
            vouched = _NAME.fullmatch(key) is not None or not self._trusted.isdisjoint(fields)
        elif not self._untrusted:
            vouched = not self._none
        else:
            vouched = len(key) <= _LONGEST_NAME and "\n" not in key
            vouched = vouched and (_empty(item) or self._untrusted.isdisjoint((*fields, key)))
        return self._noted(vouched)

    def _noted(self, vouched: bool) -> Integrity:
        self.tainted = self.tainted or not vouched
        return Integrity.ORGANISATION if vouched else Integrity.UNTRUSTED


def only_record(output: OutputSpec, value: object) -> object | None:
    """The record of a result that holds one; None if it holds several, or none."""
    found = [record for _, record in _records(_unwrapped(value), output.records)]
    return found[0] if len(found) == 1 else None


def party_of(output: OutputSpec, record: object) -> frozenset[str]:
    """The names of whose record it is. A field that holds several values names nobody."""
    names = (_at(record, name) for name in output.party)
    return frozenset(
        f"{PARTY}{_comparable(str(name))}"
        for name in names
        if isinstance(name, str | int) and not isinstance(name, bool) and _comparable(str(name))
    )


def _of_rule(rule: LabelRule) -> Label:
    return Label(sensitivity=rule.sensitivity, categories=rule.categories, readers=Readers.declared(rule.readers))


def _records(value: object, path: str) -> Iterator[tuple[str, object]]:
    """(path, record) for each record; where a step leads nowhere, what stands there is one."""
    places = [("", decoded(value))]
    for step in path.split(".") if path else ():
        further: list[tuple[str, object]] = []
        for at, node in _spread(places):
            if isinstance(node, Mapping) and step in node:
                further.append((f"{at}{_step(step)}", decoded(node[step])))
            elif not _empty(node):
                yield at, node
        places = further
    yield from ((at, node) for at, node in _spread(places) if not _empty(node))


def _spread(places: list[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    for at, node in places:
        if isinstance(node, list | tuple):
            yield from ((f"{at}[{number}]", decoded(item)) for number, item in enumerate(node))
        else:
            yield at, node


def _at(record: object, path: str) -> object:
    """What a record holds at a dotted path, also in JSON inside a text and in a list of values; None if nothing."""
    node = decoded(record)
    for number, step in enumerate(steps := path.split(".")):
        if isinstance(node, list | tuple):
            rest = ".".join(steps[number:])
            found = [_at(item, rest) for item in node]
            return None if any(item is None for item in found) else found
        if not isinstance(node, Mapping):
            return None
        node = decoded(node.get(step))
    return node


def _matches(value: object, globs: tuple[str, ...]) -> bool:
    """True iff one of `globs` matches the value, or an item of it; also where there is none that could be compared."""
    match value:
        case None:
            return True
        case bool():
            texts = [str(value)]
        case str() | int() | float() | Decimal():
            texts = [str(value)]
        case list() | tuple():
            return not value or any(_matches(item, globs) for item in value)
        case _:
            return True
    plain = [_comparable(text) for text in texts]
    return any(_glob(text, _comparable(glob)) for text in plain for glob in globs)


def _comparable(text: str) -> str:
    visible = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return visible.strip().casefold()


def _glob(text: str, glob: str) -> bool:
    """Whether `glob` matches all of `text`. At most len(text) * len(glob) steps."""
    at = of = 0
    star, mark = -1, 0
    while at < len(text):
        if of < len(glob) and glob[of] == "*":
            star, mark, of = of, at, of + 1
        elif of < len(glob) and glob[of] in ("?", text[at]):
            at, of = at + 1, of + 1
        elif star >= 0:
            mark += 1
            at, of = mark, star + 1
        else:
            return False
    return all(char == "*" for char in glob[of:])


def _unwrapped(value: object) -> object:
    """`value`, or what it says if it came as blocks of text, as MCP and model APIs have it."""
    value = decoded(value)
    blocks = value if isinstance(value, list | tuple) else ()
    texts = [
        block["text"]
        for block in blocks
        if isinstance(block, Mapping) and block.get("type") == "text" and isinstance(block.get("text"), str)
    ]
    if not blocks or len(texts) < len(blocks):
        return value
    inner = [decoded(text) for text in texts]
    if all(isinstance(item, str) for item in inner):
        return value
    return inner[0] if len(inner) == 1 else inner


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | tuple | Mapping) and len(value) == 0)


def _step(name: str) -> str:
    if _NAME.fullmatch(name):
        return f".{name}"
    shown = name[:_LONGEST_NAME].encode("utf-8", "replace").decode("utf-8").replace('"', "'")
    return f'["{shown}"]'
