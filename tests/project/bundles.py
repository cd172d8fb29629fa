"""Bundles of the project in tests/worlds.py: alice and bob have keys, bob and dora may activate, eve has a key too.

Keys are made from fixed seeds, so bundles are the same bytes in each run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from bailiwick import Guard
from bailiwick.guard.administration.bundles import Activation
from bailiwick.identity.bundle_signatures import sign
from bailiwick.identity.keys import PrivateKey
from bailiwick.model.bundle import ProjectBundle
from bailiwick.model.decision import Reason
from bailiwick.project.bundle import build_bundle
from bailiwick.project.status import bundle_status
from tests.worlds import FILES, edit, make_world

__all__ = ["KEYS", "activate", "bundled", "code_of", "key_of", "project", "put"]


def key_of(name: str) -> PrivateKey:
    return PrivateKey(hashlib.sha256(name.encode()).digest())


KEYS = ("alice", "bob", "dora", "eve", "gone")

PEOPLE = """
@id("leads-activate")
permit (principal in Group::"leads", action == Action::"admin.activate", resource);

@id("carol-does-not")
forbid (principal == User::"carol", action == Action::"admin.activate", resource);
"""


def project(folder: Path, settings: str = "") -> Path:
    """The project folder, with keys and with people who may activate."""
    make_world(folder)
    for name in KEYS:
        edit(folder, "directory.toml", f"[users.{name}]", f'[users.{name}]\nkeys = ["{key_of(name).public}"]')
    put(folder, "administration/bundles.cedar", PEOPLE)
    put(folder, "bailiwick.toml", FILES["bailiwick.toml"] + settings)
    return folder


def put(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")


def bundled(
    folder: Path,
    sequence: int,
    *,
    author: str = "alice",
    signers: tuple[str, ...] | None = None,
    files: Mapping[str, str] | None = None,
    note: str = "",
) -> ProjectBundle:
    """A bundle of the folder with some files changed, signed by its author and by others (`signers`: exactly these)."""
    kept = {path: (folder / path).read_text(encoding="utf-8") for path in files or {} if (folder / path).exists()}
    for path, text in (files or {}).items():
        put(folder, path, text)
    made = build_bundle(folder, sequence=sequence, author=author, note=note)
    for path in files or {}:
        if path in kept:
            put(folder, path, kept[path])
        else:
            (folder / path).unlink()
    directory = bundle_status(folder).project.planes.directory
    for name in (author,) if signers is None else signers:
        made = sign(made, by=name, key=key_of(name), directory=directory)
    return made


def activate(guard: Guard, bundle: ProjectBundle, *, by: str = "bob", tests: str = "none") -> Activation | Reason:
    return guard.activate(bundle, by=by, tests=tests, os_user="0:test")


def code_of(told: Activation | Reason) -> str:
    """Why it was refused; "" if it was not."""
    return told.code if isinstance(told, Reason) else ""
