"""LlamaIndex: agents, tools and models under the guard; `retriever` is for what an index finds.

    agent = guard.llama_index(FunctionAgent(tools=[...], llm=llm, system_prompt=PROMPT), instructions=PROMPT)
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        session.prompt(text)
        await agent.run(text)

LlamaIndex has no hook that could stop a tool, so what decides is the seal: the classes of tools, agents and models
themselves. It holds for every agent of the process, and for tools that are called directly.

- A tool call is decided as the tool will get it, and denied as a tool error that the model reads; the run goes on.
- Of a result that is hidden or redacted, `ToolCallResult` events, the memory and the context hold what is left of it.
- A hand-off is a delegation: a denied one leaves the conversation where it is. Every agent acts under its own name.
- Everything that the model reads is compared with what the session knows; the unknown taints it.
"""

from __future__ import annotations

from bailiwick.adapters.llama_index.protecting import covered, protect, sealed_methods

__all__ = ["covered", "protect", "sealed_methods"]
