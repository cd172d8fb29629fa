"""URLs: the types `url` and `url[]`, and the judgement on a host that they share with `http`.

The reading is strict (`bailiwick.action.types.url_reading`). A host is looked up before the call is decided, and one
address that is not public makes the whole private: whoever connects may get any of them. The answers stay with the
call, so that an effector connects to nothing else.

`redirects` says where a client of the tool follows one to: it is declared for the effector, which keeps to it; without
an effector it is only said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bailiwick.action.types.base import (
    EVERY_ROLE,
    Option,
    Options,
    OptionValue,
    Parsed,
    Surroundings,
    Unparsable,
    quoted,
)
from bailiwick.action.types.plain import kind_of
from bailiwick.action.types.url_addresses import is_metadata, is_private, private_name, read_address
from bailiwick.action.types.url_names import site_of
from bailiwick.action.types.url_reading import PORTS, Url, read_url
from bailiwick.model.call import Facts
from bailiwick.model.lookup import Found, Lookup, LookupKind
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = [
    "URL_OPTIONS",
    "URL_SHAPE",
    "Redirects",
    "UrlListType",
    "UrlType",
    "asked_of",
    "redirects_of",
    "schemes_of",
    "url_facts",
]

URL_SHAPE = Record(
    (
        Field("scheme", STRING),
        Field("host", STRING),
        Field("site", STRING),
        Field("port", LONG),
        Field("path", STRING),
        Field("query", BOOL),
        Field("private", BOOL),
        Field("metadata", BOOL),
    )
)

URLS_SHAPE = Record(
    (
        Field("count", LONG),
        Field("schemes", STRING_SET),
        Field("hosts", STRING_SET),
        Field("sites", STRING_SET),
        Field("private", BOOL),
        Field("metadata", BOOL),
    )
)

MAX_URLS = 100
_ROLES = EVERY_ROLE - {Role.CONTENT, Role.COMMAND}


class Redirects(StrEnum):
    """Where a redirect may lead: NONE is followed; SAME_SITE, or ANY host, if it is public and the scheme is no
    weaker."""

    NONE = "none"
    SAME_SITE = "same-site"
    ANY = "any"


def _known_schemes(value: OptionValue) -> str:
    known = isinstance(value, tuple) and value and set(value) <= PORTS.keys()
    return "" if known else f"it must be a list of {quoted(sorted(PORTS))}"


def _known_redirects(value: OptionValue) -> str:
    return "" if value in set(Redirects) else f"it must be {quoted(list(Redirects))}"


URL_OPTIONS: Mapping[str, Option] = {
    "schemes": Option(kind=tuple, problem=_known_schemes),
    "redirects": Option(kind=str, problem=_known_redirects),
}


def schemes_of(spec: ArgSpec) -> tuple[str, ...]:
    """The schemes that an argument takes; without the option, all that are known."""
    given = spec.options.get("schemes")
    return given if isinstance(given, tuple) else tuple(sorted(PORTS))


def redirects_of(spec: ArgSpec) -> Redirects:
    """Where the argument's client may be redirected to; without the option, nowhere."""
    return Redirects(str(spec.options.get("redirects", Redirects.NONE)))


def asked_of(text: object, spec: ArgSpec) -> tuple[Lookup, ...]:
    """What has to be looked up for a URL: the addresses of its host, unless the host is one or the URL is wrong."""
    url = read_url(text, schemes_of(spec)) if type(text) is str else None
    if not isinstance(url, Url) or url.address is not None:
        return ()
    return (Lookup(kind=LookupKind.HOST, name=url.host),)


def url_facts(url: Url, found: Found) -> Facts | Unparsable:
    """The record of URL_SHAPE, with what was found out about the host."""
    addresses = [url.address]
    if url.address is None:
        answers = found.get(Lookup(kind=LookupKind.HOST, name=url.host), ())
        addresses = [read_address(answer) for answer in answers]
    known = [address for address in addresses if address is not None]
    if not known or len(known) < len(addresses):
        return Unparsable(problem=f"names the host {url.host}, which has no address here", code="unresolvable-host")
    metadata = is_metadata(url.host, known)
    named = url.address is None and private_name(url.host)
    return {
        "scheme": url.scheme,
        "host": url.host,
        "site": site_of(url.host),
        "port": url.port,
        "path": url.clean_path,
        "query": url.query is not None,
        "private": metadata or named or any(map(is_private, known)),
        "metadata": metadata,
    }


@dataclass(frozen=True, slots=True)
class UrlType:
    """One URL. `schemes`: those that it may have (default: http and https); `redirects`: what its client may follow."""

    name: str = "url"
    scalar: bool = True
    roles: frozenset[Role] = _ROLES

    @property
    def options(self) -> Mapping[str, Option]:
        return URL_OPTIONS

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return URL_SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        return f"one absolute URL such as {schemes_of(spec)[-1]}://www.example.org/page, without a user name in it"

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        return asked_of(value, spec)

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        if type(value) is not str:
            return Unparsable(problem=f"is {kind_of(value)}, not a string")
        url = read_url(value, schemes_of(spec))
        if isinstance(url, Unparsable):
            return url
        facts = url_facts(url, around.found)
        return facts if isinstance(facts, Unparsable) else Parsed(facts=facts, values=(url.text,), text=value)


@dataclass(frozen=True, slots=True)
class UrlListType:
    """A list of URLs. Options as of `url`."""

    name: str = "url[]"
    scalar: bool = False
    roles: frozenset[Role] = _ROLES

    @property
    def options(self) -> Mapping[str, Option]:
        return URL_OPTIONS

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002
        return URLS_SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        least = "" if spec.optional else "at least one and "
        return f"a list of {least}at most {MAX_URLS} absolute URLs such as https://www.example.org/page"

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        values = value if isinstance(value, list | tuple) and len(value) <= MAX_URLS else ()
        return tuple(dict.fromkeys(lookup for each in values for lookup in asked_of(each, spec)))

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        if not isinstance(value, list | tuple):
            return Unparsable(problem="is not a list")
        if not value and not spec.optional:
            return Unparsable(problem="is an empty list")
        if len(value) > MAX_URLS:
            return Unparsable(problem=f"has {len(value)} URLs", code="too-long")
        single = UrlType()
        parsed = [single.parse(each, spec, around) for each in value]
        wrong = next((each for each in parsed if isinstance(each, Unparsable)), None)
        if wrong is not None:
            return wrong
        return _together([each for each in parsed if isinstance(each, Parsed)])


def _together(parsed: Sequence[Parsed]) -> Parsed:
    records = [each.facts for each in parsed if isinstance(each.facts, Mapping)]

    def every(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(record[name]) for record in records))

    return Parsed(
        facts={
            "count": len(parsed),
            "schemes": every("scheme"),
            "hosts": every("host"),
            "sites": every("site"),
            "private": any(record["private"] for record in records),
            "metadata": any(record["metadata"] for record in records),
        },
        values=tuple(dict.fromkeys(value for each in parsed for value in each.values)),
        text="\n".join(each.text for each in parsed),
    )
