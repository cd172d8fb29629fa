"""What the flow plane says about one call: `context.flow`, and behind it who endorses each argument and where it came
from.

Confidentiality rests on the session's marks, the joins of the labels that the session has seen, and on evidence
(`bailiwick.flow.confidentiality`). Integrity rests on endorsement. Origins explain both. Pure look-ups: nothing here
changes the ledger, and nothing grows with what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bailiwick.flow.addresses import addresses_in
from bailiwick.flow.backing import Backing, BackingKind
from bailiwick.flow.binding import unbound
from bailiwick.flow.confidentiality import Marks, Reads, addresses_only, audience, call_label, outside_readers
from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.intent import Intentions, Ways
from bailiwick.flow.origins import MAX_ORIGINS, Evidence
from bailiwick.flow.split_names import split_names
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.decision import ArgFlow, FlowFacts
from bailiwick.model.tool import CONSEQUENTIAL, Effect, Role, Sink, ToolSpec

__all__ = ["resolve", "ways_of"]


def resolve(
    action: Action,
    *,
    marks: Marks,
    endorsements: Endorsements,
    intentions: Intentions,
    evidence: Sequence[Evidence],
    reads: Reads,
    planned: bool = False,
    party: frozenset[str] | None = None,
) -> FlowFacts:
    """The flow facts of `action` in a session with these marks. `planned`: a signed plan names this very call. `party`
    are the names of whose object it touches, where this session has read that."""
    tool = action.tool
    ways = ways_of(action, endorsements)
    joined = split_names(action, endorsements)
    backings = tuple(
        _backings(argument, tool, endorsements, joined.get(argument.name, ())) for argument in action.judged
    )
    arguments = tuple(
        _argument(argument, backed, evidence) for argument, backed in zip(action.judged, backings, strict=True)
    )
    addressing = addresses_only(action, {flow.name for flow in arguments if flow.endorsed})
    handles = [each.label for each in action.carried]
    seen_by = audience(action, party)
    mark, undictated = marks.whole, intentions.undictated(action)
    dictated = _dictated(action, intentions) if marks.said else ()
    label = call_label(action, marks, evidence, handles, addressing=addressing, dictated=dictated)
    outside = outside_readers(action, label, reads, party)
    return FlowFacts(
        label=label,
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
        by_colleague=tuple(
            flow.name
            for flow, backed in zip(arguments, backings, strict=True)
            if any(each is not None and each.kind is BackingKind.COLLEAGUE for each in backed)
        ),
        unbound=unbound(action, ways, intentions),
        unasked=not planned and not intentions.asks(action, ways),
        undictated=undictated if mark.tainted else (),
        misquoted=not planned and intentions.misquoted(action, ways),
        recipients_external=action.recipients_external or None in seen_by,
        recipients_outside_readers=outside,
        recipients_are_readers=not outside and not label.readers.everyone,
        opaque=any(
            _fact(argument, "opaque") is True or any(way.opaque(argument) for way in evidence)
            for argument in action.judged
        ),
        arguments=arguments,
    )


def ways_of(action: Action, endorsements: Endorsements) -> Ways:
    """All that endorses each value of a call that does something, but for content."""
    joined = split_names(action, endorsements)
    return {
        argument.name: tuple(
            endorsements.ways(value, argument, action.tool) or joined.get(argument.name, ())
            for value in argument.values
        )
        for argument in action.judged
        if action.tool.effects & CONSEQUENTIAL and argument.role is not Role.CONTENT
    }


def _backings(
    argument: ArgFacts, tool: ToolSpec, endorsements: Endorsements, joined: Sequence[Backing]
) -> tuple[Backing | None, ...]:
    """What stands behind each value of an argument; of content, behind each address in it."""
    if argument.role is Role.CONTENT:
        asked = _addresses(argument) if _outgoing(tool) else ()
        return tuple(endorsements.backing_of_address(address) for address in asked)
    otherwise = next(iter(joined), None)
    return tuple(endorsements.backing(value, argument, tool) or otherwise for value in argument.values)


def _argument(argument: ArgFacts, backed: Sequence[Backing | None], evidence: Sequence[Evidence]) -> ArgFlow:
    # An argument without values is endorsed only where it says itself that it is empty (`cc = []`).
    endorsed = all(backed) if backed or argument.role is Role.CONTENT else _fact(argument, "count") == 0
    origins = tuple(origin for way in evidence for origin in way.origins(argument))
    endorsed_by = tuple("" if each is None else each.by for each in backed)
    return ArgFlow(name=argument.name, endorsed=endorsed, endorsed_by=endorsed_by, origins=origins[:MAX_ORIGINS])


def _dictated(action: Action, intentions: Intentions) -> frozenset[str]:
    """The contents of a call that hands something to somebody which are the user's own words as they stand, but for
    those that say nothing or cannot be read."""
    if action.tool.sink in (Sink.NONE, Sink.EXEC):
        return frozenset()
    return frozenset(
        each.name
        for each in action.judged
        if each.role is Role.CONTENT
        and each.text
        and all(value in each.text for value in each.values)
        and _fact(each, "opaque") is not True
        and intentions.verbatim(each.text)
    )


def _outgoing(tool: ToolSpec) -> bool:
    return tool.sink is Sink.EXTERNAL or Effect.SEND in tool.effects


def _addresses(argument: ArgFacts) -> tuple[str, ...]:
    """Addresses inside a text that leaves: whoever chose them chose where the reader goes next."""
    found = _fact(argument, "addresses")
    return tuple(dict.fromkeys((*(found if isinstance(found, tuple) else ()), *addresses_in(argument.text))))


def _fact(argument: ArgFacts, name: str) -> object:
    return argument.facts.get(name) if isinstance(argument.facts, Mapping) else None
