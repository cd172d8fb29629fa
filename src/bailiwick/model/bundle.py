"""A bundle: one file with everything that decides, named by its digest and signed by people. DESIGN §5.

It holds the texts of a project folder, sorted by path, and says for which tenant and environment they are, who wrote
them, and the how-manieth they are. The file is the canonical encoding of that and nothing else, so two builds of one
folder are the same bytes, and no byte can be changed without changing the digest. INVARIANT: a `ProjectBundle` that
`read` returned encodes to exactly the bytes that were read. Paths are data: only names that a project folder has are
taken, and nothing is ever unpacked to a disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from bailiwick.errors import BundleError, CanonicalError
from bailiwick.model.canonical import MAX_BYTES, MAX_INT, canonical, digest, parse

__all__ = ["MAX_FILES", "ProjectBundle", "SourceFile", "build", "path_problem", "read"]

VERSION = 1
MAX_FILES = 2_000
MAX_NOTE = 1_000
MAX_SIGNATURES = 100
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_SINGLE = ("bailiwick.toml", "directory.toml")
_FOLDERS: Mapping[str, tuple[str, bool]] = {
    "tools": ("*.toml", False),
    "tests": ("*.toml", False),
    "schemas": ("*.json", False),
    "policies": ("*.cedar", True),
    "administration": ("*.cedar", True),
    "background": ("*", False),
}
"""Which files of which folder there are, and whether also in folders below."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file, by its path within the project folder, with `/`."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectBundle:
    """Made by `build` or `read`. `digest` covers all but the signatures, which are compact JWS over it (see
    `bailiwick.identity.bundle_signatures`)."""

    tenant: str
    env: str
    sequence: int
    author: str
    note: str
    files: tuple[SourceFile, ...]
    digest: str
    signatures: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The file's bytes. Raises BundleError if they are too many."""
        whole = {"v": VERSION, "bundle": _claims(self), "signatures": self.signatures}
        try:
            return canonical(whole) + b"\n"
        except CanonicalError as error:
            raise BundleError(f"the bundle has no encoding: {error}", hint=error.hint) from error

    def signed(self, signatures: Iterable[str]) -> ProjectBundle:
        """The same with exactly these signatures, sorted."""
        return replace(self, signatures=tuple(sorted(signatures)))

    @property
    def texts(self) -> dict[str, str]:
        return {file.path: file.text for file in self.files}


def build(
    files: Iterable[SourceFile], *, tenant: str, env: str, sequence: int, author: str, note: str = ""
) -> ProjectBundle:
    """An unsigned bundle. Raises BundleError: a path, a name, a number or a size that no bundle may have."""
    made = ProjectBundle(
        tenant=tenant,
        env=env,
        sequence=sequence,
        author=author,
        note=note,
        files=tuple(sorted(files, key=lambda file: file.path)),
        digest="",
    )
    _check(made)
    try:
        return replace(made, digest=digest("bailiwick.bundle.v1", _claims(made)))
    except CanonicalError as error:
        raise BundleError(f"the bundle has no encoding: {error}", hint=error.hint) from error


def read(data: bytes) -> ProjectBundle:
    """The bundle in a file. Says nothing of who signed it. Raises BundleError if it is, to the byte, none."""
    if len(data) > MAX_BYTES + 1:
        raise _damaged(f"it is larger than {MAX_BYTES} bytes")
    try:
        whole = parse(data)
    except CanonicalError as error:
        raise _damaged(str(error)) from error
    outer = _fields(whole, {"v": int, "bundle": dict, "signatures": list})
    if outer["v"] != VERSION:
        raise BundleError(
            f"the bundle has version {outer['v']}, and this bailiwick reads version {VERSION}",
            hint="use the version of bailiwick that built it, or build it anew",
        )
    claims = _fields(
        outer["bundle"],
        {"tenant": str, "env": str, "sequence": int, "author": str, "note": str, "files": list},
    )
    signatures = outer["signatures"]
    if not all(type(text) is str for text in signatures) or len(signatures) > MAX_SIGNATURES:
        raise _damaged("its signatures are not a short list of texts")
    if sorted(set(signatures)) != signatures:
        raise _damaged("its signatures are not sorted, or one is there twice")
    files = [SourceFile(**_fields(each, {"path": str, "text": str})) for each in claims.pop("files")]
    made = build(files, **claims).signed(signatures)
    # Also finds a key that is there twice, white space, and a number or text that is written in another way.
    if made.encode() != data:
        raise _damaged("its bytes are not the canonical ones")
    return made


def path_problem(path: str) -> str | None:
    """Why a bundle has no file of this path; None if it may."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in path:
        return "is no plain path below the project folder"
    if any(unicodedata.category(char) in _HIDDEN for char in path):
        return "holds a control or invisible character"
    if unicodedata.normalize("NFC", path) != path:
        return "is not in Unicode normal form (NFC)"
    if path in _SINGLE:
        return None
    pattern, deep = _FOLDERS.get(parts[0], ("", False))
    fits = pattern and fnmatchcase(parts[-1], pattern) and (len(parts) == 2 or (deep and len(parts) > 2))
    return None if fits else "is not a file that a project is read from"


def _check(made: ProjectBundle) -> None:
    for what, name in (("tenant", made.tenant), ("env", made.env)):
        if not _NAME.fullmatch(name):
            raise BundleError(f"{name!r:.80} is no {what}", hint="lower-case letters, digits and hyphens")
    if not 1 <= made.sequence <= MAX_INT:
        raise BundleError(f"{made.sequence} is no sequence number", hint="count from 1")
    if not made.author or len(made.author) > 200:
        raise BundleError("the bundle has no author", hint="name a user of directory.toml")
    if len(made.note) > MAX_NOTE:
        raise BundleError(f"the note is longer than {MAX_NOTE} characters", hint="say it in a sentence or two")
    if len(made.files) > MAX_FILES:
        raise BundleError(f"a bundle holds at most {MAX_FILES} files, not {len(made.files)}", hint="join small ones")
    seen: dict[str, str] = {}
    for file in made.files:
        if problem := path_problem(file.path):
            raise BundleError(f"the path {file.path!r:.120} {problem}", hint="rename it, or leave it out")
        # Two names that some file systems take for one could be read as either.
        same = seen.setdefault(unicodedata.normalize("NFC", file.path.casefold()), file.path)
        if same is not file.path:
            raise BundleError(f"{same!r:.120} and {file.path!r:.120} differ in case alone", hint="rename one")
    for name in _SINGLE:
        if name not in seen:
            raise BundleError(f"the bundle has no {name}", hint="every project has one")


def _claims(made: ProjectBundle) -> dict[str, object]:
    return {
        "tenant": made.tenant,
        "env": made.env,
        "sequence": made.sequence,
        "author": made.author,
        "note": made.note,
        "files": [{"path": file.path, "text": file.text} for file in made.files],
    }


def _fields(value: object, kinds: Mapping[str, type]) -> dict[str, Any]:
    """`value` if it is an object of exactly these keys, each of its type."""
    if type(value) is not dict or value.keys() != kinds.keys():
        raise _damaged(f"an object with exactly {', '.join(kinds)} is missing")
    if any(type(value[key]) is not kind for key, kind in kinds.items()):
        raise _damaged(f"one of {', '.join(kinds)} is of another type")
    return value


def _damaged(why: str) -> BundleError:
    return BundleError(f"this is no bundle: {why}", hint="build it anew, or get the file again from whoever built it")
