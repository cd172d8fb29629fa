"""AutoGen AgentChat: an agent or a team under the guard.

    team = guard.autogen(RoundRobinGroupChat([writer, sender], max_turns=4), agents={"writer": "desk-writer"})
    with guard.session(user="alice", agent="desk-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        await team.run(task=text)

- A tool call is decided as the tool will get it, and what AutoGen hears of it (events, streams, logs, traces, the
  agent's state) is what may be seen of it.
- Every agent acts under its own name, below the one that the session was opened for. A handoff is a delegation.
- INVARIANT: nothing of ours raises where a tool is called: AutoGen would wait for ever. A denial is a tool's error.
"""

from __future__ import annotations

from bailiwick.adapters.autogen.covering import covered
from bailiwick.adapters.autogen.protecting import protect
from bailiwick.adapters.autogen.seals import FRAMEWORK, sealed_methods

__all__ = ["FRAMEWORK", "covered", "protect", "sealed_methods"]
