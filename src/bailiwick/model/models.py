"""Models as catalog entries: where each runs, what it may read, and which tools its provider may run for it.

Written as `[models."…"]` in `tools/*.toml`, parsed by `bailiwick.action.catalog_models`. DESIGN §5 *Flow*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bailiwick.errors import Where

__all__ = ["ModelSpec", "find_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model. `names` are what frameworks and providers call it besides; `provider` empty: whoever serves it.
    `clearance` is the highest level that it may read, `categories` those of the strict ones, `hosted` the tools that
    its provider may run for it."""

    name: str
    names: tuple[str, ...] = ()
    provider: str = ""
    zones: tuple[str, ...] = ()
    region: str = ""
    clearance: int
    categories: frozenset[str] = frozenset()
    hosted: tuple[str, ...] = ()
    where: Where

    @property
    def resource(self) -> str:
        """The resource that a call of it touches: `models/<name>`, percent-encoded."""
        encoded = quote(self.name, safe="")
        return f"models/{encoded.replace('.', '%2E') if self.name in ('.', '..') else encoded}"

    def served_by(self, provider: str) -> bool:
        """Whether a call that says it goes to `provider` goes where this entry says; a call may leave it unsaid."""
        return not self.provider or not provider or self.provider.casefold() == provider.casefold()


def find_model(models: Mapping[str, ModelSpec], name: str, provider: str) -> ModelSpec | None:
    """The entry of the model that `provider` calls `name`, or None. An entry for `provider/name` goes before one for
    the name alone, so that one model of two providers is two entries. INVARIANT: a call that goes to another provider
    than an entry says is not that entry's: region and clearance are said of the provider, too."""
    for wanted in (f"{provider}/{name}", name) if provider else (name,):
        for spec in models.values():
            if wanted in (spec.name, *spec.names) and spec.served_by(provider):
                return spec
    return None
