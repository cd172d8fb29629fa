"""Mail addresses: the types `email` and `email[]`, and the normal form that facts, endorsement and rules compare.

Normal form: the whole address in lower case, an internationalised domain as ASCII (`xn--…`). Parsed by
`email-validator` without any look-up. Refused on top of what that refuses, because two programs may read it
differently: display names, groups, comments and lists in one string; routing in the local part (`%`, `!`, `|`) and
one that starts with `-`; domains that only become a name by compatibility mapping (full-width letters, other full
stops) or that IDNA 2003 and 2008 map to different names (ß, ς, joiners); labels that mix scripts. A domain wholly in
another script is not caught, but its facts show `xn--…`, so it never equals the Latin name that it looks like.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from bailiwick.action.types.base import EVERY_ROLE, AsksNothing, Option, Options, Parsed, Surroundings, Unparsable
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
    (Field("count", LONG), Field("addresses", STRING_SET), Field("domains", STRING_SET), Field("external", BOOL))
)

MAX_RECIPIENTS = 500

_ROUTING = frozenset('%!|"')
_DEVIATIONS = frozenset("ßẞς\u200c\u200d")
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""Scripts that are written together, and together with Latin."""


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
    if _ROUTING & set(local) or local.startswith("-"):
        return MailProblem(problem="has a local part that mail systems may read as a route or an option")
    problem = _domain_problem(domain, valid.domain, valid.ascii_domain)
    if problem:
        return MailProblem(problem=problem)
    ascii_domain = valid.ascii_domain.lower()
    return Address(text=f"{local.lower()}@{ascii_domain}", domain=ascii_domain)


def normal_domain(text: str) -> str | None:
    """A domain in normal form, None if it is none that everybody reads alike."""
    address = normal_address(f"a@{text}")
    return None if isinstance(address, MailProblem) else address.domain


def _domain_problem(written: str, unicode_domain: str, ascii_domain: str) -> str:
    if written.isascii() and not ascii_domain.startswith("xn--") and ".xn--" not in ascii_domain:
        return ""
    if written.lower() not in (unicode_domain.lower(), ascii_domain.lower()):
        return "has a domain in unusual characters; write it in plain letters"
    if not written.isascii() and _DEVIATIONS & set(written):
        return "has a domain that programs map to different names; write it in its ASCII form (xn--…)"
    mixed = next((label for label in unicode_domain.split(".") if _mixes_scripts(label)), None)
    return (
        f"has a domain label that mixes scripts ({mixed!a}), which is how one name is made to look like another"
        if mixed
        else ""
    )


def _mixes_scripts(label: str) -> bool:
    """Whether letters of scripts that are not written together stand in one label."""
    scripts = {unicodedata.name(char, "UNKNOWN").replace("-", " ").split(" ", 1)[0] for char in label if char.isalpha()}
    if scripts & _EAST_ASIAN:
        scripts -= _EAST_ASIAN | {"LATIN"}
        return bool(scripts)
    return len(scripts) > 1


class _MailFacts(AsksNothing):
    """What both types share: one set of facts, so that rules read a single address and a list alike."""

    __slots__ = ()
    roles: frozenset[Role] = EVERY_ROLE - {Role.CONTENT, Role.COMMAND}

    @property
    def options(self) -> Mapping[str, Option]:
        return {}

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
    addresses: dict[str, None] = {}
    domains: dict[str, None] = {}
    for value in values:
        if type(value) is not str:
            return Unparsable(problem="holds something that is not a string")
        address = normal_address(value)
        if isinstance(address, MailProblem):
            return Unparsable(problem=f"holds {value!r:.80}: it {address.problem}", code="not-an-address")
        addresses[address.text] = None
        domains[address.domain] = None
    unique = tuple(addresses)
    return Parsed(
        facts={
            "count": len(values),
            "addresses": unique,
            "domains": tuple(domains),
            "external": not around.organisation.domains.issuperset(domains),
        },
        values=unique,
    )
