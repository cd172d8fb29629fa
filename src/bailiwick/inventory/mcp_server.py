"""The tools of an MCP server, asked through the SDK (extra `mcp`). A command is started for it, and ended after.

What a server says of itself is not believed: its annotations are hints (as the specification calls them), and a hint
that says less than the tool's name does is overruled."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from bailiwick.errors import BailiwickError, MissingExtra, UsageError
from bailiwick.inventory.operations import MAX_OPERATIONS, Operation, Parameter
from bailiwick.model.tool import Effect

__all__ = ["mcp_client", "read_mcp"]

_TIMEOUT_S = 30


def read_mcp(server: str) -> tuple[str, tuple[Operation, ...]]:
    """(the server's name, its tools). `server` is a URL (streamable HTTP) or a command line (stdio).

    Raises UsageError if it does not answer as a server does, MissingExtra if the SDK is not installed."""
    with _said():
        name, tools = asyncio.run(_asked(server))
    return name, tuple(_operation(each) for each in tools)


@contextmanager
def mcp_client(server: str) -> Iterator[tuple[Any, Any, tuple[str, ...]]]:
    """(a portal into the loop that the client runs in, the SDK's client session, the names of the server's tools), as
    long as the block runs. Raises as `read_mcp`, but for what the block raises."""
    try:
        from anyio.from_thread import start_blocking_portal  # comes with the SDK
    except ImportError as error:
        raise MissingExtra(feature="an MCP server", extra="mcp") from error
    with start_blocking_portal() as portal:
        held = portal.wrap_async_context_manager(_listed(server))
        with _said():
            client, names = held.__enter__()
        try:
            yield portal, client, names
        finally:
            # An exception of the block is none of the client's, which would wrap it.
            with _said():
                held.__exit__(None, None, None)


async def _tools(client: Any) -> list[dict[str, Any]]:
    """All tools of a server, as it describes them. Raises UsageError if it refuses."""
    from mcp import MCPError
    from mcp.types import PaginatedRequestParams

    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(tools) <= MAX_OPERATIONS:
        try:
            page = await client.list_tools(params=PaginatedRequestParams(cursor=cursor))
        except MCPError as error:
            raise UsageError(f"the MCP server refused: {error!s:.200}", hint=_HINT) from error
        tools += (each.model_dump(mode="json", by_alias=True) for each in page.tools)
        cursor = page.next_cursor
        if cursor is None or not page.tools:
            break
    return tools


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong with a server is said as UsageError."""
    try:
        yield
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


_HINT = "try the command or the URL by itself; a command is given as one argument, in quotes"


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def _asked(server: str) -> tuple[str, list[dict[str, Any]]]:
    async with asyncio.timeout(_TIMEOUT_S), _begun(server) as (client, begun):
        return begun.server_info.name, await _tools(client)


@asynccontextmanager
async def _listed(server: str) -> AsyncIterator[tuple[Any, tuple[str, ...]]]:
    async with _begun(server) as (client, _):
        async with asyncio.timeout(_TIMEOUT_S):
            names = tuple(str(tool.get("name", "")) for tool in await _tools(client))
        yield client, names


@asynccontextmanager
async def _begun(server: str) -> AsyncIterator[tuple[Any, Any]]:
    """(the client, what the server said of itself). Getting there has its time; what is done with it has none."""
    try:
        from mcp import ClientSession, MCPError, StdioServerParameters
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client
    except ImportError as error:
        raise MissingExtra(feature="an MCP server", extra="mcp") from error
    async with AsyncExitStack() as stack:
        limit = await stack.enter_async_context(asyncio.timeout(_TIMEOUT_S))
        if server.lower().startswith(("http://", "https://")):
            streams = await stack.enter_async_context(streamable_http_client(server))
        else:
            command, *rest = _split(server)
            streams = await stack.enter_async_context(stdio_client(StdioServerParameters(command=command, args=rest)))
        client = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
        try:
            begun = await client.initialize()
        except MCPError as error:
            raise UsageError(f"the MCP server refused: {error!s:.200}", hint=_HINT) from error
        limit.reschedule(None)
        yield client, begun


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
    returned = tool.get("outputSchema")
    effect, because = _hinted(tool.get("annotations"))
    unclear = ("arguments beyond those that are named",) if schema.get("additionalProperties") is True else ()
    return Operation(
        name=str(tool.get("name", "")),
        description=str(tool.get("description") or tool.get("title") or ""),
        effect=effect,
        because=because,
        parameters=tuple(Parameter(name=name, schema=item, required=name in needed) for name, item in named.items()),
        result=returned,
        unclear=unclear,
        document=schema,
        result_document=returned if isinstance(returned, dict) else {},
    )


def _hinted(annotations: object) -> tuple[Effect | None, str]:
    hints = annotations if isinstance(annotations, dict) else {}
    if hints.get("readOnlyHint") is True:
        return Effect.READ, "the server's own hint readOnlyHint, which nobody has verified"
    if hints.get("destructiveHint") is True:
        return Effect.DELETE, "the server's own hint destructiveHint"
    return None, ""
