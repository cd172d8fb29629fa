"""The arguments of a call as the tool will get them: with its own defaults, and with what its schema makes of each."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bailiwick.adapters.settling import settled
from bailiwick.errors import MissingExtra, UsageError

try:
    from agents import FunctionTool
    from agents.function_schema import FuncSchema
    from pydantic import BaseModel, ValidationError
    from pydantic_core import PydanticSerializationError
except ImportError as error:
    raise MissingExtra(feature="the adapter for the OpenAI Agents SDK", extra="openai-agents") from error

__all__ = ["bound", "written"]


def bound(tool: FunctionTool, invoker: object, text: str) -> dict[str, object]:
    """The arguments of a call, which the SDK has as JSON text. Raises UsageError for what is no JSON object."""
    args = _parsed(tool.name, text)
    model = _model_of(tool, invoker)
    if model is not None:
        return settled(tool.name, args, lambda made: _validated(model, made))
    for name, field in _properties(tool.params_json_schema).items():
        if name not in args and isinstance(field, Mapping) and "default" in field:
            args[name] = _exact(field["default"])
    return args


def written(args: Mapping[str, Any]) -> str:
    """Decided arguments as the SDK gives them to a tool."""
    return json.dumps(dict(args), ensure_ascii=False, default=_number)


def _parsed(tool: str, text: str) -> dict[str, object]:
    try:
        args = json.loads(text, parse_float=Decimal) if text.strip() else {}
    except ValueError as error:
        raise UsageError(f"the arguments for {tool} are no JSON", hint="give a JSON object") from error
    if not isinstance(args, dict):
        raise UsageError(f"the arguments for {tool} are no JSON object", hint="give a JSON object")
    return args


def _model_of(tool: FunctionTool, invoker: object) -> type[BaseModel] | None:
    """The schema of a tool that `function_tool` made: nothing but its own closure holds it."""
    prepare = getattr(invoker, "prepare_arguments", None)
    prepared = prepare("{}", tool.name) if callable(prepare) else None
    owner = getattr(prepared, "owner", None)
    if not inspect.isfunction(owner):
        return None
    schema = inspect.getclosurevars(owner).nonlocals.get("schema")
    return schema.params_pydantic_model if isinstance(schema, FuncSchema) else None


def _validated(model: type[BaseModel], args: dict[str, object]) -> dict[str, object]:
    """For a tool that takes a number, "9 ", "09" and "9.0" are all 9, and a rule on 9 must see it. What the tool will
    refuse stays as it is."""
    try:
        taken = model.model_validate({name: _plain(value) for name, value in args.items()})
        told = taken.model_dump(mode="json", by_alias=True)
    except (ValidationError, PydanticSerializationError):
        return args
    bound: dict[str, object] = {name: value for name, value in args.items() if name not in told}
    for name, value in told.items():
        if name in args:
            bound[name] = args[name] if _same(args[name], value) else _exact(value)
        elif value not in (None, [], {}):  # what the tool takes as nothing is not given
            bound[name] = _exact(value)
    return bound


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _same(given: object, taken: object) -> bool:
    """Whether both are the same JSON value; 1 and 1.0 are, 1 and true are not."""
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        return given.keys() == taken.keys() and all(_same(given[name], taken[name]) for name in given)
    if isinstance(given, list) and isinstance(taken, list):
        return len(given) == len(taken) and all(map(_same, given, taken))
    if isinstance(given, Decimal) and isinstance(taken, float):
        return float(given) == taken
    return isinstance(given, bool) is isinstance(taken, bool) and given == taken


def _changed(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _changed(change, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_changed(change, each) for each in value]
    return change(value)


def _exact(value: Any) -> Any:
    """JSON values as decisions have them: without floats."""
    return _changed(lambda each: Decimal(repr(each)) if isinstance(each, float) else each, value)


def _plain(value: Any) -> Any:
    """JSON values as schemas have them."""
    return _changed(lambda each: float(each) if isinstance(each, Decimal) else each, value)


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
