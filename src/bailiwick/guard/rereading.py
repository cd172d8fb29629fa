"""The texts that a restored session has seen, read again from beside the log when a call needs evidence. DESIGN §5
*Flow*, evidence.

INVARIANT: what was not read, or cannot be, leaves the session unproven: its mark decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bailiwick.errors import StoreError
from bailiwick.guard.effects import Flow
from bailiwick.guard.ports import Ports
from bailiwick.guard.state import SessionState
from bailiwick.model.call import Action

__all__ = ["MAX_BYTES", "MAX_CONTENTS", "ReadAgain", "read_again"]

MAX_CONTENTS = 64
"""Contents read again for one decision; the next one reads on."""
MAX_BYTES = 4_194_304


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """→ the texts of these events, None where there is none or it cannot be read; no more than MAX_BYTES together,
    whereafter events have no answer."""

    events: Sequence[str]

    def do(self, ports: Ports) -> Mapping[str, str | None]:
        found: dict[str, str | None] = {}
        left = MAX_BYTES
        for event in self.events:
            if left <= 0:
                break
            try:
                data = ports.contents.content(event, "text")
            except StoreError:
                data = None
            left -= len(data or b"")
            found[event] = None if data is None else data.decode("utf-8", "surrogatepass")
        return found


def read_again(session: SessionState, action: Action) -> Flow[None]:
    """Give the ledger texts that evidence on this call needs and that are not in memory."""
    with session.lock:
        wanted = session.ledger.wanted(action)
    if not wanted:
        return
    newest = list(wanted.items())[: -MAX_CONTENTS - 1 : -1]
    texts: Mapping[str, str | None] = yield ReadAgain([event for _, event in newest])
    with session.lock:
        for content, event in newest:
            if event in texts:
                session.ledger.supply(content, texts[event])
