"""The parts of a content in the order in which it is shown: names of fields, and what stands in them. Texts for
`bailiwick.flow.runs`, with the same paths as atoms have (`[3].notes`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from bailiwick.flow.atoms import MAX_NESTING, decoded, step
from bailiwick.flow.known_text import Piece
from bailiwick.model.label import Label

__all__ = ["MAX_PIECES", "pieces"]

MAX_PIECES = 100_000
"""Parts of one content; what goes beyond is not searched."""


def pieces(value: object, labelled: Callable[[str], Label]) -> Iterator[Piece | None]:
    """The parts of `value`, each with the label that `labelled` gives to its path; None for what cannot be read."""
    todo: list[tuple[object, str, int]] = [(value, "", 0)]
    left = MAX_PIECES
    while todo:
        node, path, depth = todo.pop()
        left -= 1
        if left < 0 or depth > MAX_NESTING:
            yield None
            return
        match node:
            case None | bool():
                continue
            case _Name(text):
                yield Piece(path=path, text=text, label=None)
            case str():
                said = decoded(node)
                if said is node:
                    yield Piece(path=path, text=node, label=labelled(path))
                else:
                    todo.append((said, path, depth + 1))
            case int() | float() | Decimal():
                yield Piece(path=path, text=str(node), label=labelled(path))
            case Mapping():
                todo.extend(reversed(list(_fields(node, path, depth))))
            case list() | tuple():
                todo.extend((node[at], f"{path}[{at}]", depth + 1) for at in range(len(node) - 1, -1, -1))
            case _:
                yield None


class _Name:
    """The name of a field."""

    __match_args__ = ("text",)
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _fields(node: Mapping[object, object], path: str, depth: int) -> Iterator[tuple[object, str, int]]:
    for key, item in node.items():
        name = str(key) if isinstance(key, str | int) else "?"
        below = f"{path}{step(name)}"
        yield _Name(name), below, depth
        yield item, below, depth + 1
