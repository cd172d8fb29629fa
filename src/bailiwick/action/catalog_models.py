"""Loads the models of the catalog: `[models."…"]` in `tools/*.toml`. DESIGN §4 *Catalog*, §5 *Flow*.

Everything that is wrong is noted with its line. Defaults are the careful ones: a model reads no strict category and is
offered no tool that its provider runs, unless its entry says so; how high it is cleared has to be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bailiwick.action.catalog_table import Table
from bailiwick.errors import Where
from bailiwick.model.models import ModelSpec
from bailiwick.model.nearest import did_you_mean

__all__ = ["MODEL_KEYS", "ModelLoader", "model_declaration"]

MODEL_KEYS = ("names", "provider", "zones", "region", "clearance", "categories", "hosted")
MAX_NAME = 200


@dataclass(kw_only=True)
class ModelLoader:
    """Reads the models of all files. `models` are those that are sound."""

    levels: tuple[str, ...]
    categories: frozenset[str]
    models: dict[str, ModelSpec] = field(default_factory=dict)
    _taken: dict[str, Where] = field(default_factory=dict)
    """Every name so far, also of models that did not load."""

    def file(self, top: Table) -> None:
        """The models of one file; `top` is all that is in it."""
        models = top.table("models")
        for name in models.data if models is not None else ():
            assert models is not None
            table = models.table(name)
            if table is None:
                continue
            spec = self._model(name, table)
            if spec is not None:
                self.models[name] = spec

    def _model(self, name: str, table: Table) -> ModelSpec | None:
        if _unquoted(table):
            inner = next(iter(table.data))
            hint = f'write the name in quotes: [models."{name}.{inner}"]'
            table.note("bad-model-name", f"'{name}' is no model", hint=hint)
            return None
        table.refuse_unknown_keys(MODEL_KEYS, "a model")
        names = table.strings("names") or ()
        sound = self._take(name, table)
        for index, alias in enumerate(names):
            sound = self._take(alias, table, "names", index) and sound
        zones, hosted = table.strings("zones") or (), table.strings("hosted") or ()
        categories = table.strings("categories") or ()
        table.known(categories, self.categories, "unknown-category", "categories")
        clearance = self._clearance(table)
        provider, region = table.string("provider") or "", table.string("region") or ""
        if clearance is None or not sound:
            return None
        return ModelSpec(
            name=name,
            names=names,
            provider=provider,
            zones=zones,
            region=region,
            clearance=clearance,
            categories=frozenset(categories),
            hosted=tuple(dict.fromkeys(hosted)),
            where=table.where(),
        )

    def _take(self, name: str, table: Table, *keys: str | int) -> bool:
        """False if `name` cannot be this model's, which is noted."""
        if not name or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
            message = f"a model's name is a text of at most {MAX_NAME} characters that can be printed"
            table.note("bad-model-name", message, *keys, hint="write it as the framework or the provider has it")
            return False
        if name in self._taken:
            hint = f"it is also in {self._taken[name]}; a name stands for one model only"
            table.note("duplicate-model", f"the model '{name}' is declared twice", *keys, hint=hint)
            return False
        self._taken[name] = table.where(*keys)
        return True

    def _clearance(self, table: Table) -> int | None:
        level = table.string("clearance")
        if level is None:
            if "clearance" not in table.data:
                hint = f"say the highest level that it may read: {', '.join(self.levels)}"
                table.note("no-clearance", "the model says no clearance", hint=hint)
            return None
        if level not in self.levels:
            hint = did_you_mean(level, self.levels)
            table.note("unknown-level", f"there is no level '{level}'", "clearance", hint=hint)
            return None
        return self.levels.index(level)


def _unquoted(table: Table) -> bool:
    """Whether a dot in a name without quotes made a table of tables of it."""
    return bool(table.data) and all(
        key not in MODEL_KEYS and isinstance(value, Mapping) for key, value in table.data.items()
    )


def model_declaration(model: ModelSpec) -> list[object]:
    """All of a declaration but its place in the files, for the catalog's digest."""
    return [
        *(model.name, model.names, model.provider, model.zones, model.region, model.clearance),
        *(sorted(model.categories), model.hosted),
    ]
