"""The small project of tests/worlds.py with tests of its rules, and what policy tests need beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bailiwick.guard.planes import Planes
from bailiwick.project import load_project
from bailiwick.testing import Ran, TestFile, load_tests, run
from tests.worlds import make_world

__all__ = ["PARTS", "planes_of", "ran", "read", "ticking", "write_tests"]

PARTS = """\
now = "2026-03-02T10:15:00Z"

[principals.alice]
user  = "alice"
agent = "desk-bot"
task  = "Some work"

[principals.eve]
user  = "eve"
agent = "desk-bot"
task  = "Some work"

[contexts.strange]
unknown = ["put item-9"]

[calls.read]
tool = "page.read"
args = { id = "1" }

[calls.read-9]
tool = "page.read"
args = { id = "9" }

[calls.mail]
tool = "mail.send"
args = { to = ["ann@customer.example"], subject = "Hello", body = "Good morning" }

[calls.put]
tool = "put.safe"
args = { id = "item-9" }
"""
"""Named parts for tests of the small project; a test that leaves one out has to say so."""


def planes_of(folder: Path, **replaced: str | None) -> Planes:
    """The planes of the small project, written to `folder`."""
    return load_project(make_world(folder, **replaced)).planes


def read(planes: Planes, text: str, path: str = "tests/desk.toml") -> TestFile:
    """One file of tests."""
    (file,) = load_tests([(path, text)], planes=planes)
    return file


def ran(planes: Planes, text: str) -> tuple[Ran, ...]:
    """The results of a file of tests."""
    return run(planes, read(planes, text).cases, clock=ticking())


def ticking() -> Callable[[], float]:
    """A clock on which each look takes half a second."""
    now = [0.0]

    def tick() -> float:
        now[0] += 0.5
        return now[0]

    return tick


def write_tests(folder: Path, text: str, name: str = "desk.toml") -> Path:
    """Put a file of tests into a project folder."""
    (folder / "tests").mkdir(exist_ok=True)
    path = folder / "tests" / name
    path.write_text(text, encoding="utf-8")
    return path
