"""The named parts of a test file: principals, calls and contexts, checked against the project they are about.

A name that the directory, the catalog or the settings do not know is a finding with its line: a test of somebody who
does not exist would be denied, and pass. DESIGN §3 promise 2, §4 *tests*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bailiwick.action.parse import parse_call
from bailiwick.action.types import is_address, normal_host
from bailiwick.guard.explaining.rehearsal import Past
from bailiwick.guard.handing.delegation import DelegationRequest
from bailiwick.guard.looking_up import supposed
from bailiwick.guard.model_sink import supposed_model_call
from bailiwick.guard.planes import Planes
from bailiwick.model.budget import Budget
from bailiwick.model.call import Call, Fact
from bailiwick.model.circumstances import CLAIMED, Evidence, FactDecl, Method
from bailiwick.model.decision import Reason
from bailiwick.model.directory import Attribute
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_entries import Entry, Problems
from bailiwick.model.tool import DELEGATE_TOOL, MODEL_TOOL
from bailiwick.testing.expected import Context, NamedCall, Principal

__all__ = ["Reader", "clock_of"]

_BUILT_IN = (DELEGATE_TOOL, MODEL_TOOL)
_DELEGATE_ARGS = frozenset({"agent", "tools", "zones", "ttl_ms", "message"})
_NOW = 'write now = "2026-03-02T10:15:00Z": the time at which everything in this file is decided'


def clock_of(problems: Problems, value: object, *keys: str) -> int | None:
    """A point in time with its zone, as microseconds since the epoch; None (with a finding) if it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        problems.note("bad-clock", "'now' is not a point in time with a time zone", *keys, hint=_NOW)
        return None
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    if since.days < 0:
        problems.note("bad-clock", "'now' lies before 1970", *keys, hint=_NOW)
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads the tables of one file; what is wrong goes to `problems`. `now_us` is the file's clock."""

    planes: Planes
    problems: Problems
    now_us: int

    def principals(self) -> dict[str, Principal]:
        tables = self.problems.tables("principals")
        return {name: self._principal(name, table) for name, table in tables.items()}

    def calls(self) -> dict[str, NamedCall]:
        return {name: self._call(name, table) for name, table in self.problems.tables("calls").items()}

    def contexts(self) -> dict[str, Context]:
        return {name: self._context(name, table) for name, table in self.problems.tables("contexts").items()}

    # ── principals ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _principal(self, name: str, table: Mapping[str, object]) -> Principal:
        entry = Entry(problems=self.problems, path=("principals", name), table=table)
        directory = self.planes.directory
        user, service = entry.string("user"), entry.string("service")
        if bool(user) == bool(service):
            entry.note("no-root", f"{entry.title} needs one root", hint="name a user or a service, one of them")
        if user:
            entry.check_known(user, directory.users, "user", "user")
        if service:
            entry.check_known(service, directory.services, "service", "service")
        agent = entry.string("agent", required=True)
        if agent:
            entry.check_known(agent, directory.agents, "agent", "agent")
        task = entry.string("task", required=True)
        delegations = self._delegations(entry)
        entry.done()
        return Principal(
            name=name, user=user or None, service=service or None, agent=agent, task=task, delegations=delegations
        )

    def _delegations(self, entry: Entry) -> tuple[DelegationRequest, ...]:
        entry.asked.add("delegates")
        given = entry.table.get("delegates", [])
        if not isinstance(given, list):
            hint = 'write delegates = ["researcher"], or [{ agent = "researcher", tools = ["kb.search"] }]'
            entry.note("wrong-type", f"'delegates' of {entry.title} is not a list", "delegates", hint=hint)
            return ()
        return tuple(self._delegation(entry, index, each) for index, each in enumerate(given))

    def _delegation(self, entry: Entry, index: int, given: object) -> DelegationRequest:
        table = given if isinstance(given, dict) else {"agent": given}
        path = (*entry.path, "delegates", index)
        one = Entry(problems=self.problems, path=path, table=table)
        agent = one.string("agent", required=True)
        if agent:
            entry.check_known(agent, self.planes.directory.agents, "agent", "delegates", index)
        tools = one.names("tools", {*self.planes.catalog.tools, DELEGATE_TOOL}, "tool")
        zones = one.names("zones", self.planes.catalog.zones, "zone")
        (message,) = self._texts(one, "message", single=True) or ("",)
        one.done()
        return DelegationRequest(to=agent, tools=tools, zones=zones, ttl_ms=None, message=message)

    # ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _call(self, name: str, table: Mapping[str, object]) -> NamedCall:
        entry = Entry(problems=self.problems, path=("calls", name), table=table)
        call = self._made(entry)
        refused = entry.string("refused")
        entry.done()
        if call.tool:
            self._parses(entry, call, refused)
        return NamedCall(name=name, call=call, refused=refused)

    def _made(self, entry: Entry) -> Call:
        """`tool` and `args` of a table."""
        tool = entry.string("tool", required=True)
        spec = self.planes.catalog.find(tool)
        if spec is None and tool and tool not in _BUILT_IN:
            known = (*self.planes.catalog.tools, *_BUILT_IN)
            message = f"{entry.title} calls '{tool}', which is no tool of the catalog"
            entry.note("unknown-tool", message, "tool", hint=did_you_mean(tool, known))
            tool = ""
        entry.asked.add("args")
        args = entry.table.get("args", {})
        if not isinstance(args, dict):
            entry.note("wrong-type", f"'args' of {entry.title} is not a table", "args", hint="write args = { … }")
            args = {}
        return Call(tool=spec.name if spec else tool, args=args)

    def _parses(self, entry: Entry, call: Call, refused: str) -> None:
        """Calls that the catalog refuses prove nothing about rules, unless that is what the test says."""
        code, message = "", ""
        if call.tool == DELEGATE_TOOL:
            self._delegates(entry, call)
        elif call.tool == MODEL_TOOL:
            model = supposed_model_call(self.planes, call.args)
            if isinstance(model, Reason):
                code, message = model.code, model.message
        else:
            around = self.planes.surroundings(supposed(self.planes, call))
            answer = parse_call(self.planes.catalog, call, around=around, types=self.planes.types)
            if isinstance(answer, Reason):
                code, message = answer.code, answer.message
        if code == refused:
            return
        if code:
            said = f"the catalog refuses {entry.title} before any rule is asked ({code}): {message}"
            entry.note("refused-call", said, "args", hint=f'correct it; if that is the test, add refused = "{code}"')
        else:
            said = f"{entry.title} should be refused with '{refused}', and the catalog takes it"
            entry.note("call-not-refused", said, "refused", hint="remove 'refused', or change the arguments")

    def _delegates(self, entry: Entry, call: Call) -> None:
        one = Entry(problems=self.problems, path=(*entry.path, "args"), table=call.args)
        agent = one.string("agent", required=True)
        if agent:
            one.check_known(agent, self.planes.directory.agents, "agent", "agent")
        one.names("tools", {*self.planes.catalog.tools, DELEGATE_TOOL}, "tool")
        one.names("zones", self.planes.catalog.zones, "zone")
        one.integer("ttl_ms", low=1)
        self._texts(one, "message", single=True)
        one.done()

    # ── contexts ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _context(self, name: str, table: Mapping[str, object]) -> Context:
        entry = Entry(problems=self.problems, path=("contexts", name), table=table)
        settings = self.planes.settings
        entry.asked.add("now")
        now_us = clock_of(self.problems, table["now"], "contexts", name, "now") if "now" in table else None
        made = Context(
            name=name,
            now_us=now_us,
            prompts=self._texts(entry, "prompts"),
            results=self._results(entry),
            unknown=self._texts(entry, "unknown"),
            evidence=self._evidence(entry, now_us),
            environment=self._environment(entry, settings.environment),
            facts=self._facts(entry, settings.facts),
            usage=self._usage(entry, settings.budgets),
            enforced=self._enforced(entry),
            hosts=self._hosts(entry),
        )
        entry.done()
        return made

    def _texts(self, entry: Entry, key: str, *, single: bool = False) -> tuple[str, ...]:
        """Texts that somebody said or wrote: they may have several lines."""
        entry.asked.add(key)
        given = entry.table.get(key, [])
        texts = [given] if single and key in entry.table else given
        if not isinstance(texts, list) or any(type(text) is not str for text in texts):
            wanted = "a text in quotes" if single else "a list of texts in quotes"
            entry.note("wrong-type", f"'{key}' of {entry.title} is not {wanted}", key, hint=f"it must be {wanted}")
            return ()
        return tuple(texts)

    def _results(self, entry: Entry) -> tuple[Past, ...]:
        entry.asked.add("results")
        given = entry.table.get("results", [])
        if not isinstance(given, list) or any(not isinstance(each, dict) for each in given):
            hint = 'write results = [{ tool = "…", args = { … }, value = … }]'
            entry.note("wrong-type", f"'results' of {entry.title} is not a list of tables", "results", hint=hint)
            return ()
        return tuple(self._result(entry, index, table) for index, table in enumerate(given))

    def _result(self, entry: Entry, index: int, table: Mapping[str, object]) -> Past:
        one = Entry(problems=self.problems, path=(*entry.path, "results", index), table=table)
        call = self._made(one)
        one.asked.add("value")
        if "value" not in table:
            entry.note("missing-key", f"{one.title} has no 'value'", "results", index, hint="say what came back")
        one.done()
        if call.tool:
            self._parses(one, call, "")
        return Past(call=call, value=table.get("value"))

    def _evidence(self, entry: Entry, now_us: int | None) -> Evidence:
        table = self._table(entry, "evidence")
        if table is None:
            return CLAIMED
        one = Entry(problems=self.problems, path=(*entry.path, "evidence"), table=table)
        method = one.string("method", Method.CLAIMED.value)
        if method not in set(Method):
            known = ", ".join(f'"{each}"' for each in Method)
            one.note("unknown-method", f"{one.title} has the method '{method}'", "method", hint=f"it is one of {known}")
            method = Method.CLAIMED.value
        age_ms = one.duration_ms("age", -1)
        strong = one.boolean("strong", default=False)
        one.done()
        at_ms = None if age_ms < 0 else (self.now_us if now_us is None else now_us) // 1000 - age_ms
        return Evidence(method=Method(method), at_ms=at_ms, strong=strong)

    def _environment(self, entry: Entry, declared: tuple[Attribute, ...]) -> Mapping[str, Fact]:
        table = self._table(entry, "environment")
        if table is None:
            return {}
        one = Entry(problems=self.problems, path=(*entry.path, "environment"), table=table)
        values: Mapping[str, Fact] = one.attributes(declared)
        one.done()
        return values

    def _facts(self, entry: Entry, declared: tuple[FactDecl, ...]) -> Mapping[str, tuple[Fact, int]]:
        table = self._table(entry, "facts") or {}
        known = {fact.name: fact for fact in declared}
        found: dict[str, tuple[Fact, int]] = {}
        for name, given in table.items():
            if name not in known:
                message = f"{entry.title} gives the fact '{name}', which bailiwick.toml does not declare"
                entry.note("unknown-fact", message, "facts", name, hint=did_you_mean(name, known))
                continue
            one = Entry(
                problems=self.problems,
                path=(*entry.path, "facts", name),
                table=given if isinstance(given, dict) else {"value": given},
            )
            value = one.attributes([Attribute(name="value", shape=known[name].shape)]).get("value")
            age_ms = one.duration_ms("age", 0)
            one.done()
            if value is not None:
                found[name] = (value, age_ms)
        return found

    def _enforced(self, entry: Entry) -> frozenset[str]:
        known = {name for tool in self.planes.catalog.tools.values() for name in tool.args}
        return frozenset(entry.names("enforced", known, "argument") or ())

    def _hosts(self, entry: Entry) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name, given in (self._table(entry, "hosts") or {}).items():
            answers = [given] if isinstance(given, str) else given
            if not isinstance(answers, list) or any(not is_address(each) for each in answers):
                hint = f'write hosts = {{ "{name}" = ["2001:db8::1"] }}; [] for a host that there is none of'
                message = f"'{name}' of {entry.title} does not resolve to addresses"
                entry.note("bad-host", message, "hosts", name, hint=hint)
            elif not name or normal_host(name) != name:
                message = f"'{name}' of {entry.title} is no host name in its ASCII form"
                entry.note("bad-host", message, "hosts", name, hint="write it in small letters, xn--… for others")
            else:
                found[name] = tuple(answers)
        return found

    def _usage(self, entry: Entry, declared: tuple[Budget, ...]) -> Mapping[str, int]:
        """`usage = { mails_per_day = 49 }`: how much of each budget was used before."""
        table = self._table(entry, "usage") or {}
        one = Entry(problems=self.problems, path=(*entry.path, "usage"), table=table)
        for name in table:
            one.check_known(name, [budget.name for budget in declared], "budget", name)
        return {name: one.integer(name, low=0) for name in table}

    def _table(self, entry: Entry, key: str) -> Mapping[str, object] | None:
        entry.asked.add(key)
        given = entry.table.get(key)
        if given is not None and not isinstance(given, dict):
            entry.note("wrong-type", f"'{key}' of {entry.title} is not a table", key, hint=f"write {key} = {{ … }}")
            return {}
        return given
