"""The arguments of a call as its tool will get them: what a rule sees is what runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from bailiwick.adapters.settling import same, settled
from bailiwick.errors import MissingExtra

try:
    from langchain_core.tools import BaseTool, InjectedToolArg
    from langchain_core.tools.base import get_all_basemodel_annotations
    from pydantic import BaseModel, ValidationError
    from pydantic_core import PydanticSerializationError
except ImportError as error:
    raise MissingExtra(feature="the LangChain adapter", extra="langchain") from error

_JSON = (str, int, float, bool, list, dict)

__all__ = ["bound_arguments", "injected", "same"]


def bound_arguments(tool: BaseTool | None, given: Mapping[str, object]) -> dict[str, object]:
    """What was given, and the tool's own defaults for the rest; each as the tool's schema takes it."""
    args = dict(given)
    if tool is None:
        return args
    schema = tool.tool_call_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, field in schema.model_fields.items():
            if name not in args and not field.is_required():
                args[name] = field.get_default(call_default_factory=True, validated_data={})
    # The whole schema holds the tool's own validators, but takes nothing where LangChain adds arguments itself.
    return settled(tool.name, args, lambda made: {**made, **_coerced((tool.args_schema, schema), made)})


def injected(tool: BaseTool, given: Mapping[str, object]) -> frozenset[str]:
    """Which of the given arguments LangChain or LangGraph put there (state, store, runtime), not whoever calls.

    INVARIANT: a JSON value that only has to be kept from the model's schema (`InjectedToolArg`) is not among them: a
    model may write it all the same, so it is decided like every other."""
    left = tool._filter_injected_args(dict(given))  # noqa: SLF001  the one place where a tool says which they are
    callers = {name for name in _unlisted(tool) if isinstance(given.get(name), _JSON)}
    # It takes these out for tracers, whatever the tool means by them.
    return frozenset(given) - frozenset(left) - {"run_manager", "callbacks"} - callers


def _unlisted(tool: BaseTool) -> Iterator[str]:
    schema = tool.args_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, kind in get_all_basemodel_annotations(schema).items():
            if any(mark is InjectedToolArg or type(mark) is InjectedToolArg for mark in get_args(kind)[1:]):
                yield name


def _coerced(schemas: Iterable[object], args: Mapping[str, object]) -> dict[str, object]:
    """Those of `args` of which the tool's schema makes something else: for a tool that takes a number, "9 ", "09" and
    "9.0" are all 9, and a rule on 9 must see it. Nothing if the tool will refuse them, or takes what is no JSON."""
    for schema in schemas:
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            try:
                taken = schema.model_validate(dict(args)).model_dump(mode="json", by_alias=True)
            except (ValidationError, PydanticSerializationError):
                continue
            return {name: taken[name] for name in args.keys() & taken.keys() if not same(args[name], taken[name])}
    return {}
