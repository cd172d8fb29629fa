"""Which effectors are bound to which arguments of which tools, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bailiwick.errors import UsageError
from bailiwick.guard.effectors import Effector
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import ToolSpec

__all__ = ["BoundEffectors"]

_METHODS = ("problem", "handle")
_NONE: Mapping[str, Effector] = MappingProxyType({})


class BoundEffectors:
    """INVARIANT: what is bound stays bound: what a decision was told is enforced is so when the tool runs."""

    def __init__(self) -> None:
        self._bound: dict[str, Mapping[str, Effector]] = {}

    def bind(self, tool: ToolSpec, effectors: Mapping[str, Effector]) -> None:
        """From here on these effectors keep to these arguments of `tool`. Raises UsageError if one cannot."""
        for name, effector in effectors.items():
            spec = tool.args.get(name)
            if spec is None:
                raise UsageError(f"{tool.name} has no argument {name!r}", hint=did_you_mean(name, tool.args))
            if isinstance(effector, type) or not all(callable(getattr(effector, each, None)) for each in _METHODS):
                raise UsageError(
                    f"what is bound to argument {name!r} of {tool.name} is no effector",
                    hint='bind one, as in sql=ReadOnlySqlite("shop.db"); the values of a call go to the tool itself',
                )
            if problem := effector.problem(spec):
                raise UsageError(f"argument {name!r} of {tool.name} {problem}", hint="bind an effector of its kind")
            if self.of(tool.name).get(name, effector) is not effector:
                raise UsageError(
                    f"argument {name!r} of {tool.name} has an effector already", hint="bind each one once, at the start"
                )
        self._bound[tool.name] = MappingProxyType({**self._bound.get(tool.name, {}), **effectors})

    def of(self, tool: str) -> Mapping[str, Effector]:
        return self._bound.get(tool, _NONE)
