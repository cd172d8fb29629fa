"""The card on which people decide: drawn by us from the canonical action, never from what the agent says about it.

A card is canonical JSON and complete: a call that does not fit on one is not approvable, because a person who sees half
of it has approved all of it. `card_text` shows it in a terminal with every invisible or control character written out,
so that content cannot draw over the card. DESIGN §5 *Action*.
"""

from __future__ import annotations

import unicodedata

from bailiwick.errors import CanonicalError
from bailiwick.model.call import Action, Authority
from bailiwick.model.canonical import Json, canonical, parse, thaw
from bailiwick.model.decision import Decision

__all__ = ["MAX_CARD_BYTES", "card_arguments", "card_text", "draw_card", "visible"]

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


def draw_card(authority: Authority, action: Action, decision: Decision, levels: tuple[str, ...]) -> bytes:
    """The card of a call that `decision` says needs approval. `levels` names the sensitivity levels from low to high.

    Raises CanonicalError if the call is too large for a person to read.
    """
    flow = decision.flow
    label: dict[str, object] = {}
    origins: list[object] = []
    if flow is not None:
        at = flow.label.sensitivity
        label = {
            "sensitivity": levels[at] if at < len(levels) else str(at),
            "categories": sorted(flow.label.categories),
            "tainted": flow.label.tainted,
            "sources": sorted(flow.label.sources),
        }
        origins = [
            {
                "argument": argument.name,
                "endorsed": argument.endorsed,
                "seen": [f"{origin.source} {origin.path}".strip() for origin in argument.origins],
            }
            for argument in flow.arguments
            if argument.origins or not argument.endorsed
        ]
    card = canonical(
        {
            "v": 1,
            "tool": action.tool.name,
            "effects": sorted(effect.value for effect in action.tool.effects),
            "arguments": thaw(parse(action.args)),
            "resources": [resource.ref.id for resource in action.resources],
            "recipients": list(action.recipients),
            "chain": [str(link) for link in authority.chain.links],
            "task": authority.task,
            "purpose": authority.purpose,
            "reasons": [
                {"gate": gate.id, "kind": gate.kind.value, "reason": gate.reason, "quorum": gate.quorum}
                for gate in decision.gates
            ],
            "label": label,
            "origins": origins,
            "digest": decision.digest,
        }
    )
    if len(card) > MAX_CARD_BYTES:
        raise CanonicalError(
            f"this call is too large for a person to approve ({len(card)} bytes, at most {MAX_CARD_BYTES})",
            hint="send less in one call, or pass large content by reference",
        )
    return card


def card_arguments(card: bytes) -> dict[str, Json]:
    """The arguments that a card shows; empty if it is not a card."""
    try:
        shown = parse(card)
    except CanonicalError:
        return {}
    arguments = shown.get("arguments") if isinstance(shown, dict) else None
    return arguments if isinstance(arguments, dict) else {}


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
            out += _item(f"{visible(name)}:", item, indent)
        return out
    if isinstance(value, list):
        out = []
        for item in value:
            out += _item("-", item, indent)
        return out
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
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
