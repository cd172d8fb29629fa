"""The logs of the project as their pages read them: found through the index, and shown from the log itself.

An index that is far behind is caught up a part at a time: a page says so, and does not wait for all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

from bailiwick.audit.slices import Entry
from bailiwick.model.label import PUBLIC_TRUSTED, Label
from bailiwick.project import Guard
from bailiwick.project.status import INDEX_FILE, LOG_FOLDER
from bailiwick.server.contents import Eyes, label_read
from bailiwick.server.looking import Investigator
from bailiwick.stores.log_index import Cursor, LogIndex

__all__ = ["Records", "cursor_of", "cursor_text", "log_folder", "records"]

MOST_AT_ONCE = 20_000
_MOST_ENTRIES = 20_000
_CURSOR = re.compile(r"(-?[0-9]{1,18})\.(-?[0-9]{1,18})")


class Records:
    """The index for one request. `behind`: there is more in the logs than it knows yet."""

    def __init__(self, index: LogIndex, *, behind: bool) -> None:
        self.index, self.behind = index, behind

    def eyes(self, log: Investigator) -> Eyes:
        """Of whoever looks."""
        return Eyes(planes=log.planes, person=log.by.user, content=self.index.content)

    def entries(self, session: str) -> Iterator[Entry]:
        """Everything of a session, in order of time."""
        after: Cursor | None = None
        while True:
            page = self.index.timeline(session, limit=1_000, after=after)
            yield from page.items
            after = page.next
            if after is None:
                return

    def seen(self, session: str) -> Label | None:
        """All that a session has seen, and what its decisions went by, as one label; None if that is not to be told,
        since there is no session, or too much of it."""
        if not session:
            return None
        labels: list[Label] = []
        for number, entry in enumerate(self.entries(session)):
            if number >= _MOST_ENTRIES or self.behind:
                return None
            if entry.label is not None and entry.session == session:
                labels.append(label_read(entry.label))
        return reduce(Label.join, labels, PUBLIC_TRUSTED)


def log_folder(guard: Guard) -> Path:
    """Where all processes of the project keep their logs."""
    return guard.project.state / LOG_FOLDER


@contextmanager
def records(guard: Guard) -> Iterator[Records]:
    """The logs as of now. Raises StoreError."""
    with LogIndex.open(guard.project.state / INDEX_FILE, log_folder(guard)) as index:
        yield Records(index, behind=index.catch_up(at_most=MOST_AT_ONCE) >= MOST_AT_ONCE)


def cursor_text(cursor: Cursor | None) -> str:
    """A place in a list, for an address; empty for none."""
    return "" if cursor is None else f"{cursor[0]}.{cursor[1]}"


def cursor_of(text: str) -> Cursor | None:
    """The opposite; what is no place is the beginning."""
    found = _CURSOR.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2]))
