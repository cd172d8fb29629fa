"""What a verified token of an identity provider says about a user, already in terms of the directory."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.model.circumstances import Evidence

__all__ = ["UserEvidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvidence:
    """`user` is the id of a directory entry, `provider` the name of the `[oidc.<name>]` that knows them. `groups` are
    groups of the directory that the token's claims add to the entry's own, in order of their names. The evidence is
    good until `expires_ms`."""

    user: str
    provider: str
    evidence: Evidence
    groups: tuple[str, ...] = ()
    expires_ms: int
