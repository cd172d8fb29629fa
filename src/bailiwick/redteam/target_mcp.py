"""An MCP endpoint as the target: its tools are listed, matched with the catalog, and called for real, each under a
permit of a governed session (extra `mcp`).

Its state is its own: nothing there is made anew between trials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bailiwick.errors import UsageError
from bailiwick.inventory.mcp_server import mcp_client
from bailiwick.project import Guard
from bailiwick.redteam.agent import guarded
from bailiwick.redteam.pack_world import PackTrial
from bailiwick.redteam.real import Offer, Through, ToolFailed
from bailiwick.redteam.results import TrialRun
from bailiwick.redteam.world import Moment, Task, Trial

__all__ = ["McpTarget", "connected"]

_SECONDS = 30


class McpTarget:
    """A server that is connected. `tools` are the names that it gives its tools."""

    def __init__(self, portal: Any, client: Any, tools: Sequence[str]) -> None:
        self._portal, self._client, self.tools = portal, client, tuple(tools)
        self.offer = Offer({}, ())

    def drive(self, guard: Guard, task: Task, trial: Trial, moment: Moment | None, opening: str | None) -> TrialRun:
        """One guarded trial whose tools are those of the server."""
        assert isinstance(trial, PackTrial)
        return guarded(guard, task, Through(trial, self._call, self.offer), moment, opening)

    def _call(self, name: str, args: Mapping[str, object]) -> object:
        from anyio import BrokenResourceError, ClosedResourceError  # an optional dependency, as is the next one
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED

        try:
            told = self._portal.call(self._asked, name, dict(args))
        except MCPError as error:
            if error.error.code != CONNECTION_CLOSED:
                raise ToolFailed(str(error)) from error
            raise _gone(error) from error
        except (OSError, RuntimeError, BrokenResourceError, ClosedResourceError) as error:
            raise _gone(error) from error
        return _value(told)

    async def _asked(self, name: str, args: dict[str, object]) -> Any:
        return await self._client.call_tool(name, args, read_timeout_seconds=_SECONDS)


def _gone(error: Exception) -> UsageError:
    return UsageError(f"the MCP server is gone: {type(error).__name__}: {error!s:.200}", hint="see what it logs")


def _value(told: Any) -> object:
    """What a tool answered: its structured content, or else its texts. Raises ToolFailed if it says that it failed."""
    content = getattr(told, "content", None)
    if content is None:
        raise ToolFailed("it wants something of a person, which nobody answers here")
    text = "\n".join(str(getattr(block, "text", "")) for block in content if getattr(block, "type", "") == "text")
    if told.is_error:
        raise ToolFailed(text or "it failed")
    made = told.structured_content
    if made is None:
        return text
    # The SDK wraps what is no object in one with this only key.
    return made["result"] if isinstance(made, dict) and made.keys() == {"result"} else made


@contextmanager
def connected(server: str) -> Iterator[McpTarget]:
    """Start or reach a server (a command line, or a URL of streamable HTTP) for as long as the block runs. Raises
    UsageError if it does not answer, MissingExtra if the SDK is not installed."""
    with mcp_client(server) as (portal, client, tools):
        yield McpTarget(portal, client, tools)
