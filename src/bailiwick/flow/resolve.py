"""What the flow plane says about one call: `context.flow`, and behind it who endorses each argument and where it came
from.

Confidentiality rests on the session's mark, the join of all labels that the session has seen: a bound that holds
whatever the model does. Integrity rests on endorsement. Origins explain both. Pure look-ups: nothing here changes the
ledger, and nothing grows with what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.origins import MAX_ORIGINS, Evidence
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.decision import ArgFlow, FlowFacts
from bailiwick.model.label import Label
from bailiwick.model.tool import Effect, Role, Sink, ToolSpec

__all__ = ["Reads", "resolve"]

Reads = Callable[[str, frozenset[str]], bool]
"""`reads(address, readers)`: True iff whoever gets mail at `address` is one of `readers` (`User::alice`,
`Group::support`)."""


def resolve(
    action: Action, *, mark: Label, endorsements: Endorsements, evidence: Sequence[Evidence], reads: Reads
) -> FlowFacts:
    """The flow facts of `action` in a session whose label is `mark`."""
    tool = action.tool
    arguments = tuple(_argument(argument, tool, endorsements, evidence) for argument in action.judged)
    open_ended = tool.sink in (Sink.EXTERNAL, Sink.EXEC) and not action.recipients
    return FlowFacts(
        label=mark,
        session_label=mark,
        tainted=mark.tainted,
        unendorsed=tuple(
            flow.name
            for flow, argument in zip(arguments, action.judged, strict=True)
            if not flow.endorsed and (argument.role.needs_endorsement or argument.role is Role.CONTENT)
        ),
        unendorsed_values=tuple(
            flow.name
            for flow, argument in zip(arguments, action.judged, strict=True)
            if not flow.endorsed and argument.role is Role.VALUE
        ),
        recipients_external=action.recipients_external or open_ended,
        recipients_outside_readers=_outside(action, mark.readers, reads, open_ended=open_ended),
        opaque=any(_fact(argument, "opaque") is True for argument in action.judged),
        arguments=arguments,
    )


def _argument(argument: ArgFacts, tool: ToolSpec, endorsements: Endorsements, evidence: Sequence[Evidence]) -> ArgFlow:
    if argument.role is Role.CONTENT:
        asked = _addresses(argument) if _outgoing(tool) else ()
        endorsed_by = tuple(endorsements.by_address(address) for address in asked)
        endorsed = all(endorsed_by)
    else:
        endorsed_by = tuple(endorsements.by(value, argument, tool) for value in argument.values)
        # An argument without values is endorsed only where it says itself that it is empty (`cc = []`).
        endorsed = all(endorsed_by) if endorsed_by else _fact(argument, "count") == 0
    origins = tuple(origin for way in evidence for origin in way.origins(argument))
    return ArgFlow(name=argument.name, endorsed=endorsed, endorsed_by=endorsed_by, origins=origins[:MAX_ORIGINS])


def _outside(action: Action, readers: frozenset[str] | None, reads: Reads, *, open_ended: bool) -> bool:
    if readers is None:
        return False
    return open_ended or any(not reads(address, readers) for address in action.recipients)


def _outgoing(tool: ToolSpec) -> bool:
    return tool.sink is Sink.EXTERNAL or Effect.SEND in tool.effects


def _addresses(argument: ArgFacts) -> tuple[str, ...]:
    """Addresses inside a text that leaves: whoever chose them chose where the reader goes next."""
    found = _fact(argument, "addresses")
    return found if isinstance(found, tuple) else ()


def _fact(argument: ArgFacts, name: str) -> object:
    return argument.facts.get(name) if isinstance(argument.facts, Mapping) else None
