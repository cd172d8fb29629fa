"""Pydantic AI: a capability, and the seal below it.

    agent = Agent(model, tools=[...], capabilities=[guard.pydantic_ai()])
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        await agent.run(text)

- `calls`: tool calls and output functions are decided where all hooks have had their say, and run with the decided
  arguments.
- `capability`: model calls, whose session an agent works in, the conversation.
- `covered`: what the guard reaches.
"""

from bailiwick.adapters.pydantic_ai.calls import FRAMEWORK, sealed_methods
from bailiwick.adapters.pydantic_ai.capability import GuardCapability
from bailiwick.adapters.pydantic_ai.reach import covered

__all__ = ["FRAMEWORK", "GuardCapability", "covered", "sealed_methods"]
