"""Carries out the obligations of a permit on what a call returned. DESIGN §5 *Flow*, release.

- `redact`: identifiers of these categories become their kind in brackets (`[iban]`), in every text, in names of fields
  and in numbers, and so do fields that the catalog labels with one of them, whatever they hold;
- `mask`: of such identifiers the last four characters stay;
- `drop`: fields of these names are taken out, at any depth; a dotted name only where it ends so.

A text that is JSON is read as such, since many tools return records that way. INVARIANT: what cannot be judged is not
let through: a text outside of any record, where a field is to be taken out, a text that holds such a field in a form
that is not read (`ssn: …` in prose, lines of JSON, XML), and a value that is nested too deep are withheld as a whole.
Redaction lowers no label: what was not found may still be there.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

import orjson

from bailiwick.flow.atoms import decoded
from bailiwick.flow.identifiers import Found, find
from bailiwick.model.obligation import Obligations, Released
from bailiwick.model.tool import OutputSpec

__all__ = ["WITHHELD", "Detector", "released"]

WITHHELD = "[withheld]"
_KEPT = 4
_DEEPEST = 64
_WRITTEN_OUT = 10**40


class Detector(Protocol):
    """Finds more identifiers than the built-in patterns: an engine for names and addresses of people, for example.

    What it finds is merged with theirs. Where it raises, the result is withheld, and the call counts as one that may
    have run."""

    def __call__(self, text: str, categories: frozenset[str], /) -> Iterable[Found]:
        """The identifiers of these categories in `text`."""
        ...


def released(
    value: object, obligations: Obligations, output: OutputSpec, detectors: Sequence[Detector] = ()
) -> tuple[object, tuple[Released, ...]]:
    """(`value`, in mappings, lists, texts and numbers, as it may be shown; what was done to it)."""
    if not obligations:
        return value, ()
    labelled = {
        rule.path: sorted(rule.categories & obligations.redact)[0]
        for rule in output.labels
        if rule.path and rule.categories & obligations.redact
    }
    work = _Release(obligations=obligations, labelled=labelled, detectors=tuple(detectors))
    shown = work.whole(value)
    done = sorted(work.done.items())
    return shown, tuple(Released(what=what, of=of, count=count) for (what, of), count in done)


@dataclass(slots=True, kw_only=True)
class _Release:
    """One result on its way through. `labelled` are the paths of fields that are redacted as wholes, each with the
    category that says so."""

    obligations: Obligations
    labelled: Mapping[str, str]
    detectors: tuple[Detector, ...]
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    telling: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        self.telling = _telling({*self.obligations.drop, *self.labelled})

    def whole(self, value: object) -> object:
        inner = decoded(value)
        if (self.obligations.drop or self.labelled) and not _records(inner):
            if value is None or isinstance(value, bool):
                return value
            self.done["drop", "everything"] += 1
            return WITHHELD
        return self._value(value, ())

    def _value(self, value: object, path: tuple[str, ...]) -> object:
        if len(path) > _DEEPEST:
            self.done["drop", "nested"] += 1
            return WITHHELD
        match value:
            case Mapping():
                return self._fields(value, path)
            case list() | tuple():
                return [self._value(item, path) for item in value]
            case str():
                inner = decoded(value)
                if inner is not value and isinstance(inner, Mapping | list):
                    return _encoded(self._value(inner, path))
                if self.telling is not None and self.telling.search(_comparable(value)):
                    self.done["drop", "inside-text"] += 1
                    return WITHHELD
                return self._text(value)
            case bool() | None:
                return value
            case int() | float() | Decimal():
                told = _number(value)
                shown = self._text(told)
                return value if shown == told else shown
            case _:
                return self._value(str(value), path)

    def _fields(self, fields: Mapping[object, object], path: tuple[str, ...]) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, item in fields.items():
            name = str(key)
            here = (*path, name)
            if dropped := _named(here, self.obligations.drop):
                self.done["drop", dropped] += 1
                continue
            labelled = _named(here, self.labelled)
            if labelled and item not in (None, "", [], {}):
                category = self.labelled[labelled]
                self.done["redact", category] += 1
                kept[self._free(name, kept)] = f"[{category}]"
            else:
                kept[self._free(name, kept)] = self._value(item, here)
        return kept

    def _free(self, name: str, kept: Mapping[str, object]) -> str:
        """What a field is called: two names may become the same one."""
        shown = base = self._text(name)
        number = 2
        while shown in kept:
            shown, number = f"{base} ({number})", number + 1
        return shown

    def _text(self, text: str) -> str:
        wanted = self.obligations.redact | self.obligations.mask
        if not wanted or not text:
            return text
        found = [*find(text, wanted), *(each for detect in self.detectors for each in detect(text, wanted))]
        spans = [each for each in found if each.category in wanted and 0 <= each.start < each.end <= len(text)]
        parts, at = [], 0
        for start, end, of in _merged(spans):
            parts += [text[at:start], self._instead(text[start:end], of)]
            at = end
        return "".join((*parts, text[at:])) if parts else text

    def _instead(self, text: str, of: Sequence[Found]) -> str:
        redacted = [each for each in of if each.category in self.obligations.redact]
        kind = min((redacted or of), key=lambda each: (each.start, -each.end, each.kind)).kind
        self.done["redact" if redacted else "mask", kind] += 1
        return f"[{kind}]" if redacted else _masked(text)


def _masked(text: str) -> str:
    """All but the last four letters and digits as asterisks; all of them, where there are hardly more."""
    left = sum(char.isalnum() for char in text)
    keep = _KEPT if left >= 3 * _KEPT else 0
    shown = []
    for char in text:
        if char.isalnum():
            shown.append(char if left <= keep else "*")
            left -= 1
        else:
            shown.append(char)
    return "".join(shown)


def _merged(found: Iterable[Found]) -> list[tuple[int, int, list[Found]]]:
    """Spans that overlap as one, with what was found in it."""
    merged: list[tuple[int, int, list[Found]]] = []
    for each in sorted(found, key=lambda one: (one.start, -one.end, one.kind)):
        if merged and each.start < merged[-1][1]:
            start, end, of = merged[-1]
            merged[-1] = (start, max(end, each.end), [*of, each])
        else:
            merged.append((each.start, each.end, [each]))
    return merged


def _named(path: tuple[str, ...], names: Iterable[str]) -> str:
    """Which of `names` the path ends in; case, width and what cannot be seen do not count, a name with dots is a path,
    and the careful one of two is enough."""
    steps = [step.strip() for step in _comparable(".".join(path)).split(".")]
    ends = {".".join(steps[at:]) for at in range(len(steps))}
    return next((name for name in sorted(names) if _comparable(name).replace("[]", "") in ends), "")


def _telling(names: Iterable[str]) -> re.Pattern[str] | None:
    """Finds one of these fields in a text that is no record: its name as a key (`"ssn": …`, `ssn=…`, `<ssn>`)."""
    last = sorted({re.escape(_comparable(name.replace("[]", "").rpartition(".")[2])) for name in names})
    if not last:
        return None
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(last)})(?![^\W_])[\"'`\\\s*]*[:=>]")


def _comparable(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return plain if plain.isascii() else "".join(char for char in plain if unicodedata.category(char) != "Cf")


def _number(value: float | Decimal) -> str:
    """As somebody would write it, so that a card number that a table took for a fraction is found."""
    if isinstance(value, int):
        return str(value)
    whole = math.isfinite(value) and -_WRITTEN_OUT < value < _WRITTEN_OUT and value == int(value)
    return str(int(value)) if whole else str(value)


def _records(value: object) -> bool:
    """Whether all of it stands in fields."""
    if isinstance(value, list | tuple):
        return all(_records(decoded(item)) for item in value)
    return isinstance(value, Mapping)


def _encoded(value: object) -> str:
    return orjson.dumps(value, default=_plainly, option=orjson.OPT_NON_STR_KEYS).decode()


_plainly: Callable[[object], str] = str
