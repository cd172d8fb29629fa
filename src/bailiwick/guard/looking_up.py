"""What has to be looked up before a call can be understood: the addresses of a host, where a path leads."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.action.parse import lookups
from bailiwick.guard.effects import Flow
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.model.call import Call
from bailiwick.model.lookup import NOTHING_FOUND, Found, Lookup

__all__ = ["LookUp", "looked_up"]


@dataclass(frozen=True, slots=True)
class LookUp:
    """→ the answers to these questions; what could not be looked up is not among them."""

    asked: tuple[Lookup, ...]

    def do(self, ports: Ports) -> Found:
        return ports.lookups.look_up(self.asked)


def looked_up(planes: Planes, call: Call) -> Flow[Found]:
    """The answers to all that the types of the call's arguments ask."""
    asked = lookups(planes.catalog, call, types=planes.types)
    if not asked:
        return NOTHING_FOUND
    found: Found = yield LookUp(asked)
    return found
