"""`bailiwick witness`: a witness for the logs of others. It runs elsewhere, and needs no project folder."""

from __future__ import annotations

import base64
import signal
import ssl
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from bailiwick.audit.notes import NoteKey, NoteSigner
from bailiwick.audit.witnessing import TrustedLog
from bailiwick.cli.output import JSON_OPTION, console, counted, print_json, shown, table, when
from bailiwick.cli.serve import listening
from bailiwick.errors import NoteError, UsageError
from bailiwick.witness.http import PATH, WitnessServer
from bailiwick.witness.keys import check_name, make_keys, read_keys
from bailiwick.witness.service import Witness
from bailiwick.witness.store import Refused, Seen, WitnessStore

__all__ = ["witness"]

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DIR = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder of the witness. Default: the current one.",
)


@click.group()
def witness() -> None:
    """Remember how far the logs of others have come, and cosign what goes on from there.

    Run it on a machine that whoever could rewrite a log cannot reach. See docs/witness.md.
    """


@witness.command("init")
@_DIR
@click.option("--name", required=True, help="What the witness is called: as in witness.example.com/w1.")
@JSON_OPTION
def init(folder: Path, name: str, *, as_json: bool) -> None:
    """Make a new witness: its keys and its state.

    Prints the two verifier keys that projects are given, in [witnesses.NAME] of bailiwick.toml.
    """
    check_name(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    WitnessStore.create(folder).close()
    vkeys = [signer.key.vkey for signer in make_keys(folder, name)]
    if as_json:
        print_json({"name": name, "keys": vkeys})
        return
    console().print(f"The witness {shown(name)} is in {shown(str(folder))}. Its verifier keys:", soft_wrap=True)
    for vkey in vkeys:
        click.echo(vkey)


@witness.command("add-log")
@_DIR
@click.argument("vkeys", nargs=-1, required=True, metavar="VKEY...")
@click.option(
    "--children", is_flag=True, help="Also every log right under the key's name: one per process of a project."
)
@JSON_OPTION
def add_log(folder: Path, vkeys: tuple[str, ...], *, children: bool, as_json: bool) -> None:
    """Take checkpoints that these keys signed. `bailiwick audit keys` prints the keys of a project.

    A witness that is running knows at once.
    """
    logs = [_trusted(vkey, children=children) for vkey in vkeys]
    with closing(WitnessStore.open(folder)) as store:
        added = [log for log in logs if store.trust(log)]
    if as_json:
        print_json({"logs": [_log_json(log) for log in logs], "added": len(added)})
        return
    for log in logs:
        under = ", and the logs under it" if log.children else ""
        console().print(f"{shown(log.key.name)}{under}: {_kind(log.key)}", soft_wrap=True)


@witness.command("remove-log")
@_DIR
@click.argument("vkeys", nargs=-1, required=True, metavar="VKEY...")
@JSON_OPTION
def remove_log(folder: Path, vkeys: tuple[str, ...], *, as_json: bool) -> None:
    """Take no more checkpoints that these keys signed. What was cosigned stays remembered.

    Exit code 1: one of them was not trusted.
    """
    keys = [_trusted(vkey, children=False).key for vkey in vkeys]
    with closing(WitnessStore.open(folder)) as store:
        gone = [key for key in keys if store.distrust(key)]
    if as_json:
        print_json({"removed": [key.vkey for key in gone]})
    else:
        console().print(f"{counted(len(gone), 'key')} removed.")
    if len(gone) < len(keys):
        raise click.exceptions.Exit(1)


@witness.command("serve")
@_DIR
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8440, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--tls-cert", type=_FILE, help="Certificate (PEM, with its chain) for HTTPS.")
@click.option("--tls-key", type=_FILE, help="Its private key (PEM).")
@JSON_OPTION
def serve(folder: Path, host: str, port: int, tls_cert: Path | None, tls_key: Path | None, *, as_json: bool) -> None:
    """Serve the witness: POST /add-checkpoint (C2SP tlog-witness). Ctrl-C or SIGTERM end it.

    Exit code 2: it could not begin.
    """
    tls = _tls(tls_cert, tls_key)
    signers = read_keys(folder)
    with closing(WitnessStore.open(folder)) as store, closing(listening(host, port)) as listener:
        at = listener.getsockname()[1]
        url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{at}"
        server = WitnessServer(listener, Witness(store, signers, _now_ms), _tell, tls=tls)
        if as_json:
            print_json({"url": url, "name": signers[0].name, "keys": [signer.key.vkey for signer in signers]})
        else:
            console().print(f"{shown(signers[0].name)} cosigns at [bold]{shown(url + PATH)}[/]", soft_wrap=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            # `shutdown` waits for the loop, which this thread is in.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
        server.serve_forever()
        server.server_close()


@witness.command("heads")
@_DIR
@JSON_OPTION
def heads(folder: Path, *, as_json: bool) -> None:
    """Print the newest checkpoint that was cosigned of every log, and what was refused.

    The JSON is what an auditor checks a project against: bailiwick audit verify --witness FILE.
    Exit code 1: a log was forked; two signed checkpoints of one size prove it.
    """
    signers = read_keys(folder)
    with closing(WitnessStore.open(folder)) as store:
        seen, refused = tuple(store.seen()), store.refused()
    if as_json:
        print_json(_heads_json(signers, seen, refused))
    else:
        out = console()
        rows = [(each.origin, str(each.head.size), when(each.at_ms)) for each in seen]
        out.print(table(("log", "events", "cosigned"), rows))
        for each in refused:
            word = "[red]forked[/]" if each.proves_fork else "[yellow]not shown to go on[/]"
            out.print(f"{word} {when(each.at_ms)}: {shown(each.origin)}, see --json", soft_wrap=True)
    if any(each.proves_fork for each in refused):
        raise click.exceptions.Exit(1)


def _heads_json(signers: tuple[NoteSigner, ...], seen: tuple[Seen, ...], refused: tuple[Refused, ...]) -> Any:
    return {
        "witness": signers[0].key.vkey,
        "keys": [signer.key.vkey for signer in signers],
        "heads": [
            {
                "origin": each.origin,
                "size": each.head.size,
                "root": base64.b64encode(each.head.root).decode(),
                "checkpoint": each.note,
                "at_ms": each.at_ms,
            }
            for each in seen
        ],
        "refused": [_refused_json(each) for each in refused if each.proves_fork],
        "unproven": [_refused_json(each) for each in refused if not each.proves_fork],
    }


def _refused_json(each: Refused) -> Any:
    return {"origin": each.origin, "held": each.held, "checkpoint": each.note, "at_ms": each.at_ms}


def _trusted(vkey: str, *, children: bool) -> TrustedLog:
    try:
        return TrustedLog.of(vkey, children=children)
    except NoteError as error:
        raise UsageError(str(error), hint="bailiwick audit keys prints the keys of a project") from error


def _log_json(log: TrustedLog) -> Any:
    return {"name": log.key.name, "key": log.key.vkey, "type": _kind(log.key), "children": log.children}


def _kind(key: NoteKey) -> str:
    return key.kind.name.lower().replace("_", "-")


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if (cert is None) != (key is None):
        raise UsageError("a certificate needs its key, and a key its certificate", hint="give --tls-cert and --tls-key")
    if cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        raise UsageError(f"{cert} and its key cannot be used", hint="both are PEM, and belong together") from error
    return context


def _tell(line: str) -> None:
    console(stderr=True).print(shown(line), soft_wrap=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
