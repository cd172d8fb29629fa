"""What an entry of the rulebook is."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.errors import Severity

__all__ = ["Lint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """One kind of finding. `title` is a line without a full stop, `why` and `mend` are sentences: what comes of it, and
    what to do."""

    id: str
    title: str
    why: str
    mend: str
    severity: Severity = Severity.ERROR
