"""Resource templates: `crm/customers/{id}`. Values are percent-encoded, so no value can name another resource's
path."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from urllib.parse import quote

__all__ = ["render", "template_problem", "template_segments"]

_PART = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}|([^{}]+)|(.)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def template_problem(template: str) -> str:
    """What is wrong with a template, "" if nothing is."""
    if not template.isprintable():
        return "holds a control character"
    if any(part.group(3) for part in _PART.finditer(template)):
        return "has a brace that is no placeholder"
    return ""


@functools.lru_cache(maxsize=4096)
def template_segments(template: str) -> tuple[tuple[str, bool], ...]:
    """The parts of a sound template: literal text (False) and names of arguments (True)."""
    return tuple((part.group(1) or part.group(2), part.group(1) is not None) for part in _PART.finditer(template))


def render(template: str, values: Mapping[str, str]) -> str:
    """The template with every `{name}` replaced by its percent-encoded value.

    INVARIANT: different values give different texts; `/`, `%`, `.` and `..` in a value never become part of the path.
    """
    return "".join(_encoded(values[text]) if is_name else text for text, is_name in template_segments(template))


def _encoded(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    encoded = quote(value, safe="")
    return encoded.replace(".", "%2E") if value in (".", "..") else encoded
