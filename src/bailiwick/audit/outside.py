"""What an auditor brings from elsewhere to hold logs against: checkpoints that were kept, and what a witness holds.

A signature counts for the key that made it. Which keys those are is the auditor's to say; a key that lies with the logs
was perhaps replaced together with them.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.audit.checkpoints import Checkpoint
from bailiwick.audit.kept import KeptHead, head_of, log_of
from bailiwick.audit.notes import KeyType, NoteKey, parse
from bailiwick.audit.report import Problem
from bailiwick.errors import CanonicalError, NoteError
from bailiwick.model.canonical import parse as parse_json

__all__ = ["Witnessed", "checkpoints_in", "witnessed_in"]

_NOTE_END = re.compile(r"(?m)^(\u2014 [^\n]*\n)\n*(?!\u2014 )(?=.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What a witness says: the newest head that it cosigned of each log, and checkpoints that contradicted one. What it
    holds of other projects is left out; `others` say of which."""

    name: str
    heads: tuple[tuple[str, KeptHead], ...]
    contradicted: tuple[Problem, ...]
    others: tuple[Problem, ...] = ()


def checkpoints_in(text: str, keys: Sequence[NoteKey], source: str) -> Iterator[tuple[str, KeptHead]]:
    """The heads in a file of signed notes, one after the other. Raises NoteError: a part of it is none, or none of
    `keys` signed it."""
    if not text.strip():
        return
    for note in _NOTE_END.sub("\\1\0", text.strip("\n") + "\n").split("\0"):
        parsed = parse(note)
        what = f"the checkpoint of {log_of(parsed.checkpoint.origin)} in {source}"
        yield head_of(parsed, keys, what, printed=True)


def witnessed_in(
    data: bytes, keys: Sequence[NoteKey], source: str, ours: Callable[[str], bool] = lambda _: True
) -> Witnessed:
    """What `bailiwick witness heads --json` printed. The heads must be cosigned by the witness itself; if there are
    keys of witnesses among `keys`, it must be one of those. `ours` says of a log's origin whether it is one of the
    logs that are asked about: a witness may serve many projects. Raises NoteError."""
    try:
        stored = parse_json(data)
    except CanonicalError as error:
        raise NoteError(f"{source}: {error}") from error
    if not isinstance(stored, Mapping):
        raise NoteError(f"{source} is not what `bailiwick witness heads --json` prints")
    vkeys = stored.get("keys") or [stored.get("witness")]
    if not isinstance(vkeys, list):
        raise NoteError(f"{source}: keys is a list")
    own = [NoteKey.parse(str(vkey)) for vkey in vkeys]
    trusted = {key.public for key in keys}
    known = [key for key in own if key.public in trusted]
    name = own[0].name
    if any(key.kind is KeyType.COSIGNATURE_ED25519 for key in keys) and not known:
        raise NoteError(f"{source} is of {name}, whose key is none of those given", hint="give its vkey with --key")
    entries = {part: _entries(stored, part, source) for part in ("heads", "unproven", "refused")}
    origins = {str(entry.get("origin")) for part in entries.values() for entry in part}
    left_out = {origin for origin in origins if not ours(origin)}
    about = {part: [one for one in all_ if str(one.get("origin")) not in left_out] for part, all_ in entries.items()}
    heads = tuple(_head(entry, known or own, f"witness {name}") for entry in about["heads"])
    unproven = (_unproven(entry, keys, name) for entry in about["unproven"])
    refused = tuple(_refused(entry, name) for entry in about["refused"])
    heads += tuple(found for found in unproven if found is not None)
    others = tuple(_other(name, project) for project in sorted({origin.rpartition("/")[0] for origin in left_out}))
    return Witnessed(name=name, heads=heads, contradicted=refused, others=others)


def _other(witness: str, project: str) -> Problem:
    text = f"witness {witness} also holds logs of {project}: they were not looked for here"
    return Problem(code="other-project", message=text)


def _entries(stored: Mapping[str, object], name: str, source: str) -> Iterable[Mapping[str, object]]:
    entries = stored.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise NoteError(f"{source}: {name} is a list of objects")
    return entries


def _head(entry: Mapping[str, object], keys: Sequence[NoteKey], source: str) -> tuple[str, KeptHead]:
    note = parse(str(entry.get("checkpoint")))
    log, head = head_of(note, keys, source)
    checkpoint = Checkpoint.parse(note.text)
    said = (entry.get("origin"), entry.get("size"), entry.get("root"))
    if said != (checkpoint.origin, checkpoint.size, b64encode(checkpoint.root).decode()):
        raise NoteError(f"{source} says of {said[0]} what its checkpoint does not say")
    return log, head


def _unproven(entry: Mapping[str, object], keys: Sequence[NoteKey], name: str) -> tuple[str, KeptHead] | None:
    """A checkpoint that the witness did not cosign, since it came without a proof. Anybody can submit one that they saw
    like that; so it counts for what the log's own key says in it, and not at all where none of `keys` signed it."""
    try:
        return head_of(parse(str(entry.get("checkpoint"))), keys, f"witness {name}, which did not cosign it,")
    except NoteError:
        return None


def _refused(entry: Mapping[str, object], name: str) -> Problem:
    origin = str(entry.get("origin"))
    text = f"witness {name} was shown a checkpoint of {origin} that contradicts the one that it cosigned"
    return Problem(code="forked", message=text)
