"""CrewAI: crews, agents and flows, sealed where their tools run.

    crew = guard.crewai(Crew(agents=[...], tasks=[...]), agents={"Senior researcher": "researcher"})
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        crew.kickoff(inputs={"ticket": text})

- CrewAI's hooks fail open and can be cleared by any code, so the adapter and the seal are one: methods of CrewAI's own
  classes, for the whole process. A tool is decided wherever it runs: by an agent, natively called or from a text, by a
  model call, by a flow, directly.
- A denial is a failure that the tool reports; the model reads why, and the run goes on.
- Each agent acts under its own name: its role, or what `agents` calls it in the directory. Work handed to a coworker is
  an `agent.delegate` decision.
- CrewAI's tool cache is off while the seal holds.
"""

from __future__ import annotations

from bailiwick.adapters.crewai.covering import covered
from bailiwick.adapters.crewai.protecting import Protectable, protect
from bailiwick.adapters.crewai.seal import methods

__all__ = ["Protectable", "covered", "methods", "protect"]
