"""Which values a session may use by itself, and on whose authority. DESIGN §5 *Flow*, integrity.

The sources are kept apart because some arguments accept only some of them: somebody's own words (the root principal's,
the task's; see `bailiwick.flow.word_index`), values of authoritative fields of records that were selected by endorsed
values, an authenticated colleague's own words in such a record, and a person who released a value.

- a command takes own words alone, exactly and as a whole;
- what a destructive call selects takes own words alone: that a record names another one is no reason to delete that;
- a payee takes fields alone: an account number in a prompt is most often copied from somebody's letter;
- a field endorses arguments of the role that the catalog gives it. What may select may also be a plain value or a
  query, and the other way round: it is the same value of the same record, whatever a tool's annotation calls it. Where
  something goes is told by a field that endorses targets, or by an identifier that is no address. No field endorses
  what the agent itself handed to a tool before: it may be reading its own writing;
- a colleague's words endorse targets, selectors and values, and none of the above;
- what own words say is not to be used endorses nothing: a target not even by a field;
- a person's release holds wherever the value has the role that it was released for.

INVARIANT: nothing here is ever taken from what a model wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bailiwick.flow.addresses import addresses_in
from bailiwick.flow.atoms import MAX_ATOMS, atom_key
from bailiwick.flow.backing import Backing, BackingKind
from bailiwick.flow.records import Crossed, Endorsement
from bailiwick.flow.said import Said, SaidIndex
from bailiwick.flow.tokens import MAX_VALUE, folded, iban_in, specific, without_scheme
from bailiwick.flow.values import needed_forms, started
from bailiwick.flow.word_index import Mention, WordIndex
from bailiwick.model.call import ArgFacts
from bailiwick.model.tool import Effect, Role, ToolSpec

__all__ = ["MAX_WAYS", "Endorsements"]

MAX_WAYS = 8
"""Records remembered per value: the first ones in which it stands."""

_SHORT = re.compile(r"[A-Za-z0-9]")
_NAME = re.compile(r"[^\W\d_]+(?:[ .'-]+[^\W\d_]+)+\.?")
_JOINS = re.compile(r"[-_]+")
_ABBREVIATED = 4
"""Letters of the shortest abbreviation that stands for one of a few values."""
_BY_COLLEAGUES = frozenset({Role.TARGET, Role.SELECTOR, Role.VALUE})
_SERVED_BY = {
    Role.TARGET: (Role.SELECTOR,),
    Role.SELECTOR: (Role.VALUE, Role.TARGET),
    Role.VALUE: (Role.SELECTOR, Role.TARGET),
    Role.QUERY: (Role.SELECTOR, Role.VALUE, Role.TARGET),
}
"""Fields of which other roles may stand for a role."""


@dataclass(slots=True)
class Endorsements:
    """What is endorsed in one session. A question costs a few look-ups, however much is known."""

    words: WordIndex = field(default_factory=WordIndex)
    said: SaidIndex = field(default_factory=SaidIndex)
    _fields: dict[tuple[Role, str], tuple[Endorsement, ...]] = field(default_factory=dict)
    _written: dict[str, int] = field(default_factory=dict)
    _written_all: bool = False

    def backing(self, value: str, argument: ArgFacts, tool: ToolSpec) -> Backing | None:
        """On whose authority the whole `value` may stand in `argument` of a call of `tool`; None if on nobody's."""
        return next(iter(self.ways(value, argument, tool)), None)

    def ways(self, value: str, argument: ArgFacts, tool: ToolSpec, *, as_key: bool = False) -> tuple[Backing, ...]:
        """Every authority for it that is remembered, the best first: who asks whether arguments belong together needs
        to know of all records in which a value stands. `as_key`: it is to tell one record from others, so no field of
        another role will do."""
        role = argument.role
        known = self._of(role, value)
        released = tuple(_backing(given) for given in known if given.kind is BackingKind.PERSON)
        if role is Role.COMMAND:
            said = self.words.command(value)
            return (*released, *(() if said is None else (_spoken(said),)))
        if not specific(value):
            return self._short(value, role, tool)
        mentions = self._mentions(value, role) or self._spelt(value, argument, tool, as_key=as_key)
        named = [mention for mention in mentions if not mention.refused]
        if len(named) < len(mentions) and (role is Role.TARGET or not named):
            return released
        payee = _is_payee(argument, tool)
        words = () if payee else tuple(self._words(value, role, named))
        if Effect.DELETE in tool.effects and role is Role.SELECTOR:
            return (*released, *words)
        given_by = known if as_key or payee else self._served(role, value)
        fields = tuple(_backing(given) for given in given_by if given.kind is BackingKind.FIELD)
        said_by = () if payee or role not in _BY_COLLEAGUES else self._by_colleagues(value, role, given_by)
        return (*released, *words, *fields, *said_by)

    def backing_of_address(self, address: str) -> Backing | None:
        """On whose authority an address (mail, or the host of a link) may stand in outgoing text."""
        mentions = self.words.mentions(address) if specific(address) and len(address) <= MAX_VALUE else ()
        if any(mention.refused for mention in mentions):
            return None
        said = self.words.host(address) if not mentions else mentions[0]
        if said is not None:
            return _spoken(said)
        fields = [_backing(given) for given in self._of(Role.TARGET, address)]
        fields.sort(key=lambda backing: backing.kind is BackingKind.COLLEAGUE)
        return next(iter((*fields, *self._by_colleagues(address, Role.TARGET, ()))), None)

    def names(self, value: str) -> tuple[Backing, ...]:
        """Where own words name the whole `value`, whatever it is for."""
        if len(value) > MAX_VALUE or not specific(value):
            return ()
        return tuple(_merged([mention for mention in self.words.mentions(value) if not mention.refused]))

    def add_field(self, given: Endorsement) -> None:
        """A value of an authoritative field, or one that a person released."""
        by_person = given.kind is BackingKind.PERSON
        if not by_person and (given.role is Role.COMMAND or self._written_all):
            return
        if given.role is Role.COMMAND:
            self._add((given.role, folded(given.value)), given)
            return
        if given.role is Role.SELECTOR and _SHORT.fullmatch(given.value):
            # Never compared with what was written: every number from 0 to 9 is, sooner or later.
            self._add((given.role, f"\x00{given.store}\x00{given.value}"), given)
        for value in _forms(given.value):
            if specific(value) and (by_person or atom_key(value) not in self._written):
                self._add((given.role, folded(value)), given)
                for form in _usable(needed_forms(value), given.role):
                    self._add((given.role, f"\x00{form}"), given)

    def add_said(self, given: Said) -> None:
        """A colleague's own words, less what the agent wrote before."""
        if not self._written_all:
            self.said.add(given)

    def add_crossed(self, given: Crossed) -> None:
        clauses = frozenset(given.clauses)
        if given.command:
            self.words.add_command(given.text, given.by, given.kind, clauses)
        else:
            self.words.add_run(tuple(given.text.split(" ")), given.by, given.kind, clauses)

    def add_written(self, keys: Iterable[str], *, everything: bool) -> None:
        """Values that the agent handed to a tool: from now on no field endorses them. `everything`: no field endorses
        anything, because not all of them could be listed."""
        for key in keys:
            self._written.setdefault(key, len(self.said))
        self._written_all = self._written_all or everything

    @property
    def written(self) -> tuple[tuple[str, ...], bool]:
        """(keys of what the agent wrote, whether there was more), bounded for handing on."""
        if self._written_all or len(self._written) > MAX_ATOMS:
            return (), True
        return tuple(sorted(self._written)), False

    def crossing(self, message: str) -> tuple[tuple[Crossed, ...], tuple[Endorsement, ...]]:
        """What is endorsed here and occurs as a whole in `message` (in `cleaned` form). What colleagues said does not
        cross: the agent that it is handed to never saw the record."""
        said = WordIndex()
        said.add(message, "message")
        runs, commands = self.words.crossing(said)
        crossed = [_crossed(text, mention) for text, mention in runs]
        crossed += [_crossed(text, mention, command=True) for text, mention in commands]
        fields = (
            given
            for (_, value), ways in self._fields.items()
            if not value.startswith("\x00") and said.mentions(value)
            for given in ways
        )
        return tuple(crossed), tuple(fields)

    def _add(self, key: tuple[Role, str], given: Endorsement) -> None:
        ways = self._fields.get(key, ())
        if given not in ways and len(ways) < MAX_WAYS:
            self._fields[key] = (*ways, given)

    def _of(self, role: Role, value: str) -> tuple[Endorsement, ...]:
        if not specific(value):
            return ()
        exact = self._fields.get((role, folded(value)), ())
        forms = _usable(needed_forms(value), role)
        # Parts of one value (a date with its time) stand in a field together or not at all.
        return exact or next((ways for form in forms if (ways := self._fields.get((role, f"\x00{form}")))), ())

    def _served(self, role: Role, value: str) -> tuple[Endorsement, ...]:
        """Fields of any role that will do for `role`, those of its own first."""
        others = _SERVED_BY.get(role, ())
        if role is Role.TARGET and any(addresses_in(value)):
            others = ()
        found = [*self._of(role, value), *(given for other in others for given in self._of(other, value))]
        return tuple(
            dict.fromkeys(given for given in found if given.role is role or given.kind is not BackingKind.PERSON)
        )

    def _short(self, value: str, role: Role, tool: ToolSpec) -> tuple[Backing, ...]:
        """A record's id of one character selects where that record is kept, and nowhere else; a single digit that own
        words say may be a plain value."""
        if role is Role.VALUE and value.isdigit():
            said = self.words.mentions_of_forms(needed_forms(value))
            return tuple(_merged([mention for mention in said if not mention.refused]))
        if role is not Role.SELECTOR or Effect.DELETE in tool.effects or not _SHORT.fullmatch(value):
            return ()
        ways = self._fields.get((role, f"\x00{tool.own_store}\x00{value}"), ())
        return tuple(_backing(given) for given in ways if tool.own_store)

    def _by_colleagues(self, value: str, role: Role, fields: Iterable[Endorsement]) -> tuple[Backing, ...]:
        """Their words, and those of `fields` whose records their words selected."""
        chosen = (_backing(given) for given in fields if given.kind is BackingKind.COLLEAGUE)
        spelt = (value, without_scheme(value))
        return (*chosen, *(said for each in spelt if each for said in self.said.find(each, role, self._written)))

    def _mentions(self, value: str, role: Role) -> tuple[Mention, ...]:
        if len(value) > MAX_VALUE:
            return ()
        found = self.words.mentions(value)
        if bare := without_scheme(value):
            found = (*found, *self.words.mentions(bare))
        if found:
            return found
        parts = needed_forms(value)
        if not parts or not all(_usable((part,), role) for part in parts):
            return ()
        return self.words.mentions_of_forms(parts) or (self._ended(value) if role is Role.VALUE else ())

    def _spelt(self, value: str, argument: ArgFacts, tool: ToolSpec, *, as_key: bool) -> tuple[Mention, ...]:
        """Where own words write in another case what is no id: what is looked for, a whole name, one of the few values
        that a tool takes ("read only" for `READ_ONLY`, "prod" for `production`)."""
        if len(value) > MAX_VALUE:
            return ()
        if argument.role is Role.QUERY:
            return self.words.mentions(value, any_case=True) or self.words.mentions(f"{value}s", any_case=True)
        if as_key and _NAME.fullmatch(value):
            return self.words.mentions(value, any_case=True)
        spec = tool.judged().get(argument.name)
        choices = spec.options.get("values") if spec is not None and spec.type == "enum" else None
        if not isinstance(choices, tuple) or value not in choices:
            return ()
        spoken = dict.fromkeys((value, _JOINS.sub(" ", value), _JOINS.sub("-", value), _JOINS.sub("", value)))
        found = [mention for each in spoken for mention in self.words.mentions(each, any_case=True)]
        shortened = (value[:at] for at in range(_ABBREVIATED, len(value)))
        found += [
            mention
            for each in shortened
            if sum(other.startswith(each) for other in choices) == 1
            for mention in self.words.mentions(each, any_case=True)
        ]
        return tuple(found)

    def _ended(self, value: str) -> tuple[Mention, ...]:
        """Where one clause of own words says when something begins and how long it lasts, so that it ends then."""
        found: list[Mention] = []
        for minutes, lasting in self.words.lasting():
            begun = self.words.mentions_of_forms(needed_forms(started(value, minutes)))
            for mention in lasting:
                together = [each for each in begun if each.clauses & mention.clauses]
                # A refused one stays in: what is not to begin does not end either.
                found += [mention, *together] if together else ()
        return tuple(found)

    def _words(self, value: str, role: Role, named: list[Mention]) -> Iterator[Backing]:
        yield from _merged(named)
        said = self.words.command(value) if role is Role.QUERY and not named else None
        if said is not None:
            yield _spoken(said)


def _merged(mentions: list[Mention]) -> Iterator[Backing]:
    """One backing for each text that names it, with all clauses in which it does."""
    clauses: dict[tuple[str, BackingKind], frozenset[str]] = {}
    for mention in mentions:
        key = (mention.by, mention.kind)
        clauses[key] = clauses.get(key, frozenset()) | mention.clauses
    if clauses:
        (by, kind), *_ = clauses
        yield Backing(by=by, kind=kind, clauses=frozenset().union(*clauses.values()))


def _spoken(mention: Mention) -> Backing:
    return Backing(by=mention.by, kind=mention.kind, clauses=mention.clauses)


def _backing(given: Endorsement) -> Backing:
    return Backing(
        by=given.by,
        kind=given.kind,
        record=given.record,
        chain=given.chain,
        clauses=given.clauses,
        within=given.within,
    )


def _crossed(text: str, mention: Mention, *, command: bool = False) -> Crossed:
    return Crossed(text=text, by=mention.by, command=command, kind=mention.kind, clauses=tuple(sorted(mention.clauses)))


def _usable(parts: tuple[tuple[str, ...], ...], role: Role) -> tuple[str, ...]:
    """The forms by which an argument of `role` may be recognised: a date or a time selects, a number is a name there
    ("ticket 0050")."""
    if len(parts) != 1 or role not in (Role.VALUE, Role.SELECTOR, Role.QUERY):
        return ()
    return tuple(form for form in parts[0] if role is Role.VALUE or form[0] in "dDt")


def _forms(value: str) -> Iterator[str]:
    yield value
    if " " in value:
        yield from iban_in(value.split())


def _is_payee(argument: ArgFacts, tool: ToolSpec) -> bool:
    return Effect.PAY in tool.effects and tool.interface.get(Effect.PAY, {}).get("payee") == argument.name
