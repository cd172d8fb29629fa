"""How a tool's arguments map onto the fixed interface of each of its effects (DESIGN §4 *Each effect has a fixed
interface*).

Read from `pay`, `send`, `fetch`, `change` and `execute` of a tool, completed where only one reading is possible, and
noted as an error where there is none: a tool that cannot be mapped does not load, so no rule over an effect can miss
it. The result is what `bailiwick.action.interfaces` needs at each call. INVARIANT: what is mapped exists and, except
for recipients and content, is required.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bailiwick.action.catalog_args import can_receive
from bailiwick.action.catalog_table import Table
from bailiwick.action.types.base import TypeRegistry
from bailiwick.action.types.mail import EMAIL_SHAPE, normal_domain
from bailiwick.action.types.money import MONEY_SHAPE
from bailiwick.action.types.sql import SQL_SHAPE
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Record, Shape
from bailiwick.model.tool import INTERFACE_NAMES, ArgSpec, Effect, Role

__all__ = ["INTERFACE_KEYS", "read_interfaces"]

MappedTo = str | int | bool | tuple[str, ...]

INTERFACE_KEYS: Mapping[str, tuple[str, ...]] = {
    "pay": ("payee", "amount"),
    "send": ("recipients", "content"),
    "fetch": ("url", "host", "private"),
    "change": ("count", "reversible"),
    "execute": ("command", "programs", "network", "writes"),
}
"""Interface → what may be mapped in it."""


def read_interfaces(
    tool: Table, effects: frozenset[Effect], args: Mapping[str, ArgSpec], types: TypeRegistry
) -> dict[Effect, Mapping[str, MappedTo]]:
    """Effect → its mapping, for each effect that has an interface. Whatever cannot be mapped is noted. A field of an
    object is mapped by its whole name: `pay = { payee = "order.iban" }`."""
    judged = {spec.name: spec for arg in args.values() for spec in _judged(arg)}
    found: dict[Effect, Mapping[str, MappedTo]] = {}
    for effect in sorted(effects):
        key = INTERFACE_NAMES.get(effect)
        if key is not None:
            # write and delete share one mapping, read once so that an error is noted once
            shared = next((found[other] for other in found if INTERFACE_NAMES[other] == key), None)
            found[effect] = shared if shared is not None else _Mapper(tool, key, judged, args, types).read()
    for key in INTERFACE_KEYS:
        if key in tool.data and key not in {INTERFACE_NAMES[effect] for effect in found}:
            tool.note(
                "bad-interface",
                f"'{key}' is mapped, but the tool does not have that effect",
                key,
                hint="add the effect",
            )
    return found


@dataclass(frozen=True, slots=True)
class _Mapper:
    """Maps one interface of one tool."""

    tool: Table
    key: str
    args: Mapping[str, ArgSpec]
    """What has a role: objects by their fields."""
    whole: Mapping[str, ArgSpec]
    types: TypeRegistry

    def read(self) -> dict[str, MappedTo]:
        table = self.tool.section(self.key)
        if table is None:
            return {}
        table.refuse_unknown_keys(INTERFACE_KEYS[self.key], f"the interface '{self.key}'")
        match self.key:
            case "pay":
                return self._pay(table)
            case "send":
                return self._send(table)
            case "fetch":
                return self._fetch(table)
            case "change":
                return self._change(table)
            case _:
                return self._execute(table)

    # -- one method per interface ------------------------------------------------------------------------------------

    def _pay(self, table: Table) -> dict[str, MappedTo]:
        amounts = [arg.name for arg in self.args.values() if arg.shape == MONEY_SHAPE and not arg.optional]
        payees = [arg.name for arg in self.args.values() if arg.role is Role.TARGET and self._is_payee(arg)]
        amount = self._argument(table, "amount", amounts, "a required argument of type money")
        payee = self._argument(table, "payee", payees, "a required single value with the role target")
        for arg in self.args.values():
            # A second sum, or those in a list of payments, would escape limits and budgets.
            if amount is not None and arg.shape == MONEY_SHAPE and arg.role is not Role.QUERY and arg.name != amount:
                table.note(
                    "bad-interface",
                    f"pay.amount leaves out argument '{arg.name}', which is money too",
                    "amount",
                    hint='one call pays one amount; what is not paid, such as a limit, has role = "query"',
                )
        return {} if amount is None or payee is None else {"payee": payee, "amount": amount}

    def _is_payee(self, arg: ArgSpec) -> bool:
        return self.types[arg.type].scalar and not arg.optional and arg.role in (Role.TARGET, Role.SELECTOR)

    def _send(self, table: Table) -> dict[str, MappedTo]:
        able = [arg.name for arg in self.args.values() if can_receive(arg)]
        flagged = [arg.name for arg in self.args.values() if arg.recipients]
        mails = [name for name in able if self.args[name].shape == EMAIL_SHAPE]
        texts = [arg.name for arg in self.args.values() if arg.role is Role.CONTENT]
        return {
            "recipients": self._arguments(table, "recipients", default=flagged or mails, able=able, needed=flagged),
            "content": self._arguments(table, "content", default=texts, able=texts, needed=texts),
        }

    def _fetch(self, table: Table) -> dict[str, MappedTo]:
        """INVARIANT: every argument with a URL in it is mapped. One alone, or a fixed host alone: it has one host.
        Else `urls` are those arguments, beside the fixed host if there is one."""
        carriers = [arg for arg in self.args.values() if _hosts_of(arg)]
        fixed = self._fixed_host(table) if "host" in table.data else {}
        names = self._all_of(table, "url", carriers, "a required argument of type url, url[] or http", bool(fixed))
        if fixed and not names:
            return fixed
        only = self.args.get(names[0]) if len(names) == 1 and not fixed else None
        return {"url": only.name} if only is not None and _hosts_of(only) == "host" else {"urls": names, **fixed}

    def _fixed_host(self, table: Table) -> dict[str, MappedTo]:
        host = table.string("host")
        normal = None if host is None else normal_domain(host)
        if host is not None and normal is None:
            table.note("bad-interface", f"'{host}' is no host name", "host", hint="write it as in api.example.org")
        return {"host": normal or "", "private": table.boolean("private", default=True)}

    def _change(self, table: Table) -> dict[str, MappedTo]:
        counted = self._count(table)
        reversible = table.data.get("reversible", False)
        if not isinstance(reversible, bool) and not self._is_required(reversible, BOOL):
            table.note(
                "bad-interface",
                "'reversible' must be true, false or the name of a required bool argument",
                "reversible",
            )
            return {}
        return {} if counted is None else {"count": counted, "reversible": reversible}

    def _count(self, table: Table) -> int | str | None:
        count = table.data.get("count")
        if count is None:
            return self._count_of_selector(table)
        if type(count) is int and 0 <= count <= 2**53:
            return count
        arg = {**self.whole, **self.args}.get(count) if isinstance(count, str) else None
        if arg is not None and not arg.optional and (arg.shape == LONG or _has(arg, count=LONG)):
            return arg.name
        table.note(
            "bad-interface",
            "'count' must be a number (the most that one call changes) or a required argument, a number or a list",
            "count",
        )
        return None

    def _count_of_selector(self, table: Table) -> int | str | None:
        """One object is changed if one argument names it: the only selector or, without any, the only target."""
        for role in (Role.SELECTOR, Role.TARGET):
            named = [arg for arg in self.args.values() if arg.role is role and not arg.recipients]
            if len(named) == 1 and not named[0].optional:
                return named[0].name if _has(named[0], count=LONG) and not self.types[named[0].type].scalar else 1
            if named:
                break
        table.note(
            "unmapped-effect",
            "it is not clear how many objects one call changes",
            hint="declare the most that one call can change: change = { count = 1, reversible = false }",
        )
        return None

    def _execute(self, table: Table) -> dict[str, MappedTo]:
        """INVARIANT: every argument that is run is mapped, beside the programs that are declared."""
        able = [
            arg
            for arg in self.args.values()
            if arg.shape == SQL_SHAPE or _has(arg, programs=STRING_SET, network=BOOL, writes=BOOL)
        ]
        fixed: dict[str, MappedTo] = {}
        if "programs" in table.data:
            fixed = {
                "programs": table.strings("programs") or (),
                "network": table.boolean("network", default=True),
                "writes": table.boolean("writes", default=True),
            }
        takes = "a required argument of type shell, python or sql; or a list of the programs that it can run"
        names = self._all_of(table, "command", able, takes, bool(fixed))
        return {**({"command": names} if names else {}), **fixed}

    # -- picking arguments -------------------------------------------------------------------------------------------

    def _argument(self, table: Table, field: str, able: list[str], takes: str) -> str | None:
        """The argument mapped to `field`, or the only one that can be."""
        if field not in table.data:
            if len(able) == 1:
                return able[0]
            found = f"{len(able)} arguments could be" if able else "no argument can be"
            table.note(
                "unmapped-effect",
                f"the effect '{self.key}' needs {self.key}.{field}: {takes}; {found} that",
                hint=f'declare it: {self.key} = {{ {field} = "…" }}',
            )
            return None
        name = table.string(field)
        if name is None or self._refuse_strangers(table, field, (name,)):
            return None
        if name not in able and not (field == "payee" and self._is_payee(self.args[name])):
            table.note("bad-interface", f"{self.key}.{field} takes {takes}; '{name}' is not that", field)
            return None
        return name

    def _arguments(
        self, table: Table, field: str, *, default: list[str], able: list[str], needed: list[str]
    ) -> tuple[str, ...]:
        if field not in table.data:
            return tuple(default)
        names = table.one_or_more_strings(field) or ()
        if names and not self._refuse_strangers(table, field, names):
            for name in names:
                if name not in able:
                    table.note("bad-interface", f"argument '{name}' cannot be part of {self.key}.{field}", field)
            for name in needed:
                if name not in names:
                    table.note(
                        "bad-interface", f"{self.key}.{field} leaves out argument '{name}'", field, hint="name it too"
                    )
        return names

    def _all_of(self, table: Table, field: str, carriers: list[ArgSpec], takes: str, fixed: bool) -> tuple[str, ...]:
        """Every one of `carriers`: rules over the effect read of them all. Unless something is `fixed` besides, a call
        has to give one of them. In lists of objects only lists keep what each of them says."""
        every = [arg.name for arg in carriers]
        names = self._arguments(table, field, default=every, able=every, needed=every)
        for arg in carriers:
            if arg.many and _hosts_of(arg) != "hosts":
                message = (
                    f"argument '{arg.name}' stands in a list of objects, where {self.key}.{field} cannot read each"
                )
                table.note("bad-interface", message, field, hint="take it out of the objects, or a list of type url[]")
        if not fixed and all(arg.optional for arg in carriers) and names == tuple(every):
            found = "none of its arguments that could be that is required" if every else "no argument can be that"
            table.note(
                "unmapped-effect",
                f"the effect '{self.key}' needs {self.key}.{field}: {takes}; {found}",
                hint=f'declare it: {self.key} = {{ {field} = "…" }}',
            )
        return names

    def _refuse_strangers(self, table: Table, field: str, names: tuple[str, ...]) -> bool:
        strangers = [name for name in names if name not in self.args]
        for name in strangers:
            table.note("bad-interface", f"no argument is called '{name}'", field, hint=did_you_mean(name, self.args))
        return bool(strangers)

    def _is_required(self, name: object, shape: object) -> bool:
        arg = self.args.get(name) if isinstance(name, str) else None
        return arg is not None and arg.shape == shape and not arg.optional


def _judged(arg: ArgSpec, *, missing: bool = False) -> Iterator[ArgSpec]:
    """An argument, or the fields that it is judged by. One that an object may lack, or that a list may hold many of, is
    as good as optional: no single value can be relied on."""
    missing = missing or arg.optional or arg.many
    if not arg.fields:
        yield replace(arg, optional=missing)
    for each in arg.fields:
        yield from _judged(each, missing=missing)


def _hosts_of(arg: ArgSpec) -> str:
    """What an argument's facts call the hosts of the URLs in it, `host` or `hosts`; empty where there are none."""
    if not _has(arg, private=BOOL):
        return ""
    return "host" if _has(arg, host=STRING) else "hosts" if _has(arg, hosts=STRING_SET) else ""


def _has(arg: ArgSpec, **fields: Shape) -> bool:
    """Whether an argument's facts are a record that always has these fields, of these kinds. A type of the project's
    own may use the same names for something else."""
    return isinstance(arg.shape, Record) and all(
        (found := arg.shape.field(name)) is not None and type(found.shape) is type(shape) and not found.optional
        for name, shape in fields.items()
    )
