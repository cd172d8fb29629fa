"""Exceptions: what one says survives its way from a worker process."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from bailiwick import errors
from bailiwick.errors import BailiwickError, Finding, MissingExtra, ProjectError, Refused, Where
from bailiwick.model.decision import Decision, Outcome, Plane, Reason

WHERE = Where(file="tools/mail.toml", line=3)
DECISION = Decision(
    outcome=Outcome.DENY,
    reasons=(Reason(plane=Plane.ACTION, code="unknown-tool", message="There is no such tool.", hint="Use another."),),
    tool="mail.send",
)


def every() -> Iterator[BailiwickError]:
    for name in errors.__all__:
        cls = getattr(errors, name)
        if not (isinstance(cls, type) and issubclass(cls, BailiwickError)):
            continue
        if issubclass(cls, ProjectError):
            yield cls((Finding(rule="bad", message="Bad.", where=WHERE, hint="Mend it."),))
        elif issubclass(cls, MissingExtra):
            yield cls(feature="the console", extra="server")
        elif issubclass(cls, errors.ApprovalPending):
            yield cls("Ask.", decision=DECISION, event_id="e1", approval_id="a1", hint="Wait.")
        elif issubclass(cls, Refused):
            yield cls("No.", decision=DECISION, event_id="e1", hint="Do without.")
        else:
            yield cls("Broken.", hint="Mend it.", where=WHERE)


@pytest.mark.parametrize("error", tuple(every()), ids=lambda error: type(error).__name__)
def test_an_exception_says_the_same_in_another_process(error: BailiwickError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args, again.__dict__) == (str(error), error.args, error.__dict__)
    assert again.__notes__ == error.__notes__
    assert (again.hint, again.where) == (error.hint, error.where)
