"""What a tool's result is: its declared label, and which of its values endorse later arguments. DESIGN §4, §5 *Flow*.

INVARIANT (promise 7): the label of a result is the join of the label of the call and the label that the catalog
declares. No tool is trusted by being a tool: without a declaration its result is untrusted.

A declared list of untrusted fields means that those fields taint where they hold anything, and that the others were
written by the organisation. Text outside any field taints, because no declaration speaks of it. A field endorses only
if the catalog says so, says that it is not untrusted (a tool that does not list its untrusted fields has none that
could), and the record was selected by endorsed values: every target, selector, credential, command and query of the
call, and at least one. More than MAX_RECORDS records are a listing, not a selection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from bailiwick.flow.atoms import atom_key, atoms, decoded
from bailiwick.flow.records import Endorsement
from bailiwick.model.call import Action
from bailiwick.model.canonical import parse
from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import Integrity, Label
from bailiwick.model.tool import Effect, OutputSpec, Role, ToolSpec

__all__ = ["MAX_RECORDS", "MAX_VALUES", "declared_label", "endorsed_values", "selected_by_endorsed", "written_values"]

MAX_RECORDS = 32
"""Records of one result that endorse."""
MAX_VALUES = 32
"""Values of one list in an endorsing field."""

_KEEPS = frozenset(Effect) - {Effect.READ, Effect.FETCH}
"""Effects after which what was handed over may be read back."""


def declared_label(tool: ToolSpec, value: object) -> Label:
    """The label that the catalog gives to `value` as a result of `tool`."""
    output = tool.output
    return Label(
        sensitivity=output.sensitivity,
        categories=output.categories,
        readers=output.readers,
        integrity=Integrity.UNTRUSTED if _taints(output, value) else Integrity.ORGANISATION,
        sources=frozenset({f"tool:{tool.name}"}),
    )


def endorsed_values(
    tool: ToolSpec, action: Action, flow: FlowFacts, value: object, *, event: str
) -> tuple[Endorsement, ...]:
    """The values of `value` that endorse later arguments."""
    output = tool.output
    if not output.endorses or output.untrusted is None or not selected_by_endorsed(action, flow):
        return ()
    records = _records(decoded(value))
    if len(records) > MAX_RECORDS:
        return ()
    return tuple(
        Endorsement(value=text, role=role, by=f"field '{name}' of {tool.name}, selected by endorsed values ({event})")
        for name, role in output.endorses.items()
        if name not in output.untrusted
        for record in records
        for text in _whole_values(record.get(name))
    )


def selected_by_endorsed(action: Action, flow: FlowFacts) -> bool:
    """True iff the call chose what it touches, and only by endorsed values."""
    endorsed = {argument.name for argument in flow.arguments if argument.endorsed}
    choosing = [arg for arg in action.judged if arg.role.needs_endorsement or arg.role is Role.QUERY]
    return any(arg.values for arg in choosing) and all(arg.name in endorsed for arg in choosing)


def written_values(action: Action, flow: FlowFacts) -> tuple[tuple[str, ...], bool]:
    """(keys of the values that a call handed to its tool for keeping, True if there were more), less endorsed ones."""
    if not action.tool.effects & _KEEPS:
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


def _taints(output: OutputSpec, value: object) -> bool:
    if output.untrusted is None:
        return True
    if not output.untrusted:
        return False
    names = frozenset(name.rpartition(".")[2] for name in output.untrusted)
    todo: list[tuple[object, bool]] = [(decoded(value), False)]
    while todo:
        node, in_field = todo.pop()
        match node:
            case Mapping():
                for name, item in node.items():
                    if name in names and not _empty(item):
                        return True
                    todo.append((item, True))
            case list() | tuple():
                todo.extend((item, in_field) for item in node)
            case None | bool() | int() | float() | Decimal():
                pass
            case str() if in_field:
                inner = decoded(node)  # a record may travel as JSON inside a field, as in blocks of text
                if inner is not node:
                    todo.append((inner, True))
            case _:
                if not in_field and not _empty(node):
                    return True
    return False


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | tuple | Mapping) and len(value) == 0)


def _records(value: object) -> tuple[Mapping[str, object], ...]:
    if isinstance(value, Mapping):
        return (value,)
    if isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
        return tuple(value)
    return ()


def _whole_values(value: object) -> Iterator[str]:
    match value:
        case bool():
            return
        case str():
            yield value
        case int() | Decimal():
            yield str(value)
        case list() | tuple() if len(value) <= MAX_VALUES:
            for item in value:
                if isinstance(item, str | int | Decimal) and not isinstance(item, bool):
                    yield str(item)
        case _:
            return
