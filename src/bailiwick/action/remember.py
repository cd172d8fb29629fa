"""What a person says beyond one yes: that calls like this one may run without them, so often and for so long.

DESIGN §5 *Action*: a standing grant is a task grant with constraint, count and expiry, never a bypass. What comes of it
is in `bailiwick.action.standing`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bailiwick.model.canonical import digest
from bailiwick.model.duration import duration_ms

__all__ = ["Remember", "read_remember", "remember_digest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """`open` names the arguments that may differ from the card, all others stay as they are. At most `count` calls
    within `ttl_ms`; of this conversation alone, unless `task_wide`."""

    count: int
    ttl_ms: int
    open: frozenset[str] = field(default_factory=frozenset)
    task_wide: bool = False

    def __post_init__(self) -> None:
        if self.count < 1 or self.ttl_ms < 1:
            raise ValueError("a standing grant is for at least one call and one millisecond")

    @property
    def constraint(self) -> tuple[frozenset[str], bool]:
        """Which calls it is for. Several people remember the same thing iff this is the same."""
        return self.open, self.task_wide

    def written(self) -> dict[str, object]:
        return {"count": self.count, "ttl_ms": self.ttl_ms, "open": sorted(self.open), "task_wide": self.task_wide}


def remember_digest(asked: Remember | None) -> str:
    """What stands for it in a signed answer; empty where nothing is to be remembered."""
    return "" if asked is None else digest("bailiwick.remember.v1", asked.written())


def read_remember(text: str) -> Remember | None:
    """`count=5,ttl=2h`, with `open=subject+body` and `scope=task` where they are wanted. None if it is not that."""
    given: dict[str, str] = {}
    for part in text.split(","):
        name, sign, value = part.strip().partition("=")
        if not sign or not value or name in given or name not in ("count", "ttl", "open", "scope"):
            return None
        given[name] = value
    count, ttl_ms = given.get("count", ""), duration_ms(given.get("ttl", ""))
    if not (count.isascii() and count.isdigit() and len(count) < 10 and int(count)) or not ttl_ms:
        return None
    if given.get("scope", "conversation") not in ("conversation", "task"):
        return None
    names = given["open"].split("+") if "open" in given else []
    if not all(names):
        return None
    return Remember(count=int(count), ttl_ms=ttl_ms, open=frozenset(names), task_wide=given.get("scope") == "task")
