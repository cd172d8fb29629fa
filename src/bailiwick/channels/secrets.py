"""Where secrets of channels are, read anew at each use: one that was replaced counts from the next message on."""

from __future__ import annotations

import os
from pathlib import Path

from bailiwick.action.channel_settings import Secret
from bailiwick.errors import UsageError

__all__ = ["read_secret"]

_LONGEST = 4096


def read_secret(secret: Secret, folder: Path) -> str:
    """The secret, without white space around it. Raises UsageError that does not hold it."""
    if secret.env:
        found = os.environ.get(secret.env, "").strip()
        where = f"the variable {secret.env}"
    else:
        where = f"the file {secret.file}"
        try:
            with (folder / secret.file).open("rb") as file:
                found = file.read(_LONGEST).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            found = ""
    if not found:
        raise UsageError(f"there is no secret in {where}", hint="set it where bailiwick serve or approvals notify runs")
    return found
