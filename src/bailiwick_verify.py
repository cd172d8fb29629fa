"""bailiwick-verify: checks a case that bailiwick exported, without bailiwick.

    python bailiwick_verify.py case.zip --key 'bailiwick.local/default/prod+1f2e3d4c+AWm…'

One file, for whoever has to believe a case: an auditor, a regulator, the other side. It needs Python 3.11 and the
package `cryptography`, imports nothing of bailiwick, opens no connection and writes nothing. Read it before you run it.

What a case is: a zip of records of one agent session, with the proof that they stand in the log that they were written
to (`docs/verifying.md` has the format). What is checked, and what each line of the answer means:

  manifest      every file of the case is the one that the signer of the case listed, and there is no other
  checkpoints   the tree heads are signed by the key given (and by so many of the witnesses given, if any were given)
  records       each record is a leaf of that tree, at the place that it says (RFC 9162 inclusion proof)
  session       within each log the session's records follow each other without a gap, from the first one on
  relations     no outcome without its decision, no permit without an allow, no approval used that nobody granted
  contents      each content is the one that its record committed to (HMAC-SHA-256 under its salt)

The key is what you trust: have it given to you by another way than the case. Exit code: 0 all of it holds, 1 something
does not, 2 it could not be checked (no case, unreadable, no key).
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import re
import sys
import zipfile
import zlib
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from lzma import LZMAError
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
except ImportError:  # an older cryptography: lines of this type then count as of an unknown key
    MLDSA44PublicKey = None  # type: ignore[assignment,misc]

FORMAT = "bailiwick-case/1"
MAX_FILE = 512 * 1024 * 1024
MAX_TOTAL = 2 * MAX_FILE
MAX_NOTE = 1_000_000
ED25519, COSIGNATURE_ED25519, COSIGNATURE_MLDSA44 = 1, 4, 6
SIGNATURE_BYTES = {ED25519: 64, COSIGNATURE_ED25519: 72, COSIGNATURE_MLDSA44: 2428}
KEY_BYTES = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_MLDSA44: 1312}
OUTCOMES = {"action.completed", "action.failed", "action.cancelled", "action.expired"}
AROUND = ("log.", "policy.", "approval.", "action.reconciled")  # kinds that are also taken from outside of the sessions
SALT_BYTES = 32


class Unreadable(Exception):
    """It could not be checked: exit code 2."""


class Wrong(Exception):
    """Something does not hold: exit code 1."""


# ── notes: a text and who signed it (C2SP signed-note, tlog-cosignature) ───────────────────────────────────────────


class Key(NamedTuple):
    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Key:
        """`name+id+base64(type, key)`. The id must be the one of the key."""
        name, _, rest = vkey.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            data = b64decode(encoded, validate=True)
        except ValueError as error:
            raise Unreadable(f"{vkey[:60]!r} is no verifier key: {error}") from error
        if not data or data[0] not in KEY_BYTES or len(data) != 1 + KEY_BYTES[data[0]]:
            raise Unreadable(f"{vkey[:60]!r} is no verifier key of a type that is known here")
        if data[0] == COSIGNATURE_MLDSA44 and MLDSA44PublicKey is None:
            raise Unreadable("an ML-DSA-44 key needs a newer `cryptography`")
        key = cls(name, data[0], data[1:])
        if key.id_as(name).hex() != key_id.lower():
            raise Unreadable(f"the id in {vkey[:60]!r} is not that of its key")
        return key

    def id_as(self, name: str) -> bytes:
        return hashlib.sha256(name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def signed(self, name: str, head: Head, signature: bytes) -> bool:
        """Whether this is its signature over the note, as `name`."""
        if len(signature) != SIGNATURE_BYTES[self.kind]:
            return False
        stamp = signature[:8]
        try:
            if self.kind == COSIGNATURE_MLDSA44:
                names = b"".join(
                    bytes([len(text.encode())]) + text.encode() + middle
                    for text, middle in ((name, stamp), (head.origin, bytes(8) + head.size.to_bytes(8, "big")))
                )
                message = b"subtree/v1\n\0" + names + head.root
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature[8:], message)
            else:
                time = f"cosignature/v1\ntime {int.from_bytes(stamp, 'big')}\n" if self.kind != ED25519 else ""
                message = (time + head.text).encode()
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature[-64:], message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Head(NamedTuple):
    """A checkpoint (C2SP tlog-checkpoint): a log, its size, its root, the text that was signed."""

    origin: str
    size: int
    root: bytes
    text: str


def read_note(data: bytes, what: str) -> tuple[Head, list[tuple[str, bytes, bytes]]]:
    """The head, and (name, key id, signature) of each line under it."""
    try:
        text, blank, rest = data.decode("utf-8").rpartition("\n\n")
        origin, size, root, *more = (text + "\n").removesuffix("\n").split("\n")
        lines = []
        for line in rest.removesuffix("\n").split("\n"):
            dash, name, encoded = line.split(" ")
            signature = b64decode(encoded, validate=True)
            if dash != "\u2014" or len(signature) <= 4:
                raise ValueError("a signature line is an em dash, a name and base64")
            lines.append((name, signature[:4], signature[4:]))
        if not blank or len(data) > MAX_NOTE or not re.fullmatch(r"0|[1-9][0-9]{0,18}", size, re.ASCII) or not origin:
            raise ValueError("not a checkpoint")
        head = Head(origin, int(size), b64decode(root, validate=True), text + "\n")
    except ValueError as error:
        raise Wrong(f"{what} is no signed checkpoint: {error}") from error
    if len(head.root) != 32 or not all(more) or re.search(r"[\x00-\x09\x0b-\x1f]", head.text):
        raise Wrong(f"{what} is no signed checkpoint")
    return head, lines


def check_note(data: bytes, what: str, trust: Trust) -> tuple[Head, set[Key]]:
    """The head, and which witnesses cosigned it. Raises Wrong unless every key given for logs signed it."""
    head, lines = read_note(data, what)
    signed: set[Key] = set()
    for key in (*trust.logs, *trust.witnesses):
        names = {key.name} if key in trust.witnesses else {key.name, head.origin}
        mine = [(name, sig) for name, key_id, sig in lines if name in names and key_id == key.id_as(name)]
        if any(not key.signed(name, head, signature) for name, signature in mine):
            raise Wrong(f"{what}: the signature of {key.name} is not over this text")
        if mine:
            signed.add(key)
    for key in trust.logs:
        if head.origin != key.name and not head.origin.startswith(key.name + "/"):
            raise Wrong(f"{what} is of {head.origin}, which the key of {key.name} does not speak for")
        if key not in signed:
            raise Wrong(f"{what} is not signed by the key given for {key.name}")
    cosigned = signed & set(trust.witnesses)
    if (many := len({key.name for key in cosigned})) < trust.quorum:
        raise Wrong(f"{what} is cosigned by {many} of the witnesses given; {trust.quorum} are asked for")
    return head, cosigned


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The keys that whoever checks brings along."""

    logs: tuple[Key, ...]
    witnesses: tuple[Key, ...]
    quorum: int


# ── the tree (RFC 9162 §2.1) ───────────────────────────────────────────────────────────────────────────────────────


def leaf_of(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def root_by(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that this inclusion proof leads to; None if it cannot be one. RFC 9162 §2.1.3.2."""
    if not 0 <= index < size:
        return None
    node, last, found = index, size - 1, leaf
    for other in proof:
        if last == 0 or len(other) != 32:
            return None
        if node & 1 or node == last:
            found = hashlib.sha256(b"\x01" + other + found).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + other).digest()
        node, last = node >> 1, last >> 1
    return found if last == 0 else None


# ── the case ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Findings:
    """What was found. `problems` make it fail; `notes` say what a case cannot show."""

    checked: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, what: str) -> None:
        self.problems.append(what)


def read_zip(path: str) -> dict[str, bytes]:
    """Every file of the case. No name twice, nothing that is larger than a case may be."""
    try:
        with zipfile.ZipFile(path) as case:
            entries = case.infolist()
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names):
                raise Wrong("the case holds two files of one name")
            if any(entry.file_size > MAX_FILE for entry in entries) or sum(e.file_size for e in entries) > MAX_TOTAL:
                raise Unreadable(f"the case is larger than {MAX_TOTAL} bytes")
            return {entry.filename: case.read(entry) for entry in entries}
    except (OSError, zipfile.BadZipFile, zlib.error, LZMAError, RuntimeError, EOFError, ValueError) as error:
        raise Unreadable(f"{path} is no case: {error}") from error


def strict_json(data: bytes, what: str) -> Any:
    """JSON without repeated keys, floats or constants: there is one way to read it."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("a key stands in it twice")
        return found

    def refuse(text: str) -> Any:
        raise ValueError(f"it holds {text}")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{what} cannot be read: {error}") from error


def lines_of(files: Mapping[str, bytes], name: str) -> list[bytes]:
    if (data := files.get(name, b"")) and not data.endswith(b"\n"):
        raise Wrong(f"{name} does not end with a newline: was it cut?")
    return data.split(b"\n")[:-1]


def check_manifest(files: Mapping[str, bytes], trust: Trust, found: Findings) -> dict[str, Any]:
    """The manifest, once it is known to be signed, and its files the ones that it lists."""
    for name in ("case.json", "case.note"):
        if name not in files:
            raise Unreadable(f"this is no case of bailiwick: it holds no {name}")
    head, _ = check_note(files["case.note"], "case.note", Trust(logs=trust.logs, witnesses=(), quorum=0))
    if "/case/" not in head.origin or head.root != hashlib.sha256(files["case.json"]).digest():
        raise Wrong("case.json is not the manifest that was signed")
    manifest = strict_json(files["case.json"], "case.json")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise Unreadable(f"the case is not of the format {FORMAT}")
    listed = manifest["files"]
    present = files.keys() - {"case.json", "case.note"}
    for name in sorted(listed.keys() - present):
        found.wrong(f"{name} is listed and is not in the case")
    for name in sorted(present - listed.keys()):
        found.wrong(f"{name} is in the case and is not listed")
    for name in sorted(present & listed.keys()):
        if "sha256:" + hashlib.sha256(files[name]).hexdigest() != listed[name]:
            found.wrong(f"{name} is not the file that was signed")
    found.checked["manifest"] = f"signed by {trust.logs[0].name}, {len(listed)} files"
    return manifest


def check_log(files: Mapping[str, bytes], log: Mapping[str, Any], trust: Trust, found: Findings) -> list[Any]:
    """The records of one log that are leaves of its signed tree, in their order."""
    folder = f"logs/{log['log']}"
    head, cosigned = check_note(files.get(f"{folder}/checkpoint", b""), f"{folder}/checkpoint", trust)
    if head.origin.rpartition("/")[2] != log["log"]:
        raise Wrong(f"the checkpoint of {log['log']} is of {head.origin}")
    lines, proofs = lines_of(files, f"{folder}/events.jsonl"), lines_of(files, f"{folder}/proofs.jsonl")
    if len(lines) != len(proofs):
        raise Wrong(f"{log['log']}: {len(lines)} records and {len(proofs)} proofs")
    events: list[dict[str, Any]] = []
    before = -1
    for line, raw in zip(lines, proofs, strict=True):
        event, proof = strict_json(line, f"a record of {log['log']}"), strict_json(raw, "a proof")
        seq = event["seq"]
        where = f"record {seq} of {log['log']}"
        if root_by(leaf_of(line), seq, head.size, [bytes.fromhex(node) for node in proof]) != head.root:
            found.wrong(f"{where} ({event['id']}) is not in the tree that was signed")
            continue
        if event["log"] != log["log"] or seq <= before:
            found.wrong(f"{where} does not stand where it says")
            continue
        before = seq
        events.append(event)
    who = "".join(f", cosigned by {name}" for name in sorted({key.name for key in cosigned}))
    found.checked[log["log"]] = f"{len(events)} records in a signed tree of {head.size}{who}"
    return events


def check_session(events: Sequence[Mapping[str, Any]], sessions: Sequence[Any], found: Findings) -> None:
    """The records of each session are all there, as far as the last one that the case holds, and of no other one."""
    due: dict[tuple[str, str], int] = {}
    kinds: dict[str, set[str]] = {session: set() for session in sessions}
    if not sessions or not all(isinstance(session, str) and session for session in sessions):
        found.wrong("the case names no session that it is about")
    for event in events:
        session, kind, where = event["session"], event["kind"], f"record {event['seq']} of {event['log']}"
        if session not in kinds:
            if not kind.startswith(AROUND):
                found.wrong(f"{where} is of session {session!r}, which the case does not name")
            continue
        gap = event["ord"] - due.get((event["log"], session), 0)
        if gap:
            found.wrong(f"{where} is number {event['ord']} of its session: {gap} before it are missing")
        due[(event["log"], session)] = event["ord"] + 1
        first = kind == "session.opened" and not event["body"]["restored"]
        kinds[session].add("opened first" if first else kind)
        child = event["body"].get("child_session", session)
        if child not in kinds:
            found.notes.append(f"session {session} delegated to {child}, which is not in the case")
    for session in kinds:
        if not kinds[session]:
            found.wrong(f"there is no record of session {session}")
        elif "opened first" not in kinds[session]:
            found.notes.append(f"session {session} was taken up again: what came before is not in the case")
        if "session.closed" not in kinds[session]:
            found.notes.append(f"session {session} was not closed: later records of it cannot be excluded")
    found.checked["session"] = f"{sum(due.values())} records without a gap, of {', '.join(sessions)}"


def check_relations(events: Sequence[Mapping[str, Any]], found: Findings) -> None:
    """Decisions, permits, outcomes and approvals fit each other."""
    given = {"approval.granted": "approval", "approval.remembered": "grant"}
    granted = {event["body"][given[event["kind"]]] for event in events if event["kind"] in given}
    permits: dict[str, str] = {}
    used: dict[str, str] = {}
    ended: set[str] = set()
    ids: set[str] = set()
    for event in events:
        if event["id"] in ids:
            found.wrong(f"event {event['id']} is in the case twice")
        ids.add(event["id"])
        if event["kind"] == "decision" and "permit" in event["body"]:
            check_permit(event, permits, granted, used, found)
        elif event["kind"] in OUTCOMES:
            decision = event["body"]["decision"]
            if permits.get(decision) != event["body"]["permit"]:
                found.wrong(f"{event['kind']} {event['id']} is the outcome of no allowed call of this case")
            elif decision in ended:
                found.wrong(f"{event['kind']} {event['id']} is a second outcome of {decision}")
            ended.add(decision)
    if unknown := sorted(permits.keys() - ended):
        some = ", ".join(unknown[:5])
        found.notes.append(f"no outcome is recorded of {len(unknown)} permitted calls, they may have run: {some}")
    found.checked["relations"] = f"{len(permits)} permits, {len(ended)} outcomes, {len(used)} approvals used"


def check_permit(
    event: Mapping[str, Any], permits: dict[str, str], granted: set[str], used: dict[str, str], found: Findings
) -> None:
    where, body = event["id"], event["body"]
    if body["outcome"] != "allow":
        found.wrong(f"decision {where} hands out a permit and is no allow")
    if body["permit"] in permits.values():
        found.wrong(f"decision {where} hands out a permit that was handed out before")
    permits[where] = body["permit"]
    for approval in sorted({lifted["approval"] for lifted in body["approved"]}):
        if approval in used and not approval.startswith("std-"):  # a standing grant is used as often as it says
            found.wrong(f"approval {approval} was used by {used[approval]} and by {where}")
        used[approval] = where
        if approval not in granted:
            found.wrong(f"decision {where} used approval {approval}, and no record says who granted it")


def check_contents(
    files: Mapping[str, bytes], manifest: Mapping[str, Any], events: Iterable[Mapping[str, Any]], found: Findings
) -> None:
    """Each content is the one that its record committed to."""
    committed = {
        (event["log"], event["seq"], role): text for event in events for role, text in event["commitments"].items()
    }
    seen: set[tuple[str, int, str]] = set()
    for line in lines_of(files, "contents.jsonl"):
        entry = strict_json(line, "a content")
        place = (entry["log"], entry["seq"], entry["role"])
        where = f"content '{place[2]}' of record {place[1]} of {place[0]}"
        if place not in committed or place in seen:
            found.wrong(f"{where} belongs to no record of the case")
            continue
        seen.add(place)
        salt, data = bytes.fromhex(entry["salt"]), b64decode(entry["data"], validate=True)
        made = "hmac-sha256:" + hmac.digest(salt, data, "sha256").hex()
        if len(salt) != SALT_BYTES or not hmac.compare_digest(made, committed[place]):
            found.wrong(f"{where} is not the one that was committed to")
    if absent := len(committed.keys() - seen):
        erased = len(manifest["erased"])
        found.notes.append(f"{absent} contents are not in the case; its signer says that {erased} of them were erased")
    found.checked["contents"] = f"{len(seen)} of {len(committed)}"


def check_case(path: str, trust: Trust) -> Findings:
    """Everything that can be checked of a case. Raises Unreadable; what is wrong is in the findings."""
    found = Findings()
    files = read_zip(path)
    try:
        manifest = check_manifest(files, trust, found)
        events: list[dict[str, Any]] = []
        for log in manifest["logs"]:
            try:
                events += check_log(files, log, trust, found)
            except Wrong as error:
                found.wrong(str(error))
        check_session(events, manifest["sessions"], found)
        check_relations(in_time(events), found)
        check_contents(files, manifest, events, found)
    except Wrong as error:
        found.wrong(str(error))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        found.wrong(f"the case is not of the form that it should have: {type(error).__name__}: {error}")
    return found


def in_time(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By time; records of one log, which come in its order, keep it, however their clocks read."""
    last: dict[str, int] = {}

    def when(event: dict[str, Any]) -> tuple[int, str, int]:
        last[event["log"]] = max(last.get(event["log"], 0), event["ts_us"])
        return last[event["log"]], event["log"], event["seq"]

    return [event for _, event in sorted(((when(event), event) for event in events), key=lambda pair: pair[0])]


# ── the command ────────────────────────────────────────────────────────────────────────────────────────────────────


def report(found: Findings, *, as_json: bool) -> Iterator[str]:
    if as_json:
        answer = {"holds": not found.problems, "checked": found.checked, "problems": found.problems}
        yield json.dumps(answer | {"notes": found.notes})
        return
    for what, said in found.checked.items():
        yield f"{shown(what):<12} {shown(said)}"
    yield from (f"note         {shown(note)}" for note in found.notes)
    yield from (f"WRONG        {shown(problem)}" for problem in found.problems)
    yield "holds" if not found.problems else f"does not hold: {len(found.problems)} wrong"


def shown(text: str) -> str:
    """What a case says, without what could play with a terminal."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="bailiwick-verify",
        description="Check a case that bailiwick exported, without bailiwick.",
        epilog="Exit code: 0 all of it holds, 1 something does not, 2 it could not be checked.",
    )
    parser.add_argument("case", help="the zip that `bailiwick audit case` wrote")
    many: dict[str, Any] = {"action": "append", "default": [], "metavar": "VKEY"}
    told = "a key that signs the logs (repeatable: each must have signed). Have it given to you apart from the case"
    parser.add_argument("--key", help=told, **many)
    parser.add_argument("--witness", help="a witness that you know (repeatable)", **many)
    parser.add_argument("--quorum", type=int, help="so many of the witnesses must have cosigned (default: all given)")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = parser.parse_args(arguments)
    try:
        if not given.key:
            raise Unreadable("which key? Without --key a case could be signed by anybody")
        witnesses = tuple(dict.fromkeys(map(Key.parse, given.witness)))
        most = len({key.name for key in witnesses})
        quorum = most if given.quorum is None else given.quorum
        if not 0 <= quorum <= most:
            raise Unreadable(f"a quorum of {quorum} of {most} witnesses cannot be")
        trust = Trust(logs=tuple(dict.fromkeys(map(Key.parse, given.key))), witnesses=witnesses, quorum=quorum)
        found = check_case(given.case, trust)
    except Unreadable as error:
        print(f"bailiwick-verify: {shown(str(error))}", file=sys.stderr)
        return 2
    except Wrong as error:
        found = Findings(problems=[str(error)])
    for line in report(found, as_json=given.json):
        print(line)
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
