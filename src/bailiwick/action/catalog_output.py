"""What a tool's result is, as its `output` table says: labels, taint, authority, authorship. DESIGN §4, §5 *Flow*.

Defaults are the careful ones: without `output` a result taints, has the second lowest sensitivity level ("internal" by
default: the top level would make every undeclared tool unusable, the lowest would let it go anywhere), endorses
nothing, was written by nobody known, and is searched for secrets and payment data.

Field names are dotted paths inside one record. Where `fields` lists all that a record may hold, every name is checked
against it: a misspelt name in `trusted` or `labels` must not pass unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bailiwick.action.catalog_table import Table
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import Authorship, LabelRule, OutputSpec, Role

__all__ = ["EVERYONE", "LABEL_KEYS", "OUTPUT_KEYS", "Vocabulary", "output_declaration", "read_output"]

EVERYONE = "everyone"
"""How a catalog says that there is no reader who may not."""

OUTPUT_KEYS = (
    *("sensitivity", "categories", "readers", "untrusted", "trusted", "endorses", "records", "fields", "labels"),
    *("level_from", "readers_from", "detect", "author", "hide", "party", "subject"),
)
LABEL_KEYS = ("field", "when", "sensitivity", "categories", "readers")
_ENDORSABLE = (Role.TARGET, Role.SELECTOR, Role.CREDENTIAL, Role.VALUE)
_DEFAULT_LEVEL = 1
_DETECTED = frozenset({"secret", "pci"})
_ARGUMENT = "args."


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a label may say in this project. `levels` are the sensitivity levels, lowest first."""

    levels: tuple[str, ...]
    categories: frozenset[str]


def read_output(tool: Table, arguments: Mapping[str, object], vocabulary: Vocabulary) -> OutputSpec:
    """The `output` of a tool with these arguments. Whatever is wrong is noted."""
    detected = _DETECTED & vocabulary.categories
    table = tool.section("output")
    if table is None or not table.data:
        return OutputSpec(sensitivity=_default_level(vocabulary), detect=detected)
    table.refuse_unknown_keys(OUTPUT_KEYS, "an output")
    level, categories, readers = _label(table, vocabulary)
    untrusted, trusted = _taint(table)
    fields = table.strings("fields")
    output = OutputSpec(
        sensitivity=_default_level(vocabulary) if level is None else level,
        categories=categories,
        readers=readers,
        untrusted=untrusted,
        trusted=trusted,
        endorses=MappingProxyType(_endorses(table, untrusted, trusted)),
        records=table.string("records") or "",
        fields=fields,
        labels=tuple(_labels(table, arguments, vocabulary)),
        level_from=table.string("level_from") or "",
        readers_from=table.string("readers_from") or "",
        detect=_detect(table, vocabulary, detected),
        author=_author(table),
        hide=table.boolean("hide", default=False),
        party=_party(table, untrusted, trusted),
        subject=table.data.get("subject") is True,
        subjects=_subjects(table),
    )
    if fields is not None:
        _check_fields(table, output, fields)
    return output


def _subjects(table: Table) -> str:
    """The template that names whom a record is about; empty where `subject` is a boolean."""
    if not isinstance(table.data.get("subject"), str):
        table.boolean("subject", default=False)
        return ""
    text = table.string("subject") or ""
    if re.fullmatch(r"[^{}]*\{[^{}]+\}[^{}]*", text):
        return text
    table.note(
        "bad-subject",
        f"'{text}' does not say whom a record is about",
        "subject",
        hint='true, or a text with one field of a record, such as "crm/customers/{id}"',
    )
    return ""


def output_declaration(output: OutputSpec) -> list[object]:
    """All of it, for the catalog's digest."""
    return [
        output.sensitivity,
        sorted(output.categories),
        _sorted(output.readers),
        output.untrusted,
        output.trusted,
        sorted((field, role.value) for field, role in output.endorses.items()),
        output.records,
        output.fields,
        [
            [rule.path, sorted(rule.when.items()), rule.sensitivity, sorted(rule.categories), _sorted(rule.readers)]
            for rule in output.labels
        ],
        output.level_from,
        output.readers_from,
        sorted(output.detect),
        None if output.author is None else [output.author.field, output.author.unless],
        output.hide,
        output.party,
        output.subjects or output.subject,
    ]


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _default_level(vocabulary: Vocabulary) -> int:
    return min(_DEFAULT_LEVEL, len(vocabulary.levels) - 1)


def _label(table: Table, vocabulary: Vocabulary) -> tuple[int | None, frozenset[str], frozenset[str] | None]:
    level = table.string("sensitivity")
    index = None
    if level is not None:
        if level in vocabulary.levels:
            index = vocabulary.levels.index(level)
        else:
            hint = did_you_mean(level, vocabulary.levels)
            table.note("unknown-level", f"there is no level '{level}'", "sensitivity", hint=hint)
    categories = table.strings("categories") or ()
    table.known(categories, vocabulary.categories, "unknown-category", "categories")
    readers = table.strings("readers")
    return index, frozenset(categories), None if readers is None else frozenset(readers)


def _taint(table: Table) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """(the fields that taint, None for all; the fields that do not, None where `untrusted` says it)."""
    value = table.data.get("untrusted", True)
    if "trusted" in table.data:
        if "untrusted" in table.data:
            table.note(
                "bad-taint",
                "'trusted' and 'untrusted' say the same thing twice",
                "trusted",
                hint="name the fields that others can write (untrusted), or all that they cannot (trusted)",
            )
        return None, table.strings("trusted")
    if isinstance(value, bool):
        return (None if value else ()), None
    return table.strings("untrusted"), None


def _endorses(table: Table, untrusted: tuple[str, ...] | None, trusted: tuple[str, ...] | None) -> dict[str, Role]:
    found: dict[str, Role] = {}
    section = table.table("endorses")
    if section is None:
        return found
    for field in section.data:
        role = section.choice(field, Role, "unknown-role")
        if role is None:
            continue
        vouched = _vouched(field, untrusted, trusted)
        if role not in _ENDORSABLE:
            section.note(
                "bad-endorsement",
                f"a field cannot endorse a {role}",
                field,
                hint=f"choose from: {', '.join(_ENDORSABLE)}",
            )
        elif not vouched:
            section.note(
                "bad-endorsement",
                f"'{field}' is untrusted, so it cannot endorse anything",
                field,
                hint="name the fields that others can write: untrusted = […], or those that they cannot: trusted = […]",
            )
        found[field] = role
    return found


def _vouched(field: str, untrusted: tuple[str, ...] | None, trusted: tuple[str, ...] | None) -> bool:
    return field in trusted if trusted is not None else untrusted is not None and field not in untrusted


def _party(table: Table, untrusted: tuple[str, ...] | None, trusted: tuple[str, ...] | None) -> tuple[str, ...]:
    names = table.one_or_more_strings("party") or ()
    for name in names:
        if not _vouched(name, untrusted, trusted):
            hint = "name the fields that others can write: untrusted = […], or those that they cannot: trusted = […]"
            table.note("bad-party", f"'{name}' is untrusted, so it cannot say whose record it is", "party", hint=hint)
    if names and not table.data.keys() & {"readers", "readers_from"}:
        hint = 'say who else may read it: readers = ["Group::…"]'
        table.note("bad-party", "everyone may read the record, so nobody need be named", "party", hint=hint)
    return names


def _labels(table: Table, arguments: Mapping[str, object], vocabulary: Vocabulary) -> Iterator[LabelRule]:
    for rule in table.tables("labels"):
        rule.refuse_unknown_keys(LABEL_KEYS, "a label")
        level, categories, readers = _label(rule, vocabulary)
        when = _when(rule, arguments)
        if not rule.data.keys() & {"sensitivity", "categories", "readers"}:
            rule.note("empty-label", "this label says nothing", hint="give it a sensitivity, categories or readers")
        yield LabelRule(
            path=rule.string("field") or "",
            when=MappingProxyType(when),
            sensitivity=level or 0,
            categories=categories,
            readers=readers,
        )


def _when(rule: Table, arguments: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    section = rule.table("when")
    for name in section.data if section is not None else ():
        assert section is not None
        argument = name.removeprefix(_ARGUMENT)
        if name.startswith(_ARGUMENT) and argument not in arguments:
            hint = did_you_mean(argument, arguments)
            section.note("unknown-argument", f"no argument is called '{argument}'", name, hint=hint)
        found[name] = section.one_or_more_strings(name) or ()
    return found


def _detect(table: Table, vocabulary: Vocabulary, default: frozenset[str]) -> frozenset[str]:
    value = table.data.get("detect")
    if isinstance(value, bool):
        return vocabulary.categories if value else frozenset()
    names = table.strings("detect")
    if names is None:
        return default
    table.known(names, vocabulary.categories, "unknown-category", "detect")
    return frozenset(names)


def _author(table: Table) -> Authorship | None:
    if isinstance(table.data.get("author"), str):
        return Authorship(field=table.string("author") or "")
    section = table.table("author")
    if section is None:
        return None
    section.refuse_unknown_keys(("field", "unless"), "an author")
    field = section.string("field")
    if field is None:
        if "field" not in section.data:
            section.note("wrong-value", "an author needs a 'field'", hint='write author = "sender"')
        return None
    return Authorship(field=field, unless=section.one_or_more_strings("unless") or ())


def _check_fields(table: Table, output: OutputSpec, fields: Sequence[str]) -> None:
    """Notes every name that is no field of a record."""
    known = frozenset(fields) | {part for field in fields for part in _above(field)}
    for key, name in _named(output):
        if name not in known:
            hint = did_you_mean(name, known)
            table.note("unknown-field", f"a record of this tool has no field '{name}'", key, hint=hint)


def _named(output: OutputSpec) -> Iterator[tuple[str, str]]:
    for key, names in (
        ("untrusted", output.untrusted or ()),
        ("trusted", output.trusted or ()),
        ("endorses", tuple(output.endorses)),
        ("level_from", (output.level_from,)),
        ("readers_from", (output.readers_from,)),
        ("party", output.party),
        ("subject", (output.subjects.partition("{")[2].partition("}")[0],)),
        ("author", () if output.author is None else (output.author.field, *output.author.unless)),
        ("labels", tuple(rule.path for rule in output.labels)),
        ("labels", tuple(name for rule in output.labels for name in rule.when if not name.startswith(_ARGUMENT))),
    ):
        yield from ((key, name) for name in names if name)


def _above(field: str) -> Iterator[str]:
    while "." in field:
        field = field.rpartition(".")[0]
        yield field
