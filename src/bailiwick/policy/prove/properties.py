"""Standing properties: what the rules of a project must never allow, as its bailiwick.toml declares it.

    [[properties]]
    name  = "no high-impact call without an approval"
    never = "allowed"
    when  = '''action in Action::"high-impact" && context.approved.isEmpty()'''

`when` is a Cedar condition over principal, action, resource and context. `tools` narrows it to some tools or groups,
which may then read their arguments. `of` says what is never allowed: a `link` of a chain asked by itself (the default,
and the stronger), or only a whole `call`. Nothing here needs the solver, so a project with properties loads without
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bailiwick.errors import Where
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_entries import Problems

__all__ = ["SECTION", "Property", "Reach", "parse_properties"]

SECTION = "properties"
_KEYS = ("name", "never", "of", "tools", "when")
_LONGEST_NAME = 200


class Reach(StrEnum):
    """What a property is about."""

    LINK = "link"
    """No link of any chain is permitted by itself: what the rules say to one principal."""
    CALL = "call"
    """No whole call is permitted: at least one link of its chain is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """Whenever `when` holds, the call is not allowed. `tools` are tools or effect groups (empty: all); `where` is the
    line of `when`."""

    name: str
    when: str
    tools: tuple[str, ...] = ()
    of: Reach = Reach.LINK
    where: Where


def parse_properties(problems: Problems) -> tuple[Property, ...]:
    """The entries of `[[properties]]`. Each problem is noted, and what has one is left out."""
    entries = problems.text.data.get(SECTION, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.note("wrong-type", f"'{SECTION}' is no list of tables", SECTION, hint=f"write [[{SECTION}]]")
        return ()
    found: list[Property] = []
    for place, entry in enumerate(entries):
        made = _property(problems, place, entry)
        if made is not None and any(each.name == made.name for each in found):
            message, hint = f"two properties are called '{made.name}'", "give each a name of its own"
            problems.note("repeated", message, SECTION, place, "name", hint=hint)
        elif made is not None:
            found.append(made)
    return tuple(found)


def _property(problems: Problems, place: int, entry: Mapping[str, Any]) -> Property | None:
    before = len(problems.found)

    def note(rule: str, message: str, key: str, hint: str) -> None:
        problems.note(rule, message, SECTION, place, key, hint=hint)

    for key in entry:
        if key not in _KEYS:
            note("unknown-key", f"a property has no key '{key}'", key, did_you_mean(key, _KEYS))
    name, when = entry.get("name"), entry.get("when")
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        note("missing-key", "a property needs a name: one line of text", "name", 'as in name = "no mail to strangers"')
    if not isinstance(when, str) or not when.strip():
        hint = "a Cedar condition, as in when = '''principal is Agent && !principal.active'''"
        note("missing-key", "a property needs a condition, as text", "when", hint)
    if entry.get("never") != "allowed":
        note("bad-property", "a property says what is never allowed", "never", 'write never = "allowed"')
    of = entry.get("of", Reach.LINK.value)
    if of not in set(Reach):
        note("bad-property", f"a property is about a link or a call, not {of!r}", "of", 'use of = "link" or "call"')
    tools = entry.get("tools", [])
    if not isinstance(tools, list) or not all(isinstance(each, str) and each for each in tools):
        note("wrong-type", "'tools' of a property is no list of names", "tools", 'as in tools = ["mail.send"]')
    if len(problems.found) > before:
        return None
    where = problems.text.where(SECTION, place, "when")
    return Property(name=str(name), when=str(when), tools=tuple(tools), of=Reach(of), where=where)
