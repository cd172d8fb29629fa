"""The records of a result, their fields, and which of these third parties cannot write. DESIGN §5 *Flow*, integrity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from bailiwick.flow.atoms import decoded
from bailiwick.model.tool import OutputSpec

__all__ = ["MAX_VALUES", "is_trusted", "records_of", "trusted_values", "values_at"]

MAX_VALUES = 32
"""Values of one list in an endorsing field."""

_SCALARS = (str, int, float, Decimal)


def is_trusted(output: OutputSpec, path: str) -> bool:
    """True if the catalog says that third parties cannot write the field at `path` of a record. A name without dots
    that is listed as untrusted is so wherever it stands; one that is listed as trusted only there, and below."""
    forms = (path, f"{output.records}.{path}" if output.records else path)
    if output.trusted is not None:
        return any(form == name or form.startswith(f"{name}.") for name in output.trusted for form in forms)
    if output.untrusted is None:
        return False
    for name in output.untrusted:
        if "." not in name and name in path.split("."):
            return False
        if any(form == name or form.startswith(f"{name}.") or name.startswith(f"{form}.") for form in forms):
            return False
    return True


def records_of(value: object, path: str) -> tuple[tuple[Mapping[str, object], ...], bool]:
    """(the records of a result, whether it is one by itself and not a list of one)."""
    listed = False
    for step in path.split(".") if path else ():
        if isinstance(value, list | tuple):
            listed = True
            value = [decoded(item.get(step)) for item in value if isinstance(item, Mapping)]
        elif isinstance(value, Mapping):
            value = decoded(value.get(step))
        else:
            return (), False
    if isinstance(value, Mapping):
        return (value,), not listed
    if isinstance(value, list | tuple):
        flat = [item for part in value for item in (part if isinstance(part, list | tuple) else (part,))]
        if all(isinstance(item, Mapping) for item in flat):
            return tuple(flat), False
    return (), False


def values_at(record: Mapping[str, object], path: str) -> tuple[str, ...]:
    """The whole values (texts and numbers) of the field at `path`, lists on the way opened; none of more than
    MAX_VALUES."""
    nodes: list[object] = [record.get(path)] if path in record else _descend(record, path)
    flat = [item for node in nodes for item in (node if isinstance(node, list | tuple) else (node,))]
    if len(flat) > MAX_VALUES:
        return ()
    return tuple(str(item) for item in flat if isinstance(item, _SCALARS) and not isinstance(item, bool))


def _descend(record: Mapping[str, object], path: str) -> list[object]:
    nodes: list[object] = [record]
    for step in path.split("."):
        opened = [item for node in nodes for item in (node if isinstance(node, list | tuple) else (node,))]
        nodes = [decoded(node[step]) for node in opened if isinstance(node, Mapping) and step in node]
    return nodes


def trusted_values(output: OutputSpec, record: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """(path, value) of every text and number in fields that are not untrusted."""
    todo: list[tuple[str, object]] = [(str(name), item) for name, item in record.items()]
    while todo:
        path, item = todo.pop()
        if not is_trusted(output, path):
            continue
        if isinstance(item, Mapping):
            todo.extend((f"{path}.{name}", inner) for name, inner in item.items())
        elif isinstance(item, _SCALARS) and not isinstance(item, bool):
            yield path, str(item)
        elif isinstance(item, list | tuple):
            todo.extend((path, inner) for inner in item)
