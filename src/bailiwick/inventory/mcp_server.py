"""The tools of an MCP server, asked through the SDK (extra `mcp`). A command is started for it, and ended after.

What a server says of itself is not believed: its annotations are hints (as the specification calls them), and a hint
that says less than the tool's name does is overruled."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import AsyncExitStack
from typing import Any

from bailiwick.errors import BailiwickError, MissingExtra, UsageError
from bailiwick.inventory.operations import MAX_OPERATIONS, Operation, Parameter
from bailiwick.model.tool import Effect

__all__ = ["read_mcp"]

_TIMEOUT_S = 30


def read_mcp(server: str) -> tuple[str, tuple[Operation, ...]]:
    """(the server's name, its tools). `server` is a URL (streamable HTTP) or a command line (stdio).

    Raises UsageError if it does not answer as a server does, MissingExtra if the SDK is not installed."""
    try:
        name, tools = asyncio.run(_asked(server))
    except (TimeoutError, OSError, ExceptionGroup) as error:
        inner = _first(error)
        if isinstance(inner, BailiwickError):
            raise inner from error
        late = isinstance(inner, TimeoutError)
        how = (
            f"did not answer in {_TIMEOUT_S} seconds"
            if late
            else f"cannot be used: {type(inner).__name__}: {inner!s:.200}"
        )
        raise UsageError(f"the MCP server {how}", hint=_HINT) from error
    return name, tuple(_operation(each) for each in tools)


_HINT = "try the command or the URL by itself; a command is given as one argument, in quotes"


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def _asked(server: str) -> tuple[str, list[dict[str, Any]]]:
    try:
        from mcp import ClientSession, MCPError, StdioServerParameters
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client
        from mcp.types import PaginatedRequestParams
    except ImportError as error:
        raise MissingExtra(feature="bailiwick init --from-mcp", extra="mcp") from error
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(_TIMEOUT_S))
        if server.lower().startswith(("http://", "https://")):
            streams = await stack.enter_async_context(streamable_http_client(server))
        else:
            command, *rest = _split(server)
            streams = await stack.enter_async_context(stdio_client(StdioServerParameters(command=command, args=rest)))
        session = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
        try:
            begun = await session.initialize()
            tools: list[dict[str, Any]] = []
            cursor: str | None = None
            while len(tools) <= MAX_OPERATIONS:
                page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
                tools += (each.model_dump(mode="json", by_alias=True) for each in page.tools)
                cursor = page.next_cursor
                if cursor is None or not page.tools:
                    break
        except MCPError as error:
            raise UsageError(f"the MCP server refused: {error!s:.200}", hint=_HINT) from error
        return begun.server_info.name, tools


def _split(command: str) -> list[str]:
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{command!r:.100} is no command: {error}", hint=_HINT) from error
    if not parts:
        raise UsageError("the command is empty", hint=_HINT)
    return parts


def _operation(tool: dict[str, Any]) -> Operation:
    schema = tool.get("inputSchema")
    schema = schema if isinstance(schema, dict) else {}
    fields, required = schema.get("properties"), schema.get("required")
    needed = required if isinstance(required, list) else []
    named = fields if isinstance(fields, dict) else {}
    effect, because = _hinted(tool.get("annotations"))
    unclear = ("arguments beyond those that are named",) if schema.get("additionalProperties") is True else ()
    return Operation(
        name=str(tool.get("name", "")),
        description=str(tool.get("description") or tool.get("title") or ""),
        effect=effect,
        because=because,
        parameters=tuple(Parameter(name=name, schema=item, required=name in needed) for name, item in named.items()),
        unclear=unclear,
        document=schema,
    )


def _hinted(annotations: object) -> tuple[Effect | None, str]:
    hints = annotations if isinstance(annotations, dict) else {}
    if hints.get("readOnlyHint") is True:
        return Effect.READ, "the server's own hint readOnlyHint, which nobody has verified"
    if hints.get("destructiveHint") is True:
        return Effect.DELETE, "the server's own hint destructiveHint"
    return None, ""
