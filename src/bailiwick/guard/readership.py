"""What the directory says on who reads: behind a mail address, in a group, or as another agent. DESIGN §5 *Flow*.

INVARIANT: nobody reads by being unknown. An address that nobody has, an inactive user, a group that does not exist or
has no active member: all of them are outside every set of readers. Somebody outside is a reader only where a set names
that very address or id (`Party::ann@customer.example`); nobody in an own domain is one so.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property

from bailiwick.model.directory import Directory
from bailiwick.model.label import PARTY, Readers
from bailiwick.model.principal import EntityKind, EntityRef

__all__ = ["Readership"]


_ADDRESS = re.compile(r"[^@\s<>,;\"']{1,64}@[a-z0-9.-]{1,253}")


@dataclass(frozen=True)
class Readership:
    """The directory, by what is asked here. Made once for each; looked up without a walk over the users."""

    directory: Directory
    domains: frozenset[str] = frozenset()
    """Those of the organisation."""

    @cached_property
    def _names(self) -> Mapping[str, frozenset[str]]:
        """By the name of each active user, every name that means them (`User::alice`, `Group::support`)."""
        return {
            _name(EntityKind.USER, user.id): frozenset(
                {_name(EntityKind.USER, user.id), *map(_written, self.directory.groups_of(user.id))}
            )
            for user in self.directory.users.values()
            if user.active
        }

    @cached_property
    def _members(self) -> Mapping[str, frozenset[str]]:
        """By each name, the names of the active users that it means."""
        found: dict[str, set[str]] = {}
        for user, names in self._names.items():
            for name in names:
                found.setdefault(name, set()).add(user)
        return {name: frozenset(users) for name, users in found.items()}

    @cached_property
    def _addresses(self) -> Mapping[str, str]:
        # The first one counts where two share an address, as in `Directory.user_by_email`.
        every = reversed(list(self.directory.users.values()))
        return {user.email.casefold(): _name(EntityKind.USER, user.id) for user in every if user.email}

    def address(self, address: str, readers: Readers) -> bool:
        """True iff whoever gets mail at `address` is one of `readers`."""
        user = self._addresses.get(address.casefold())
        if readers.everyone or user is not None:
            return user is None or readers.everyone or self._user(user, readers)
        party = self.outsider(address)
        return party is not None and all(party in one for one in readers.sets)

    def principal(self, name: str, readers: Readers) -> bool:
        """True iff all that `name` means (`User::ann`, `Group::support`) are of `readers`: every active member of a
        group, of whom there has to be one. An agent has no reading of its own: what it is shown, its owner may see."""
        if readers.everyone:
            return True
        kind, _, entity = name.partition("::")
        if kind == EntityKind.AGENT.value:
            agent = self.directory.agents.get(entity)
            owner = agent.owner.removeprefix("User::") if agent is not None and agent.active else ""
            return bool(owner) and self._user(_name(EntityKind.USER, owner), readers)
        users = self._members.get(name)
        return users is not None and all(self._user(user, readers) for user in users)

    def who(self, name: str, kinds: tuple[EntityKind, ...]) -> str | None:
        """The principal of one of `kinds` that a mail address, an id or a principal's own name means; None if it means
        none, or several."""
        kind, _, entity = name.partition("::")
        known = self._known
        if entity:
            return name if any(kind == each.value and entity in known[each] for each in kinds) else None
        found = {_name(each, name) for each in kinds if name in known.get(each, ())}
        if EntityKind.USER in kinds and (user := self._addresses.get(name.casefold())) is not None:
            found.add(user)
        return found.pop() if len(found) == 1 else None

    def outsider(self, address: str) -> str | None:
        """The name of somebody outside who has this address; None if it is none, or one of an own domain."""
        plain = address.strip().casefold()
        domain = plain.rpartition("@")[2]
        own = any(domain == each or domain.endswith(f".{each}") for each in self.domains)
        known = own or plain in self._addresses
        return f"{PARTY}{plain}" if _ADDRESS.fullmatch(plain) and plain.isascii() and not known else None

    @property
    def _known(self) -> Mapping[EntityKind, Container[str]]:
        directory = self.directory
        return {EntityKind.USER: directory.users, EntityKind.GROUP: directory.groups, EntityKind.ROLE: directory.roles}

    def any_reader(self, readers: Readers) -> bool:
        """True iff at least one active user may read it."""
        if readers.everyone:
            return True
        meant = (frozenset().union(*(self._members.get(name, ()) for name in one)) for one in readers.sets)
        return bool(frozenset.intersection(*meant))

    def _user(self, user: str, readers: Readers) -> bool:
        names = self._names.get(user)
        return names is not None and all(names & one for one in readers.sets)


def _name(kind: EntityKind, entity: str) -> str:
    return f"{kind.value}::{entity}"


def _written(ref: EntityRef) -> str:
    return _name(ref.kind, ref.id)
