"""Operations of an OpenAPI description (3.x, or Swagger 2.0), as JSON or YAML. Nothing outside the file is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from bailiwick.errors import UsageError
from bailiwick.inventory.operations import MAX_OPERATIONS, Operation, Parameter
from bailiwick.inventory.yaml_text import YamlError, read_yaml
from bailiwick.model.tool import Effect

__all__ = ["MAX_FILE", "read_openapi"]

MAX_FILE = 20 * 1024 * 1024
_METHODS: Mapping[str, Effect] = {
    **dict.fromkeys(("get", "head", "options"), Effect.READ),
    **dict.fromkeys(("post", "put", "patch"), Effect.WRITE),
    "delete": Effect.DELETE,
}
_MAX_REFS = 16
_MAX_PARAMETERS = 500
"""Parameters that are looked at of one operation."""
_JSON_BODIES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


def read_openapi(path: Path) -> tuple[str, tuple[Operation, ...]]:
    """(its title, its operations: one more than `MAX_OPERATIONS` at most). YAML is what is named .yaml or .yml.

    Raises UsageError if the file is no such description, MissingExtra if it is YAML and no parser is installed."""
    document = _document(path)
    paths = document.get("paths") if isinstance(document, dict) else None
    if not isinstance(paths, dict):
        raise UsageError(f"{path} has no paths, so it is no OpenAPI description", hint="give an OpenAPI 3 or Swagger 2")
    info = document.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    operations = islice(_operations(paths, document), MAX_OPERATIONS + 1)
    return (title if isinstance(title, str) else path.stem), tuple(operations)


def _document(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="name a file that is there") from error
    if len(data) > MAX_FILE:
        raise UsageError(f"{path} is larger than {MAX_FILE} bytes", hint="cut the description down to what agents use")
    if path.suffix.lower() in (".yaml", ".yml"):
        try:
            return read_yaml(data)
        except YamlError as error:
            raise UsageError(
                f"{path} is no YAML that is taken: {error}", hint="mend it, or convert it to JSON"
            ) from error
    try:
        orjson.loads(data)  # strict where json is not: half characters, NaN, and what is no UTF-8
        return json.loads(data, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        hint = "mend it; a description in YAML is named .yaml or .yml"
        raise UsageError(f"{path} is no JSON that is taken: {error}", hint=hint) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _operations(paths: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in paths.items():
        shared = _resolved(item, document)
        for method, given in shared.items():
            operation = given if isinstance(given, dict) else None
            if method not in _METHODS or operation is None:
                continue
            own = operation.get("operationId")
            name = own if isinstance(own, str) and own.strip() else f"{method} {path}"
            parameters, unclear = _parameters(shared, operation, document)
            text = operation.get("summary") or operation.get("description")
            yield Operation(
                name=name,
                description=text if isinstance(text, str) else "",
                effect=_METHODS[method],
                because=f"the method {method.upper()}",
                path=path,
                parameters=parameters,
                result=_returned(operation, document),
                unclear=unclear,
                document=document,
                result_document=document,
            )


def _parameters(
    shared: Mapping[str, Any], operation: Mapping[str, Any], document: Mapping[str, Any]
) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    found: dict[tuple[str, str], Parameter] = {}
    unclear: list[str] = []
    listed = [part for each in (shared, operation) for part in _list(each.get("parameters"))[:_MAX_PARAMETERS]]
    if any(len(_list(each.get("parameters"))) > _MAX_PARAMETERS for each in (shared, operation)):
        unclear.append(f"parameters after the first {_MAX_PARAMETERS}")
    for given in listed:
        each = _resolved(given, document)
        name, place = each.get("name"), each.get("in")
        if not isinstance(name, str) or not isinstance(place, str):
            unclear.append("a parameter without a name or place")
        elif place == "body":
            body, problem = _body(each.get("schema"), document, required=each.get("required") is True)
            found |= {(part.name, "body"): part for part in body}
            unclear += problem
        else:
            schema = each.get("schema", each)
            required = place == "path" or each.get("required") is True
            found[name, place] = Parameter(name=name, schema=schema, required=required, place=place)
    if "requestBody" in operation:
        request = _resolved(operation["requestBody"], document)
        content = request.get("content")
        kind = next((each for each in _JSON_BODIES if isinstance(content, dict) and each in content), None)
        media = content.get(kind) if isinstance(content, dict) and kind is not None else None
        if isinstance(media, dict):
            body, problem = _body(media.get("schema"), document, required=request.get("required") is True)
            found |= {(part.name, "body"): part for part in body}
            unclear += problem
        else:
            unclear.append("a body that is neither JSON nor a form")
    return tuple(found.values()), tuple(unclear)


def _body(schema: Any, document: Mapping[str, Any], *, required: bool) -> tuple[list[Parameter], list[str]]:
    """The fields of a body as arguments, which is how frameworks pass them."""
    resolved = _resolved(schema, document)
    fields = resolved.get("properties")
    if not isinstance(fields, dict) or not fields:
        return [Parameter(name="body", schema=schema, required=required, place="body")], []
    needed = _list(resolved.get("required"))
    unclear = ["fields of the body beyond those that are named"] if resolved.get("additionalProperties") else []
    return [
        Parameter(name=name, schema=item, required=required and name in needed, place="body")
        for name, item in fields.items()
    ], unclear


def _returned(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """The schema of what it answers where all went well, in JSON; None if there is none."""
    answers = operation.get("responses")
    codes = [code for code in answers if str(code).startswith("2")] if isinstance(answers, dict) else []
    answer = _resolved(answers[min(codes, key=str)], document) if codes and isinstance(answers, dict) else {}
    content = answer.get("content")
    media = content.get("application/json") if isinstance(content, dict) else answer
    return media.get("schema") if isinstance(media, dict) else None


def _resolved(given: Any, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference within the document leads to; an empty object if it leads nowhere, or in a circle."""
    for _ in range(_MAX_REFS):
        if not isinstance(given, dict):
            return {}
        ref = given.get("$ref")
        if ref is None:
            return given
        node: Any = document if isinstance(ref, str) and ref.startswith("#/") else None
        for part in ref[2:].split("/") if isinstance(ref, str) else ():
            node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
        given = node
    return {}


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []
