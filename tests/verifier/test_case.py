"""A real session is exported, attacked, and checked by the stand-alone verifier, which runs as its own program."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import bailiwick_verify
from bailiwick import ApprovalPending, Denied
from bailiwick.audit.case import MANIFEST, NOTE, case_head
from bailiwick.audit.log_signer import LogSigner, pem_of_seed
from bailiwick.audit.notes import KeyType, parse
from bailiwick.cli import cli
from bailiwick.project.load import load_settings
from bailiwick.stores.log_keys import log_signer
from tests.worlds import MAIL, approve, asked, make_world, opened

ROOT = Path(__file__).parents[2]
VERIFIER = ROOT / "src" / "bailiwick_verify.py"
CASES = tomllib.loads((Path(__file__).parent / "data" / "tampering.toml").read_text(encoding="utf-8"))["case"]


@dataclass(frozen=True, kw_only=True)
class Exported:
    folder: Path
    case: Path
    signer: LogSigner

    @property
    def keys(self) -> list[str]:
        return [key.vkey for key in self.signer.project_keys]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A session with a read, a denial, an approved mail and a delegation."""
    folder = tmp_path_factory.mktemp("case") / "project"
    make_world(folder)
    session = _work(folder)
    out = folder.parent / "case.zip"
    done = CliRunner().invoke(
        cli, ["audit", "case", session, "--dir", str(folder), "--as", "bob", "--reveal", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    settings = load_settings(folder)
    return Exported(
        folder=folder, case=out, signer=log_signer(folder / settings.state_path, settings.log_origin, make=False)
    )


def verified(case: Path, *arguments: str, verifier: Path = VERIFIER) -> tuple[int, dict[str, Any], str]:
    """Exit code, what it says for programs, and its words of error. -I: nothing of ours can be imported."""
    done = subprocess.run(
        [sys.executable, "-I", str(verifier), str(case), "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def trusting(exported: Exported) -> list[str]:
    return [part for vkey in exported.keys for part in ("--key", vkey)]


def test_the_verifier_is_one_file_of_500_lines_that_needs_cryptography_alone() -> None:
    text = VERIFIER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    imported = {
        line.split()[1].partition(".")[0]
        for line in text.splitlines()
        if line.lstrip().startswith(("import ", "from "))
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_it_runs_where_bailiwick_is_not_installed(exported: Exported, tmp_path: Path) -> None:
    alone = Path(shutil.copy(VERIFIER, tmp_path / "check.py"))
    code, said, error = verified(exported.case, *trusting(exported), verifier=alone)
    assert (code, said["problems"]) == (0, []), error


def test_without_a_key_nothing_is_believed(exported: Exported) -> None:
    code, _, error = verified(exported.case)
    assert code == 2
    assert "signed by anybody" in error


@pytest.mark.parametrize("kind", [KeyType.ED25519, KeyType.COSIGNATURE_MLDSA44], ids=lambda kind: kind.name)
def test_a_key_of_somebody_else_does_not_do(exported: Exported, kind: KeyType) -> None:
    pem = pem_of_seed(kind, bytes(32))
    assert pem is not None
    (other,) = LogSigner.of_pems(exported.signer.origin, [pem]).project_keys
    code, said, _ = verified(exported.case, "--key", other.vkey)
    assert code == 1
    assert "is not signed by the key given" in said["problems"][0]


def test_witnesses_that_did_not_cosign_are_missed(exported: Exported) -> None:
    pem = pem_of_seed(KeyType.ED25519, bytes(32))
    assert pem is not None
    (witness,) = LogSigner.of_pems("witness.example", [pem]).project_keys
    code, said, _ = verified(exported.case, *trusting(exported), "--witness", witness.vkey)
    assert code == 1
    assert "cosigned by 0 of the witnesses given" in said["problems"][0]
    assert verified(exported.case, *trusting(exported), "--witness", witness.vkey, "--quorum", "0")[0] == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_was_done_to_a_case_is_found(case: dict[str, Any], exported: Exported, tmp_path: Path) -> None:
    with zipfile.ZipFile(exported.case) as zipped:
        files = {name: zipped.read(name) for name in zipped.namelist()}
    for what, *values in case["do"]:
        DEEDS[what](files, exported, *values)
    attacked = tmp_path / "case.zip"
    with zipfile.ZipFile(attacked, "x") as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    code, said, error = verified(attacked, *trusting(exported))
    if case.get("unreadable"):
        assert code == 2, said
        return
    assert code == (1 if case["find"] else 0), (said, error)
    if case["find"]:
        assert any(case["find"] in problem for problem in said["problems"]), said["problems"]
    if "note" in case:
        assert any(case["note"] in note for note in said["notes"]), said["notes"]


def test_every_byte_of_every_record_counts(exported: Exported, tmp_path: Path) -> None:
    """One bit of each record in turn, all else signed anew by the holder of the key."""
    with zipfile.ZipFile(exported.case) as zipped:
        whole = {name: zipped.read(name) for name in zipped.namelist()}
    name = _first(whole, "events.jsonl")
    lines = whole[name].split(b"\n")[:-1]
    attacked = tmp_path / "case.zip"
    for number in range(0, len(lines), 5):
        line = lines[number]
        at = line.index(b'"ts_us":') + 12
        flipped = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
        files = {**whole, name: b"\n".join([*lines[:number], flipped, *lines[number + 1 :], b""])}
        _resign(files, exported)
        with zipfile.ZipFile(attacked, "w") as zipped:
            for each, data in files.items():
                zipped.writestr(each, data)
        code, said, _ = verified(attacked, *trusting(exported))
        assert code == 1, (number, said)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all", bytes(100)])
def test_what_is_no_case_is_not_judged(content: bytes, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "case.zip"
    path.write_bytes(content)
    assert verified(path, *trusting(exported))[0] == 2


def test_a_zip_that_was_damaged_is_no_case(exported: Exported, tmp_path: Path) -> None:
    """Nothing is said of a case by whoever cannot read it: neither a judgement nor a traceback."""
    whole, luck = exported.case.read_bytes(), random.Random(1)
    path = tmp_path / "case.zip"
    with zipfile.ZipFile(exported.case) as zipped:
        starts = [(entry.header_offset + 30 + len(entry.filename), entry.compress_size) for entry in zipped.infolist()]
    for start, size in starts * 20:
        at = start + luck.randrange(size)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 + luck.randrange(255))]) + whole[at + 1 :])
        assert bailiwick_verify.main([str(path), *trusting(exported)]) == (0 if _same(path, exported.case) else 2)


def _same(one: Path, other: Path) -> bool:
    """Whether two zips unpack to the same: the last bits of a compressed file may say nothing."""
    try:
        with zipfile.ZipFile(one) as left, zipfile.ZipFile(other) as right:
            return all(left.read(name) == right.read(name) for name in right.namelist())
    except (zipfile.BadZipFile, zlib.error):
        return False


def test_a_case_without_contents_holds_and_says_so(exported: Exported, tmp_path: Path) -> None:
    out = tmp_path / "bare.zip"
    (session, *_) = _manifest(exported.case)["sessions"]
    done = CliRunner().invoke(
        cli, ["audit", "case", session, "--dir", str(exported.folder), "--as", "bob", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    code, said, _ = verified(out, *trusting(exported))
    assert code == 0
    assert any("contents are not in the case" in note for note in said["notes"])
    with zipfile.ZipFile(out) as zipped:
        assert zipped.read("contents.jsonl") == b""


def test_a_session_that_no_log_has_is_refused(exported: Exported, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli,
        ["audit", "case", "nobody", "--dir", str(exported.folder), "--as", "bob", "--out", str(tmp_path / "x.zip")],
    )
    assert "no log here has a session" in str(done.exception)
    assert not (tmp_path / "x.zip").exists()


# ── how a case is attacked ─────────────────────────────────────────────────────────────────────────────────────────


def page(id: str) -> str:  # noqa: A002  # the tool's own name for it
    return f"page {id}"


def _work(folder: Path) -> str:
    """→ the key of the session."""
    with opened(folder) as session:
        session.prompt("Please read page 1 and mail ann@customer.example.")
        session.call("page.read", {"id": "1"}, run=page)
        with pytest.raises(Denied):
            session.call("page.read", {"id": "9"}, run=page)
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=lambda **_: "sent")
        (request,) = asked(session)
        approve(session, request)
        session.call("mail.send", MAIL, run=lambda **_: "sent")
        with session.delegate("helper") as child:
            child.call("page.read", {"id": "2"}, run=page)
        return session.id


def _manifest(case: Path) -> Any:
    with zipfile.ZipFile(case) as zipped:
        return json.loads(zipped.read(MANIFEST))


def _first(files: dict[str, bytes], name: str) -> str:
    """The file of this name of the log that holds the session."""
    (found, *_) = sorted(
        (path for path in files if path.endswith(f"/{name}")),
        key=lambda path: -len(files[path.rpartition("/")[0] + "/events.jsonl"]),
    )
    return found


def _name(files: dict[str, bytes], name: str) -> str:
    known = {"EVENTS": "events.jsonl", "PROOFS": "proofs.jsonl", "CHECKPOINT": "checkpoint"}
    return _first(files, known[name]) if name in known else name


def _lines(change: Callable[..., list[bytes]]) -> Callable[..., None]:
    def deed(files: dict[str, bytes], _: Exported, name: str, *numbers: int) -> None:
        path = _name(files, name)
        lines = files[path].split(b"\n")[:-1]
        files[path] = b"".join(line + b"\n" for line in change(lines, *numbers))

    return deed


def _replace(files: dict[str, bytes], _: Exported, name: str, old: str, new: str) -> None:
    path = _name(files, name)
    if old == "SIZE":
        old, new = f"\n{parse(files[path]).checkpoint.size}\n", f"\n{new}\n"  # not where it stands by chance
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode())


def _gone(lines: list[bytes], number: int) -> list[bytes]:
    del lines[number]
    return lines


def _swapped(lines: list[bytes], one: int, other: int) -> list[bytes]:
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def _without(files: dict[str, bytes], _: Exported, kind: str) -> None:
    for path in [path for path in files if path.endswith("/events.jsonl")]:
        _keep(files, path, lambda event: event["kind"] != kind)


def _sessions(files: dict[str, bytes], _: Exported, first: int, end: int) -> None:
    manifest = json.loads(files[MANIFEST])
    manifest["sessions"] = manifest["sessions"][first:end]
    files[MANIFEST] = json.dumps(manifest).encode()


def _without_session(files: dict[str, bytes], exported: Exported, number: int) -> None:
    session = _manifest(exported.case)["sessions"][number]
    path = _first(files, "events.jsonl")
    seqs = {event["seq"] for event in map(json.loads, files[path].splitlines()) if event["session"] == session}
    _keep(files, path, lambda event: event["session"] != session)
    contents = files["contents.jsonl"].splitlines(keepends=True)
    files["contents.jsonl"] = b"".join(line for line in contents if json.loads(line)["seq"] not in seqs)


def _empty(files: dict[str, bytes], _: Exported) -> None:
    for name in [name for name in files if name.startswith("logs/")]:
        del files[name]
    manifest = json.loads(files[MANIFEST])
    files[MANIFEST] = json.dumps({**manifest, "logs": []}).encode()
    files["contents.jsonl"] = b""


def _without_decision(files: dict[str, bytes], _: Exported) -> None:
    """The first permitted call's decision, and the numbering of its session with it."""
    path = _first(files, "events.jsonl")
    events = [json.loads(line) for line in files[path].splitlines()]
    first = next(event for event in events if event["kind"] == "decision" and "permit" in event["body"])
    _keep(files, path, lambda event: event["id"] != first["id"])


def _keep(files: dict[str, bytes], path: str, keeps: Callable[[Any], bool]) -> None:
    proofs = path.replace("events", "proofs")
    pairs = zip(files[path].splitlines(), files[proofs].splitlines(), strict=True)
    kept = [(line, proof) for line, proof in pairs if keeps(json.loads(line))]
    files[path] = b"".join(line + b"\n" for line, _ in kept)
    files[proofs] = b"".join(proof + b"\n" for _, proof in kept)


def _relist(files: dict[str, bytes], exported: Exported | None = None) -> None:
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {
        name: "sha256:" + hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name not in (MANIFEST, NOTE)
    }
    files[MANIFEST] = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _resign(files: dict[str, bytes], exported: Exported, *, signer: LogSigner | None = None) -> None:
    _relist(files)
    _sign_bytes(files, exported, signer=signer)


def _sign_bytes(files: dict[str, bytes], exported: Exported, *, signer: LogSigner | None = None) -> None:
    head = case_head({name: data for name, data in files.items() if name != NOTE})
    files[NOTE] = (signer or exported.signer).sign(*head).encode()


def _resign_other(files: dict[str, bytes], exported: Exported) -> None:
    pems = [pem_of_seed(kind, bytes(32)) for kind in (KeyType.ED25519, KeyType.COSIGNATURE_MLDSA44)]
    _resign(files, exported, signer=LogSigner.of_pems(exported.signer.origin, [pem for pem in pems if pem]))


def _drop(files: dict[str, bytes], _: Exported, name: str) -> None:
    del files[_name(files, name)]


def _add(files: dict[str, bytes], _: Exported, name: str, text: str) -> None:
    files[name] = text.encode()


def _cut(files: dict[str, bytes], _: Exported, name: str, count: int) -> None:
    path = _name(files, name)
    files[path] = files[path][:-count]


DEEDS: dict[str, Callable[..., None]] = {
    "drop": _drop,
    "add": _add,
    "replace": _replace,
    "line-gone": _lines(_gone),
    "line-twice": _lines(lambda lines, number: [*lines[: number + 1], *lines[number:]]),
    "lines-swapped": _lines(_swapped),
    "cut": _cut,
    "without": _without,
    "without-session": _without_session,
    "sessions": _sessions,
    "empty": _empty,
    "without-decision": _without_decision,
    "relist": _relist,
    "resign": _resign,
    "resign-bytes": _sign_bytes,
    "resign-other": _resign_other,
}
