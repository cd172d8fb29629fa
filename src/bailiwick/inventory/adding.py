"""Adds proposed entries to a project. What a person wrote is never changed: entries go to the end of a file of their
own, and only for tools that the catalog does not have. The project as it would be is loaded before it is written."""

from __future__ import annotations

import os
from pathlib import Path

from bailiwick.action.catalog import load_catalog
from bailiwick.errors import UsageError, Where
from bailiwick.inventory.operations import Proposal
from bailiwick.model.tool import Catalog
from bailiwick.project.load import SCHEMAS_FOLDER, load_settings
from bailiwick.project.texts import FolderTexts
from bailiwick.project.types import load_types

__all__ = ["HEAD", "add_to", "known_tools", "write_new"]

HEAD = """\
# Proposed by `bailiwick init`: guesses, each with its reason beside it. While an entry says `proposed = true`, every
# call of its tool is denied. Review each line, correct it, then remove that one.

"""


def known_tools(folder: Path, also: tuple[str, str] | None = None) -> Catalog:
    """The catalog of the project in `folder`, with the file `also` (path, text) as it would be. Raises ProjectError."""
    settings = load_settings(folder)
    texts = FolderTexts(folder)
    files = {path: texts.read(path) for path in texts.below("tools", "*.toml")}
    if also is not None:
        files[also[0]] = also[1]
    types = load_types(settings.sections["types"])
    return load_catalog(
        sorted(files.items()),
        levels=settings.decisions.levels,
        categories=settings.decisions.categories,
        types=types.registry,
        schemas={path: texts.read(path) for path in texts.below(SCHEMAS_FOLDER, "*.json")},
        sources=types.sources,
    )


def add_to(folder: Path, name: str, proposal: Proposal) -> None:
    """Adds the entries at the end of the file `name`. Raises ProjectError if the catalog would not load then."""
    place = folder / name
    before = place.read_text(encoding="utf-8") if place.exists() else HEAD
    after = f"{before.rstrip()}\n\n{proposal.text}"
    known_tools(folder, (name, after))
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(after)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)


def write_new(place: Path, proposal: Proposal) -> None:
    """Writes a file that is not there yet. Raises UsageError if it is."""
    try:
        with place.open("x", encoding="utf-8") as file:
            file.write(f"{HEAD}{proposal.text}")
    except FileExistsError as error:
        raise UsageError(
            f"{place} is there already, and nothing is written over",
            hint="name another file, or leave -o out: then entries are added to tools/proposed.toml",
            where=Where(file=str(place)),
        ) from error
