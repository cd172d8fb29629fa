"""`[witnesses.<name>]` of bailiwick.toml: who cosigns this project's logs, and how many of them must.

```toml
[audit]
quorum = 2

[witnesses.auditor]
url = "https://witness.example.com"
key = ["witness.example.com/w1+…", "witness.example.com/w1+…"]   # what `bailiwick witness init` printed
```
INVARIANT: no key stands under two names: a quorum is of different witnesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bailiwick.audit.notes import KeyType, NoteKey
from bailiwick.errors import NoteError, Where
from bailiwick.model.toml_entries import Entry, Problems

__all__ = ["WitnessDecl", "WitnessRules", "needed", "read_witnesses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessDecl:
    """One witness. `url` is its submission prefix; it counts as having cosigned if every one of `keys` did."""

    name: str
    url: str
    keys: tuple[NoteKey, ...]
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRules:
    """Who cosigns the logs, how many must, how long they are waited for, and how long an event may stay without."""

    witnesses: tuple[WitnessDecl, ...] = ()
    quorum: int = 0
    timeout_ms: int = 2_000
    window_ms: int = 5_000


def needed(quorum: int, witnesses: int) -> int:
    """How many must cosign: what is set, or more than half of them."""
    return quorum or (witnesses // 2 + 1 if witnesses else 0)


def read_witnesses(problems: Problems) -> tuple[WitnessDecl, ...]:
    """Every `[witnesses.<name>]`, in order."""
    found = tuple(_witness(problems, name, table) for name, table in problems.tables("witnesses").items())
    held: dict[bytes, str] = {}
    for each in found:
        for key in each.keys:
            other = held.setdefault(key.public, each.name)
            if other != each.name:
                problems.note(
                    "repeated-witness",
                    f"witnesses.{each.name} has a key of witnesses.{other}",
                    "witnesses",
                    each.name,
                    hint="a quorum is of different witnesses: remove one",
                )
    return found


def _witness(problems: Problems, name: str, table: Mapping[str, Any]) -> WitnessDecl:
    written = table.get("key")
    entry = Entry(
        problems=problems,
        path=("witnesses", name),
        table={**table, "key": [written]} if isinstance(written, str) else table,
    )
    url = entry.string("url", required=True)
    if url and not _allowed(url):
        entry.note(
            "bad-address", f"'{url}' is no address of a witness", "url", hint="as in https://witness.example.com"
        )
    vkeys = entry.names("key", None, "verifier key")
    if not vkeys:
        entry.note("missing-key", f"{entry.title} has no key", hint="key = what `bailiwick witness init` printed")
    keys = tuple(key for vkey in vkeys or () if (key := _key(entry, vkey)) is not None)
    if len({key.public for key in keys}) < len(keys):
        entry.note("repeated", f"{entry.title} has the same key twice", "key", hint="remove one")
    entry.done()
    return WitnessDecl(name=name, url=url.rstrip("/"), keys=keys, where=problems.text.where("witnesses", name))


def _key(entry: Entry, vkey: str) -> NoteKey | None:
    try:
        key = NoteKey.parse(vkey)
    except NoteError as error:
        entry.note("bad-witness-key", f"{entry.title}: {error}", "key", hint="copy the whole line that init printed")
        return None
    if key.kind is KeyType.ED25519:
        hint = "give the verifier keys of the witness: a log's own key proves nothing here"
        entry.note("bad-witness-key", f"{entry.title} has the key of a log", "key", hint=hint)
        return None
    return key


def _allowed(url: str) -> bool:
    """An http or https address without credentials, query or fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and plain and url.isascii()
