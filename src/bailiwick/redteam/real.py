"""What targets with real tools share: whether they may be attacked at all, and how an attacker's text gets into what
their tools return.

INVARIANT: nothing is called before `consent`. What a guard does not stop there really happens.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bailiwick.errors import UsageError
from bailiwick.model.tool import Catalog, ToolSpec
from bailiwick.project.load import find_project
from bailiwick.redteam.pack_world import PackTrial, taints
from bailiwick.redteam.world import ToolCall

__all__ = ["Offer", "Through", "ToolFailed", "consent", "offer", "placed"]

_PRODUCTION = ("prod", "live")
"""How the names of environments begin in which nothing is attacked by mistake."""


class ToolFailed(Exception):
    """A real tool was called, and answered with an error."""


class Offer:
    """What a target offers: `names` maps a tool of the catalog to what the target calls it; `unknown` are tools of the
    target that no entry of the catalog names."""

    def __init__(self, names: Mapping[str, str], unknown: tuple[str, ...]) -> None:
        self.names, self.unknown = names, unknown


def consent(folder: Path, *, yes: bool, really: bool) -> str:
    """What is to be known before real tools are called. Raises UsageError where bailiwick.toml names no environment for
    tests and nobody said yes, or names one for production."""
    text = (find_project(folder) / "bailiwick.toml").read_text(encoding="utf-8")
    try:
        env = str(tomllib.loads(text).get("env", ""))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"bailiwick.toml: {error}", hint="`bailiwick check` says more") from error
    if env.casefold().startswith(_PRODUCTION) and not really:
        raise UsageError(
            f"this project is in {env}, and attacks that the guard does not stop really happen",
            hint="attack a copy with test data; --really attacks this one",
        )
    if not env and not (yes or really):
        raise UsageError(
            "attacks that the guard does not stop really happen in this target",
            hint='say env = "test" in bailiwick.toml if it holds nothing but test data, or give --yes',
        )
    return f"the tools of this target are real: what the guard lets through happens there (env {env or 'not named'})"


def offer(catalog: Catalog, tools: Sequence[str], target: str) -> Offer:
    """Match a target's tools with the catalog, by name or by what frameworks call them. Raises UsageError if the
    catalog knows none of them."""
    names: dict[str, str] = {}
    unknown: list[str] = []
    for name in tools:
        known = catalog.find(name)
        if known is None:
            unknown.append(name)
        else:
            names.setdefault(known.name, name)
    if not names:
        listed = ", ".join(sorted(tools)) or "none at all"
        raise UsageError(
            f"{target} has no governed tool: the catalog knows none of its tools ({listed})",
            hint='declare them in tools/*.toml, with names = ["..."] where they are called otherwise there',
        )
    return Offer(names, tuple(sorted(unknown)))


def placed(tool: ToolSpec, value: object, text: str) -> object:
    """`value` as the tool would return it had an attacker written `text` where others write. Nothing else changes."""
    if not text or not taints(tool.output):
        return value
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        if isinstance(parsed, dict | list):
            return json.dumps(placed(tool, parsed, text), ensure_ascii=False)
    fields = tool.output.untrusted
    if fields:
        return _set(value, sorted(fields)[0].replace("[]", "").split("."), text)
    if isinstance(value, Mapping):
        return {**value, "text": _added(value.get("text"), text)}
    return [*value, text] if isinstance(value, list) else _added(value, text)


def _set(value: object, path: Sequence[str], text: str) -> object:
    if isinstance(value, list):
        return [_set(value[0] if value else {}, path, text), *value[1:]]
    if not path:
        return _added(value, text)
    known = value if isinstance(value, Mapping) else {}
    return {**known, path[0]: _set(known.get(path[0]), path[1:], text)}


def _added(value: object, text: str) -> str:
    return text if value in (None, "") else f"{value}\n{text}"


class Through:
    """A trial whose tools are a target's real ones. The stand-ins note what was called."""

    def __init__(self, trial: PackTrial, run: Callable[[str, Mapping[str, object]], object], names: Offer) -> None:
        self._trial, self._run, self._offer = trial, run, names

    @property
    def tools(self) -> Mapping[str, Callable[..., object]]:
        return {name: self._real(name) for name in self._offer.names}

    @property
    def calls(self) -> Sequence[ToolCall]:
        return self._trial.calls

    @property
    def attack_calls(self) -> Sequence[ToolCall]:
        return self._trial.attack_calls

    def saw_attack(self, result: object) -> bool:
        return self._trial.saw_attack(result)

    def useful(self) -> bool:
        return self._trial.useful()

    def attacked(self) -> bool:
        return self._trial.attacked()

    def close(self) -> None:
        self._trial.close()

    def _real(self, name: str) -> Callable[..., object]:
        def run(**args: object) -> object:
            self._trial.tools[name](**args)
            tool = self._trial.world.catalog.tools[name]
            try:
                value = self._run(self._offer.names[name], args)
            except ToolFailed as failed:
                # What a tool says of its failure is read as well, so an attacker's text may stand there.
                raise ToolFailed(str(placed(tool, str(failed), self._trial.planted))) from failed
            return placed(tool, value, self._trial.planted)

        return run
