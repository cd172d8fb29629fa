"""A real MCP server over stdio: `python mcp_desk.py FILE` writes each run of its tool into the file."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server import MCPServer

server = MCPServer("desk")


@server.tool()
def read_page(id: str, limit: int = 7) -> str:  # noqa: A002  as the catalog calls it
    """Read a page."""
    with Path(sys.argv[1]).open("a", encoding="utf-8") as runs:
        runs.write(f"{id} {limit}\n")
    return f"page {id}: ann@customer.example"


if __name__ == "__main__":
    server.run("stdio")
