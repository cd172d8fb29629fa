"""What names of levels, of categories and of people mean, as other systems write them. DESIGN §5 *Flow*.

`[labels.names]` maps outside names (of Microsoft Purview's labels: `Highly Confidential\\Finance`, or their ids) to a
level and categories. INVARIANT: a name that means nothing here means the highest level, and a reader whom nobody knows
is nobody; so a typing error or a new label of the other system never opens anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from bailiwick.model.label import EVERYONE, NOBODY, Integrity, Label, NamedLabel, Readers
from bailiwick.model.principal import EntityKind

__all__ = ["Naming", "Who", "plain_name"]

Who = Callable[[str, tuple[EntityKind, ...]], str | None]
"""`who(name, kinds)`: the principal (`User::ann`) of one of these kinds that a mail address, an id or a principal's own
name means; None if there is none, or more than one."""

_EVERYONE = frozenset({"public", "anyone", "everyone", "*", "world", "allusers"})
_PEOPLE = (EntityKind.USER, EntityKind.GROUP, EntityKind.ROLE)
_WHO_KEYS = (
    *("emailaddress", "email", "mail", "address", "principal", "user", "userid", "username", "group", "groupid"),
    *("role", "id", "name", "displayname", "value"),
)
_REFUSED = frozenset({"none", "deny", "denied", "no", "false", "revoked", "blocked", "-", ""})
_DECIDES = frozenset({"effect", "access", "type", "permission", "action", "allowed", "allow"})
_SPLIT = re.compile(r"[,;\n|]")
_ANGLE = re.compile(r"<([^<>\s]{1,320})>\s*$")
_NESTING = 4
MAX_READERS = 4_096
"""Entries of one list of readers; a longer one is read by nobody."""


def plain_name(name: str) -> str:
    """A name as it is compared: without case, width, invisible characters and doubled space; the parts of a label with
    a parent separated by `/`."""
    visible = "".join(char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    spaced = re.sub(r"\s+", " ", visible)
    return " ".join(re.sub(r" ?[\\/]+ ?| [>–—-] ", "/", spaced).casefold().split())  # noqa: RUF001


def _nobody_known(_name: str, _kinds: tuple[EntityKind, ...]) -> str | None:
    return None


def _nobody_outside(_address: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """`top` is the index of the highest level; `levels` and `categories` are the project's, `names` what it maps (by
    `plain_name`). `unlabelled` is the level of what carries no label; None: the highest, and readable by nobody."""

    top: int
    levels: tuple[str, ...] = ()
    categories: frozenset[str] = frozenset()
    names: Mapping[str, NamedLabel] = field(default_factory=dict)
    unlabelled: int | None = None
    who: Who = field(default=_nobody_known, compare=False)
    outsider: Callable[[str], str | None] = field(default=_nobody_outside, compare=False)
    """The reader (`Party::ann@customer.example`) that an address of nobody in the directory means; None if none."""

    @property
    def default(self) -> Label:
        """The label of what carries none."""
        if self.unlabelled is None:
            return self.unknown
        return Label(sensitivity=self.unlabelled, integrity=Integrity.UNTRUSTED)

    @property
    def unknown(self) -> Label:
        """The label of what cannot be understood."""
        return Label(sensitivity=self.top, readers=NOBODY, integrity=Integrity.UNTRUSTED)

    def label(self, value: object) -> Label:
        """What a field says that holds the name of a level, of a category or a mapped one, or a list of such. Nothing
        in it: what carries no label. (Of the highest level where it is not understood, and then readable by whom the
        rest says.)"""
        names = list(_names(value))
        if not names:
            return Label(sensitivity=self.top if self.unlabelled is None else self.unlabelled)
        found = Label()
        for name in names:
            found = found.join(self._named(name))
        return found

    def _named(self, name: str | None) -> Label:
        plain = "" if name is None else plain_name(name)
        if plain in self.names:
            mapped = self.names[plain]
            return Label(sensitivity=mapped.level, categories=mapped.categories)
        for index, level in enumerate(self.levels):
            if plain == level.casefold():
                return Label(sensitivity=index)
        if plain in self.categories:
            return Label(categories=frozenset({plain}))
        return Label(sensitivity=self.top)

    def readers(self, value: object, kinds: tuple[EntityKind, ...] = _PEOPLE) -> Readers:
        """Whom a field names as readers: addresses, ids, principals, in a text, a list, or mappings as access lists
        hold them. An address outside is a reader itself; whoever else is not known adds nobody; an entry that takes a
        right away makes it nobody's."""
        entries = list(islice(_entries(value, 0), MAX_READERS + 1))
        listed = [entry for entry in entries if entry is not None]
        if len(listed) < len(entries) or len(entries) > MAX_READERS:
            return NOBODY
        if any(entry.casefold() in _EVERYONE for entry in listed):
            return EVERYONE
        found = (self.who(entry, kinds) or self.outsider(entry) for entry in listed)
        return Readers.of(*(name for name in found if name is not None))


def _names(value: object) -> Iterator[str | None]:
    """The names in a field; None for what is none."""
    match value:
        case None:
            return
        case str():
            if value.strip():
                yield value
        case Mapping():
            inner = [item for key, item in value.items() if str(key).casefold() in ("name", "displayname", "label")]
            yield from (inner[0] if inner and isinstance(inner[0], str) and inner[0].strip() else None,)
        case list() | tuple():
            for item in value:
                yield from _names(item) if isinstance(item, str | Mapping) else (None,)
        case _:
            yield None


def _entries(value: object, depth: int) -> Iterator[str | None]:
    """The readers that a value lists; None where it says something that is not understood and might narrow."""
    match value:
        case None:
            return
        case str():
            for part in _SPLIT.split(value):
                angle = _ANGLE.search(part)
                if entry := (angle.group(1) if angle else part).strip():
                    yield None if entry[0] in "!-" else entry
        case list() | tuple() if depth < _NESTING:
            for item in value:
                yield from _entries(item, depth + 1)
        case Mapping() if depth < _NESTING:
            yield from _granted(value, depth)
        case _:
            yield None


def _granted(entry: Mapping[object, object], depth: int) -> Iterator[str | None]:
    """`{"email": "ann@example.com", "role": "reader"}`, `{"type": "anyone"}`, or `{"ann@example.com": "r"}`."""
    by_key = {str(key).casefold().replace("_", ""): item for key, item in entry.items()}
    if any(key in _DECIDES and _refuses(item) for key, item in by_key.items()):
        yield None
        return
    kind = by_key.get("type")
    if isinstance(kind, str) and kind.casefold() in _EVERYONE:
        yield kind
        return
    named = next((by_key[key] for key in _WHO_KEYS if by_key.get(key) and key in by_key), None)
    if named is not None:
        yield from _entries(named, depth + 1)
        return
    for key, item in entry.items():
        if not _refuses(item):
            yield str(key)


def _refuses(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().casefold() in _REFUSED
    return value is None or value is False
