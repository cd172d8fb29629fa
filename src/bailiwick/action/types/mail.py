"""Mail addresses: the types `email` and `email[]`, and the normal form that facts, endorsement and rules compare.

Normal form: the whole address in lower case, an internationalised domain as ASCII (`xn--…`). Parsed by
`email-validator` without any look-up. Refused on top of what that refuses, because two programs may read it
differently: display names, groups, comments and lists in one string; routing in the local part (`%`, `!`, `|`) and
one that starts with `-`; domains that only become a name by compatibility mapping (full-width letters, other full
stops) or that IDNA 2003 and 2008 map to different names (ß, ς, joiners); labels that mix scripts; domains in other
scripts that look like one of the organisation's own. Any other domain in another script shows as `xn--…`, so it never
equals the Latin name that it looks like.

Facts say more of addresses than where they are: `lookalike` (a Latin domain that may be taken for an own one: `acrne`,
`acme.example.evil.org`), `tagged` (a `+tag`: most servers deliver it to the mailbox without the tag, but which do is
not known, so it is an address of its own to everything that compares addresses) and `unknown` (at an own domain, but
no active user's and no mailbox of `[org] mailboxes`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from bailiwick.action.types.base import (
    EVERY_ROLE,
    AsksNothing,
    NoOptions,
    Options,
    Parsed,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.url_names import domain_problem, looks_like
from bailiwick.model.shape import BOOL, LONG, STRING_SET, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = [
    "EMAIL_SHAPE",
    "MAX_RECIPIENTS",
    "Address",
    "EmailListType",
    "EmailType",
    "MailProblem",
    "normal_address",
    "normal_domain",
]

EMAIL_SHAPE = Record(
    (
        Field("count", LONG),
        Field("addresses", STRING_SET),
        Field("domains", STRING_SET),
        Field("external", BOOL),
        Field("lookalike", BOOL),
        Field("tagged", BOOL),
        Field("unknown", BOOL),
    )
)

_LONGEST_PARSED = 1_024
"""Characters; an address has at most 254, and the parser takes quadratic time to say so."""
MAX_RECIPIENTS = 500

_ROUTING = frozenset('%!|"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A mail address in normal form."""

    text: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailProblem:
    """Why a string is no mail address that everybody reads alike; completes "it …"."""

    problem: str


@functools.lru_cache(maxsize=4096)
def normal_address(text: str) -> Address | MailProblem:
    """The normal form of one bare address (`name@example.org`). Pure, hence cached: parsing takes some 70 µs."""
    if len(text) > _LONGEST_PARSED:
        return MailProblem(problem="is no mail address: it is too long")
    try:
        valid = validate_email(
            text,
            check_deliverability=False,
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            globally_deliverable=False,
            test_environment=True,
            strict=True,
        )
    except EmailNotValidError as error:
        said = str(error).strip()
        return MailProblem(problem=f"is no mail address: {said[:1].lower()}{said[1:].rstrip('.')}")
    local, domain = text.rsplit("@", 1)
    # `=?utf-8?q?…?=` is decoded by some mail programs before they look for the address (RFC 2047).
    if _ROUTING & set(local) or local.startswith("-") or "=?" in local:
        return MailProblem(problem="has a local part that mail systems may read as a route or an option")
    if problem := domain_problem(domain, valid.domain, valid.ascii_domain):
        return MailProblem(problem=f"has {problem}")
    ascii_domain = valid.ascii_domain.lower()
    return Address(text=f"{local.lower()}@{ascii_domain}", domain=ascii_domain)


def normal_domain(text: str) -> str | None:
    """A domain in normal form, None if it is none that everybody reads alike."""
    address = normal_address(f"a@{text}")
    return None if isinstance(address, MailProblem) else address.domain


class _MailFacts(NoOptions, AsksNothing):
    """What both types share: one set of facts, so that rules read a single address and a list alike."""

    __slots__ = ()
    roles: frozenset[Role] = EVERY_ROLE - {Role.CONTENT, Role.COMMAND}

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return EMAIL_SHAPE


class EmailType(_MailFacts):
    """One bare mail address."""

    __slots__ = ()
    name = "email"
    scalar = True

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return "one bare mail address such as name@example.org"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem="is not a string")
        return _facts((value,), around)


class EmailListType(_MailFacts):
    """A list of bare mail addresses, each a string of its own."""

    __slots__ = ()
    name = "email[]"
    scalar = False

    def accepts(self, spec: ArgSpec) -> str:
        least = "" if spec.optional else "at least one and "
        return f'a list of {least}at most {MAX_RECIPIENTS} bare mail addresses, such as ["name@example.org"]'

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        if not isinstance(value, (list, tuple)):
            return Unparsable(problem="is not a list")
        if not value and not spec.optional:
            return Unparsable(problem="is an empty list")
        if len(value) > MAX_RECIPIENTS:
            return Unparsable(problem=f"has {len(value)} addresses", code="too-long")
        return _facts(value, around)


def _facts(values: tuple[object, ...] | list[object], around: Surroundings) -> Parsed | Unparsable:
    inside = around.organisation
    addresses: dict[str, str] = {}
    for value in values:
        if type(value) is not str:
            return Unparsable(problem="holds something that is not a string")
        address = normal_address(value)
        if isinstance(address, MailProblem):
            return Unparsable(problem=f"holds {value!r:.80}: it {address.problem}", code="not-an-address")
        addresses[address.text] = address.domain
    domains = dict.fromkeys(addresses.values())
    alike = {domain: own for domain in domains if (own := looks_like(domain, inside.domains))}
    # Nobody but a deceiver writes an own name in the letters of another script; in Latin letters it may be chance.
    disguised = next((domain for domain in alike if "xn--" in domain), None)
    if disguised is not None:
        return Unparsable(
            problem=f"holds an address at {disguised}, which is made to look like {alike[disguised]}", code="look-alike"
        )
    return Parsed(
        facts={
            "count": len(values),
            "addresses": tuple(addresses),
            "domains": tuple(domains),
            "external": not inside.domains.issuperset(domains),
            "lookalike": bool(alike),
            "tagged": any("+" in address.partition("@")[0] for address in addresses),
            "unknown": any(
                domain in inside.domains and address not in inside.mailboxes for address, domain in addresses.items()
            ),
        },
        values=tuple(addresses),
    )
