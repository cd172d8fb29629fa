"""The Claude Agent SDK: the tools of a Claude Code program under the guard, through its hooks.

    options = guard.claude_agent_sdk(ClaudeAgentOptions(mcp_servers={"desk": server}, tools=["Bash"]))
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        async for message in query(prompt=text, options=options): ...

Claude Code is a program of its own: it calls the model and runs its own tools, and asks our hooks before and after.

- A tool of its own (`Bash`, `Read` ...) or of an MCP server elsewhere is decided before it runs, with the arguments
  that it then gets; of a result that is redacted the model is shown what is left. INVARIANT: a hook that fails blocks.
- A tool of a server in this process (`create_sdk_mcp_server`) is decided where it runs, by the seal of `SdkMcpTool`, so
  nothing that is redacted leaves this process.
- A sub-agent acts under the name of its type, through its caller.
- The model's calls are not seen. Each text that it is given next (a prompt, a result) is decided as a model call.
- The session is the one in which the client connects.
"""

from __future__ import annotations

from bailiwick.adapters.claude_agent_sdk.protecting import covered, protect, sealed_methods

__all__ = ["covered", "protect", "sealed_methods"]
