"""Markdown as far as the documentation uses it: fenced blocks, headings, links.

A block's first word after the fence is its language, the others say what a test does with it:

    ```console                    `$ ` lines are run; the lines below each are its output (see `expected`)
    ```python                     run; a `text output` block right below is what it prints
    ```text output                see above
    ```text                       a picture, nothing to run
    ```LANG file=PATH             written to PATH, for the commands of the same page
    ```toml settings|tools|directory, ```cedar
                                  loaded as that part of a project; `refused=RULE`: must be refused with that finding
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["ROOT", "Block", "Page", "pages"]

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(?P<info>.*)$")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block. `line` is that of its first line of text, counted from 1."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def option(self, name: str) -> str:
        """What stands after `name=` in the info string, "" if nothing does."""
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")), "")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(self._blocks())

    @cached_property
    def prose(self) -> str:
        """The text without its blocks."""
        kept, inside = [], False
        for line in self.text.splitlines():
            if _FENCE.match(line):
                inside = not inside
            elif not inside:
                kept.append(line)
        return "\n".join(kept)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The names that links can point to, as GitHub makes them."""
        found: dict[str, int] = {}
        for line in self.prose.splitlines():
            heading = _HEADING.match(line)
            if heading:
                plain = re.sub(r"[^\w\- ]", "", heading["text"].replace("`", "").lower()).replace(" ", "-")
                found[plain] = found.get(plain, -1) + 1
        repeated = {f"{name}-{number}" for name, last in found.items() for number in range(1, last + 1)}
        return frozenset(found) | repeated

    @property
    def links(self) -> Iterator[str]:
        without_code = re.sub(r"`[^`\n]*`", "", self.prose)
        return (link["target"] for link in _LINK.finditer(without_code))

    def _blocks(self) -> Iterator[Block]:
        lines = iter(enumerate(self.text.splitlines(), 1))
        for number, line in lines:
            fence = _FENCE.match(line)
            if not fence:
                continue
            inside: list[str] = []
            for _, text in lines:
                if _FENCE.match(text):
                    break
                inside.append(text)
            else:
                raise AssertionError(f"{self.name}:{number}: this block is never closed")
            language, *words = fence["info"].split() or [""]
            text = "".join(f"{each}\n" for each in inside)
            yield Block(page=self.name, line=number + 1, language=language, words=tuple(words), text=text)


def pages() -> tuple[Page, ...]:
    """Everything that is printed for people: the README, docs/ and the example's own README."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found += sorted((ROOT / "examples").rglob("README.md"))
    return tuple(Page(path=path) for path in found)
