"""A framework's harness in new processes: `python -m tests.frameworks.worker FRAMEWORK`, orders on stdin, one a line.

    {"do": "run" | "resume", "project": ..., "kept": ..., "effects": ..., "agent": ..., "conversation": ..., ...}

It forks for each order, so that the framework is imported once. The child opens the project anew, with a session of the
conversation that the order names, and prints what came of it.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

from tests.frameworks.desk import Desk
from tests.frameworks.frameworks import harness_class
from tests.frameworks.harness import Agent, Ask, HostedTool, Mode, NotSupported, Ran, Say

__all__ = ["agent_from", "agent_order", "in_new_process"]

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120


def agent_order(agent: Agent) -> dict[str, Any]:
    """An agent as another process can make it: tools by name."""
    return {
        "name": agent.name,
        "script": [
            {"say": step.text}
            if isinstance(step, Say)
            else {"ask": [[name, dict(args)] for name, args in step.calls], "text": step.text}
            for step in agent.script
        ],
        "tools": [tool.__name__ for tool in agent.tools],
        "as_tools": list(map(agent_order, agent.as_tools)),
        "hands_to": list(map(agent_order, agent.hands_to)),
        "hosted": [tool.kind for tool in agent.hosted],
        "instructions": agent.instructions,
        "guarded": agent.guarded,
    }


def agent_from(order: dict[str, Any], desk: Desk) -> Agent:
    """What `agent_order` wrote."""
    return Agent(
        name=order["name"],
        script=tuple(
            Say(step["say"]) if "say" in step else Ask(tuple((name, args) for name, args in step["ask"]), step["text"])
            for step in order["script"]
        ),
        tools=desk.pick(*order["tools"]),
        as_tools=tuple(agent_from(each, desk) for each in order["as_tools"]),
        hands_to=tuple(agent_from(each, desk) for each in order["hands_to"]),
        hosted=tuple(HostedTool(kind=kind) for kind in order["hosted"]),
        instructions=order["instructions"],
        guarded=order["guarded"],
    )


def in_new_process(framework: str, desk: Desk, do: str, agent: Agent, *, thread: str, **more: Any) -> Ran:
    """Do it in another process, in a session of `conversation`: `run` with a prompt that the session hears, or `resume`
    with a state. Raises NotSupported as the harness there does."""
    desk.close()
    order = {
        "do": do,
        "project": str(desk.folder),
        "kept": str(desk.kept),
        "effects": str(desk.effects),
        "agent": agent_order(agent),
        "thread": thread,
        **more,
    }
    told = _worker(framework).obey(order)
    if "lacks" in told:
        raise NotSupported(told["lacks"])
    assert "failed" not in told, told["failed"]
    error = RuntimeError(told["error"]) if told["error"] else None
    return Ran(
        told=tuple(told["told"]),
        final=told["final"],
        offered=tuple(told["offered"]),
        seen=tuple(told["seen"]),
        suspended=told["suspended"],
        state=told["state"],
        error=error,
        model_calls=told["model_calls"],
    )


class _Worker:
    """A process that has imported the framework and done nothing else, and forks one for each order."""

    def __init__(self, framework: str) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.frameworks.worker", framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
        )
        atexit.register(self._end)

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """What came of an order. A worker that is silent for long is ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        assert line, f"the worker is gone: {self._said()}"
        told: dict[str, Any] = json.loads(line)
        return told

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-4000:]

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


@functools.cache
def _worker(framework: str) -> _Worker:
    return _Worker(framework)


def _obey(framework: str, order: dict[str, Any]) -> Ran:
    desk = Desk(Path(order["project"]), Path(order["kept"]), Path(order["effects"]))
    agent, prompt = agent_from(order["agent"], desk), order.get("prompt", "")
    try:
        harness = harness_class(framework)(guard=desk.guard, folder=desk.kept)
        with desk.session(prompt=prompt, conversation=order["conversation"]):
            if order["do"] == "resume":
                return harness.resume(agent, order["state"], thread=order["thread"])
            return harness.run(agent, prompt, thread=order["thread"], mode=Mode(order.get("mode", "sync")))
    finally:
        desk.close()


def _told(framework: str, order: dict[str, Any]) -> dict[str, Any]:
    """What came of an order, as it is printed."""
    try:
        ran = _obey(framework, order)
    except NotSupported as lacks:
        return {"lacks": str(lacks)}
    except Exception:
        return {"failed": traceback.format_exc()}
    return {
        "told": ran.told,
        "final": ran.final,
        "offered": ran.offered,
        "seen": ran.seen,
        "suspended": ran.suspended,
        "state": ran.state,
        "error": repr(ran.error) if ran.error is not None else "",
        "model_calls": ran.model_calls,
    }


def main() -> None:
    """Obey orders, each in a child of its own: what one did is unknown to the next."""
    framework = sys.argv[1]
    harness_class(framework)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a framework prints
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                print(json.dumps(_told(framework, json.loads(line))), file=out, flush=True)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps({"failed": f"the process ended with {status}"}), file=out, flush=True)


if __name__ == "__main__":
    main()
