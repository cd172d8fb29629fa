"""Whose own words may endorse in a session: members of the organisation who post themselves. DESIGN §5 *Flow*."""

from __future__ import annotations

from bailiwick.flow.authors import Colleagues
from bailiwick.guard.planes import Planes
from bailiwick.guard.state import SessionState
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.suspensions import Target, TargetKind

__all__ = ["colleagues_of"]


def colleagues_of(planes: Planes, session: SessionState) -> Colleagues:
    """Who speaks to this session: nobody by being unknown, and not the one for whom it acts. What is kept in her name
    may be an agent's writing."""
    root = session.authority.chain.root
    directory = planes.directory

    def speaks(author: str) -> bool:
        user = directory.user_by_email(author) if "@" in author else directory.users.get(author)
        if user is None or not user.active or user.automated:
            return False
        if planes.suspensions.hit((Target(TargetKind.USER, user.id), Target(TargetKind.EVERYTHING))) is not None:
            return False
        return EntityRef(kind=EntityKind.USER, id=user.id) != root and user.id not in _owners(root)

    def _owners(acting: EntityRef) -> frozenset[str]:
        service = directory.services.get(acting.id) if acting.kind is EntityKind.SERVICE else None
        return frozenset() if service is None else frozenset({service.owner.removeprefix("User::")})

    return speaks
