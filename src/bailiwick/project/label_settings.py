"""The settings of `[labels]` that name levels and categories: what is strict, what outside names mean, and what has no
label. DESIGN §5 *Flow*.

INVARIANT: what is left out is the careful thing. By default `restricted` is strict, or the highest level where there is
no such level, and of the categories phi, mnpi and secret those that the project has; without `default` what carries no
label is of the highest level and readable by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bailiwick.errors import Finding, Where
from bailiwick.flow.naming import plain_name
from bailiwick.model.label import NamedLabel, Strictness
from bailiwick.model.nearest import did_you_mean

__all__ = ["DEFAULT_STRICT", "LabelSettings", "read_label_settings"]

DEFAULT_STRICT = frozenset({"restricted", "phi", "mnpi", "secret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSettings:
    """`names` by their plain form; `unlabelled` None: the highest level, readable by nobody."""

    strictness: Strictness
    names: Mapping[str, NamedLabel]
    unlabelled: int | None
    free_text: int


def read_label_settings(
    values: Mapping[str, Any], where: Callable[[str], Where], findings: list[Finding]
) -> LabelSettings:
    """What the checked `values` of `labels.…` mean together. Names of levels and categories that do not exist are
    noted."""
    levels: Sequence[str] = values["labels.levels"] or ()
    categories: frozenset[str] = values["labels.categories"] or frozenset()

    def known(key: str, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name in categories or name in levels:
                yield name
                continue
            hint = did_you_mean(name, [*levels, *sorted(categories)])
            message = f"setting '{key}' names '{name}', which is no level and no category"
            findings.append(Finding(rule="unknown-label", message=message, where=where(key), hint=hint))

    def label(key: str, names: Iterable[str]) -> NamedLabel:
        found = list(known(key, names))
        level = max((levels.index(name) for name in found if name in levels), default=0)
        return NamedLabel(level=level, categories=frozenset(found) & categories)

    top = max(len(levels) - 1, 0)
    strict: Sequence[str] = values["labels.strict"] or ()
    if frozenset(strict) == DEFAULT_STRICT and "restricted" not in levels:
        strictness = Strictness(level=top, categories=DEFAULT_STRICT & categories)
    elif frozenset(strict) == DEFAULT_STRICT:
        strictness = Strictness(level=levels.index("restricted"), categories=DEFAULT_STRICT & categories)
    else:
        named = list(known("labels.strict", strict))
        strictness = Strictness(
            level=min((levels.index(name) for name in named if name in levels), default=None),
            categories=frozenset(named) & categories,
        )
    default = values["labels.default"]
    unlabelled = label("labels.default", [default]).level if default else None
    names = {plain_name(name): label("labels.names", given) for name, given in (values["labels.names"] or {}).items()}
    return LabelSettings(
        strictness=strictness,
        names=MappingProxyType(names),
        unlabelled=unlabelled,
        free_text=values["labels.free_text"] or 0,
    )
