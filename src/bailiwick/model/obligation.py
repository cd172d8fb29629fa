"""What a permit asks to be done to the result of a call before anybody sees it. DESIGN §5 *Flow*, release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["NO_OBLIGATIONS", "Obligations", "Released"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """`redact` and `mask` are categories of identifiers: those of the first are replaced by their kind, of those of the
    second only the last four characters stay. `drop` are names of fields that are taken out of records."""

    redact: frozenset[str] = frozenset()
    mask: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.redact or self.mask or self.drop)

    def join(self, other: Obligations) -> Obligations:
        """All that either of them asks for."""
        return Obligations(redact=self.redact | other.redact, mask=self.mask | other.mask, drop=self.drop | other.drop)

    @staticmethod
    def all_of(each: Iterable[Obligations]) -> Obligations:
        """The join of them all."""
        found = NO_OBLIGATIONS
        for one in each:
            found = found.join(one)
        return found


NO_OBLIGATIONS = Obligations()


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """How often an obligation was carried out: `what` is `redact`, `mask` or `drop`, `of` the kind of identifier or the
    name of the field. INVARIANT: it holds nothing of what was taken out."""

    what: str
    of: str
    count: int
