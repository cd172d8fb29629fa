"""Strands Agents: hooks, and the seal below them.

    agent = Agent(model=..., tools=[...], hooks=[guard.strands()])
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        agent(text)

- `calls`: every tool's `stream`, where all hooks and middleware have had their say and nothing has seen the result.
- `models`: what the model reads and writes.
- `hooks`: the conversation, and a refusal of all that where the seal does not hold.
- `covered`: what the guard reaches.
"""

from bailiwick.adapters.strands.calls import FRAMEWORK
from bailiwick.adapters.strands.hooks import GuardHooks
from bailiwick.adapters.strands.reach import covered
from bailiwick.adapters.strands.seal import sealed_methods

__all__ = ["FRAMEWORK", "GuardHooks", "covered", "sealed_methods"]
