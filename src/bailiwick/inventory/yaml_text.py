"""YAML as JSON has it: what PyYAML's parser sees, built here, so that no tag makes an object of anything.

YAML 1.1 reads `no`, `1_000`, `12:30` and dates as something else than texts, YAML 1.2 does not, and readers differ.
Here a number is what is one in JSON, `true`, `false` and `null` are themselves, and every other scalar is its text; a
key always is. What JSON has no form for is refused: tags, merge keys, two documents, a key that occurs twice, and an
anchor within itself. An alias is the same value again, never a copy of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from bailiwick.errors import MissingExtra

__all__ = ["MAX_YAML", "YamlError", "read_yaml"]

MAX_YAML = 5 * 1024 * 1024
"""Bytes: a few seconds."""
_MAX_DEPTH = 100
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,2})?", re.ASCII)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_TEXT_TAG = "tag:yaml.org,2002:str"


class YamlError(ValueError):
    """A text that is not taken, in words."""


def read_yaml(data: bytes) -> Any:
    """The one document in `data`. Raises YamlError, MissingExtra."""
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra(feature="a file in YAML", extra="openapi") from error
    if len(data) > MAX_YAML:
        raise YamlError(f"it is larger than {MAX_YAML} bytes, the most that is taken of YAML")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Reader(yaml.parse(data.decode("utf-8-sig"), Loader=loader)).document()
    except UnicodeDecodeError as error:
        raise YamlError("it is not UTF-8") from error
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())[:300]) from error


class _Reader:
    """Builds values from events. Nothing is followed but the events, so it ends where they do."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Any] = {}
        self._open: set[str] = set()

    def document(self) -> Any:
        self._skip("StreamStartEvent")
        event = next(self._events)
        if _kind(event) == "StreamEndEvent":
            return None
        value = self._value(next(self._events), 0)
        self._skip("DocumentEndEvent")
        event = next(self._events)
        if _kind(event) != "StreamEndEvent":
            _refuse(event, "a second document begins")
        return value

    def _skip(self, kind: str) -> None:
        event = next(self._events)
        assert _kind(event) == kind

    def _value(self, event: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            _refuse(event, f"it is nested deeper than {_MAX_DEPTH}")
        if _kind(event) == "AliasEvent":
            return self._aliased(event)
        if event.anchor is not None:
            self._open.add(event.anchor)
        match _kind(event):
            case "ScalarEvent":
                value = _scalar(event)
            case "SequenceStartEvent":
                value = self._sequence(event, depth)
            case _:
                value = self._mapping(event, depth)
        if event.anchor is not None:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = value
        return value

    def _aliased(self, event: Any) -> Any:
        if event.anchor in self._open:
            _refuse(event, f"the alias *{event.anchor:.60} stands within what it means")
        if event.anchor not in self._anchors:
            _refuse(event, f"the alias *{event.anchor:.60} means nothing")
        return self._anchors[event.anchor]

    def _sequence(self, start: Any, depth: int) -> list[Any]:
        _refuse_tag(start)
        found: list[Any] = []
        while _kind(event := next(self._events)) != "SequenceEndEvent":
            found.append(self._value(event, depth + 1))
        return found

    def _mapping(self, start: Any, depth: int) -> dict[str, Any]:
        _refuse_tag(start)
        found: dict[str, Any] = {}
        while _kind(event := next(self._events)) != "MappingEndEvent":
            key = self._key(event)
            if key in found:
                _refuse(event, f"the key {key!r:.60} occurs twice in one mapping")
            found[key] = self._value(next(self._events), depth + 1)
        return found

    def _key(self, event: Any) -> str:
        if _kind(event) != "ScalarEvent":
            _refuse(event, "a key is no plain text")
        if event.anchor is not None:
            self._anchors[event.anchor] = event.value
        _refuse_tag(event)
        if event.value == "<<" and _is_plain(event):
            _refuse(event, "a merge key (<<) is not taken; write out what it merges")
        return str(event.value)


def _kind(event: object) -> str:
    return type(event).__name__


def _scalar(event: Any) -> Any:
    _refuse_tag(event)
    text = str(event.value)
    if not _is_plain(event):
        return text
    if text in _WORDS:
        return _WORDS[text]
    return json.loads(text) if _NUMBER.fullmatch(text) else text


def _is_plain(event: Any) -> bool:
    """Whether a scalar stands there without quotes and without a tag."""
    return event.tag is None and bool(event.implicit[0])


def _refuse_tag(event: Any) -> None:
    """`!` and `!!str` say that a scalar is its text; any other tag wants something made of it."""
    textual = _kind(event) == "ScalarEvent" and event.tag in ("!", _TEXT_TAG)
    if event.tag is not None and not textual:
        _refuse(event, f"the tag {event.tag!r:.60} is not taken")


def _refuse(event: Any, why: str) -> NoReturn:
    raise YamlError(f"line {event.start_mark.line + 1}: {why}")
