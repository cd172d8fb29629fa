"""`bailiwick audit checkpoint`, `keys`, `prove`, `tiles`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.audit.merkle import leaf_hash, root_of
from bailiwick.audit.notes import NoteKey, parse, signed_by
from bailiwick.audit.proofs import InclusionProof
from bailiwick.stores.log_file import connect
from bailiwick.stores.log_reader import LogReader
from tests.cli.terminal import Said
from tests.worlds import LOGS, Tool, make_world, opened

Terminal = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.call("page.read", {"id": "1"}, run=Tool().run)
    return folder


def the_log(folder: Path) -> Path:
    (path,) = (folder / LOGS).glob("log-*.db")
    return path


def keys_of(said: Said) -> list[NoteKey]:
    return [NoteKey.parse(line) for line in said.out.split()]


def test_the_newest_checkpoint_of_each_log_is_printed_and_holds_under_its_keys(
    terminal: Terminal, folder: Path
) -> None:
    said = terminal("audit", "checkpoint", folder, "--log", the_log(folder).stem)
    note = parse(said.out)
    assert (said.code, note.checkpoint.origin) == (0, f"bailiwick.local/acme/test/{the_log(folder).stem}")
    keys = keys_of(terminal("audit", "keys", folder, "--log", the_log(folder).stem))
    assert len(signed_by(note, keys)) == 2
    with LogReader.open(the_log(folder)) as reader:
        assert (note.checkpoint.size, "sha256:" + note.checkpoint.root.hex()) == reader.head()
    every = terminal("audit", "checkpoint", folder, "--json").json
    assert the_log(folder).stem in [entry["log"] for entry in every]
    assert all(parse(entry["note"]).checkpoint.size == entry["size"] for entry in every)


def test_a_checkpoint_that_was_kept_is_what_verify_holds_the_log_against(
    terminal: Terminal, folder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(terminal("audit", "checkpoint", folder).out, encoding="utf-8")
    said = terminal("audit", "verify", folder, "--checkpoint", kept)
    assert said.code == 0, said.out


def test_the_keys_of_a_project_are_there_before_its_first_log(terminal: Terminal, tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    told = terminal("audit", "keys", folder, "--json").json
    assert told["origin"] == "bailiwick.local/acme/test"
    assert told["keys"] == terminal("audit", "keys", folder).out.split()
    assert terminal("audit", "checkpoint", folder).code == 2


def test_an_origin_can_be_set_and_is_checked(terminal: Terminal, folder: Path) -> None:
    settings = folder / "bailiwick.toml"
    before = settings.read_text()
    settings.write_text(before + '\n[audit]\norigin = "logs.example.com/desk"\n')
    assert terminal("audit", "keys", folder, "--json").json["origin"] == "logs.example.com/desk"
    for wrong in ("a b", "a+b", "x" * 191, "/a", "a/"):
        settings.write_text(before + f'\n[audit]\norigin = "{wrong}"\n')
        assert "audit.origin" in (said := terminal("audit", "keys", folder)).err
        assert said.code != 0


def test_an_event_is_proved_without_showing_it(terminal: Terminal, folder: Path, tmp_path: Path) -> None:
    with LogReader.open(the_log(folder)) as reader:
        event = next(iter(reader.events(after_seq=0)))
    said = terminal("audit", "prove", event.id, "--dir", folder)
    proof = InclusionProof.parse(said.out)
    assert proof.index == 1
    assert event.id not in said.out
    keys = keys_of(terminal("audit", "keys", folder, "--log", event.log))
    assert proof.verify(leaf_of(folder, 1), keys).size == proof.note.checkpoint.size
    out = tmp_path / "event.tlog-proof"
    assert terminal("audit", "prove", event.id, "--dir", folder, "--out", out).out == ""
    assert out.read_text(encoding="utf-8") == said.out
    assert terminal("audit", "prove", event.id, "--dir", folder, "--json").json["proof"] == said.out
    assert terminal("audit", "prove", "no-such-event", "--dir", folder).code == 1


def leaf_of(folder: Path, seq: int) -> bytes:
    with closing(connect(the_log(folder), read_only=True)) as database:
        (data,) = database.execute("SELECT data FROM events WHERE seq = ?", (seq,)).fetchone()
    return leaf_hash(data)


def tiles_in(folder: Path) -> Mapping[str, bytes]:
    found = {}
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "checkpoint":
            name = file.relative_to(folder).as_posix()
            found[name.partition(".p/")[0] + (".p" if ".p/" in name else "")] = file.read_bytes()
    return found


def entries(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:2])
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


def test_a_log_is_laid_out_as_tiles_that_bear_out_its_checkpoint(
    terminal: Terminal, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = terminal("audit", "tiles", out, "--dir", folder, "--as", "bob")
    assert said.code == 0, said.err
    laid = out / the_log(folder).stem
    note = parse((laid / "checkpoint").read_bytes())
    tiles = tiles_in(laid)
    assert sorted(tiles) == ["tile/0/000.p", "tile/entries/000.p"]
    leaves = [tiles["tile/0/000.p"][at : at + 32] for at in range(0, len(tiles["tile/0/000.p"]), 32)]
    assert (len(leaves), root_of(leaves)) == (note.checkpoint.size, note.checkpoint.root)
    assert [leaf_hash(entry) for entry in entries(tiles["tile/entries/000.p"])] == leaves


def test_tiles_hold_records_so_they_are_for_readers_of_the_log(
    terminal: Terminal, folder: Path, tmp_path: Path
) -> None:
    said = terminal("audit", "tiles", tmp_path / "out", "--dir", folder, "--as", "alice")
    assert said.code == 1
    assert not (tmp_path / "out").exists()
    assert terminal("audit", "tiles", tmp_path / "out", "--dir", folder).code == 2
