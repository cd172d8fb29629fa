"""Several tables of a log are read beside each other, each as far as the others have come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["Peekable"]

T = TypeVar("T")


class Peekable(Generic[T]):
    """An iterator whose next item can be looked at. Nothing is read before the first look."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._iterator: Iterator[T] | None = None
        self._head: T | None = None

    @property
    def head(self) -> T | None:
        """The next item; None at the end."""
        if self._iterator is None:
            self._iterator = iter(self._items)
            self._head = next(self._iterator, None)
        return self._head

    def advance(self) -> T | None:
        """→ the item that is next then."""
        assert self._iterator is not None
        self._head = next(self._iterator, None)
        return self._head

    def rest(self) -> Iterator[T]:
        while (head := self.head) is not None:
            self.advance()
            yield head
