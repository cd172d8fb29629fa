"""smolagents: agents whose tools, code and models run under the guard.

    agent = guard.smolagents(ToolCallingAgent(tools=[...], model=model), instructions=...)
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        agent.run(text)

smolagents has no hook that could stop a tool, so what decides is the seal: the classes of tools, agents, executors and
models themselves. It holds for every agent of the process, and for tools that are called directly.

- A ToolCallingAgent reads a denial as the tool's observation; code of a CodeAgent gets a PermissionError.
- Each piece of code that a CodeAgent runs is a call of `python_interpreter` with the argument `code`; what it calls
  inside are calls of their own. INVARIANT: what code does beside calling tools is judged by that one decision alone.
- A managed agent acts under its own name, through its caller.
- Everything that the model reads is compared with what the session knows; the unknown taints it.
"""

from __future__ import annotations

from bailiwick.adapters.smolagents.protecting import covered, protect, sealed_methods

__all__ = ["covered", "protect", "sealed_methods"]
