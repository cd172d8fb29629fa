"""Tables of bailiwick.toml whose keys a project chooses itself: what it declares, rather than what it sets.

`SECTIONS` is the whole list; `docs/settings.md` is generated from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bailiwick.identity.oidc_settings import read_oidc
from bailiwick.model.circumstances import FactDecl, FactScope
from bailiwick.model.directory import Attribute
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Shape
from bailiwick.model.toml_entries import Entry, Problems
from bailiwick.policy.prove.properties import parse_properties

__all__ = ["SECTIONS", "Section"]

_FACT_SHAPES: dict[str, Shape] = {"string": STRING, "long": LONG, "bool": BOOL, "string[]": STRING_SET}
_FACT_TIMEOUT_MS = 1_000
_FACT_MAX_AGE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One such table. `parse` reads it from the whole file, noting every problem; `example` is what one looks like."""

    key: str
    meaning: str
    example: str
    parse: Callable[[Problems], Any]


def _environment(problems: Problems) -> tuple[Attribute, ...]:
    table = problems.text.data.get("environment", {})
    if not isinstance(table, dict):
        problems.note("wrong-type", "'environment' is not a table", "environment", hint="write [environment]")
        return ()
    entry = Entry(problems=problems, path=("environment",), table=table)
    return tuple(declared for name in table if (declared := entry.declaration(name)) is not None)


def _facts(problems: Problems) -> tuple[FactDecl, ...]:
    found: list[FactDecl] = []
    for name, table in problems.tables("facts").items():
        entry = Entry(problems=problems, path=("facts", name), table=table)
        if not name.isidentifier() or not name.isascii():
            entry.note("bad-id", f"'{name}' cannot be the name of a fact", hint="use ASCII letters, digits and '_'")
        shape = _FACT_SHAPES.get(written := entry.string("type", required=True))
        if shape is None and written:
            entry.note(
                "unknown-type",
                f"fact '{name}' has the type '{written}'",
                "type",
                hint=did_you_mean(written, _FACT_SHAPES),
            )
        about = entry.string("about", FactScope.GLOBAL.value)
        if about not in set(FactScope):
            entry.note(
                "unknown-scope", f"fact '{name}' is about '{about}'", "about", hint=did_you_mean(about, list(FactScope))
            )
        found.append(
            FactDecl(
                name=name,
                shape=shape or BOOL,
                scope=FactScope(about) if about in set(FactScope) else FactScope.GLOBAL,
                timeout_ms=entry.duration_ms("timeout", _FACT_TIMEOUT_MS, shortest_ms=1),
                max_age_ms=entry.duration_ms("max_age", _FACT_MAX_AGE_MS, shortest_ms=1),
            )
        )
        entry.done()
    return tuple(found)


SECTIONS: tuple[Section, ...] = (
    Section(
        key="environment",
        meaning="Attributes of the place a session runs in (network zone, device ...), given when it is opened. Rules "
        "read them as `context.environment`. A type with a `?` may be left out.",
        example='[environment]\nnetwork = "string"\nmanaged_device = "bool?"',
        parse=_environment,
    ),
    Section(
        key="oidc",
        meaning="Identity providers whose tokens say who a user is: which issuer, for which audience, with which keys "
        "(`jwks`: an https address, or a file of the project), and which claims mean what here. See "
        "[identity.md](identity.md#users-who-sign-in).",
        example='[oidc.corp]\nissuer = "https://login.example.com"\naudience = "bailiwick"\n'
        'jwks = "https://login.example.com/keys"',
        parse=read_oidc,
    ),
    Section(
        key="facts",
        meaning="Facts that live elsewhere and that a provider is asked for when a rule of the tool reads them, as "
        "`context.facts.<name>.value` and `.age_ms`. What it is about (`user`, `agent`, `resource`, `global`), how "
        "long the provider may take, and how old a value may get before it is asked again.",
        example='[facts.on_call]\ntype = "bool"\nabout = "user"\ntimeout = "500ms"\nmax_age = "1m"',
        parse=_facts,
    ),
    Section(
        key="properties",
        meaning="What the rules must never allow, whatever the call: a list. `when` is a Cedar condition, `tools` "
        "narrows it to some tools or groups, `of` says whether no single `link` may be permitted (the default) or no "
        "whole `call`. `bailiwick policy prove` proves them; see [proofs.md](proofs.md).",
        example='[[properties]]\nname = "no high-impact call without an approval"\nnever = "allowed"\n'
        """when = 'action in Action::"high-impact" && context.approved.isEmpty()'""",
        parse=parse_properties,
    ),
)
