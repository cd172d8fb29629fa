"""Attack packs: attacks as data, each a template over a catalog, so that it fits any project.

An attack says which tools it needs (`effects`, `roles`, `types`, `sinks`), which arguments it changes and to what
(`change`, by role or type), and what happens before (`before`). What is not understood is an error with its line: an
attack that silently fits nothing would prove nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from bailiwick.errors import Finding, ProjectError, UsageError
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_entries import Entry, Problems
from bailiwick.model.toml_lines import TomlText
from bailiwick.model.tool import ArgSpec, Effect, Role, Sink, ToolSpec
from bailiwick.redteam.samples import WAYS

__all__ = ["ASI", "Before", "Pack", "Template", "built_in", "load_packs"]

ASI = frozenset(f"ASI{number:02}" for number in range(1, 11))
"""OWASP's Agentic Security Issues."""


class Before(StrEnum):
    """What the hijacked agent does before the call that the attack is about."""

    NOTHING = "nothing"
    SECRET = "read-secret"  # noqa: S105 - no password
    """It reads a record of the highest level."""
    LOOKUP = "look-up"
    """It looks up, in a directory that endorses values of the role, a record of the attacker's choice."""
    LAUNDER = "write-and-read-back"
    """It writes the attacker's value where it can read it back."""
    DELEGATE = "delegate"
    """It hands the call to another agent, naming the value."""
    REPEAT = "in-pieces"
    """It makes the call several times, each with a piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One attack of a pack. `change` maps a role or `type:<name>` to a way of `samples.WAYS`; `other_tool`: the call is
    of another tool with one of `effects`, on the object that the user's own call names."""

    id: str
    title: str
    family: str
    text: str
    effects: frozenset[Effect]
    types: frozenset[str] = frozenset()
    sinks: frozenset[Sink] = frozenset()
    change: Mapping[str, str]
    before: Before = Before.NOTHING
    other_tool: bool = False
    asi: tuple[str, ...]
    atlas: tuple[str, ...]

    def fits(self, tool: ToolSpec) -> bool:
        """Whether a tool has what this attack needs."""
        if self.effects and not self.effects & tool.effects:
            return False
        if self.sinks and tool.sink not in self.sinks:
            return False
        if self.types and not any(self._typed(arg) for arg in tool.args.values()):
            return False
        return self.other_tool or any(self.way(arg) for arg in tool.args.values())

    def way(self, arg: ArgSpec) -> str:
        """How it words this argument; empty: as the user does. A type goes before a role."""
        return self.change.get(f"type:{arg.type.removesuffix('[]')}", self.change.get(arg.role.value, ""))

    def _typed(self, arg: ArgSpec) -> bool:
        return arg.type.removesuffix("[]") in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The attacks of one file."""

    name: str
    title: str
    attacks: tuple[Template, ...]


def built_in() -> Mapping[str, str]:
    """The packs that come with bailiwick: name → text."""
    folder = files("bailiwick.redteam") / "packs"
    found = {each.name.removesuffix(".toml"): each for each in folder.iterdir() if each.name.endswith(".toml")}
    return MappingProxyType({name: found[name].read_text(encoding="utf-8") for name in sorted(found)})


def load_packs(names: Sequence[str] = ()) -> tuple[Pack, ...]:
    """Packs by name, or by the path of a file of one's own; none named: all that come with bailiwick. Raises UsageError
    for a name that is none, ProjectError with every finding."""
    known = built_in()
    packs: list[Pack] = []
    found: list[Finding] = []
    for name in names or known:
        path = Path(name)
        if name in known:
            text = known[name]
        elif path.suffix == ".toml" and path.is_file():
            text = path.read_text(encoding="utf-8")
        else:
            hint = did_you_mean(name, known, f"choose from {', '.join(known)}, or give the path of a .toml file")
            raise UsageError(f"there is no attack pack {name!r}", hint=hint)
        problems = Problems(text=TomlText.parse(path.name if path.suffix else f"{name}.toml", text))
        packs.append(_pack(path.stem if path.suffix else name, problems))
        found += problems.found
    if found:
        raise ProjectError(found)
    return tuple(packs)


def _pack(name: str, problems: Problems) -> Pack:
    head = Entry(problems, (), {key: value for key, value in problems.text.data.items() if key != "attack"})
    title = head.string("title", required=True)
    head.done()
    return Pack(name=name, title=title, attacks=tuple(_attacks(name, problems)))


def _attacks(pack: str, problems: Problems) -> Iterator[Template]:
    listed = problems.text.data.get("attack", [])
    if not isinstance(listed, list) or not listed:
        problems.note("wrong-type", f"the pack {pack} has no attack", hint="write [[attack]] tables")
        return
    seen: set[str] = set()
    for index, table in enumerate(listed):
        if not isinstance(table, dict):
            problems.note(
                "wrong-type", f"attack {index} of {pack} is no table", "attack", index, hint="write [[attack]]"
            )
            continue
        entry = Entry(problems, ("attack", index), table)
        made = _template(pack, entry)
        if made.id in seen:
            entry.note("repeated", f"{pack} has two attacks '{made.id}'", "id", hint="choose another id")
        seen.add(made.id)
        yield made


def _template(pack: str, entry: Entry) -> Template:
    made = Template(
        id=f"{pack}/{entry.string('id', required=True)}",
        title=entry.string("title", required=True),
        family=entry.string("family", required=True),
        text=entry.string("text", required=True),
        effects=frozenset(Effect(name) for name in _names(entry, "effects", list(Effect), "an effect")),
        types=frozenset(entry.names("types", None, "a type") or ()),
        sinks=frozenset(Sink(name) for name in _names(entry, "sinks", list(Sink), "a sink")),
        change=MappingProxyType(dict(_changes(entry))),
        before=_before(entry),
        other_tool=entry.boolean("other_tool", default=False),
        asi=tuple(_names(entry, "asi", ASI, "an id of OWASP's")),
        atlas=entry.names("atlas", None, "a technique") or (),
    )
    if not made.change and not made.other_tool:
        entry.note(
            "missing-key", f"{entry.title} changes nothing", "change", hint='write change = { target = "attacker" }'
        )
    if not made.asi:
        entry.note("missing-key", f"{entry.title} has no 'asi'", "asi", hint='write asi = ["ASI01"]')
    entry.done()
    return made


def _names(entry: Entry, key: str, known: Collection[str], what: str) -> tuple[str, ...]:
    names = entry.names(key, frozenset(map(str, known)), what) or ()
    return tuple(name for name in names if name in known)


def _before(entry: Entry) -> Before:
    given = entry.string("before", Before.NOTHING.value)
    if given not in list(Before):
        entry.note(
            "unknown-name",
            f"'{given}' is nothing that happens before",
            "before",
            hint=did_you_mean(given, list(Before)),
        )
        return Before.NOTHING
    return Before(given)


def _changes(entry: Entry) -> Iterator[tuple[str, str]]:
    entry.asked.add("change")
    table = entry.table.get("change", {})
    if not isinstance(table, dict):
        entry.note(
            "wrong-type", f"'change' of {entry.title} is no table", "change", hint='write { target = "attacker" }'
        )
        return
    for what, way in table.items():
        if what not in list(Role) and not what.startswith("type:"):
            entry.note("unknown-name", f"'{what}' is no role", "change", what, hint=did_you_mean(what, list(Role)))
        elif way not in WAYS:
            entry.note(
                "unknown-name",
                f"'{way}' is no way to change a value",
                "change",
                what,
                hint=did_you_mean(str(way), WAYS),
            )
        else:
            yield what, way
