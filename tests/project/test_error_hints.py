"""An error that nobody catches says in its traceback what to do, and says it once."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from bailiwick import Denied, Guard
from bailiwick.errors import BailiwickError, UsageError
from tests.worlds import AGENT, make_world


def printed(error: BailiwickError) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("who", "meant"),
    [
        ({"user": "alcie", "agent": AGENT}, "Did you mean 'alice'?"),
        ({"user": "alice", "agent": "desk-bto"}, "Did you mean 'desk-bot'?"),
        ({"user": "alice", "agent": AGENT, "task": "read-page"}, "Did you mean 'read-pages'?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(
    tmp_path: Path, who: dict[str, str], meant: str
) -> None:
    user, agent, task = who["user"], who["agent"], who.get("task", "Some work")
    with Guard.open(make_world(tmp_path)) as guard, pytest.raises(Denied) as refused:
        guard.session(user=user, agent=agent, task=task, conversation="c").__enter__()
    assert meant in printed(refused.value)
    assert meant not in str(refused.value), "one sentence"


def test_a_hint_is_not_said_twice() -> None:
    error = UsageError("There is no such thing. Look again.", hint="Look again.")
    assert printed(error).count("Look again.") == 1
    assert printed(UsageError("no", hint="Look.")).count("Look.") == 1
    assert "what to do" not in printed(UsageError("no"))
