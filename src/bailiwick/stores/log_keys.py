"""The keys that sign the checkpoints of a project's logs: files in the state folder, readable by their owner alone.

They are made when a log is first opened. A key that is moved away is replaced by a new one: logs that the old one
signed are then not continued, and stay verifiable with the old one.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bailiwick.audit.log_signer import LOG_KEYS, LogSigner, pem_of_seed
from bailiwick.audit.notes import KeyType
from bailiwick.errors import NoteError, StoreError
from bailiwick.stores.log_file import sync_folder

__all__ = ["KEYS_FOLDER", "log_signer"]

KEYS_FOLDER = "keys"
KEY_FILES = {KeyType.ED25519: "log-ed25519.pem", KeyType.COSIGNATURE_MLDSA44: "log-mldsa44.pem"}
SEED_BYTES = 32


def log_signer(state: Path, origin: str, *, make: bool = True) -> LogSigner:
    """The signer of the project whose state lies in `state`. Makes the keys that are missing; if it is not to
    `make` them, it does without. Raises StoreError."""
    folder = state / KEYS_FOLDER
    pems = [_pem(folder / KEY_FILES[kind], kind, make=make) for kind in LOG_KEYS]
    try:
        return LogSigner.of_pems(origin, [pem for pem in pems if pem is not None])
    except NoteError as error:
        raise StoreError(
            f"a key in {folder} cannot be used: {error}",
            hint="restore it, or move it away: then a new one is made, and new logs are begun",
        ) from error


def _pem(path: Path, kind: KeyType, *, make: bool) -> bytes | None:
    try:
        if not path.exists():
            if not make:
                return None
            pem = pem_of_seed(kind, secrets.token_bytes(SEED_BYTES))
            if pem is None:
                return None
            _write(path, pem)
        return path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"the key {path} cannot be read: {error.strerror}",
            hint="restore it, or move it away: then a new one is made, and new logs are begun",
        ) from error


def _write(path: Path, pem: bytes) -> None:
    """Written beside its place and linked to it, so that of several processes that make it at once all use one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    file = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(pem)
            out.flush()
            os.fsync(out.fileno())
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        beside.unlink()
