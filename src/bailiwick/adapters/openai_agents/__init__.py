"""The OpenAI Agents SDK: `guard.openai_agents(agent)`.

    agent = guard.openai_agents(agent, instructions=PROMPT)
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        result = Runner.run_sync(agent, text)

The SDK copies its tools, makes those of MCP servers anew for each turn, and runs agents inside of tools from closures
that nobody can reach. So nothing is put into the agent, which stays as it is: the guard stands in the SDK's own classes
(`seal`), where every run of every agent comes through.
"""

from bailiwick.adapters.openai_agents.covering import covered
from bailiwick.adapters.openai_agents.protecting import protect

__all__ = ["covered", "protect"]
