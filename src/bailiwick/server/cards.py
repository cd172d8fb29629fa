"""A card as a page shows it: its parts in the order in which a person asks for them.

INVARIANT: nothing of a card is left out. What is not known here ends in `rest` and is shown as it is; a card that is of
another form, or says something else than its request, is not `complete`, and whoever shows it lets nobody approve it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bailiwick.action.approvals import Approval
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import Json, parse, thaw

__all__ = ["ShownCard", "editable", "shown_card"]

FORM = 2

_REACHES = ("resources", "recipients")
"""Keys that say whom and what it would touch."""

_ELSEWHERE = frozenset(
    {"v", "tool", "effects", "arguments", "purpose", "label", "origins", "chain", "task", "digest"}
    | {"reasons", "expires_ms", "before", "edit", "does"}
)
"""Keys that the page shows in a place of their own."""

_MORE = {"before": "at_ms", "edit": "by"}

_ORIGIN = {"argument", "role", "untrusted", "endorsed", "endorsed_by", "seen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCard:
    """`parts` is the card as it reads; the rest says what its page makes of it. `before` and `edit` name what is
    different and who says so; None where the card has none."""

    complete: bool
    parts: Mapping[str, Json]
    tainted: bool = True
    arguments: tuple[Mapping[str, Json], ...] = ()
    before: Mapping[str, Json] | None = None
    edit: Mapping[str, Json] | None = None

    def data(self) -> dict[str, object]:
        """For a page."""
        others = _ELSEWHERE | frozenset(_REACHES) if self.complete else frozenset[str]()
        return {
            "complete": self.complete,
            "tainted": self.tainted,
            "effects": self.parts.get("effects", []) if self.complete else [],
            "purpose": self.parts.get("purpose", "") if self.complete else "",
            "arguments": [dict(argument) for argument in self.arguments],
            "does": self.parts["does"] if self.complete else {},
            "reaches": {name: self.parts[name] for name in _REACHES if self.complete and name in self.parts},
            "label": self.parts.get("label", {}),
            "before": self.before,
            "edit": self.edit,
            "rest": {name: value for name, value in self.parts.items() if name not in others},
        }


def shown_card(item: Approval) -> ShownCard:
    """The card of a request for its page."""
    try:
        parts = parse(item.card)
    except CanonicalError:
        return ShownCard(complete=False, parts={})
    if not isinstance(parts, dict):
        return ShownCard(complete=False, parts={"card": parts})
    arguments, origins = parts.get("arguments"), _by_argument(parts.get("origins"))
    before, edit = _change(parts, "before", "was"), _change(parts, "edit", "asked")
    if not _is_card(parts, item) or not isinstance(arguments, dict) or origins is None or None in (before, edit):
        return ShownCard(complete=False, parts=parts)
    if not origins.keys() <= arguments.keys():
        return ShownCard(complete=False, parts=parts)
    label = parts.get("label")
    assert before is not None
    assert edit is not None
    return ShownCard(
        complete=True,
        parts=parts,
        tainted=not isinstance(label, dict) or label.get("tainted") is not False,
        arguments=tuple(
            {"name": name, "value": value, **_origin(origins.get(name)), **_was(name, before, "was")}
            for name, value in arguments.items()
        ),
        before=_told(before, "was", arguments),
        edit=_told(edit, "asked", arguments),
    )


def _is_card(parts: Mapping[str, Json], item: Approval) -> bool:
    """Whether this is a card of the form that is known here, and that of this request."""
    effects, purpose = parts.get("effects"), parts.get("purpose")
    same: dict[str, Json] = {
        "v": FORM,
        "tool": item.tool,
        "digest": item.digest,
        "chain": [str(link) for link in item.chain.links],
        "task": item.task,
        "expires_ms": item.expires_ms,
    }
    reasons = parts.get("reasons")
    gates: list[dict[str, Json]] = [
        {
            "gate": gate.id,
            "kind": gate.kind.value,
            "reason": gate.reason,
            "quorum": gate.quorum,
            "approvers": [str(ref) for ref in gate.approvers],
        }
        for gate in item.gates
    ]
    return (
        all(parts.get(name) == value for name, value in same.items())
        and isinstance(purpose, str)
        and isinstance(parts.get("does"), dict)
        and isinstance(effects, list)
        and all(isinstance(effect, str) for effect in effects)
        and isinstance(reasons, list)
        and len(reasons) == len(gates)
        and all(_says(one, gate) for one, gate in zip(reasons, gates, strict=True))
    )


def _by_argument(found: Json) -> dict[str, Mapping[str, Json]] | None:
    """What the card says of each argument; None if it is not of the form that is known here."""
    named: dict[str, Mapping[str, Json]] = {}
    for row in found if isinstance(found, list) else [None]:
        if not isinstance(row, dict) or row.keys() != _ORIGIN or not isinstance(row["argument"], str):
            return None
        if row["argument"] in named or not isinstance(row["seen"], list) or not isinstance(row["endorsed_by"], list):
            return None
        named[row["argument"]] = row
    return named


def _change(parts: Mapping[str, Json], key: str, values: str) -> Mapping[str, Json] | None:
    """What the card says is different from another call; empty if it has no such part, None if it does not read."""
    if key not in parts:
        return {}
    found = parts[key]
    if not isinstance(found, dict) or found.keys() != {"approval", "changed", values, _MORE[key]}:
        return None
    names, was = found["changed"], found[values]
    reads = isinstance(names, list) and all(isinstance(name, str) for name in names) and isinstance(was, dict)
    when = key != "before" or isinstance(found["at_ms"], int)
    return found if reads and when and isinstance(found["approval"], str) else None


def _says(one: Json, gate: Mapping[str, Json]) -> bool:
    return isinstance(one, dict) and all(one.get(name) == value for name, value in gate.items())


def _origin(row: Mapping[str, Json] | None) -> dict[str, Json]:
    if row is None:
        # The card says nothing of it, so nobody can be said to stand behind it.
        return {"role": "", "untrusted": True, "told": "Nothing is known of where this came from.", "seen": []}
    by = row["endorsed_by"]
    assert isinstance(by, list)
    if row["untrusted"] is not False:
        told = "Nobody who is trusted chose this value: other people's content may have."
    elif row["endorsed"] is True:
        told = f"Vouched for by {', '.join(map(str, by))}." if by else ""
    else:
        told = "The agent chose this; the session has seen nothing that a stranger could have written."
    return {"role": row["role"], "untrusted": row["untrusted"] is not False, "told": told, "seen": row["seen"]}


def _was(name: str, before: Mapping[str, Json], values: str) -> dict[str, Json]:
    names, was = before.get("changed", []), before.get(values, {})
    assert isinstance(names, list)
    assert isinstance(was, dict)
    return {"differs": name in names, "was_there": name in was, "was": was.get(name)}


def _told(change: Mapping[str, Json], values: str, arguments: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """The change without what its arguments show already; `gone` are those that this call has no more."""
    if not change:
        return None
    was = change.get(values, {})
    assert isinstance(was, dict)
    gone = {name: value for name, value in was.items() if name not in arguments}
    return {**change, "gone": dict(gone)}


def editable(arguments: Mapping[str, Json]) -> str:
    """The arguments as JSON for a person to change. ASCII alone, so that nothing in it is invisible."""
    return _written(thaw(dict(arguments)), "")


def _written(value: object, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, Mapping) and value:
        items = (f"{deeper}{json.dumps(name)}: {_written(item, deeper)}" for name, item in value.items())
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, (list, tuple)) and value:
        return "[\n" + ",\n".join(deeper + _written(item, deeper) for item in value) + f"\n{indent}]"
    # A decimal keeps its digits: `12.50` is not `12.5`.
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
