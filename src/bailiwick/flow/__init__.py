"""Plane 3: which labels and origins follow the data into a call. DESIGN §5 *Flow*.

`bailiwick.flow.ledger.Ledger` is what the guard talks to; `LedgerStore` is the port to where its rows are kept.
"""

from bailiwick.flow.confidentiality import Reads
from bailiwick.flow.ledger import ContentOrigin, ContentRecord, Endorsement, Ledger, LedgerRow, LedgerStore, Seen
from bailiwick.flow.origins import Evidence

__all__ = [
    "ContentOrigin",
    "ContentRecord",
    "Endorsement",
    "Evidence",
    "Ledger",
    "LedgerRow",
    "LedgerStore",
    "Reads",
    "Seen",
]
