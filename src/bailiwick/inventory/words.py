"""What a name says: which effect a tool may have, which role an argument may play. Guesses, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bailiwick.model.tool import Effect, Role

__all__ = ["effect_of", "role_of", "stronger"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_EFFECTS: Mapping[Effect, frozenset[str]] = {
    Effect.READ: frozenset("get list search find read lookup query describe show count check view help status".split()),
    Effect.FETCH: frozenset("fetch download browse crawl scrape open visit navigate".split()),
    Effect.WRITE: frozenset(
        "create update set add insert write put upload save edit patch rename move copy import assign approve close "
        "enable disable register merge modify change append".split()
    ),
    Effect.DELETE: frozenset(
        "delete remove drop purge erase destroy clear cancel revoke truncate wipe archive".split()
    ),
    Effect.SEND: frozenset("send email mail notify publish share message reply forward tweet sms invite".split()),
    Effect.PAY: frozenset("pay payment transfer charge refund payout purchase buy order checkout wire".split()),
    Effect.EXECUTE: frozenset(
        "run exec execute eval shell command script sql bash python deploy restart invoke".split()
    ),
}
_ORDER = tuple(_EFFECTS)
"""From the least to the most that can happen."""

_ROLES: tuple[tuple[Role, frozenset[str]], ...] = (
    (Role.CREDENTIAL, frozenset("token password passwd secret apikey authorization credential credentials".split())),
    (Role.COMMAND, frozenset("sql command cmd code script expression statement".split())),
    (
        Role.TARGET,
        frozenset(
            "to cc bcc recipient recipients channel url uri link href email mail address iban account destination dest "
            "webhook callback phone host path file folder bucket".split()
        ),
    ),
    (
        Role.CONTENT,
        frozenset(
            "body text message content description note notes comment subject title html markdown summary caption data "
            "attachment reply".split()
        ),
    ),
    (
        Role.QUERY,
        frozenset("q query search filter limit offset page sort order cursor fields term keyword keywords".split()),
    ),
    (Role.VALUE, frozenset("amount price quantity count total currency date time start end status".split())),
    (Role.SELECTOR, frozenset("id ids key name number slug uuid ticket user customer".split())),
)


def words_of(name: str) -> list[str]:
    """The words of `sendMail`, `send_mail` or `send-mail`, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def effect_of(name: str) -> tuple[Effect, str] | None:
    """(the strongest effect that a word of the name speaks of, that word)."""
    found = [(effect, word) for word in words_of(name) for effect in _ORDER if word in _EFFECTS[effect]]
    return max(found, key=lambda each: _ORDER.index(each[0])) if found else None


def stronger(one: Effect, other: Effect) -> Effect:
    return max(one, other, key=_ORDER.index)


def role_of(name: str) -> tuple[Role, str] | None:
    """(the role that a word of the name speaks of, that word): the last word says most."""
    for word in reversed(words_of(name)):
        for role, known in _ROLES:
            if word in known:
                return role, word
    return None
