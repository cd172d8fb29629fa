"""`[oidc.<name>]` of bailiwick.toml: which identity providers are trusted, for whom, and what their claims mean here.

```toml
[oidc.corp]
issuer   = "https://login.example.com"
audience = "bailiwick"
jwks     = "https://login.example.com/keys"          # or a file of the project
user     = { claim = "email", match = "email" }
groups   = { claim = "groups", map = { "eng-leads" = "support-leads" } }
strong   = { amr = ["mfa"] }
login    = { client = "bailiwick-console", secret_file = "/run/secrets/oidc",
             authorize = "https://login.example.com/authorize", token = "https://login.example.com/token" }
```
`login` lets people sign in to the console there (`bailiwick.identity.oidc_login`); without it the provider's tokens say
who a session is for, and nothing else.
DESIGN §5 *Identity*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from bailiwick.errors import Finding, Where
from bailiwick.identity.jwks import ALGORITHMS
from bailiwick.model.directory import Directory
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_entries import Entry, Problems

__all__ = ["OidcIssuer", "OidcLogin", "allowed_url", "group_findings", "read_oidc"]

_DEFAULT_ALGORITHMS = ("RS256", "ES256", "Ed25519")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_LEEWAY_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcLogin:
    """How people sign in to the console at a provider. The secret of the client lies in a file or in a variable of the
    environment; without either the client is a public one."""

    client: str
    authorize: str
    token: str
    secret_file: str = ""
    secret_env: str = ""
    scopes: tuple[str, ...] = ("openid", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcIssuer:
    """One trusted identity provider. `clients` are the authorised parties (`azp`) that a token may be made for; without
    any it is the audience alone. `max_age_ms` is how long ago the user may have signed in (None: as long as the token
    is good). `groups` maps values of `groups_claim` to groups of the directory."""

    name: str
    issuer: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...] = _DEFAULT_ALGORITHMS
    clients: tuple[str, ...] = ()
    max_age_ms: int | None = None
    leeway_ms: int = 30_000
    user_claim: str = "email"
    match_email: bool = True
    verified_email: bool = True
    """Whether a token counts only with `email_verified`: whoever may choose an address could be anybody otherwise."""
    groups_claim: str = ""
    groups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    strong_amr: frozenset[str] = frozenset()
    strong_acr: frozenset[str] = frozenset()
    login: OidcLogin | None = None
    where: Where


def read_oidc(problems: Problems) -> tuple[OidcIssuer, ...]:
    """Every `[oidc.<name>]`, in order. Whether the groups are declared is asked of `group_findings`, once the directory
    is read."""
    found = tuple(_issuer(problems, name, table) for name, table in problems.tables("oidc").items())
    names: dict[tuple[str, str], str] = {}
    for each in found:
        other = names.setdefault((each.issuer, each.audience), each.name)
        if other != each.name:
            problems.note(
                "repeated-issuer",
                f"oidc.{each.name} has the issuer and audience of oidc.{other}",
                "oidc",
                each.name,
                hint="keep one of them",
            )
    return found


def group_findings(issuers: Iterable[OidcIssuer], directory: Directory) -> list[Finding]:
    """Groups that a map leads to and the directory does not declare."""
    return [
        Finding(
            rule="unknown-group",
            message=f"oidc.{issuer.name} maps '{value}' to the group '{group}', which is not declared",
            where=issuer.where,
            hint=did_you_mean(group, directory.groups),
        )
        for issuer in issuers
        for value, group in issuer.groups.items()
        if group not in directory.groups
    ]


def allowed_url(url: str) -> bool:
    """Whether keys may be fetched from there: https, or http on this machine alone."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if parts.username or parts.password or parts.fragment or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _issuer(problems: Problems, name: str, table: Mapping[str, Any]) -> OidcIssuer:
    entry = Entry(problems=problems, path=("oidc", name), table=table)
    issuer, jwks = entry.string("issuer", required=True), entry.string("jwks", required=True)
    for key, url, is_url in (("issuer", issuer, True), ("jwks", jwks, "://" in jwks)):
        if url and is_url and not allowed_url(url):
            entry.note(
                "bad-url",
                f"'{key}' of {entry.title} is no https address",
                key,
                hint="begin it with https:// (http:// is for this machine alone)",
            )
    algorithms = entry.names("algorithms", ALGORITHMS, "algorithm")
    if algorithms == () and table.get("algorithms") == []:
        entry.note("empty-list", f"'algorithms' of {entry.title} is empty", "algorithms", hint="leave it out")
    user, groups, strong = (_inner(entry, key) for key in ("user", "groups", "strong"))
    claim = user.string("claim", "email")
    match = user.string("match", "email" if claim == "email" else "id")
    if match not in ("email", "id"):
        user.note("unknown-match", f"{user.title} matches by '{match}'", "match", hint='by "email" or by "id"')
    max_age = entry.duration_ms("max_age", 0)
    leeway = entry.duration_ms("leeway", 30_000)
    if leeway > _LONGEST_LEEWAY_MS:
        entry.note("bad-duration", f"'leeway' of {entry.title} is too long", "leeway", hint="at most 5m")
    made = OidcIssuer(
        name=name,
        issuer=issuer,
        audience=entry.string("audience", required=True),
        jwks=jwks,
        algorithms=algorithms or _DEFAULT_ALGORITHMS,
        clients=entry.names("clients", None, "client") or (),
        max_age_ms=max_age or None,
        leeway_ms=leeway,
        user_claim=claim,
        match_email=match == "email",
        verified_email=user.boolean("verified", default=True),
        groups_claim=groups.string("claim", required=bool(groups.table)),
        groups=_map(groups),
        strong_amr=frozenset(strong.names("amr", None, "method") or ()),
        strong_acr=frozenset(strong.names("acr", None, "class") or ()),
        login=_login(entry),
        where=problems.text.where("oidc", name),
    )
    for each in (user, groups, strong, entry):
        each.done()
    return made


def _inner(entry: Entry, key: str) -> Entry:
    """The table under `key`, empty if there is none."""
    entry.asked.add(key)
    table = entry.table.get(key, {})
    if not isinstance(table, dict):
        entry.note("wrong-type", f"'{key}' of {entry.title} is not a table", key, hint=f"write {key} = {{ ... }}")
        table = {}
    return Entry(problems=entry.problems, path=(*entry.path, key), table=table)


def _login(issuer: Entry) -> OidcLogin | None:
    entry = _inner(issuer, "login")
    if not entry.table:
        return None
    places = {key: entry.string(key, required=True) for key in ("authorize", "token")}
    for key, url in places.items():
        if url and not allowed_url(url):
            entry.note(
                "bad-url",
                f"'{key}' of {entry.title} is no https address",
                key,
                hint="begin it with https:// (http:// is for this machine alone)",
            )
    made = OidcLogin(
        client=entry.string("client", required=True),
        secret_file=entry.string("secret_file"),
        secret_env=entry.string("secret_env"),
        scopes=tuple(dict.fromkeys(("openid", *(entry.names("scopes", None, "scope") or ("email",))))),
        **places,
    )
    if made.secret_file and made.secret_env:
        entry.note("two-secrets", f"{entry.title} has its secret in two places", "secret_env", hint="keep one of them")
    entry.done()
    return made


def _map(groups: Entry) -> Mapping[str, str]:
    table = _inner(groups, "map")
    return MappingProxyType({value: table.string(value, required=True) for value in table.table})
