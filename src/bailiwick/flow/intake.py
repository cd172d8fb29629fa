"""The record of what comes into a session: how content is labelled on its way in, and what of it endorses. DESIGN §5
*Flow*. Pure: a ledger (`bailiwick.flow.ledger`) takes records in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bailiwick.flow.atoms import atom_key, atoms
from bailiwick.flow.authors import Colleagues
from bailiwick.flow.chains import Chained, Place, chained
from bailiwick.flow.endorsement import Endorsements
from bailiwick.flow.handles import Handle, crossing, describe
from bailiwick.flow.intent import Utterance
from bailiwick.flow.labelling import arguments_of, label_result
from bailiwick.flow.matching import hands_over
from bailiwick.flow.naming import Naming
from bailiwick.flow.part_labels import parts_by_label
from bailiwick.flow.records import ContentOrigin, ContentRecord, Seen, text_digest
from bailiwick.flow.results import written_values
from bailiwick.flow.spans import cleaned, holds_others_words, own_words
from bailiwick.flow.written import WrittenBefore, by_agents
from bailiwick.model.call import Action
from bailiwick.model.decision import FlowFacts
from bailiwick.model.label import PUBLIC_TRUSTED, Integrity, Label, unknown_label
from bailiwick.model.tool import ToolSpec

__all__ = ["DELEGATION", "MAX_MESSAGE", "TASKS_WORDS", "message_record", "result_record", "seen_record"]

MAX_MESSAGE = 16_384
"""Characters of a hand-over message that endorsements can cross in."""
USERS_WORDS = "the user's own words"
TASKS_WORDS = "the task"
DELEGATION = "delegation"
"""The source of the message that hands work on."""

_ENDORSE_NOTHING = frozenset({ContentOrigin.MODEL, ContentOrigin.UNKNOWN})


def seen_record(
    seen: Seen, *, content: str, event: str, back: WrittenBefore, session: Label, top: int
) -> ContentRecord:
    """The record of content that is not the result of a governed call. `session` is the label of all that was seen,
    `top` the index of the highest level."""
    own, words_by, label = "", "", seen.label
    match seen.origin:
        case ContentOrigin.PROMPT:
            text = seen.value if isinstance(seen.value, str) else ""
            own, words_by = own_words(text), f"{USERS_WORDS} ({event})"
            mixed = text != seen.value or holds_others_words(text, own)
            label = _at_least(Integrity.UNTRUSTED if mixed else Integrity.USER, seen)
        case ContentOrigin.INSTRUCTIONS:
            label = _at_least(Integrity.SYSTEM, seen)
        case ContentOrigin.MODEL:
            label = session if seen.label is None else session.join(seen.label)
        case ContentOrigin.UNKNOWN:
            label = _unvouched(top, seen)
        case _:
            label = seen.label or _unvouched(top, seen)
    label = label.join(back.label)
    from_model = seen.origin is ContentOrigin.MODEL
    # What a model wrote brings nothing new: all that it can hold was labelled when it was seen.
    brings = (seen.label or PUBLIC_TRUSTED) if from_model else seen.own and seen.own.join(back.label)
    if not from_model:
        label = replace(label, sources=label.sources | {seen.source})
    found = atoms("" if from_model else seen.value)
    return ContentRecord(
        content=content,
        event=event,
        source=seen.source,
        origin=seen.origin,
        label=label,
        own=brings,
        under=seen.under,
        texts=_digests(seen.value, seen.texts),
        atoms=tuple((atom_key(atom), path) for atom, path in found.found),
        truncated=found.truncated,
        endorses=() if seen.origin in _ENDORSE_NOTHING or back.everything else seen.endorses,
        written=back.values,
        words=own,
        words_by=words_by if own else "",
    )


def result_record(
    tool: ToolSpec,
    action: Action,
    flow: FlowFacts,
    value: object,
    *,
    content: str,
    event: str,
    text: str | None,
    back: WrittenBefore,
    hide_as: str,
    unreleased: object,
    colleagues: Colleagues | None,
    naming: Naming,
    within: Label,
    endorsed: Endorsements,
) -> ContentRecord:
    """The record of what a permitted call returned. The arguments are those of `Ledger.result`; `endorsed` is what is
    endorsed so far."""
    found = atoms(value)
    written, written_all = written_values(action, flow)
    whole = value if unreleased is None else unreleased
    labelled = label_result(tool, arguments_of(action), whole, naming)
    declared = labelled.label.join(back.label).join(within)
    given = Chained()
    if not back.everything:
        at = Place(content=content, event=event)
        speaks = None if by_agents(back.label) else colleagues
        given = chained(action, flow, value, at=at, endorsed=endorsed, colleagues=speaks)
    record = ContentRecord(
        content=content,
        event=event,
        source=f"tool:{tool.name}",
        origin=ContentOrigin.RESULT,
        label=flow.label.join(declared),
        own=declared,
        texts=_digests(value, () if text is None else (text,)),
        atoms=tuple((atom_key(atom), path) for atom, path in found.found),
        truncated=found.truncated,
        endorses=given.endorses,
        said=given.said,
        parts=parts_by_label(
            ((part.path, part.label.join(back.label).join(within)) for part in labelled.parts),
            flow.label,
            flow.label.join(declared),
        ),
        written=(*written, *back.values),
        written_all=written_all,
        handed=hands_over(action),
    )
    return _hidden(record, tool, value, text or "", hide_as) if hide_as else record


def message_record(
    message: str,
    *,
    content: str,
    event: str,
    label: Label,
    strict: Label,
    under: str,
    endorsed: Endorsements,
    asked: tuple[Utterance, ...],
    ran: tuple[str, ...],
    handles: Mapping[str, Handle],
) -> ContentRecord:
    """The record of the message that hands work on: what crosses with it from a session of this `label`, of which
    `strict` is strict content of its own `under` that strictness."""
    crossed, endorses = endorsed.crossing(cleaned(message[:MAX_MESSAGE]))
    written, written_all = endorsed.written
    found = atoms(message)
    return ContentRecord(
        content=content,
        event=event,
        source=DELEGATION,
        origin=ContentOrigin.MESSAGE,
        label=label,
        own=strict,
        under=under,
        texts=_digests(message, ()),
        atoms=tuple((atom_key(atom), path) for atom, path in found.found),
        truncated=found.truncated,
        endorses=endorses,
        crossed=crossed,
        asked=asked,
        ran=ran,
        handles=crossing(handles, message),
        written=written,
        written_all=written_all,
    )


def _hidden(record: ContentRecord, tool: ToolSpec, value: object, text: str, name: str) -> ContentRecord:
    """The record of a content that the model sees a name of."""
    handle = describe(
        name,
        value,
        text,
        tool=tool.name,
        output=tool.output,
        label=record.label,
        content=record.content,
        event=record.event,
    )
    return replace(record, hidden=True, handles=(handle,), texts=_digests(handle.shown, ()))


def _at_least(integrity: Integrity, seen: Seen) -> Label:
    label = Label(integrity=integrity)
    return label if seen.label is None else label.join(seen.label)


def _unvouched(top_sensitivity: int, seen: Seen) -> Label:
    label = replace(unknown_label(top_sensitivity), sources=frozenset())
    return label if seen.label is None else label.join(seen.label)


def _digests(value: object, texts: Sequence[str]) -> tuple[str, ...]:
    forms = (value, *texts) if isinstance(value, str) else texts
    return tuple(dict.fromkeys(text_digest(form) for form in forms))
