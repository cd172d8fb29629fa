"""Every exception that bailiwick raises, under one root.

Each carries what happened (`str(error)`), where it happened if that is known (`.where`), and what the person who sees
it can do (`.hint`). Denial inside the guard is a value (`bailiwick.model.decision`); only the public edge turns it into
`Denied` or `ApprovalPending`.

    BailiwickError
    ├── ProjectError            the project folder cannot be used: one or more findings, each with file and line
    ├── UsageError              a public function was called in a way that cannot work
    ├── MissingExtra            an optional dependency is not installed
    ├── StoreError              a state store or log failed, is full, or is held by somebody else
    │   └── LogUnavailable      the audit log cannot take a record: effects are denied
    │       ├── ParentUnavailable   no log can be begun or continued: their parent log cannot take a record
    │       └── Unwitnessed         too few witnesses cosigned what is on record: effects are denied until they do
    ├── DidNotRun               for tools to raise: nothing happened, so the call may be made again
    ├── EffectorFailed          an effector began what it was to do, and did not finish
    ├── CanonicalError          a value has no canonical encoding
    ├── NoteError               a text is no signed note or checkpoint, or a key of one is none
    ├── BundleError             a file is no bundle, or there can be none of these files
    ├── WebhookRefused          a message is not one that bailiwick sent just now to whoever holds the secret
    ├── FactUnavailable         a fact that a rule reads could not be had
    └── Refused                 a governed call did not run
        ├── Denied
        ├── ApprovalPending
        └── OutcomeUnrecorded   the tool ran, but its outcome could not be recorded: the result is withheld
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bailiwick.model.decision import Decision
    from bailiwick.model.event import Receipt

__all__ = [
    "ApprovalPending",
    "BailiwickError",
    "BundleError",
    "CanonicalError",
    "Denied",
    "DidNotRun",
    "EffectorFailed",
    "FactUnavailable",
    "Finding",
    "LogUnavailable",
    "MissingExtra",
    "NoteError",
    "OutcomeUnrecorded",
    "ParentUnavailable",
    "ProjectError",
    "Refused",
    "Severity",
    "StoreError",
    "Unwitnessed",
    "UsageError",
    "WebhookRefused",
    "Where",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A place in a file that a person wrote. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Severity(StrEnum):
    """How grave a finding is. The values are also the levels of SARIF."""

    ERROR = "error"
    """It keeps the project from loading."""

    WARNING = "warning"
    """It loads, and is hardly what its author meant."""

    NOTE = "note"
    """It loads, and may well be meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong (or doubtful) in a project folder. `rule` is a stable kebab-case id."""

    rule: str
    message: str
    where: Where
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.where}: {self.message} [{self.rule}]"


class BailiwickError(Exception):
    """Root of all exceptions of bailiwick."""

    def __init__(self, message: str, *, hint: str = "", where: Where | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.where = where
        if hint and hint not in message:
            # What a developer sees in a traceback; `str(error)` stays one sentence, which the model may read.
            self.add_note(f"what to do: {hint}")

    def __reduce__(self) -> tuple[object, ...]:
        # What an exception is made of by itself are its positional arguments, and these take named ones.
        return _brought_back, (type(self), self.args, dict(self.__dict__))


def _brought_back(cls: type[BailiwickError], args: tuple[object, ...], state: dict[str, object]) -> BailiwickError:
    """An exception as another process had it."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class ProjectError(BailiwickError):
    """The project folder cannot be used as it is. `findings` holds every error that was found, not only the first."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        first = self.findings[0]
        more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
        super().__init__(f"{first}{more}", hint=first.hint, where=first.where)


class UsageError(BailiwickError):
    """A public function was called in a way that cannot work."""


class MissingExtra(BailiwickError):
    """An optional dependency is needed and not installed."""

    def __init__(self, *, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra '{extra}'",
            hint=f'install it, in the checkout of bailiwick: pip install ".[{extra}]"',
        )
        self.extra = extra


class StoreError(BailiwickError):
    """A store failed, is full, or is held by another process."""


class LogUnavailable(StoreError):
    """The audit log could not take a record."""


class ParentUnavailable(LogUnavailable):
    """The parent log could not take a record, so no log is begun or continued."""


class Unwitnessed(LogUnavailable):
    """The quorum of witnesses was not reached, for this record or for older ones."""


class CanonicalError(BailiwickError):
    """A value has no canonical encoding (a float, NaN, a lone surrogate, too large, too deep ...)."""


class NoteError(BailiwickError):
    """A text is no signed note or checkpoint, a key is none of a note, or a signature of a known key is not true."""


class DidNotRun(BailiwickError):
    """For tools to raise: the call had no effect, so making it again does no harm. Without it, an exception of a tool
    with `idempotency = "none"` leaves the call in doubt."""


class EffectorFailed(BailiwickError):
    """An effector began what a tool asked for, and could not or must not finish. It may have had its effect."""


class BundleError(BailiwickError):
    """A file is no bundle, or there can be no bundle of these files."""


class WebhookRefused(BailiwickError):
    """A message is not one that bailiwick sent just now to whoever holds the secret. Do nothing with it."""


class FactUnavailable(BailiwickError):
    """A fact that a rule reads could not be had: no provider, too slow, failed, or of the wrong type."""


class Refused(BailiwickError):
    """A governed call did not run, or its result is withheld. `.decision` holds the reasons; `.receipt` says where in
    the log the decision stands, None if it could not be recorded."""

    def __init__(
        self, message: str, *, decision: Decision, event_id: str, hint: str = "", receipt: Receipt | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.decision = decision
        self.event_id = event_id
        self.receipt = receipt


class Denied(Refused):
    """The call was denied. `str(error)` is one sentence that may be shown to the model."""


class ApprovalPending(Refused):
    """The call needs a person's approval; make the same call again once `approval_id` is granted."""

    def __init__(
        self,
        message: str,
        *,
        decision: Decision,
        event_id: str,
        approval_id: str,
        hint: str = "",
        receipt: Receipt | None = None,
    ) -> None:
        super().__init__(message, decision=decision, event_id=event_id, hint=hint, receipt=receipt)
        self.approval_id = approval_id


class OutcomeUnrecorded(Refused):
    """The tool ran, but its outcome or the label of its result could not be stored; the result is withheld."""
