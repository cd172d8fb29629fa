"""What there is where a rule reads an attribute that does not exist: made from the world that the rule is checked
against, so that no hint tells of a name that is not there, or leaves one out. DESIGN §4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bailiwick.model.nearest import did_you_mean, nearest
from bailiwick.policy.world import PRINCIPALS, Attr, Ref, Struct, Type, World

__all__ = ["near_attribute", "near_in_context"]


def near_in_context(world: World, path: str, actions: Iterable[str]) -> str:
    """A hint for `context.<path>`, which is not there for `actions`: the nearest name beside it, or all of them."""
    *above, last = path.split(".")
    names: dict[str, None] = {}
    for action in actions:
        given: Type | None = world.actions[action].context if action in world.actions else None
        for part in above:
            found = _attrs(world, given).get(part)
            given = found.type if found else None
        names.update(dict.fromkeys(_attrs(world, given)))
    every = f"{'.'.join(('context', *above))} holds {', '.join(names)}" if names else ""
    return did_you_mean(last, names, every)


def near_attribute(world: World, name: str) -> str:
    """A hint for an attribute that a principal is asked for and that is like one that some principal has; "" if none
    is, or if it is one."""
    known = {each for kind in PRINCIPALS for each in world.attributes[kind].attrs} - {name}
    own = any(name in world.attributes[kind].attrs for kind in PRINCIPALS)
    return "" if own or nearest(name, known) is None else did_you_mean(name, known)


def _attrs(world: World, given: Type | None) -> Mapping[str, Attr]:
    match given:
        case Struct(attrs):
            return attrs
        case Ref(kind) if kind in world.attributes:
            return world.attributes[kind].attrs
        case _:
            return {}
