"""`bailiwick audit checkpoint`, `keys`, `prove`, `tiles`: what an auditor keeps elsewhere, and checks it with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bailiwick.audit.notes import Note, NoteKey
from bailiwick.audit.proofs import InclusionProof
from bailiwick.cli.audit_reading import LOG_DIR_OPTION, log_folder, reading
from bailiwick.cli.out_file import OUT_PATH, new_file, not_there_yet
from bailiwick.cli.output import FOLDER, JSON_OPTION, READER_OPTION, console, counted, print_json, shown
from bailiwick.errors import UsageError
from bailiwick.project import find_project
from bailiwick.project.load import load_settings
from bailiwick.stores.log_file import list_logs, list_parents
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_proofs import LogProofs

__all__ = ["checkpoint", "keys", "prove", "tiles"]

_LOG = click.option("--log", "only", metavar="LOG", help="Only this log, by its id. Default: all of the folder.")


@click.command("checkpoint")
@FOLDER
@_LOG
@JSON_OPTION
def checkpoint(folder: Path | None, only: str | None, as_json: bool) -> None:
    """Print the newest signed checkpoint of each log, to be kept where the agent's machine cannot write.

    `bailiwick audit verify --checkpoint FILE` holds the logs against what was kept. It shows no record.
    """
    found = list(_notes(log_folder(folder), only))
    if as_json:
        print_json([_note_json(path.stem, note) for path, note in found])
        return
    click.echo("\n".join(note.format() for _, note in found), nl=False)


@click.command("keys")
@FOLDER
@click.option("--log", "only", metavar="LOG", help="The keys by the name under which this log signs.")
@JSON_OPTION
def keys(folder: Path | None, only: str | None, as_json: bool) -> None:
    """Print the verifier keys (C2SP vkeys) of a project's logs; make the keys if there are none yet.

    They are the same for all logs of the project: a witness, and `bailiwick audit verify --key`, take them for every
    log under the project's origin. Other tools want the key by the log's own name: --log.
    """
    project = find_project(folder)
    settings = load_settings(project)
    signer = log_signer(project / settings.state_path, settings.log_origin)
    found: Sequence[NoteKey] = signer.keys(only) if only else signer.project_keys
    if as_json:
        print_json({"origin": found[0].name, "keys": [key.vkey for key in found]})
        return
    for key in found:
        click.echo(key.vkey)


@click.command("prove")
@click.argument("event_id")
@LOG_DIR_OPTION
@click.option("--out", type=OUT_PATH, help="A new file. Default: standard output.")
@JSON_OPTION
def prove(event_id: str, folder: Path | None, out: Path | None, as_json: bool) -> None:
    """Print a proof that an event is in a log (C2SP tlog-proof): its place, the hashes up to the root, the checkpoint.

    It shows nothing of the event, and needs nothing but the log's key to be checked. Exit code 1: there is no such
    event.
    """
    not_there_yet(out)
    log, proof = _proof(log_folder(folder), event_id)
    if proof is None:
        console(stderr=True).print(f"[bold red]no log[/] holds an event {shown(event_id)}")
        raise SystemExit(1)
    if out is not None:
        with new_file(out) as file:
            file.write(proof.format().encode())
    if as_json:
        print_json({"event": event_id, "index": proof.index, "proof": proof.format(), **_note_json(log, proof.note)})
    elif out is None:
        click.echo(proof.format(), nl=False)


@click.command("tiles")
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@READER_OPTION
@LOG_DIR_OPTION
@_LOG
@JSON_OPTION
def tiles(target: Path, person: str | None, folder: Path | None, only: str | None, as_json: bool) -> None:
    """Lay each log out as static tiles (C2SP tlog-tiles) in TARGET/LOG, for any tool that reads them.

    All records are in them, without contents (arguments, results, prompts). So it needs the action admin.read_log, and
    is recorded. Done again, it adds what is new. Exit code 1: refused.
    """
    written: list[dict[str, object]] = []
    with reading(folder, person, reveal=False, as_json=as_json):
        for path in _paths(log_folder(folder), only):
            with LogProofs.open(path) as log:
                if log.checkpoint() is None:
                    continue
                note, new = log.write_tiles(target / path.stem)
            written.append({**_note_json(path.stem, note), "files": new})
    if as_json:
        print_json(written)
        return
    for entry in written:
        files = counted(int(str(entry["files"])), "new file")
        click.echo(f"{entry['log']}: {counted(int(str(entry['size'])), 'event')}, {files}")


def _proof(logs: Path, event_id: str) -> tuple[str, InclusionProof | None]:
    for path in reversed(_paths(logs, None)):
        with LogProofs.open(path) as log:
            proof = log.prove(event_id)
        if proof is not None:
            return path.stem, proof
    return "", None


def _notes(logs: Path, only: str | None) -> Iterator[tuple[Path, Note]]:
    for path in _paths(logs, only):
        with LogProofs.open(path) as log:
            note = log.checkpoint()
        if note is None:
            console(stderr=True).print(f"[yellow]note:[/] {shown(path.stem)} has no checkpoint yet")
        else:
            yield path, note


def _paths(logs: Path, only: str | None) -> Sequence[Path]:
    paths = [path for path in (*list_logs(logs), *list_parents(logs)) if only in {None, path.stem}]
    if not paths:
        raise UsageError(
            f"there is no log {only} in {logs}" if only else f"there is no log in {logs}",
            hint="run an agent first, or name another folder",
        )
    return paths


def _note_json(log: str, note: Note) -> dict[str, object]:
    head = note.checkpoint
    signed = [line.name for line in note.lines]
    root = "sha256:" + head.root.hex()
    return {
        "log": log,
        "origin": head.origin,
        "size": head.size,
        "root": root,
        "signed": signed,
        "note": note.format(),
    }
