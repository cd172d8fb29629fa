"""What everybody may know, read from the folder `background/`: evidence of nothing. DESIGN §5 *Flow*, evidence."""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.errors import Finding, ProjectError, Where
from bailiwick.flow.boilerplate import BOILERPLATE
from bailiwick.flow.runs import Background, background
from bailiwick.model.canonical import digest
from bailiwick.project.texts import Texts

__all__ = ["BACKGROUND_FOLDER", "MAX_BACKGROUND", "background_files", "load_background"]

BACKGROUND_FOLDER = "background"
MAX_BACKGROUND = 4_194_304
"""Characters of all files together."""


def background_files(texts: Texts, patterns: Sequence[str]) -> list[str]:
    """The files in the folder whose names are meant, sorted."""
    return sorted({path for pattern in patterns for path in texts.below(BACKGROUND_FOLDER, pattern)})


def load_background(texts: Texts, patterns: Sequence[str]) -> tuple[Background, str]:
    """(the blocks of these files, and of what everybody writes anyway; a digest of them). Raises ProjectError."""
    found, length = list(BOILERPLATE), 0
    for path in background_files(texts, patterns):
        found.append(texts.read(path))
        length += len(found[-1])
        if length > MAX_BACKGROUND:
            message = f"the files of {BACKGROUND_FOLDER}/ hold more than {MAX_BACKGROUND} characters"
            hint = "keep there what many texts quote, and name fewer files in labels.background"
            raise ProjectError([Finding(rule="background-size", message=message, where=Where(file=path), hint=hint)])
    return background(found), digest("bailiwick.background.v1", found)
