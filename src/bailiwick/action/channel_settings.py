"""`[channels.<name>]` and `[smtp]` of bailiwick.toml: where people are told that they are asked.

INVARIANT: bailiwick.toml names places where secrets are, and holds none. The address of a Slack webhook is one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from bailiwick.action.approvals import Approval
from bailiwick.action.notices import News
from bailiwick.action.types import Address, normal_address
from bailiwick.errors import Finding, Where
from bailiwick.model.directory import Directory
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityKind
from bailiwick.model.toml_entries import Entry, Problems

__all__ = [
    "APPROVERS",
    "Channel",
    "ChannelKind",
    "Detail",
    "Secret",
    "Smtp",
    "SmtpTls",
    "allowed_address",
    "channel_findings",
    "own_files",
    "read_channels",
    "read_smtp",
]

APPROVERS = "approvers"
"""As a recipient: whoever could answer the request."""
_ATTEMPTS = 12
_SUBMISSION = 587
_PEOPLE = (EntityKind.USER, EntityKind.GROUP, EntityKind.ROLE)


class ChannelKind(StrEnum):
    WEBHOOK = "webhook"
    SLACK = "slack"
    EMAIL = "email"


class Detail(StrEnum):
    """How much a message says."""

    SUMMARY = "summary"
    CARD = "card"
    """The whole card, to those who may read it. By e-mail alone."""


class SmtpTls(StrEnum):
    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"
    """To this machine alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret is: a variable of the environment, or a file (relative to the project folder). Neither: there is
    none."""

    env: str = ""
    file: str = ""

    def __bool__(self) -> bool:
        return bool(self.env or self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One of them. `news`, `tools` and `gates` are what it is told of (None: of all). `url` is empty where `hidden_url`
    says where the address is. `to` are addresses, `User::…`, `Group::…`, `Role::…` and `approvers`."""

    name: str
    kind: ChannelKind
    url: str
    hidden_url: Secret
    secret: Secret
    previous: Secret
    ca_file: str
    to: tuple[str, ...]
    news: frozenset[News]
    tools: frozenset[str] | None
    gates: frozenset[str] | None
    detail: Detail
    attempts: int
    where: Where

    def wants(self, approval: Approval, news: News) -> bool:
        """Whether this channel is told this of a request."""
        fits = self.tools is None or approval.tool in self.tools
        fits = fits and (self.gates is None or any(gate.id in self.gates for gate in approval.gates))
        return fits and news in self.news


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """The server that takes our mail. `user` empty: it takes it from anybody."""

    host: str
    port: int
    tls: SmtpTls
    user: str
    password: Secret
    sender: str
    ca_file: str


def read_channels(problems: Problems) -> tuple[Channel, ...]:
    """Every `[channels.<name>]`, in order. Whether what they name exists is asked of `channel_findings`."""
    found = tuple(_channel(problems, name, table) for name, table in problems.tables("channels").items())
    mails = next((each.name for each in found if each.kind is ChannelKind.EMAIL), None)
    if mails is not None and "smtp" not in problems.text.data:
        what, hint = "there is a channel of e-mail, and no [smtp]", "add [smtp] with host and from"
        problems.note("missing-key", what, "channels", mails, "kind", hint=hint)
    return found


def read_smtp(problems: Problems) -> Smtp | None:
    """`[smtp]`; None if there is none."""
    table = problems.text.data.get("smtp")
    if table is None:
        return None
    if not isinstance(table, dict):
        problems.note("wrong-type", "'smtp' is not a table", "smtp", hint="write [smtp]")
        return None
    entry = Entry(problems=problems, path=("smtp",), table=table)
    written = entry.string("tls", SmtpTls.STARTTLS.value)
    tls = _one_of(entry, "tls", written, SmtpTls, SmtpTls.STARTTLS)
    made = Smtp(
        host=entry.string("host", required=True),
        port=entry.integer("port", 465 if tls is SmtpTls.IMPLICIT else _SUBMISSION, low=1, high=65535),
        tls=tls,
        user=entry.string("user"),
        password=_secret(entry, "password"),
        sender=entry.string("from", required=True),
        ca_file=entry.string("ca_file"),
    )
    if tls is SmtpTls.NONE and not _is_loopback(made.host):
        entry.note("bad-url", "mail would go to another machine in plain text", "tls", hint='tls = "starttls"')
    if bool(made.user) != bool(made.password):
        entry.note("missing-key", "[smtp] has a user or a password, and not both", hint="add user and password_env")
    sender = normal_address(made.sender)
    if made.sender and not isinstance(sender, Address):
        entry.note("bad-address", "'from' of [smtp] is no mail address", "from", hint='as in "bailiwick@example.com"')
    entry.done()
    return replace(made, sender=sender.text) if isinstance(sender, Address) else made


def channel_findings(
    channels: Iterable[Channel], directory: Directory, tools: Collection[str], gates: Collection[str]
) -> list[Finding]:
    """What channels name and nobody declared: they would stay silent."""
    return [
        Finding(
            rule="unknown-in-channel",
            message=f"channels.{channel.name} names the {what} '{name}', which is not declared",
            where=channel.where,
            hint=did_you_mean(name, known),
        )
        for channel in channels
        for what, names, known in (
            ("tool", channel.tools or (), tools),
            ("gate", channel.gates or (), gates),
            ("person", [each for each in channel.to if "::" in each], _people(directory)),
        )
        for name in sorted(names)
        if name not in known
    ]


def own_files(channels: Iterable[Channel], smtp: Smtp | None) -> tuple[str, ...]:
    """The files that channels rest on, secrets and certificates: no governed tool may reach them."""
    found = [smtp.password.file, smtp.ca_file] if smtp else []
    for each in channels:
        found += [each.secret.file, each.previous.file, each.hidden_url.file, each.ca_file]
    return tuple(filter(None, found))


def _channel(problems: Problems, name: str, table: Mapping[str, Any]) -> Channel:
    entry = Entry(problems=problems, path=("channels", name), table=table)
    kind = _one_of(entry, "kind", entry.string("kind", required=True), ChannelKind, ChannelKind.WEBHOOK)
    news = entry.names("on", None, "news")
    for index, word in enumerate(news or ()):
        if word not in set(News):
            entry.note(
                "unknown-news", f"{entry.title} is told of '{word}'", "on", index, hint=did_you_mean(word, tuple(News))
            )
    made = Channel(
        name=name,
        kind=kind,
        url=entry.string("url"),
        hidden_url=_secret(entry, "url"),
        secret=_secret(entry, "secret"),
        previous=_secret(entry, "previous_secret"),
        ca_file=entry.string("ca_file"),
        to=entry.names("to", None, "recipient") or (),
        news=frozenset(News) if news is None else frozenset(map(News, set(news) & set(News))),
        tools=_filter(entry, "tools", "tool"),
        gates=_filter(entry, "gates", "gate"),
        detail=_one_of(entry, "detail", entry.string("detail", Detail.SUMMARY.value), Detail, Detail.SUMMARY),
        attempts=entry.integer("attempts", _ATTEMPTS, low=1, high=50),
        where=problems.text.where("channels", name),
    )
    if news == () and table.get("on") == []:
        entry.note("empty-list", f"{entry.title} is told of nothing", "on", hint="leave it out, or remove the channel")
    if table.get("kind") == kind.value:  # of one whose kind is wrong, nobody knows what else it needs
        _check(entry, made)
    entry.done()
    return made


def _check(entry: Entry, made: Channel) -> None:
    """Notes what does not go together."""
    match made.kind:
        case ChannelKind.WEBHOOK:
            if bool(made.url) == bool(made.hidden_url):
                entry.note("missing-key", f"{entry.title} needs one address", hint='url = "https://…", or url_env')
            if not made.secret:
                entry.note("missing-key", f"{entry.title} has no secret to sign with", hint='add secret_env = "…"')
            _unused(entry, made, "to")
        case ChannelKind.SLACK:
            if not made.hidden_url or made.url:
                what = f"whoever knows the address of {entry.title} can write there, so it is a secret"
                entry.note("missing-key", what, hint="name where it is: url_env or url_file, and no url")
            _unused(entry, made, "to", "secret_env", "secret_file", "previous_secret_env", "previous_secret_file")
        case ChannelKind.EMAIL:
            if not made.to:
                entry.note("missing-key", f"{entry.title} writes to nobody", hint='add to = ["approvers"]')
            for each in made.to:
                _check_recipient(entry, each)
            _unused(entry, made, "url", "url_env", "url_file", "ca_file", "secret_env", "secret_file")
            _unused(entry, made, "previous_secret_env", "previous_secret_file")
    if made.detail is Detail.CARD and made.kind is not ChannelKind.EMAIL:
        what = f"{entry.title} is no person, so it may read no card"
        entry.note("no-reader", what, "detail", hint="only mail to people can show one")
    if made.url and not allowed_address(made.url):
        entry.note("bad-url", f"'url' of {entry.title} is no https address", "url", hint="begin it with https://")


def _unused(entry: Entry, made: Channel, *keys: str) -> None:
    for key in keys:
        if key in entry.table:
            entry.note("unknown-key", f"{entry.title} is a {made.kind}, and has a '{key}'", key, hint="remove it")


def _check_recipient(entry: Entry, text: str) -> None:
    kind, marks, name = text.partition("::")
    if text == APPROVERS or (marks and name and kind in {each.value for each in _PEOPLE}):
        return
    if not isinstance(normal_address(text), Address):
        hint = 'an address, "User::…", "Group::…", "Role::…" or "approvers"'
        entry.note("bad-address", f"'to' of {entry.title} holds {text!r:.80}", "to", hint=hint)


def _filter(entry: Entry, key: str, what: str) -> frozenset[str] | None:
    names = entry.names(key, None, what)
    if names == () and entry.table.get(key) == []:
        entry.note("empty-list", f"'{key}' of {entry.title} is empty", key, hint="leave it out")
    return None if names is None else frozenset(names)


def _secret(entry: Entry, key: str) -> Secret:
    found = Secret(env=entry.string(f"{key}_env"), file=entry.string(f"{key}_file"))
    if found.env and found.file:
        entry.note("two-secrets", f"{entry.title} has its {key} in two places", f"{key}_env", hint="keep one of them")
    return found


def _one_of(entry: Entry, key: str, written: str, kinds: Any, default: Any) -> Any:
    if written in set(kinds):
        return kinds(written)
    if written:
        hint = f"one of {', '.join(kinds)}"
        entry.note("unknown-choice", f"'{key}' of {entry.title} is '{written}'", key, hint=hint)
    return default


def _people(directory: Directory) -> frozenset[str]:
    names = (directory.users, directory.groups, directory.roles)
    return frozenset(f"{kind.value}::{name}" for kind, known in zip(_PEOPLE, names, strict=True) for name in known)


def allowed_address(url: str) -> bool:
    """https, or http to this machine alone; no user in it, no fragment, and no white space, which some readers of
    addresses drop and others take for their end."""
    if not all(char.isprintable() and not char.isspace() for char in url):
        return False
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.username or parts.password or parts.fragment or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
