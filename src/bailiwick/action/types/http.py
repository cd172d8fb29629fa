"""Whole HTTP requests: the type `http`. `{"method": "GET", "url": "https://…", "headers": {…}, "body": "…"}`.

The URL is read as in `bailiwick.action.types.url`. Refused besides: methods that the catalog does not list; a body
where the method has none; header names and values that are not plain ASCII on one line; headers that say how the
message is framed, where it goes, by which way it came or what its method is *really*, because they make two servers
read two requests (smuggling) or undo what rules have read.

Opening a URL is egress whatever the method: the effect is *fetch*. A method that changes something is *write*, DELETE
is *delete*; what is sent to a person by a request cannot be seen here, a tool that does so declares *send* besides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.action.types.base import (
    EVERY_ROLE,
    Beyond,
    Option,
    Options,
    OptionValue,
    Parsed,
    Surroundings,
    Unparsable,
    quoted,
)
from bailiwick.action.types.content import CONTENT_SHAPE, content_facts
from bailiwick.action.types.plain import kind_of
from bailiwick.action.types.url import URL_OPTIONS, URL_SHAPE, asked_of, schemes_of, url_facts
from bailiwick.action.types.url_reading import read_url
from bailiwick.model.lookup import Lookup
from bailiwick.model.shape import BOOL, STRING, STRING_SET, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = ["HttpType", "header_problem", "secret_header"]

HTTP_SHAPE = Record(
    (
        Field("method", STRING),
        Field("safe", BOOL),
        *URL_SHAPE.fields,
        Field("headers", STRING_SET),
        Field("credentials", BOOL),
        Field("body", CONTENT_SHAPE),
    )
)

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_METHODS = (*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")
_EFFECTS = {"DELETE": Effect.DELETE, **dict.fromkeys(("POST", "PUT", "PATCH"), Effect.WRITE)}
_KEYS = frozenset({"method", "url", "headers", "body"})
MAX_HEADERS = 64
MAX_HEADER = 4096

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?|")
_SECRET = re.compile(r"auth|cookie|credential|key|pass|secret|session|signature|token", re.IGNORECASE)
_FRAMING = frozenset(
    """
    accept-encoding connection content-encoding content-length expect forwarded host http2-settings keep-alive
    max-forwards te trailer trailers transfer-encoding upgrade via x-host x-http-host-override x-http-method
    x-http-method-override x-method-override x-original-host x-original-method x-original-url x-real-ip x-rewrite-url
    x-client-ip true-client-ip cf-connecting-ip cluster-client-ip x-cluster-client-ip x-originating-ip x-remote-ip
    x-remote-addr
    """.split()
)
_FRAMING_STARTS = ("proxy-", "x-forwarded", "sec-")


def _known_methods(value: OptionValue) -> str:
    known = isinstance(value, tuple) and value and set(value) <= set(_METHODS)
    return "" if known else f"it must be a list of {quoted(_METHODS)}"


def methods_of(spec: ArgSpec) -> tuple[str, ...]:
    """The methods that an argument takes; without the option GET and HEAD."""
    given = spec.options.get("methods")
    return given if isinstance(given, tuple) else ("GET", "HEAD")


def header_problem(name: str, value: str) -> str:
    """Why a header cannot be part of a request; completes "has …", empty if it can."""
    if _NAME.fullmatch(name) is None:
        return f"a header with the name {name!a:.80}"
    # An underscore becomes a hyphen in many servers: `Content_Length` is Content-Length to them.
    folded = name.lower().replace("_", "-")
    if folded in _FRAMING or folded.startswith(_FRAMING_STARTS):
        return f"the header {name}, which the client alone may set"
    if len(value) > MAX_HEADER or _VALUE.fullmatch(value) is None:
        return f"a value of the header {name} that is not one line of plain characters"
    return ""


def secret_header(name: str) -> bool:
    """Whether a header of this name may carry a credential."""
    return _SECRET.search(name) is not None


@dataclass(frozen=True, slots=True)
class HttpType:
    """One request. `methods` that it may have (default: GET, HEAD); other options as of `url`."""

    name: str = "http"
    scalar: bool = False
    roles: frozenset[Role] = EVERY_ROLE - {Role.CONTENT}

    @property
    def options(self) -> Mapping[str, Option]:
        return {"methods": Option(kind=tuple, problem=_known_methods), **URL_OPTIONS}

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return HTTP_SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        example = f'{{"method": "{methods_of(spec)[0]}", "url": "https://www.example.org/page"}}'
        return f"a request such as {example}, with headers (an object) and a body (a string) if need be"

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        return asked_of(value.get("url"), spec) if isinstance(value, Mapping) else ()

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        if not isinstance(value, Mapping):
            return Unparsable(problem=f"is {kind_of(value)}, not an object")
        if not {"method", "url"} <= value.keys() or not value.keys() <= _KEYS:
            return Unparsable(problem="is no object of method, url, headers and body", code="not-a-request")
        method, text = value["method"], value["url"]
        if type(method) is not str or method not in methods_of(spec):
            return Unparsable(problem=f"has the method {method!a:.20}", code="not-allowed")
        if type(text) is not str:
            return Unparsable(problem="has a url that is not a string")
        headers = _headers(value.get("headers"))
        body = _body(value.get("body"), method)
        url = read_url(text, schemes_of(spec))
        wrong = next((each for each in (headers, body, url) if isinstance(each, Unparsable)), None)
        if wrong is not None:
            return wrong
        assert isinstance(headers, dict)
        assert isinstance(body, str)
        assert not isinstance(url, Unparsable)
        facts = url_facts(url, around.found)
        if isinstance(facts, Unparsable):
            return facts
        secrets = [text for name, text in headers.items() if secret_header(name)]
        return Parsed(
            facts={
                "method": method,
                "safe": method in SAFE_METHODS,
                **facts,
                "headers": tuple(headers),
                "credentials": bool(secrets),
                "body": content_facts(body),
            },
            values=tuple(dict.fromkeys((url.text, *secrets))),
            text="\n".join((text, *headers.values(), body)),
            beyond=_beyond(method),
        )


def _headers(given: object) -> dict[str, str] | Unparsable:
    """Names in lower case → values."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MAX_HEADERS:
        return Unparsable(problem=f"has headers that are no object of at most {MAX_HEADERS}", code="bad-header")
    found: dict[str, str] = {}
    for name, value in given.items():
        if type(value) is not str or str(name).lower() in found:
            return Unparsable(problem=f"has the header {name!a:.80} twice, or not as a string", code="bad-header")
        if problem := header_problem(str(name), value):
            return Unparsable(problem=f"has {problem}", code="bad-header")
        found[str(name).lower()] = value
    return found


def _body(given: object, method: str) -> str | Unparsable:
    if given is None:
        return ""
    if type(given) is not str:
        return Unparsable(problem=f"has a body that is {kind_of(given)}, not a string")
    if given and method in (*SAFE_METHODS, "DELETE"):
        return Unparsable(problem=f"has a body, which a {method} request does not have", code="not-a-request")
    return given


def _beyond(method: str) -> tuple[Beyond, ...]:
    fetch = Beyond(effect=Effect.FETCH, saw="a request")
    effect = _EFFECTS.get(method)
    return (fetch,) if effect is None else (fetch, Beyond(effect=effect, saw=f"a {method} request"))
