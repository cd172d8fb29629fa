"""Contents that the log keeps beside its events, whichever process wrote them."""

from __future__ import annotations

from pathlib import Path

from bailiwick.audit.ports import ContentKeys
from bailiwick.stores.log_file import list_logs
from bailiwick.stores.log_reader import LogReader

__all__ = ["LogContents"]


class LogContents:
    """Reads contents by the id of their event from all logs of a folder: the newest one first, since most of what is
    asked for was written by this process."""

    def __init__(self, folder: Path, keys: ContentKeys | None = None) -> None:
        self._folder = folder
        self._keys = keys

    def content(self, event_id: str, role: str) -> bytes | None:
        """A content of an event, checked against its commitment; None if no log has the event, or it was erased.
        Raises StoreError."""
        for path in reversed(list_logs(self._folder)):
            with LogReader.open(path, self._keys) as reader:
                found = reader.content(event_id, role)
            if found is not None:
                return found
        return None
