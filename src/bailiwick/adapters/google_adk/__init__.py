"""Google ADK: a plugin, and the seal below it.

    app = App(name="desk", root_agent=agent, plugins=[guard.google_adk()])
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        async for event in Runner(app=app, session_service=...).run_async(...): ...

- `calls`: every tool's `run_async`, where all callbacks have had their say and nothing has seen the result.
- `models`: what the model reads, writes and is offered.
- `plugin`: the conversation, and a refusal of all that where the seal does not hold.
- `covered`: what the guard reaches.
"""

from bailiwick.adapters.google_adk.calls import FRAMEWORK
from bailiwick.adapters.google_adk.plugin import GuardPlugin
from bailiwick.adapters.google_adk.reach import covered
from bailiwick.adapters.google_adk.seal import sealed_methods

__all__ = ["FRAMEWORK", "GuardPlugin", "covered", "sealed_methods"]
