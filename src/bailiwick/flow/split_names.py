"""Names that people write as one and a tool takes apart: `status.example.com` as `name` and `zone`. DESIGN §5 *Flow*.

Values of one group (`ToolSpec.together`) that, joined, stand as a whole in own words are both named there, if neither
is by itself. Only whole values are joined, so nothing else can be made of the words than what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from bailiwick.flow.backing import Backing
from bailiwick.flow.endorsement import Endorsements
from bailiwick.model.call import Action
from bailiwick.model.tool import Effect, Role

__all__ = ["split_names"]

_JOINTS = (".", "/", "-", "#", ":", "_")
_TAKEN_APART = frozenset({Role.SELECTOR, Role.TARGET})
MAX_PARTS = 4
"""Arguments of one group that are tried in pairs."""


def split_names(action: Action, endorsements: Endorsements) -> Mapping[str, tuple[Backing, ...]]:
    """What endorses arguments of `action` whose values stand joined in own words, by the argument's name."""
    tool = action.tool
    payee = tool.interface.get(Effect.PAY, {}).get("payee")
    given = {
        arg.name: arg.values[0]
        for arg in action.judged
        if len(arg.values) == 1 and arg.role in _TAKEN_APART and arg.name != payee
    }
    found: dict[str, tuple[Backing, ...]] = {}
    for group in tool.together:
        for one, two in permutations([name for name in group if name in given][:MAX_PARTS], 2):
            for joint in _JOINTS:
                named = endorsements.names(f"{given[one]}{joint}{given[two]}")
                if named:
                    found[one] = found[two] = named
    return found
