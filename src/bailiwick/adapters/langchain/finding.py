"""In whose session an agent of LangChain asks: the one around it, under the name that `create_agent` gave it."""

from __future__ import annotations

from bailiwick.adapters.langchain.suspending import agent_name, current_config, thread_of
from bailiwick.adapters.wiring import Wiring
from bailiwick.guard.current import running_permit
from bailiwick.guard.engine import Engine
from bailiwick.guard.finding import session_for
from bailiwick.guard.session import Session

__all__ = ["WIRING", "afind_session", "find_session", "wiring_here"]

WIRING = "__bailiwick_wiring"
"""Under this key a protected graph has its wiring at hand in each of its nodes. LangGraph keeps no key that begins
like this."""


def wiring_here(engine: Engine) -> Wiring:
    """What the user's one line said for the graph, or the agent, that runs here."""
    return Wiring.around(engine, (current_config().get("configurable") or {}).get(WIRING))


def find_session(wiring: Wiring, what: str, *, agent: str = "", message: str = "") -> Session:
    """The session; `agent` is the name that the developer gave, `message` what the agent was told. Raises Denied."""
    name, outermost = _who(wiring, what, agent)
    return wiring.session(what, name, outermost=outermost, message=message)


async def afind_session(wiring: Wiring, what: str, *, agent: str = "", message: str = "") -> Session:
    """`find_session` without blocking the event loop."""
    name, outermost = _who(wiring, what, agent)
    return await wiring.asession(what, name, outermost=outermost, message=message)


def _who(wiring: Wiring, what: str, agent: str) -> tuple[str, bool]:
    """The agent's name, and whether it is the one that the session was opened for if nobody knows that name."""
    session, config = session_for(wiring.engine, what), current_config()
    inside = running_permit() is not None
    thread = thread_of(config)
    # An agent inside of a tool, or one that was delegated to, may keep a thread of its own: it is the same work.
    if thread is not None and not inside and session.above is None:
        session.rebind(thread)
    namespace = str((config.get("configurable") or {}).get("checkpoint_ns") or "")
    return agent or agent_name(config), not agent and not inside and "|" not in namespace
