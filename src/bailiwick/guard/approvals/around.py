"""What held around a session, kept with a request for approval as bytes: an edited call is decided by whoever answers,
in another process, where the session is not."""

from __future__ import annotations

from bailiwick.errors import CanonicalError
from bailiwick.guard.circumstances import written_evidence
from bailiwick.model.call import Fact
from bailiwick.model.canonical import Json, canonical, parse
from bailiwick.model.circumstances import Circumstances, Evidence, Method

__all__ = ["holds_hidden", "kept_around", "read_around"]


def kept_around(around: Circumstances, *, hidden: bool) -> bytes:
    """Evidence and environment, without what is gathered for each call, and whether the call holds hidden content.
    Raises CanonicalError for a value that has no canonical form."""
    return canonical(
        {
            "hidden": hidden,
            "evidence": written_evidence(around.evidence),
            "environment": {
                name: sorted(value) if isinstance(value, tuple) else value for name, value in around.environment.items()
            },
        }
    )


def read_around(kept: bytes) -> Circumstances:
    """What `kept_around` kept. Raises CanonicalError, KeyError, TypeError or ValueError for other bytes."""
    raw = parse(kept)
    if not isinstance(raw, dict):
        raise TypeError("not an object")
    told, environment = raw["evidence"], raw["environment"]
    if not isinstance(told, dict) or not isinstance(environment, dict):
        raise TypeError("not an object")
    evidence = Evidence(
        method=Method(str(told["method"])),
        at_ms=told["at_ms"] if isinstance(told["at_ms"], int) else None,
        strong=told["strong"] is True,
        issuer=str(told["issuer"]),
        subject=str(told["subject"]),
        actors=_texts(told["actors"]),
        groups=_texts(told["groups"]),
    )
    return Circumstances(evidence=evidence, environment={name: _fact(value) for name, value in environment.items()})


def holds_hidden(kept: bytes) -> bool:
    """Whether the call holds content that its model never saw; of bytes that do not say so it does."""
    try:
        raw = parse(kept)
    except CanonicalError:
        return True
    return not isinstance(raw, dict) or raw.get("hidden") is not False


def _texts(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return tuple(str(item) for item in value)


def _fact(value: Json) -> Fact:
    if isinstance(value, list):
        return _texts(value)
    if isinstance(value, (bool, int, str)):
        return value
    raise TypeError("not a fact")
