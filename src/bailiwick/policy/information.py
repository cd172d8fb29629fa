"""The policy information point: facts that rules read and that live elsewhere. DESIGN §5, XACML's PIP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bailiwick.model.circumstances import FactDecl, FactReading
from bailiwick.model.principal import EntityRef

__all__ = ["FactQuestion", "FactSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactQuestion:
    """What is the fact, of whom or what? `about` is None for a fact of no one in particular."""

    fact: FactDecl
    about: EntityRef | None


class FactSource(Protocol):
    """Where facts come from."""

    def read(self, question: FactQuestion) -> FactReading:
        """The value, and when it was read: now, or at most `fact.max_age_ms` ago. Raises FactUnavailable if it cannot
        be had within `fact.timeout_ms`; the caller denies."""
