"""What a call handed to its tool for keeping. DESIGN §5 *Flow*. (What a result is labelled is told in
`bailiwick.flow.labelling`, which of its fields endorse in `bailiwick.flow.chains`.)"""

from __future__ import annotations

from bailiwick.flow.atoms import atom_key, atoms
from bailiwick.model.call import Action
from bailiwick.model.canonical import parse
from bailiwick.model.decision import FlowFacts
from bailiwick.model.tool import Effect, Role

__all__ = ["KEEPS", "written_values"]

KEEPS = frozenset(Effect) - {Effect.READ, Effect.FETCH}
"""Effects after which what was handed over may be read back."""


def written_values(action: Action, flow: FlowFacts) -> tuple[tuple[str, ...], bool]:
    """(keys of the values that a call handed to its tool for keeping, True if there were more), less endorsed ones."""
    if not action.tool.effects & KEEPS:
        return (), False
    found = atoms(parse(action.args))
    endorsed = {argument.name: argument.endorsed_by for argument in flow.arguments}
    kept = {
        atom_key(value)
        for arg in action.judged
        if arg.role is not Role.CONTENT
        for value, by in zip(arg.values, endorsed.get(arg.name, ()), strict=False)
        if by
    }
    keys = dict.fromkeys(atom_key(atom) for atom, _ in found.found)
    return tuple(key for key in keys if key not in kept), found.truncated
