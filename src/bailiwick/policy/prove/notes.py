"""What differs between two projects beside their rules: tools, people and gates, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bailiwick.model.decision import Gate
from bailiwick.policy.prove.witness import Side
from bailiwick.policy.world import ActionDecl, Attr, Str, StrSet, Struct

__all__ = ["changes"]

_THINGS = frozenset({"agent", "tool", "user", "zone"})

Note = tuple[str, bool]
"""A sentence, and whether somebody has to look at it."""


def changes(old: Side, new: Side) -> Iterator[Note]:
    """Every difference that the comparison of rules does not show by itself."""
    yield from _tools(old, new)
    yield from _gates(old, new)
    for what in ("users", "services", "agents"):
        before, after = getattr(old.directory, what), getattr(new.directory, what)
        yield from _names(what.removesuffix("s"), before, after)


def _names(what: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Note]:
    for name in sorted(after.keys() - before.keys()):
        yield f"{what} {name} is new", False
    for name in sorted(before.keys() - after.keys()):
        yield f"{what} {name} is gone", False


def _tools(old: Side, new: Side) -> Iterator[Note]:
    before, after = old.world.actions, new.world.actions
    yield from _names("tool", before, after)
    for name in sorted(before.keys() & after.keys()):
        yield from _tool(name, before[name], after[name])


def _tool(name: str, before: ActionDecl, after: ActionDecl) -> Iterator[Note]:
    for what in ("groups", "zones", "templates"):
        was, now = getattr(before, what), getattr(after, what)
        if was != now:
            word = {"groups": "effects", "zones": "zones", "templates": "resources"}[what]
            yield f"{name}: {word} were {_listed(was)} and are {_listed(now)}", what == "templates"
    was_args, now_args = before.context.attrs["args"].type, after.context.attrs["args"].type
    if isinstance(was_args, Struct) and isinstance(now_args, Struct) and not before.sentinel and was_args != now_args:
        differ = sorted(
            arg
            for arg in was_args.attrs.keys() | now_args.attrs.keys()
            if _bare(was_args.attrs.get(arg)) != _bare(now_args.attrs.get(arg))
        )
        if differ:
            yield f"{name}: what it takes as {_listed(differ)} changed, so it may take calls that it refused", True


def _bare(attr: Attr | None) -> Attr | None:
    """Without the names of what there is: that there is more is said where it is."""
    given = attr and attr.type
    if attr is not None and isinstance(given, Str | StrSet) and given.vocab and given.vocab.what in _THINGS:
        return replace(attr, type=replace(given, vocab=None))
    return attr


def _gates(old: Side, new: Side) -> Iterator[Note]:
    """Findings show where a gate matters; here stands what changed about it."""
    before, after = ({name: info.gate for name, info in side.engine.policies.items()} for side in (old, new))
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name], after[name]
        if was is not None and now is not None and _said(was) != _said(now):
            yield f'gate "{name}" asked for {_said(was)} and asks for {_said(now)}', False


def _said(gate: Gate) -> str:
    who = " or ".join(str(ref) for ref in gate.approvers) or "the user"
    return f"{gate.quorum} {gate.kind.value}(s) by {who}"


def _listed(names: object) -> str:
    listed = sorted(str(each) for each in names) if isinstance(names, tuple | frozenset | list) else []
    return ", ".join(listed) or "none"
