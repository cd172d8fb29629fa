r"""File paths: the type `path`, one file or folder below the folder `root`.

Facts `{ path, root, inside, kind, suffix, hidden }`. `path` is where the argument really leads, below the root, with
every symbolic link followed: `reports/q1.pdf`, or `.` for the root itself. `inside` is always true: what leads out is
refused. `kind` is `file`, `folder` or `missing`; `hidden` says that a part of the path begins with a dot; `suffix` is
in lower case.

Only text that is one path on every system is taken: no `..`, `~`, backslash, colon, percent escape, wildcard, control
or invisible character, no part that ends in a dot or space, none that Windows takes for a device. What the tool does is
its `access`: `"read"` (default) and `"delete"` need something that exists, `"write"` also takes a new name in a folder
that exists; the last two take the effect of that name.

**The lookup.** `asks` yields `Lookup(PATH, name, below=root)` with `name` relative to the root. The answer is
`(kind, path, identity)`: `kind` one of `KINDS`, `path` as in the facts, `identity` the device and number of the file
(`"2049:131"`), empty for `missing`. The kinds that are refused: `outside` (leads out of the root, or in circles),
`special` (a device, pipe or socket), `own` (a part of bailiwick's own project: rules, state, keys and log, or a folder
that holds some), `respelled` (the file system takes the name for that of another file, which has other letters),
`unknown` (the root does not exist, or nothing could be found out). No answer is refused too.

A parsed fact is not an effect (DESIGN §5 *Action*): a link may change once the call is decided. The effector
`FileOpener` opens the very file. A hard link from below the root to a file elsewhere is not seen, unless it is one to a
file of the project itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.action.types.base import Beyond, Option, Options, OptionValue, Parsed, Surroundings, Unparsable, quoted
from bailiwick.model.lookup import Lookup, LookupKind
from bailiwick.model.shape import BOOL, STRING, Field, Record, Shape, String
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = ["ACCESS", "KINDS", "MAX_PATH", "PathType", "path_lookup", "plain_path", "supposed_answer"]

MAX_PATH = 1024
"""Bytes of a path, in UTF-8."""
MAX_PART = 255
MAX_PARTS = 64

ACCESS = ("read", "write", "delete")
TAKEN = ("file", "folder", "missing")
KINDS = (*TAKEN, "outside", "special", "own", "respelled", "unknown")

_REFUSED: Mapping[str, Unparsable] = {
    "outside": Unparsable(problem="leads out of its folder", code="outside-root"),
    "special": Unparsable(problem="names a device, a pipe or a socket", code="special-file"),
    "own": Unparsable(problem="leads to the files that govern this agent", code="own-files"),
    "respelled": Unparsable(problem="names a file by another spelling than its own", code="not-plain"),
    "unknown": Unparsable(problem="cannot be looked up", code="unresolvable-path"),
}
_SHAPE = Record(
    (
        Field("path", STRING),
        Field("root", STRING),
        Field("inside", BOOL),
        Field("kind", String(values=TAKEN)),
        Field("suffix", STRING),
        Field("hidden", BOOL),
    )
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_FORBIDDEN = re.compile(r'[\\:*?"<>|$`]')
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin|conout)(?:\..*)?")
_KERNEL = ("/proc", "/dev", "/sys", "/run")


def plain_path(text: str) -> str:
    """Why `text` is no plain path ("" if it is one); completes "argument 'x' …"."""
    if not text:
        return "is empty"
    if any(unicodedata.category(char) in _INVISIBLE for char in text) or not unicodedata.is_normalized("NFC", text):
        return "holds characters that nobody sees, or letters in pieces"
    if len(text.encode()) > MAX_PATH or len(text.split("/")) > MAX_PARTS:
        return "is too long"
    if _FORBIDDEN.search(text) is not None or _ESCAPED.search(text) is not None:
        return "holds a sign that no plain path has"
    for number, part in enumerate(text.split("/")):
        problem = _part_problem(part, first=number == 0, only="/" not in text)
        if problem:
            return problem
    return ""


def _part_problem(part: str, *, first: bool, only: bool) -> str:
    if not part:
        return "" if first and not only else "has an empty part"
    if part == ".":
        return "" if only else "has a part '.'"
    if part == "..":
        return "has a part '..'"
    if part.startswith("~"):
        return "has a part that begins with '~'"
    if len(part.encode()) > MAX_PART:
        return "is too long"
    if part != part.strip() or part.endswith(".") or unicodedata.normalize("NFKC", part).strip(".") == "":
        return "has a part that ends in a dot or begins or ends with a space"
    if any(char in unicodedata.normalize("NFKC", part) for char in "/\\:"):
        return "holds a sign that looks like a slash"
    if _DEVICE.fullmatch(part.lower()) is not None:
        return "has a part that names a device on Windows"
    return ""


def path_lookup(value: object, spec: ArgSpec) -> Lookup | Unparsable:
    """The question of where `value` leads, or why it is no path below the root."""
    if type(value) is not str:
        return Unparsable(problem="is not a string")
    root = str(spec.options["root"])
    text = value if value in ("/", ".") else value.removesuffix("/")
    problem = plain_path(text)
    if problem:
        return Unparsable(problem=f"{problem}: {value!r:.80}", code="not-plain")
    if text.startswith("/"):
        if not root.startswith("/") or not f"{text}/".startswith(f"{root}/"):
            return Unparsable(problem=f"is {value!r:.80}, which is outside of its folder", code="outside-root")
        text = text[len(root) :].lstrip("/") or "."
    return Lookup(kind=LookupKind.PATH, name=text, below=root)


def supposed_answer(asked: Lookup) -> tuple[str, ...]:
    """The answer that stands for one where nobody may be asked: a file that is where it says. No effector takes it."""
    return ("file", asked.name, "")


def _root_problem(value: OptionValue) -> str:
    text = str(value)
    if text == "/" or plain_path(text) or text.startswith(tuple(f"{each}/" for each in _KERNEL)) or text in _KERNEL:
        return "it must be a plain path of a folder, such as data/reports or /srv/reports, without '..' and final '/'"
    return ""


def _access_problem(value: OptionValue) -> str:
    return "" if value in ACCESS else f"it must be {quoted(ACCESS)}"


@dataclass(frozen=True, slots=True)
class PathType:
    """`root` is required: the folder below which the path lies, absolute or relative to the project's. `access` is what
    the tool does with it."""

    name: str = "path"
    scalar: bool = True
    roles: frozenset[Role] = frozenset({Role.TARGET, Role.SELECTOR, Role.VALUE})

    @property
    def options(self) -> Mapping[str, Option]:
        return {
            "root": Option(kind=str, required=True, problem=_root_problem),
            "access": Option(kind=str, problem=_access_problem),
        }

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return _SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        return f"a plain path of a file or folder below {spec.options.get('root')}, such as notes/today.txt"

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        asked = path_lookup(value, spec)
        return (asked,) if isinstance(asked, Lookup) else ()

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        asked = path_lookup(value, spec)
        if isinstance(asked, Unparsable):
            return asked
        answer = around.found.get(asked, ())
        if len(answer) != 3 or answer[0] not in KINDS:
            return Unparsable(problem="cannot be looked up", code="unresolvable-path")
        kind, path, _ = answer
        if kind in _REFUSED:
            return _REFUSED[kind]
        access = spec.options.get("access", "read")
        if kind == "missing" and access != "write":
            return Unparsable(problem=f"is {value!r:.80}, and there is no such file", code="no-such-file")
        effect = {"write": Effect.WRITE, "delete": Effect.DELETE}.get(str(access))
        last = path.rpartition("/")[2]
        stem, dot, suffix = last.rpartition(".")
        return Parsed(
            facts={
                "path": path,
                "root": asked.below,
                "inside": True,
                "kind": kind,
                "suffix": suffix.lower() if dot and stem else "",
                "hidden": any(part.startswith(".") and part != "." for part in path.split("/")),
            },
            values=(path,),
            beyond=() if effect is None else (Beyond(effect=effect, saw=f"a path to {access}, {path:.60}"),),
        )
