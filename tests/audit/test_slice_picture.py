"""Slices as pictures: laws of the layout, and what a hostile name cannot do to the SVG."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from bailiwick.audit.links import Relation
from bailiwick.audit.slice_layout import HEIGHT, WIDTH, lay_out
from bailiwick.audit.slice_svg import picture
from bailiwick.audit.slices import Direction, Edge, End, EndReason, Entry, Slice

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</title><script>alert(1)</script>" onload="x\u202e\x07\ud800&]]>'


def entry(number: int, **fields: Any) -> Entry:
    plain: dict[str, Any] = {"kind": "decision", "tool": f"tool.{number}", "outcome": "allow", **fields}
    return Entry(id=f"e{number}", log="l", seq=number, session="s", ord=number, ts_us=number, **plain)


def graph(size: int, pairs: list[tuple[int, int]], **fields: Any) -> Slice:
    edges = [
        Edge(later=f"e{later}", earlier=f"e{earlier}", relation=Relation.ARGUMENT, name="to")
        for later, earlier in pairs
        if later < size and earlier < size and later != earlier
    ]
    return Slice(
        root="e0",
        direction=Direction.BACK,
        entries=tuple(entry(number) for number in range(size)),
        edges=tuple(dict.fromkeys(edges)),
        ends=(),
        **fields,
    )


PAIRS = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=60)


@given(st.integers(1, 30), PAIRS)
def test_what_came_first_stands_left_and_no_box_covers_another(size: int, pairs: list[tuple[int, int]]) -> None:
    found = graph(size, [(min(pair), max(pair)) for pair in pairs])
    layout = lay_out(found)
    assert len(layout.places) == size
    for edge in found.edges:
        assert layout.places[edge.earlier].x + WIDTH < layout.places[edge.later].x
    boxes = list(layout.places.values())
    for at, one in enumerate(boxes):
        assert 0 <= one.x <= layout.width - WIDTH
        assert 0 <= one.y <= layout.height - HEIGHT
        for other in boxes[at + 1 :]:
            assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    assert lay_out(found) == layout


@given(st.integers(1, 12), PAIRS)
def test_links_in_a_circle_are_drawn_all_the_same(size: int, pairs: list[tuple[int, int]]) -> None:
    found = graph(size, pairs)
    tree = ET.fromstring(picture(found))
    assert len(tree.findall(f".//{SVG}g[@class='edge']")) == len({(edge.earlier, edge.later) for edge in found.edges})


def test_a_long_row_is_laid_out() -> None:
    found = graph(500, [(number, number + 1) for number in range(499)])
    assert len({place.x for place in lay_out(found).places.values()}) == 500


def test_a_name_chooses_no_markup() -> None:
    label = {"integrity": HOSTILE, "sensitivity": 1, "categories": [HOSTILE]}
    nodes = (
        entry(0, tool=HOSTILE, about=HOSTILE, label=label),
        entry(1, kind="content.ingested", tool="", about=HOSTILE, origin="result", label=label),
    )
    edge = Edge(later="e0", earlier="e1", relation=Relation.ARGUMENT, name=HOSTILE, path=HOSTILE, how="x", label=label)
    end = End(event="e1", reason=EndReason.OUTSIDE, name=HOSTILE, detail=HOSTILE)
    found = Slice(root="e0", direction=Direction.BACK, entries=nodes, edges=(edge,), ends=(end,))
    text = picture(found, link=lambda node: f"/events/{node.id}?{HOSTILE}")
    tree = ET.fromstring(text)
    assert {node.tag.removeprefix(SVG) for node in tree.iter()} <= {
        "svg",
        "title",
        "desc",
        "rect",
        "g",
        "text",
        "path",
        "a",
    }
    assert not any(name.startswith("on") for node in tree.iter() for name in node.attrib)
    assert "\u202e" not in text
    assert "<script" not in text
    assert text.encode("utf-8")


def test_a_picture_says_in_words_what_it_shows() -> None:
    found = graph(3, [(0, 1), (1, 2)], cut=7)
    tree = ET.fromstring(picture(found))
    title, told = tree.findtext(f"{SVG}title"), tree.findtext(f"{SVG}desc")
    assert title == "What led to tool.0: allow"
    assert told is not None
    assert "tool.0: allow: argument (to) tool.1: allow." in told
    assert "At least 7 more events are not shown." in told
    named = tree.attrib["aria-labelledby"].split()
    assert [node.attrib["id"] for node in tree.iter() if "id" in node.attrib] == named
    assert "and at least 7 more" in "".join(tree.itertext())
