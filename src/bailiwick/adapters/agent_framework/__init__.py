"""Microsoft Agent Framework: the guard as middleware of an agent, and a seal in the class of its tools.

    agent = Agent(client, tools=[...], name="desk-bot", middleware=guard.agent_framework(instructions=PROMPT))
    with guard.session(user="alice", agent="desk-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        await agent.run(text)

- The decision is made in the tool itself (`FunctionTool`), below every middleware: on the very arguments that the
  function gets, and before any trace or middleware sees what it returned.
- The middleware says which agent asks, turns a refusal into what the model reads, and a call that waits for a person
  into the framework's own request for approval. An answer to that is a wake-up: the call is decided again.
"""

from __future__ import annotations

from bailiwick.adapters.agent_framework.calls import FRAMEWORK, sealed_methods
from bailiwick.adapters.agent_framework.covering import covered
from bailiwick.adapters.agent_framework.middleware import middleware

__all__ = ["FRAMEWORK", "covered", "middleware", "sealed_methods"]
