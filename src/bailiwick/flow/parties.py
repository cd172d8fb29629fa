"""Whose objects a session has read: the customer of a ticket, the patient of a message. DESIGN §5 *Flow*.

What is handed to an object reaches whoever it belongs to, and his own data may go back to him. Which that is the object
says itself (`output.party`), and the two calls mean the same object where they render the same resource.

Kept in memory: in a session that was restored an object is read again, or its party is unknown and counts as everyone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bailiwick.flow.labelling import only_record, party_of
from bailiwick.model.call import Action
from bailiwick.model.tool import ToolSpec

__all__ = ["Parties"]


@dataclass(slots=True)
class Parties:
    """By resource, the names of its party. INVARIANT: an object that was read with two parties belongs to nobody."""

    _names: dict[str, frozenset[str]] = field(default_factory=dict)

    def read(self, action: Action, value: object) -> None:
        """Note what the result of a call says on whose its object is."""
        output = action.tool.output
        if not output.party or not _telling(action.tool):
            return
        record = only_record(output, value)
        names = frozenset() if record is None else party_of(output, record)
        for resource in action.resources:
            before = self._names.get(resource.ref.id, names)
            self._names[resource.ref.id] = names if before == names else frozenset()

    def of(self, action: Action) -> frozenset[str] | None:
        """The names of whose object a call touches; None if this session has not read all of its objects, or they
        are not of one party."""
        if action.tool.audience is None or not action.tool.audience.party or not _telling(action.tool):
            return None
        found = {self._names.get(resource.ref.id, frozenset()) for resource in action.resources}
        return (found.pop() or None) if len(found) == 1 else None


def _telling(tool: ToolSpec) -> bool:
    """Whether each resource says which object is meant."""
    return all("{" in template for template in tool.resources)
