"""The keys of a witness: two files in its folder, readable by their owner alone.

The Ed25519 key makes `cosignature/v1`, which every tlog client reads; the ML-DSA-44 key makes the cosignature that also
holds against quantum computers. Both belong to this witness alone: the Ed25519 message does not name who signs.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bailiwick.audit.notes import KeyType, NoteSigner, valid_name
from bailiwick.errors import NoteError, StoreError, UsageError

__all__ = ["check_name", "make_keys", "read_keys"]

MAX_NAME = 255
"""Bytes: what an ML-DSA-44 cosignature can take."""
KEY_FILES = {
    KeyType.COSIGNATURE_ED25519: "witness-ed25519.key",
    KeyType.COSIGNATURE_MLDSA44: "witness-mldsa44.key",
}


def check_name(name: str) -> None:
    """Raises UsageError for a name that the keys of a witness may not have."""
    if not valid_name(name) or len(name.encode()) > MAX_NAME:
        hint = f"as in witness.example.com/w1: no spaces, no plus, at most {MAX_NAME} bytes"
        raise UsageError(f"a witness cannot be called {name!r}", hint=hint)


def make_keys(folder: Path, name: str) -> tuple[NoteSigner, ...]:
    """New keys of this name. Raises OSError, also if there are keys already."""
    signers = tuple(NoteSigner.from_seed(name, kind, secrets.token_bytes(32)) for kind in KEY_FILES)
    for signer in signers:
        file = os.open(folder / KEY_FILES[signer.kind], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(f"{signer.skey}\n")
            out.flush()
            os.fsync(out.fileno())
    return signers


def read_keys(folder: Path) -> tuple[NoteSigner, ...]:
    """The keys that `make_keys` wrote. Raises StoreError, which does not repeat them."""
    return tuple(_read(folder / file, kind) for kind, file in KEY_FILES.items())


def _read(path: Path, kind: KeyType) -> NoteSigner:
    try:
        signer = NoteSigner.parse(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError, NoteError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no signer key"
        raise StoreError(
            f"the key {path} cannot be used: {why}",
            hint="restore it from a backup; a witness whose key is lost is replaced by a new one",
        ) from error
    if signer.kind is not kind:
        raise StoreError(f"{path} holds a key of another type", hint="the two key files were exchanged: rename them")
    return signer
