"""`bailiwick audit case`: one session with its proofs, to be handed over."""

from __future__ import annotations

import zipfile
from pathlib import Path

import click

from bailiwick.audit.case import MANIFEST, NOTE, case_head, files_of
from bailiwick.cli.audit_reading import REVEAL_OPTION, reading
from bailiwick.cli.out_file import OUT_PATH, new_file, not_there_yet
from bailiwick.cli.output import DIR_OPTION, JSON_OPTION, READER_OPTION, console, counted, print_json, shown
from bailiwick.project import find_project
from bailiwick.project.clock import now_us
from bailiwick.project.load import load_settings
from bailiwick.stores.log_case import gather
from bailiwick.stores.log_keys import log_signer

__all__ = ["case"]

_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in the zip: when it was made stands in the manifest, which is signed."""


@click.command("case")
@click.argument("session")
@READER_OPTION
@REVEAL_OPTION
@DIR_OPTION
@click.option("--out", type=OUT_PATH, required=True, help="A new zip.")
@JSON_OPTION
def case(session: str, person: str | None, reveal: bool, folder: Path | None, out: Path, as_json: bool) -> None:
    """Put one session, with all that it delegated to, into a zip that `bailiwick-verify` checks without bailiwick.

    SESSION is the whole key, as `audit sessions --json` lists it. The zip holds every record of the session byte for
    byte, the answers to its requests, which rules held, and the proof that each stands in its signed log; contents with
    --reveal alone, as far as they were not erased. It is signed with the key of the project's logs. Exit code 1:
    refused.
    """
    not_there_yet(out)
    path = find_project(folder)
    settings = load_settings(path)
    with reading(path, person, reveal=reveal, as_json=as_json) as readers:
        signer = log_signer(path / settings.state_path, settings.log_origin, make=False)
        found = gather(readers, session, sign=signer.sign, revealed=reveal, made_us=now_us(), made_by=person or "")
    files = files_of(found)
    files[NOTE] = signer.sign(*case_head(files)).encode()
    _write(out, files)
    records = sum(len(log.records) for log in found.logs)
    vkeys = [key.vkey for key in signer.project_keys]
    if as_json:
        told = {"file": str(out), "sessions": list(found.sessions), "records": records, "keys": vkeys}
        print_json({**told, "contents": len(found.contents), "erased": len(found.erased)})
        return
    said = f"{counted(records, 'record')} of {counted(len(found.sessions), 'session')}, "
    said += f"{counted(len(found.contents), 'content')} ({len(found.erased)} erased)" if reveal else "no contents"
    console().print(shown(f"{out}: {said}"), soft_wrap=True)
    console().print("Hand over the key by another way than the case:", soft_wrap=True)
    for vkey in vkeys[:1]:
        console().print(shown(f"  bailiwick-verify {out} --key '{vkey}'"), soft_wrap=True)


def _write(path: Path, files: dict[str, bytes]) -> None:
    with new_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name in sorted(files, key=lambda name: (name not in (MANIFEST, NOTE), name)):
            out.writestr(zipfile.ZipInfo(name, _TIME), files[name], zipfile.ZIP_DEFLATED)
