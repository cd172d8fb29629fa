"""Which values a session may use by itself, and on whose authority. DESIGN §5 *Flow*, integrity.

Two sources, kept apart because some arguments accept only one of them: somebody's own words (the root principal's, the
task's; see `bailiwick.flow.tokens`) and values of authoritative fields of records that were selected by endorsed
values.

- a command takes own words alone, exactly and as a whole;
- what a destructive call selects takes own words alone: that a record names another one is no reason to delete that;
- a payee takes fields alone: an account number in a prompt is most often copied from somebody's letter;
- a field endorses only arguments of the role that the catalog gives it, and nothing that the agent itself handed to a
  tool before: it may be reading its own writing.

INVARIANT: nothing here is ever taken from what a model wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bailiwick.flow.atoms import MAX_ATOMS, atom_key
from bailiwick.flow.records import Crossed, Endorsement
from bailiwick.flow.tokens import WordIndex, folded, iban_in, specific
from bailiwick.model.call import ArgFacts
from bailiwick.model.tool import Effect, Role, ToolSpec

__all__ = ["Endorsements"]


@dataclass(slots=True)
class Endorsements:
    """What is endorsed in one session. A question costs a few look-ups, however much is known."""

    words: WordIndex = field(default_factory=WordIndex)
    _fields: dict[tuple[Role, str], str] = field(default_factory=dict)
    _written: set[str] = field(default_factory=set)
    _written_all: bool = False

    def by(self, value: str, argument: ArgFacts, tool: ToolSpec) -> str:
        """On whose authority the whole `value` may stand in `argument` of a call of `tool`; empty if on nobody's."""
        if argument.role is Role.COMMAND:
            return self.words.names_command(value)
        if not _is_payee(argument, tool):
            by = self.words.names(value)
            if not by and argument.role is Role.QUERY:
                by = self.words.names_command(value)
            if by or (Effect.DELETE in tool.effects and argument.role is Role.SELECTOR):
                return by
        return self._fields.get((argument.role, folded(value)), "") if specific(value) else ""

    def by_address(self, address: str) -> str:
        """On whose authority an address (mail, or the host of a link) may stand in outgoing text."""
        by = self.words.names(address) or self.words.names_host(address)
        return by or self._fields.get((Role.TARGET, folded(address)), "")

    def add_field(self, given: Endorsement) -> None:
        """A value of an authoritative field. The first authority for a value stays."""
        if given.role is Role.COMMAND or self._written_all:
            return
        for value in _forms(given.value):
            if specific(value) and atom_key(value) not in self._written:
                self._fields.setdefault((given.role, folded(value)), given.by)

    def add_crossed(self, given: Crossed) -> None:
        if given.command:
            self.words.add_command(given.text, given.by)
        else:
            self.words.add_run(tuple(given.text.split(" ")), given.by)

    def add_written(self, keys: Iterable[str], *, everything: bool) -> None:
        """Values that the agent handed to a tool: from now on no field endorses them. `everything`: no field endorses
        anything, because not all of them could be listed."""
        self._written.update(keys)
        self._written_all = self._written_all or everything

    @property
    def written(self) -> tuple[tuple[str, ...], bool]:
        """(keys of what the agent wrote, whether there was more), bounded for handing on."""
        if self._written_all or len(self._written) > MAX_ATOMS:
            return (), True
        return tuple(sorted(self._written)), False

    def crossing(self, message: str) -> tuple[tuple[Crossed, ...], tuple[Endorsement, ...]]:
        """What is endorsed here and occurs as a whole in `message` (in `cleaned` form)."""
        said = WordIndex()
        said.add(message, "message")
        runs, commands = self.words.crossing(said)
        crossed = [Crossed(text=text, by=by) for text, by in runs]
        crossed += [Crossed(text=text, by=by, command=True) for text, by in commands]
        fields = (
            Endorsement(value=value, role=role, by=by)
            for (role, value), by in self._fields.items()
            if said.names(value)
        )
        return tuple(crossed), tuple(fields)


def _forms(value: str) -> Iterator[str]:
    yield value
    if " " in value:
        yield from iban_in(value.split())


def _is_payee(argument: ArgFacts, tool: ToolSpec) -> bool:
    return Effect.PAY in tool.effects and tool.interface.get(Effect.PAY, {}).get("payee") == argument.name
