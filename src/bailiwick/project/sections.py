"""Tables of bailiwick.toml whose keys a project chooses itself: what it declares, rather than what it sets.

`SECTIONS` is the whole list; `docs/settings.md` is generated from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.action.channel_settings import read_channels, read_smtp
from bailiwick.action.types.money import EXPONENTS
from bailiwick.audit.witness_settings import read_witnesses
from bailiwick.errors import Where
from bailiwick.identity.oidc_settings import read_oidc
from bailiwick.model.budget import Budget, BudgetUnit, Per
from bailiwick.model.circumstances import FactDecl, FactScope
from bailiwick.model.directory import Attribute
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Shape
from bailiwick.model.toml_entries import Entry, Problems
from bailiwick.model.tool import Effect
from bailiwick.policy.prove.properties import parse_properties

__all__ = ["SECTIONS", "Section", "TypeDecl"]

_FACT_SHAPES: dict[str, Shape] = {"string": STRING, "long": LONG, "bool": BOOL, "string[]": STRING_SET}
_FACT_TIMEOUT_MS = 1_000
_FACT_MAX_AGE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One such table. `parse` reads it from the whole file, noting every problem; `example` is what one looks like."""

    key: str
    meaning: str
    example: str
    parse: Callable[[Problems], Any]


def _environment(problems: Problems) -> tuple[Attribute, ...]:
    table = problems.text.data.get("environment", {})
    if not isinstance(table, dict):
        problems.note("wrong-type", "'environment' is not a table", "environment", hint="write [environment]")
        return ()
    entry = Entry(problems=problems, path=("environment",), table=table)
    return tuple(declared for name in table if (declared := entry.declaration(name)) is not None)


def _facts(problems: Problems) -> tuple[FactDecl, ...]:
    found: list[FactDecl] = []
    for name, table in problems.tables("facts").items():
        entry = Entry(problems=problems, path=("facts", name), table=table)
        if not name.isidentifier() or not name.isascii():
            entry.note("bad-id", f"'{name}' cannot be the name of a fact", hint="use ASCII letters, digits and '_'")
        shape = _FACT_SHAPES.get(written := entry.string("type", required=True))
        if shape is None and written:
            entry.note(
                "unknown-type",
                f"fact '{name}' has the type '{written}'",
                "type",
                hint=did_you_mean(written, _FACT_SHAPES),
            )
        about = entry.string("about", FactScope.GLOBAL.value)
        if about not in set(FactScope):
            entry.note(
                "unknown-scope", f"fact '{name}' is about '{about}'", "about", hint=did_you_mean(about, list(FactScope))
            )
        found.append(
            FactDecl(
                name=name,
                shape=shape or BOOL,
                scope=FactScope(about) if about in set(FactScope) else FactScope.GLOBAL,
                timeout_ms=entry.duration_ms("timeout", _FACT_TIMEOUT_MS, shortest_ms=1),
                max_age_ms=entry.duration_ms("max_age", _FACT_MAX_AGE_MS, shortest_ms=1),
            )
        )
        entry.done()
    return tuple(found)


def _budgets(problems: Problems) -> tuple[Budget, ...]:
    return tuple(_budget(problems, name, table) for name, table in problems.tables("budgets").items())


def _budget(problems: Problems, name: str, table: Mapping[str, Any]) -> Budget:
    entry = Entry(problems=problems, path=("budgets", name), table=table)
    if not name.isidentifier() or not name.isascii():
        entry.note("bad-id", f"'{name}' cannot be the name of a budget", hint="use ASCII letters, digits and '_'")
    counts, per = entry.string("counts", required=True), entry.string("per", required=True)
    if counts and counts not in set(BudgetUnit):
        hint = f"one of {', '.join(BudgetUnit)}"
        entry.note("unknown-unit", f"the budget '{name}' counts '{counts}'", "counts", hint=hint)
    if per and per not in set(Per):
        entry.note("unknown-scope", f"the budget '{name}' is per '{per}'", "per", hint=f"one of {', '.join(Per)}")
    unit = BudgetUnit(counts) if counts in set(BudgetUnit) else BudgetUnit.CALLS
    effects = entry.names("effects", list(Effect), "effect") or ()
    found = Budget(
        name=name,
        counts=unit,
        per=Per(per) if per in set(Per) else Per.TENANT,
        window_ms=entry.duration_ms("window", 0) or None,
        tools=frozenset(entry.names("tools", None, "tool") or ()),
        effects=frozenset(map(Effect, set(effects) & set(Effect))),
        currency=entry.string("currency", required=unit is BudgetUnit.MONEY),
        expect=entry.integer("expect", low=1 if unit.estimated else 0),
        limit=entry.integer("limit", low=0) if "limit" in table else None,
        where=problems.text.where("budgets", name),
    )
    if not found.tools and not found.effects:
        entry.note("missing-key", f"{entry.title} counts no call", hint='name tools = [...] or effects = ["send"]')
    if unit.estimated and "expect" not in table:
        what = f"{entry.title} has no 'expect', so nothing would be counted while a call runs"
        entry.note("missing-key", what, hint=f"say how many {unit.value} a call is taken to use until it is over")
    for key, fits in (("currency", unit is BudgetUnit.MONEY), ("expect", unit.estimated)):
        if key in table and not fits:
            entry.note("unknown-key", f"{entry.title} counts {unit.value}, and has a '{key}'", key, hint="remove it")
    if found.currency and found.currency not in EXPONENTS:
        entry.note("unknown-currency", f"'{found.currency}' is no currency of ISO 4217", "currency", hint='as in "EUR"')
    entry.asked.add("limit")
    entry.done()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDecl:
    """A type of arguments that the project brings along: what the catalog calls it, and where its class is."""

    name: str
    module: str
    attribute: str
    where: Where


def _types(problems: Problems) -> tuple[TypeDecl, ...]:
    table = problems.text.data.get("types", {})
    if not isinstance(table, dict):
        problems.note("wrong-type", "'types' is not a table", "types", hint="write [types]")
        return ()
    found: list[TypeDecl] = []
    for name, written in table.items():
        module, colon, attribute = written.partition(":") if isinstance(written, str) else ("", "", "")
        if not (module and colon and attribute.isidentifier()):
            problems.note(
                "wrong-type",
                f"'types.{name}' does not say where its class is",
                "types",
                name,
                hint='write the module, a colon and the class, as in "acme_types:OrderId"',
            )
        else:
            where = problems.text.where("types", name)
            found.append(TypeDecl(name=name, module=module, attribute=attribute, where=where))
    return tuple(found)


SECTIONS: tuple[Section, ...] = (
    Section(
        key="environment",
        meaning="Attributes of the place a session runs in (network zone, device ...), given when it is opened. Rules "
        "read them as `context.environment`. A type with a `?` may be left out.",
        example='[environment]\nnetwork = "string"\nmanaged_device = "bool?"',
        parse=_environment,
    ),
    Section(
        key="oidc",
        meaning="Identity providers whose tokens say who a user is: which issuer, for which audience, with which keys "
        "(`jwks`: an https address, or a file of the project), and which claims mean what here. See "
        "[identity.md](identity.md#users-who-sign-in).",
        example='[oidc.corp]\nissuer = "https://login.example.com"\naudience = "bailiwick"\n'
        'jwks = "https://login.example.com/keys"',
        parse=read_oidc,
    ),
    Section(
        key="facts",
        meaning="Facts that live elsewhere and that a provider is asked for when a rule of the tool reads them, as "
        "`context.facts.<name>.value` and `.age_ms`. What it is about (`user`, `agent`, `resource`, `global`), how "
        "long the provider may take, and how old a value may get before it is asked again.",
        example='[facts.on_call]\ntype = "bool"\nabout = "user"\ntimeout = "500ms"\nmax_age = "1m"',
        parse=_facts,
    ),
    Section(
        key="budgets",
        meaning="What agents may use up: `calls`, `money`, `rows`, `bytes` or `tokens`, per `session`, `task`, "
        "`agent`, `user` or `tenant`, within a sliding `window` (without one: for good). It counts calls of "
        "`tools` and of tools with one of `effects`. Rules read `context.usage.<name>.used` and `.after`; "
        "`limit` denies whatever rules say; `expect` is taken for a call whose use is not known yet. "
        "See [budgets.md](budgets.md).",
        example='[budgets.mails_per_day]\ncounts = "calls"\nper = "user"\nwindow = "24h"\neffects = ["send"]\n'
        "limit = 50",
        parse=_budgets,
    ),
    Section(
        key="channels",
        meaning="Where people are told that they are asked, and what came of it: a `webhook` (signed), `slack` (and "
        "what takes its messages) or `email`. `on`, `tools` and `gates` narrow it; secrets are named, never written "
        "here. See [channels.md](channels.md).",
        example='[channels.leads]\nkind = "email"\nto = ["approvers"]\non = ["requested", "escalated"]',
        parse=read_channels,
    ),
    Section(
        key="smtp",
        meaning="The server that takes mail for channels: `host`, `port` (587; 465 for implicit), `tls` (`starttls`, "
        "`implicit`, or `none` to this machine), `from`, `user` with `password_env` or `password_file`, `ca_file`.",
        example='[smtp]\nhost = "mail.example.com"\nfrom = "bailiwick@example.com"\nuser = "bailiwick"\n'
        'password_env = "BAILIWICK_SMTP"',
        parse=read_smtp,
    ),
    Section(
        key="witnesses",
        meaning="Who cosigns this project's logs: the address of each witness, and the verifier keys that `bailiwick "
        "witness init` printed there (it counts when every one of them signed). `audit.quorum` says how many must. "
        "See [witness.md](witness.md).",
        example='[witnesses.auditor]\nurl = "https://witness.example.com"\n'
        'key = "witness.example.com/w1+04758baf+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"',
        parse=read_witnesses,
    ),
    Section(
        key="types",
        meaning="Types of arguments that the project brings along: a name for the catalog, and the class behind it. "
        "Loading the project imports its module. See [types.md](types.md#a-type-of-your-own).",
        example='[types]\norder_id = "acme_types:OrderId"',
        parse=_types,
    ),
    Section(
        key="properties",
        meaning="What the rules must never allow, whatever the call: a list. `when` is a Cedar condition, `tools` "
        "narrows it to some tools or groups, `of` says whether no single `link` may be permitted (the default) or no "
        "whole `call`. `bailiwick policy prove` proves them; see [proofs.md](proofs.md).",
        example='[[properties]]\nname = "no high-impact call without an approval"\nnever = "allowed"\n'
        """when = 'action in Action::"high-impact" && context.approved.isEmpty()'""",
        parse=parse_properties,
    ),
)
