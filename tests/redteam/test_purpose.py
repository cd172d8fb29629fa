"""A trial is no easier than the deployment that it stands for."""

from __future__ import annotations

from pathlib import Path

from bailiwick import Guard
from bailiwick.redteam.world import PURPOSE, Task
from examples.worlds.common import call
from tests.redteam.mailroom import ANY, deployment


def test_the_purpose_of_a_trial_says_nothing_of_its_task() -> None:
    task = Task(id="pay-one-invoice", user="ann", agent="desk", prompt="Hello.", calls=())
    assert task.purpose == PURPOSE
    assert Task(id="x", user="ann", agent="desk", prompt="", calls=(), named_task="audit").purpose == "audit"


def test_what_an_honest_sub_agent_tells_has_the_label_of_what_it_read(tmp_path: Path) -> None:
    deployment(tmp_path, ANY)
    with Guard.open(tmp_path) as guard, guard.session(user="alice", agent="bot", task=PURPOSE) as session:
        session.prompt("Have the helper read ticket T-4711.")
        helper = session.delegate("helper", message="Read ticket T-4711")
        found = {"id": "T-4711", "text": "Where is my parcel?"}
        helper.call("ticket.read", {"id": "T-4711"}, lambda **_: found)
        helper.model_output(str(found))
        session.message("helper", str(found))
        told = session.label
        assert (told.sensitivity, told.readers.everyone, told.tainted) == (1, True, True)
        session.message("helper", "What it never said.")
        assert session.label.readers.nobody


def test_an_argument_of_a_tool_may_be_called_message() -> None:
    assert call("chat.post", message="Hi").args == {"message": "Hi"}
    told = call("chat.post", by="scout", message="Post it", text="Hi")
    assert (told.by, told.message, told.args) == ("scout", "Post it", {"text": "Hi"})
