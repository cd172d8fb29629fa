"""A case: the records of a session with the proof that they stand in their logs, as files that a verifier of other
people's making can check. `bailiwick_verify.py` is one, and shares no code with this.

    case.json                   the manifest: whose case, of which logs, and the SHA-256 of every other file
    case.note                   a signed note of the form of a checkpoint: origin `<audit.origin>/case/<digest>`, the
                                number of files, and the SHA-256 of case.json where a root would stand
    logs/<log>/checkpoint       the signed tree head that the proofs lead to, with its cosignatures
    logs/<log>/events.jsonl     the records, byte for byte, one a line, by number
    logs/<log>/proofs.jsonl     for each of them its inclusion proof (RFC 9162 §2.1.3): a list of hashes in hex
    contents.jsonl              {log, seq, role, salt (hex), data (base64)} for each content that is handed over

Pure. DESIGN §5 *Audit*.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import orjson

from bailiwick.model.canonical import canonical
from bailiwick.model.event import Event, EventKind

__all__ = [
    "FORMAT",
    "MANIFEST",
    "NOTE",
    "Case",
    "CaseContent",
    "CaseLog",
    "CaseRecord",
    "approvals_of",
    "case_head",
    "files_of",
]

FORMAT = "bailiwick-case/1"

MANIFEST, NOTE = "case.json", "case.note"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """A record, byte for byte, and the proof that it is in the tree of its log's checkpoint."""

    seq: int
    data: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLog:
    """What a case takes from one log. `checkpoint` is the whole signed note, `records` are in their order."""

    log: str
    checkpoint: str
    records: tuple[CaseRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseContent:
    """A content that is handed over, with the salt of its commitment."""

    log: str
    seq: int
    role: str
    salt: bytes
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is handed over. `sessions`: the one that was asked for first, then those that it delegated to; `erased` are
    (log, seq, role) of contents that are no longer there; `revealed`: contents are in it as far as there are any."""

    sessions: tuple[str, ...]
    made_us: int
    made_by: str
    revealed: bool
    logs: tuple[CaseLog, ...]
    contents: tuple[CaseContent, ...] = ()
    erased: tuple[tuple[str, int, str], ...] = ()


def approvals_of(events: Iterable[Event]) -> frozenset[str]:
    """The approvals and standing grants that these events ask for or use: people answer outside of the session."""
    found: set[str] = set()
    for event in events:
        if event.kind is EventKind.APPROVAL_REQUESTED:
            found.add(str(event.body["approval"]))
        elif event.kind is EventKind.DECISION:
            lifted = event.body["approved"]
            assert isinstance(lifted, list)
            found.update(str(one["approval"]) for one in lifted)
    return frozenset(found)


def files_of(case: Case) -> dict[str, bytes]:
    """Every file of the case but `case.note`, by its name; `case.json` among them."""
    files = dict(_files(case))
    files[MANIFEST] = canonical(
        {
            "format": FORMAT,
            "sessions": list(case.sessions),
            "made_us": case.made_us,
            "made_by": case.made_by,
            "revealed": case.revealed,
            "logs": [{"log": log.log, "records": len(log.records)} for log in case.logs],
            "erased": [{"log": log, "seq": seq, "role": role} for log, seq, role in case.erased],
            "files": {name: "sha256:" + sha256(data).hexdigest() for name, data in files.items()},
        }
    )
    return files


def case_name(files: Mapping[str, bytes]) -> str:
    """What the case is signed as, under the project's origin. Two levels down, where no log is: a witness that takes
    all logs of a project takes none of these, and no two cases are heads of the same thing."""
    return f"case/{sha256(files[MANIFEST]).hexdigest()[:32]}"


def case_head(files: Mapping[str, bytes]) -> tuple[str, int, bytes]:
    """(name, size, root): what is signed for the case, in the form of a checkpoint: every type of key can sign one."""
    return case_name(files), len(files) - 1, sha256(files[MANIFEST]).digest()


def _files(case: Case) -> Iterator[tuple[str, bytes]]:
    for log in case.logs:
        folder = f"logs/{log.log}"
        yield f"{folder}/checkpoint", log.checkpoint.encode()
        yield f"{folder}/events.jsonl", _lines(record.data for record in log.records)
        yield (
            f"{folder}/proofs.jsonl",
            _lines(canonical([node.hex() for node in record.proof]) for record in log.records),
        )
    yield "contents.jsonl", _lines(map(_content, case.contents))


def _content(content: CaseContent) -> bytes:
    """Not `canonical`: a content may be as large as that takes, and base64 makes it larger."""
    return orjson.dumps(
        {
            "log": content.log,
            "seq": content.seq,
            "role": content.role,
            "salt": content.salt.hex(),
            "data": b64encode(content.data).decode(),
        }
    )


def _lines(items: Iterable[bytes]) -> bytes:
    # INVARIANT: no item holds a line break: JSON without white space has none.
    return b"".join(item + b"\n" for item in items)
