"""Puts the contents that a call names by their handles in the place of the names, before anything is parsed.

So facts, approval cards and digests are of the real values; what the model is told of a refusal is not. DESIGN §5
*Flow*. INVARIANT: a name that this session was not given, or whose content is gone, denies the call.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from bailiwick.flow.handles import Handle, Nothing, Reference, part_of, references, substituted
from bailiwick.guard.decide import Judged, deny
from bailiwick.guard.effects import Flow
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.guard.state import SessionState
from bailiwick.model.call import Call, Carried
from bailiwick.model.decision import Decision, Plane, Reason
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["FreshName", "ReadContent", "content_of", "discreet", "with_values"]


@dataclass(frozen=True, slots=True)
class FreshName:
    """→ a name for a handle that nobody can guess."""

    def do(self, ports: Ports) -> str:
        return f"h-{base64.b32encode(ports.entropy(10)).decode().lower()}"


@dataclass(frozen=True, slots=True)
class ReadContent:
    """→ a content that an event committed to, None if it is gone."""

    event: str
    role: str = "text"

    def do(self, ports: Ports) -> bytes | None:
        return ports.contents.content(self.event, self.role)


def with_values(planes: Planes, session: SessionState, call: Call) -> Flow[Call | Judged]:
    """The call with what its handles stand for, or its denial."""
    spec = planes.catalog.find(call.tool)
    if spec is None:
        return call
    named = references(call.args)
    if not named:
        return call
    texts: dict[str, str] = {}
    values: dict[tuple[str, str], object] = {}
    carried: dict[str, Carried] = {}
    for each in named:
        if each.inside and not _takes_text(spec.args.get(each.argument)):
            return _denied(spec.name, _inside_text(each))
        with session.lock:
            handle = session.ledger.released.handles.get(each.name)
        if handle is None:
            return _denied(spec.name, _unknown(each.name))
        if each.name not in texts:
            text: str | None = yield from content_of(handle)
            if text is None:
                return _denied(spec.name, _gone(handle))
            texts[each.name] = text
        value = part_of(handle, texts[each.name], each.way)
        if isinstance(value, Nothing):
            return _denied(spec.name, _no_part(handle, each))
        values[each.name, each.way] = value
        carried[each.name] = _with(carried.get(each.name), handle, each)
    filled = {name: substituted(value, values) for name, value in call.args.items()}
    return replace(call, args=filled, carried=tuple(carried.values()))


def content_of(handle: Handle) -> Flow[str | None]:
    """The text of what a handle stands for, None if it is gone."""
    data: bytes | None = yield ReadContent(handle.event)
    return None if data is None else data.decode("utf-8", "surrogatepass")


def discreet(decision: Decision, carried: tuple[Carried, ...]) -> Decision:
    """A refusal without what the model must not see: words that quote the call are replaced where it carries what is
    hidden. What a rule says is its author's, and stays."""
    if not carried or decision.allowed:
        return decision
    rules = {name for link in (decision.verdict.links if decision.verdict else ()) for name in link.policies}
    rules |= {gate.id for gate in decision.gates}
    kept = tuple(
        reason if reason.plane is Plane.GUARD or reason.code in rules else _quiet(decision.tool, reason)
        for reason in decision.reasons
    )
    return replace(decision, reasons=kept)


def _with(known: Carried | None, handle: Handle, each: Reference) -> Carried:
    before = frozenset[str]() if known is None else known.arguments
    return Carried(
        handle=handle.name,
        content=handle.content,
        source=f"tool:{handle.tool}",
        label=handle.label,
        arguments=before | {each.argument},
    )


def _takes_text(spec: ArgSpec | None) -> bool:
    """Whether names may stand inside longer texts of an argument: of a content, in every part of it."""
    return spec is not None and all(each.role is Role.CONTENT for each in spec.judged())


def _denied(tool: str, reason: Reason) -> Judged:
    return Judged(decision=deny(tool, reason))


def _quiet(tool: str, reason: Reason) -> Reason:
    return replace(
        reason,
        message=f"This {tool} call is refused ({reason.code}); more cannot be said, since it carries hidden content.",
        hint="Use another part of it, or a value that you see.",
    )


def _unknown(name: str) -> Reason:
    return Reason(
        plane=Plane.FLOW,
        code="unknown-handle",
        message=f"There is no handle {name} in this session.",
        hint="Use the names that results of this session gave you, exactly; they are not valid elsewhere.",
    )


def _gone(handle: Handle) -> Reason:
    return Reason(
        plane=Plane.FLOW,
        code="handle-erased",
        message=f"What {handle.name} stood for is not kept any more.",
        hint=f"Call {handle.tool} again.",
    )


def _no_part(handle: Handle, each: Reference) -> Reason:
    told = f"It has {', '.join(handle.fields)}." if handle.fields else "Use the name alone, or another part."
    return Reason(
        plane=Plane.FLOW,
        code="no-such-part",
        message=f"{handle.name} has no part {each.way}.",
        hint=told,
    )


def _inside_text(each: Reference) -> Reason:
    return Reason(
        plane=Plane.FLOW,
        code="handle-inside-text",
        message=f"Argument '{each.argument}' holds {each.name} inside a longer text, and is not a text for readers.",
        hint="Give the name alone as the whole value.",
    )
