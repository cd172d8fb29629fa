"""The catalog of `data/desk_tools.toml` and short ways to load catalogs and make calls."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bailiwick.action import Organisation, load_catalog, parse_call
from bailiwick.action.types import Surroundings
from bailiwick.model.call import Action, Call
from bailiwick.model.decision import Reason
from bailiwick.model.tool import Catalog

DATA = Path(__file__).parent / "data"
LEVELS = ("public", "internal", "confidential")
INSIDE = Organisation(
    domains=frozenset({"acme.example"}), mailboxes=frozenset({"bob@acme.example", "bob.miller@acme.example"})
)
ORG = Surroundings(organisation=INSIDE)


def cases(name: str) -> list[dict[str, Any]]:
    """The `[[case]]` tables of a data file."""
    loaded: list[dict[str, Any]] = tomllib.loads((DATA / name).read_text(encoding="utf-8"))["case"]
    return loaded


def catalog_of(*texts: str) -> Catalog:
    files = [(f"tools/{number}.toml", text) for number, text in enumerate(texts)]
    return load_catalog(files, levels=LEVELS, categories=frozenset({"pii"}))


DESK = catalog_of((DATA / "desk_tools.toml").read_text(encoding="utf-8"))


def parsed(tool: str, args: Mapping[str, object], catalog: Catalog = DESK) -> Action | Reason:
    return parse_call(catalog, Call(tool=tool, args=args), around=ORG)
