"""Texts of others in a TOML file of ours: always a value or a comment, never anything else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bailiwick.action.approval_card import visible

__all__ = ["comment", "key", "value"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_COMMENT = 160


def value(given: object) -> str:
    """A TOML value: strings in basic quotes with everything but plain ASCII escaped, lists and inline tables of
    these."""
    match given:
        case bool():
            return "true" if given else "false"
        case int():
            return str(given)
        case str():
            return '"' + "".join(map(_escaped, given)) + '"'
        case list() | tuple():
            return f"[{', '.join(map(value, given))}]"
        case Mapping():
            return "{ " + ", ".join(f"{key(str(name))} = {value(item)}" for name, item in given.items()) + " }"
        case _:
            raise TypeError(f"no TOML for {type(given).__name__}")


def key(name: str) -> str:
    return name if _BARE.fullmatch(name) else value(name)


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def comment(text: str) -> str:
    """`text` as one comment line that shows what it holds."""
    shown = visible(text.replace("\t", " "))
    return f"# {shown if len(shown) <= _LONGEST_COMMENT else shown[:_LONGEST_COMMENT] + '...'}"
