"""The card on which people decide: drawn by us from the canonical action, never from what the agent says about it.

A card is canonical JSON and complete: a call that does not fit on one is not approvable, because a person who sees half
of it has approved all of it. `card_text` shows it in a terminal with every invisible or control character written out,
so that content cannot draw over the card. DESIGN §5 *Action*.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.action.digest import plain
from bailiwick.errors import CanonicalError
from bailiwick.model.call import Action, Authority
from bailiwick.model.canonical import Json, canonical, parse, thaw
from bailiwick.model.decision import Decision, FlowFacts, Gate

__all__ = [
    "MAX_CARD_BYTES",
    "Before",
    "Edit",
    "card_about",
    "card_arguments",
    "card_text",
    "differing",
    "draw_card",
    "visible",
]

MAX_CARD_BYTES = 64 * 1024
MAX_MARKS = 4
"""Combining marks in a row; more of them pile up over the lines above and below."""
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""Letters and marks that show nothing (Unicode's Default_Ignorable_Code_Point beyond Cf, and the empty Braille
cell)."""


_JSON_WORDS = {None: "null", True: "true", False: "false"}
_MISREAD = re.compile(r'\A(?:|null|true|false|\(none\)|-?[0-9][0-9.eE+-]*|["-].*)\Z|\A\s|\s\Z', re.DOTALL)
_NAME = re.compile(r"\w[\w.@/+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The call of the same tool that was approved last for the same chain: its approval, and its arguments (canonical
    bytes) where whoever reads this card may read them too. `about` as in `card_about`."""

    approval: str
    at_ms: int
    args: Mapping[str, Json]
    readable: bool
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Whose edit of which request a call is. `about` as in `card_about`."""

    approval: str
    by: str
    args: Mapping[str, Json]
    about: tuple[str, ...] = ()


def draw_card(
    authority: Authority,
    action: Action,
    decision: Decision,
    levels: tuple[str, ...],
    *,
    expires_ms: int,
    before: Before | None = None,
    edit: Edit | None = None,
) -> bytes:
    """The card of a call that `decision` says needs approval. `levels` names the sensitivity levels from low to high.

    Raises CanonicalError if the call is too large for a person to read.
    """
    arguments = parse(action.args)
    assert isinstance(arguments, dict)
    card: dict[str, object] = {
        "v": 2,
        "tool": action.tool.name,
        "effects": sorted(effect.value for effect in action.tool.effects),
        "arguments": thaw(arguments),
        "does": {name: plain(facts) for name, facts in action.interfaces.items()},
        "resources": [resource.ref.id for resource in action.resources],
        "recipients": list(action.recipients),
        "chain": [str(link) for link in authority.chain.links],
        "task": authority.task,
        "purpose": authority.purpose,
        "reasons": [_gate(gate) for gate in decision.gates],
        "label": _label(decision.flow, levels),
        "origins": _origins(action, decision.flow),
        "digest": decision.digest,
        "expires_ms": expires_ms,
    }
    if before is not None:
        names = differing(before.args, arguments)
        was = {name: thaw(before.args[name]) for name in names if name in before.args} if before.readable else {}
        card["before"] = {"approval": before.approval, "at_ms": before.at_ms, "changed": names, "was": was}
    if edit is not None:
        names = differing(edit.args, arguments)
        asked = {name: thaw(edit.args[name]) for name in names if name in edit.args}
        card["edit"] = {"approval": edit.approval, "by": edit.by, "changed": names, "asked": asked}
    about = {*action.subjects, *(before.about if before else ()), *(edit.about if edit else ())}
    if about:
        card["about"] = sorted(about)
    drawn = canonical(card)
    if len(drawn) > MAX_CARD_BYTES and before is not None:
        # What was approved before is no part of the call: the card is complete without it.
        return draw_card(authority, action, decision, levels, expires_ms=expires_ms, edit=edit)
    if len(drawn) > MAX_CARD_BYTES:
        raise CanonicalError(
            f"this call is too large for a person to approve ({len(drawn)} bytes, at most {MAX_CARD_BYTES})",
            hint="send less in one call, or pass large content by reference",
        )
    return drawn


def _gate(gate: Gate) -> dict[str, object]:
    """Why it is asked, and of whom."""
    shown: dict[str, object] = {
        "gate": gate.id,
        "kind": gate.kind.value,
        "reason": gate.reason,
        "approvers": [str(ref) for ref in gate.approvers],
        "quorum": gate.quorum,
    }
    if gate.phishing_resistant:
        shown["phishing_resistant"] = True
    if gate.escalate_to:
        shown["escalate_to"] = [str(ref) for ref in gate.escalate_to]
        shown["escalate_after_ms"] = gate.escalate_after_ms
    return shown


def _label(flow: FlowFacts | None, levels: tuple[str, ...]) -> dict[str, object]:
    if flow is None:
        return {}
    at = flow.label.sensitivity
    return {
        "sensitivity": levels[at] if at < len(levels) else str(at),
        "categories": sorted(flow.label.categories),
        "readers": str(flow.label.readers),
        "tainted": flow.label.tainted,
        "sources": sorted(flow.label.sources),
    }


def _origins(action: Action, flow: FlowFacts | None) -> list[dict[str, object]]:
    """Of every argument: what it is for, who stands behind it, where it was seen. It is untrusted where the session has
    seen what a third party could have written and nothing endorses it."""
    if flow is None:
        return []
    roles = {argument.name: argument.role.value for argument in action.judged}
    return [
        {
            "argument": argument.name,
            "role": roles.get(argument.name, ""),
            "untrusted": flow.tainted and not argument.endorsed,
            "endorsed": argument.endorsed,
            "endorsed_by": sorted({by for by in argument.endorsed_by if by}),
            "seen": list(dict.fromkeys(f"{origin.source} {origin.path}".strip() for origin in argument.origins)),
        }
        for argument in flow.arguments
    ]


def differing(shown: Mapping[str, Json], asked: Mapping[str, Json]) -> list[str]:
    """Names of the arguments that are not in both, or not the same, sorted. As canonical JSON has them: `1.0` is not
    `1.00`."""
    names = shown.keys() | asked.keys()
    return sorted(
        name
        for name in names
        if name not in shown or name not in asked or canonical(thaw(shown[name])) != canonical(thaw(asked[name]))
    )


def card_arguments(card: bytes) -> dict[str, Json]:
    """The arguments that a card shows; empty if it is not a card."""
    try:
        shown = parse(card)
    except CanonicalError:
        return {}
    arguments = shown.get("arguments") if isinstance(shown, dict) else None
    return arguments if isinstance(arguments, dict) else {}


def card_about(card: bytes) -> tuple[str, ...]:
    """The people whom the call of a card is about, as the catalog says, and those of the calls that it is compared
    with: the card is erased with each of them."""
    try:
        shown = parse(card)
    except CanonicalError:
        return ()
    about = shown.get("about") if isinstance(shown, dict) else None
    return tuple(each for each in about if isinstance(each, str)) if isinstance(about, list) else ()


def card_text(card: bytes) -> str:
    """A card as lines for a terminal: `name: value`, nested parts indented. Line breaks inside content stay visible as
    continued, indented lines; every other control, bidirectional or invisible character is written as `\\u{…}`.

    Raises CanonicalError if `card` is not JSON.
    """
    return "\n".join(_lines(parse(card), "")) + "\n"


def _lines(value: Json, indent: str) -> list[str]:
    if isinstance(value, dict):
        out: list[str] = []
        for name, item in value.items():
            out += _item(f"{visible(name if _NAME.fullmatch(name) else chr(34) + name + chr(34))}:", item, indent)
        return out
    if isinstance(value, list):
        out = []
        for item in value:
            out += _item("-", item, indent)
        return out
    if not isinstance(value, str):
        return [f"{indent}{_JSON_WORDS.get(value, value) if value is None or isinstance(value, bool) else value}"]
    # A text that could be taken for something else than a text, or hides its edge, stands in quotes.
    text = f'"{value}"' if _MISREAD.search(value) else value
    return [f"{indent}{visible(line)}" for line in text.split("\n")]


def _item(head: str, value: Json, indent: str) -> list[str]:
    if isinstance(value, (dict, list)):
        return [f"{indent}{head}" + ("" if value else " (none)"), *_lines(value, indent + "  ")]
    first, *more = _lines(value, "")
    return [f"{indent}{head} {first}", *(f"{indent}  | {line}" for line in more)]


def visible(text: str) -> str:
    """`text` for one line of a terminal: whatever shows nothing, moves the cursor, changes the direction or looks like
    a space and is none is written as `\\u{…}`; tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in _MARKS else 0
        plain = char in " \t" or not (kind in _UNSAFE or kind == "Zs" or char in _BLANK or marks > MAX_MARKS)
        out.append(char if plain else f"\\u{{{ord(char):x}}}")
    return "".join(out)
