"""A slice as a picture: SVG without script, style sheet or anything that is loaded.

INVARIANT: every text in it went through `_text`: whoever chose the name of a tool or a source chooses no markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import escape

from bailiwick.audit.links import FLOWS, Relation
from bailiwick.audit.slice_layout import HEIGHT, WIDTH, Line, Place, lay_out
from bailiwick.audit.slices import Direction, Edge, End, EndReason, Entry, Slice
from bailiwick.model.event import EventKind

__all__ = ["ENDS_IN_WORDS", "heading", "label_in_words", "picture"]

ENDS_IN_WORDS: Mapping[EndReason, str] = {
    EndReason.USER: "the user typed it",
    EndReason.CONFIGURED: "the developer's instructions",
    EndReason.OUTSIDE: "it came from outside: nobody here recorded what it was made from",
    EndReason.UNVOUCHED: "a model read it and nobody said whose it is: session.prompt(text) takes in what the user "
    "typed, instructions=... what the developer wrote",
    EndReason.MODEL: "the model wrote it; which of what it had seen it used is not recorded",
    EndReason.UNTOLD: "its value was found in nothing that the session had seen",
    EndReason.ENDORSED: "found in no content, endorsed by",
    EndReason.FORGOTTEN: "seen in more places than are remembered one by one",
    EndReason.NOT_HERE: "no log of this folder has the event",
    EndReason.ERASED: "what it said was erased, or is under a key that is not here",
    EndReason.STEPS: "cut here: more steps than asked for",
    EndReason.FAN: "cut here: more leads on than is followed from one event",
    EndReason.START: "nothing before it is recorded",
}
"""Why a trace ends, for people."""

_MOST = 34
"""Characters of a line in a box."""
_COLOURS = {
    "decision": ("#eef3ff", "#3557b7"),
    "refused": ("#fdecec", "#b3261e"),
    "untrusted": ("#fff3df", "#a15c00"),
    "content": ("#effaf1", "#2c7a3f"),
    "other": ("#f4f4f4", "#6b6b6b"),
}
# Control characters that XML has no place for, and those that turn the direction of text around.
_UNFIT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def picture(found: Slice, *, link: Callable[[Entry], str] | None = None) -> str:
    """The slice as an SVG document. `link` gives the address that an event's box leads to; empty for none."""
    layout = lay_out(found)
    entries = {entry.id: entry for entry in found.entries}
    edges: dict[tuple[str, str], list[Edge]] = {}
    for edge in found.edges:
        edges.setdefault((edge.earlier, edge.later), []).append(edge)
    ends: dict[str, list[End]] = {}
    for end in found.ends:
        ends.setdefault(end.event, []).append(end)
    height = layout.height + (28 if found.cut else 0)
    title, told = _title(found, entries), _description(found, entries, ends)
    size = f'viewBox="0 0 {layout.width} {height}" width="{layout.width}" height="{height}"'
    named = 'role="img" aria-labelledby="why-title why-desc" font-family="system-ui, sans-serif"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {named}>',
        f'<title id="why-title">{_text(title)}</title>',
        f'<desc id="why-desc">{_text(told)}</desc>',
        f'<rect width="{layout.width}" height="{height}" fill="#ffffff"/>',
        *(_line(line, edges[line.earlier, line.later]) for line in layout.lines),
        *(
            _box(entry, layout.places[entry.id], ends.get(entry.id, ()), root=entry.id == found.root, link=link)
            for entry in found.entries
        ),
    ]
    if found.cut:
        cut = f"and at least {found.cut} more, which are not shown"
        parts.append(f'<text x="20" y="{layout.height + 12}" font-size="13" fill="#b3261e">{_text(cut)}</text>')
    return "\n".join((*parts, "</svg>")) + "\n"


def heading(entry: Entry) -> str:
    """What an event is, in a few words."""
    match entry.kind:
        case EventKind.DECISION:
            return f"{entry.tool}: {entry.outcome}"
        case EventKind.CONTENT_INGESTED:
            return entry.about if entry.origin in ("result", "retrieved") else f"{entry.origin}: {entry.about}"
        case _:
            return f"{entry.kind} {entry.about}".strip()


def label_in_words(label: Mapping[str, object] | None) -> str:
    """`untrusted, sensitivity 2, pii`; empty where there is no label."""
    if label is None:
        return ""
    categories = label.get("categories")
    assert isinstance(categories, list)
    return ", ".join((str(label["integrity"]), f"sensitivity {label['sensitivity']}", *map(str, categories)))


def _title(found: Slice, entries: Mapping[str, Entry]) -> str:
    what = "What led to" if found.direction is Direction.BACK else "What came of"
    return f"{what} {heading(entries[found.root])}"


def _description(found: Slice, entries: Mapping[str, Entry], ends: Mapping[str, Iterable[End]]) -> str:
    """The whole picture in words: for whoever cannot see it."""

    def told() -> Iterator[str]:
        for edge in found.edges:
            later, earlier = heading(entries[edge.later]), heading(entries[edge.earlier])
            name = f" ({edge.name})" if edge.name else ""
            yield f"{later}: {edge.relation.value}{name} {earlier}."
        for event, reasons in ends.items():
            for end in reasons:
                yield f"{heading(entries[event])}: {_end(end)}."
        if found.cut:
            yield f"At least {found.cut} more events are not shown."

    return " ".join(told())


def _end(end: End) -> str:
    name = f"{end.name}: " if end.name else ""
    return f"{name}{ENDS_IN_WORDS[end.reason]} {end.detail}".rstrip()


def _line(line: Line, edges: Iterable[Edge]) -> str:
    edges = list(edges)
    (x, y), *rest = line.points
    way = f"M{x} {y}"
    for at, (to_x, to_y) in enumerate(rest):
        half = (to_x + x) // 2
        way += f" C{half} {y} {half} {to_y} {to_x} {to_y}" if at % 2 == 0 else f" L{to_x} {to_y}"
        x, y = to_x, to_y
    flows = any(edge.relation in FLOWS for edge in edges)
    names = dict.fromkeys(edge.name if edge.relation is Relation.ARGUMENT else edge.relation.value for edge in edges)
    told = ", ".join(names)
    more = "; ".join(dict.fromkeys(filter(None, (f"{edge.name} {edge.path} {edge.how}".strip() for edge in edges))))
    label = next((label_in_words(edge.label) for edge in edges if edge.label is not None), "")
    dash = "" if flows else ' stroke-dasharray="4 4"'
    (x, y), (to_x, to_y) = line.points[-2:]
    at_x, at_y = (x + to_x) // 2, (y + to_y) // 2 - 6
    title = f"{told}; {more} [{label}]" if more else f"{told} [{label}]"
    return (
        f'<g class="edge"><title>{_text(title)}</title>'
        f'<path d="{way}" fill="none" stroke="#555555" stroke-width="1.5"{dash}/>'
        f'<path d="M{to_x - 7} {to_y - 4} L{to_x} {to_y} L{to_x - 7} {to_y + 4}" fill="none" stroke="#555555"/>'
        f'<text x="{at_x}" y="{at_y}" font-size="11" text-anchor="middle" fill="#333333">{_text(_cut(told, 18))}</text>'
        "</g>"
    )


def _box(entry: Entry, place: Place, ends: Iterable[End], *, root: bool, link: Callable[[Entry], str] | None) -> str:
    fill, stroke = _COLOURS[_class(entry)]
    time = datetime.fromtimestamp(entry.ts_us / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    label, over = label_in_words(entry.label), "; ".join(map(_end, ends))
    full = "\n".join(filter(None, (heading(entry), time, f"event {entry.id}", label, over)))
    below = label or entry.kind
    x, y = place.x + 10, place.y
    inner = (
        f"<title>{_text(full)}</title>"
        f'<rect x="{place.x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="{3 if root else 1}"/>'
        f'<text x="{x}" y="{y + 22}" font-size="13" font-weight="600" fill="#111111">'
        f"{_text(_cut(heading(entry)))}</text>"
        f'<text x="{x}" y="{y + 41}" font-size="11" fill="#333333">{_text(_cut(below, 40))}</text>'
    )
    address = link(entry) if link is not None else ""
    if address:
        inner = f'<a href="{_text(address)}">{inner}</a>'
    return f'<g class="event {_class(entry)}">{inner}</g>'


def _class(entry: Entry) -> str:
    if entry.kind == EventKind.DECISION:
        return "decision" if entry.outcome == "allow" else "refused"
    if entry.kind == EventKind.CONTENT_INGESTED:
        untrusted = entry.label is not None and entry.label.get("integrity") == "untrusted"
        return "untrusted" if untrusted else "content"
    return "other"


def _cut(text: str, most: int = _MOST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(text: str) -> str:
    return escape(_UNFIT.sub("\ufffd", text), quote=True)
