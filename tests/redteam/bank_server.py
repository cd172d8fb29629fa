"""A real MCP server with a bank: `python bank_server.py FILE [KIND]` serves it over stdio. Each call is written to
FILE. With the kind `down` tools fail, with `dies` the process ends at the first payment, with `strange` no tool is one
that a catalog knows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

__all__ = ["bank"]


def bank(file: Path, kind: str = "") -> MCPServer:
    server = MCPServer("Bank")

    def note(*parts: str) -> None:
        with file.open("a", encoding="utf-8") as out:
            out.write(" ".join(parts) + "\n")
        if kind == "dies" and parts[0] == "bank.pay":
            os._exit(1)
        if kind == "down":
            raise ToolError("the bank does not answer")

    if kind != "strange":

        @server.tool()
        def inbox_read(id: str) -> dict[str, str]:  # noqa: A002
            """Read a message."""
            note("inbox.read", id)
            return {"id": id, "text": "Hello."}

        @server.tool()
        def bank_pay(iban: str, amount: str) -> str:
            """Pay."""
            note("bank.pay", iban, amount)
            return "paid"

    @server.tool()
    def moon_phase() -> str:
        """Nothing that a catalog knows."""
        note("moon.phase")
        return "full"

    return server


if __name__ == "__main__":
    bank(Path(sys.argv[1]), *sys.argv[2:]).run()
