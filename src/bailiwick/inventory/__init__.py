"""What tools there are: catalog entries proposed from what other systems say of theirs.

Everything read here is what somebody else wrote: names, descriptions and hints are guesses at best, and may be lies.
INVARIANT: an entry that comes out of this room says `proposed = true`, so every call of its tool is denied until a
person has reviewed it; and no text that was read can be anything but a value or a comment in it.
"""

from bailiwick.inventory.operations import Operation, Proposal, Proposed, Skipped
from bailiwick.inventory.propose import propose

__all__ = ["Operation", "Proposal", "Proposed", "Skipped", "propose"]
