"""A project's own types, contained: whatever their code does wrong refuses the argument.

The code is the operator's, not the model's, and is trusted as a policy is; but it runs over what the model wrote.
INVARIANT: facts that reach rules have the shape that the schema was made with, also where a type says another one
later; a type that raises, or answers something else, is refused with the code `type-failed`. How long it takes is not
bounded: a slow type makes a slow decision.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, cast

from bailiwick.action.approval_card import visible
from bailiwick.action.types import Parsed, SemanticType, Surroundings, Unparsable
from bailiwick.action.types.base import Beyond, Option, Options, OptionValue
from bailiwick.action.types.content import CONTENT_SHAPE
from bailiwick.errors import CanonicalError, Finding, ProjectError, Where
from bailiwick.model.call import Fact
from bailiwick.model.canonical import canonical, parse, thaw
from bailiwick.model.lookup import Lookup, LookupKind
from bailiwick.model.shape import Bool, Field, Long, Record, Shape, String, StringSet, fits
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = ["ContainedType", "contained", "imported"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_CODE = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_RESERVED = frozenset({"type", "role", "optional", "recipients", "fields", "max_items"})
_MAX_FACTS = 65_536
"""Bytes of the facts of one argument: they travel in the request to Cedar."""
_MAX_LOOKUPS = 100
_MAX_BEYOND = 100
_LONGEST_SAID = 300
"""Characters of what a type says of a value: the model reads it, and it stands in the audit log."""
_MAX_SHAPE = 4
"""Records within records."""
_OPTION_KINDS = (str, int, bool, tuple, dict)


def imported(module: str, attribute: str) -> tuple[object, str]:
    """(an instance of the class `attribute` of `module`, or the instance itself; why there is none)."""
    try:
        found = getattr(import_module(module), attribute)
        return (found() if isinstance(found, type) else found), ""
    except Exception as error:  # noqa: BLE001  importing runs whatever the module holds
        return None, f"{type(error).__name__}: {error!s:.200}"


def contained(own: object, where: Where) -> tuple[ContainedType | None, str]:
    """(the type, contained; what keeps it from being one)."""
    try:
        given: Any = own
        name, options, roles, scalar = given.name, dict(given.options), frozenset(given.roles), given.scalar
        callable_ = all(callable(getattr(given, method)) for method in ("shape", "accepts", "asks", "parse"))
    except Exception as error:  # noqa: BLE001  its attributes may be properties
        return None, f"it is no type: {type(error).__name__}: {error!s:.200}"
    if type(name) is not str or _NAME.fullmatch(name) is None:
        return None, f"it is named {name!r:.80}, which is no name: lower-case letters, digits and '_'"
    if not all(_is_option(key, option) for key, option in options.items()):
        return None, f"its options are not all an Option, or one is named as {', '.join(sorted(_RESERVED))} are"
    options = {key: replace(option, problem=_contained_check(option)) for key, option in options.items()}
    if not roles or any(type(role) is not Role for role in roles) or type(scalar) is not bool or not callable_:
        return None, "its roles, its `scalar` or a method of it is not what an ArgType has"
    return ContainedType(inner=given, name=name, options=options, roles=roles, scalar=scalar, where=where), ""


def _is_option(key: Any, option: Any) -> bool:
    return (
        type(key) is str
        and key not in _RESERVED
        and isinstance(option, Option)
        and option.kind in _OPTION_KINDS
        and (type(option.required), type(option.needs)) == (bool, str)
        and callable(option.problem)
    )


def _contained_check(option: Option) -> Callable[[OptionValue], str]:
    def problem(value: OptionValue) -> str:
        try:
            found = option.problem(value)
        except Exception as error:  # noqa: BLE001
            return f"its type cannot judge it: {type(error).__name__}"
        return _said(found) if type(found) is str else "its type does not say what is wrong with it"

    return problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContainedType:
    """A type of the project's own, of which nothing is believed."""

    inner: SemanticType
    name: str
    options: Mapping[str, Option]
    roles: frozenset[Role]
    scalar: bool
    where: Where
    _shapes: dict[tuple[tuple[tuple[str, OptionValue], ...], Role], Shape] = field(default_factory=dict)
    """What was said first: rules are checked against it."""

    def shape(self, options: Options, role: Role) -> Shape:
        """Raises ProjectError where the type cannot say it: the project does not load."""
        key = tuple(sorted(options.items())), role
        if key not in self._shapes:
            self._shapes[key] = self._shape(options, role)
        return self._shapes[key]

    def _shape(self, options: Options, role: Role) -> Shape:
        try:
            found = self.inner.shape(options, role)
        except Exception as error:
            raise self._bad(f"cannot say the shape of its facts: {type(error).__name__}") from error
        if not _is_shape(found, 0):
            raise self._bad("says a shape of its facts that is none")
        if role is Role.CONTENT and not _has_content(found):
            raise self._bad("takes the role content, but its facts lack what every content has (CONTENT_SHAPE)")
        return found

    def accepts(self, spec: ArgSpec) -> str:
        try:
            text = self.inner.accepts(spec)
        except Exception:  # noqa: BLE001
            text = ""
        return _said(text) if type(text) is str and text else f"a value of type {self.name}"

    def asks(self, value: object, spec: ArgSpec) -> tuple[Lookup, ...]:
        try:
            asked = self.inner.asks(_copied(value), spec)
            good = type(asked) is tuple and len(asked) <= _MAX_LOOKUPS and all(map(_is_lookup, asked))
        except Exception:  # noqa: BLE001  without its answers it will refuse the value, or fail again
            return ()
        return asked if good else ()

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:
        try:
            found = self.inner.parse(_copied(value), spec, around)
            shape = self.shape(spec.options, spec.role)
            return self._checked(found, shape)
        except Exception as error:  # noqa: BLE001
            return self._failed(f"raised {type(error).__name__}")

    def _checked(self, found: object, shape: Shape) -> Parsed | Unparsable:
        match found:
            case Unparsable(problem=str(problem), code=str(code)) if problem and _CODE.fullmatch(code):
                return Unparsable(problem=_said(problem), code=code)
            case Parsed(facts=facts, values=values, text=text, beyond=beyond, parts=None):
                plain = _plain(facts)
                if not fits(shape, plain) or len(canonical(plain)) > _MAX_FACTS:
                    return self._failed("gave facts that do not have the shape it declares")
                if not _are_texts((text,)) or not _are_texts(values) or (self.scalar and not values):
                    return self._failed("gave values that are no texts, or none for a single value")
                if not _are_effects(beyond):
                    return self._failed("named effects that are none")
                kept = tuple(replace(each, saw=_said(each.saw)) for each in beyond)
                return Parsed(facts=plain, values=values, text=text, beyond=kept)
            case _:
                return self._failed("gave neither facts nor a reason")

    def _failed(self, how: str) -> Unparsable:
        return Unparsable(problem=f"could not be understood: its type '{self.name}' {how}", code="type-failed")

    def _bad(self, how: str) -> ProjectError:
        finding = Finding(
            rule="bad-type",
            message=f"the type '{self.name}' {how}",
            where=self.where,
            hint="mend its class; bailiwick.testing.check_type says what is wrong with it",
        )
        return ProjectError([finding])


def _copied(value: object) -> object:
    """What the tool will get. INVARIANT: no type can change the arguments that the next one sees."""
    return thaw(parse(canonical(value)))


def _plain(facts: object) -> Fact:
    if isinstance(facts, Mapping):
        return {name: _plain(item) for name, item in facts.items()}
    return cast(Fact, facts)


def _are_texts(values: object) -> bool:
    return type(values) is tuple and all(type(each) is str and _encodes(each) for each in values)


def _encodes(text: str) -> bool:
    try:
        canonical(text)
    except CanonicalError:
        return False
    return True


def _said(text: str) -> str:
    """A type's own words as one line that shows what it holds."""
    shown = visible(text[: _LONGEST_SAID + 1])
    return shown if len(shown) <= _LONGEST_SAID else f"{shown[:_LONGEST_SAID]}..."


def _is_lookup(asked: object) -> bool:
    return (
        type(asked) is Lookup
        and type(asked.kind) is LookupKind
        and all(type(text) is str and _encodes(text) for text in (asked.name, asked.below))
    )


def _are_effects(beyond: object) -> bool:
    return (
        type(beyond) is tuple
        and len(beyond) <= _MAX_BEYOND
        and all(type(each) is Beyond and type(each.effect) is Effect and type(each.saw) is str for each in beyond)
    )


def _has_content(shape: Shape) -> bool:
    return isinstance(shape, Record) and set(CONTENT_SHAPE.fields) <= set(shape.fields)


def _is_shape(shape: object, depth: int) -> bool:
    """Whether it is exactly a shape of ours: a class below one of them could say something else each time."""
    if type(shape) in (String, StringSet):
        values = cast(String, shape).values
        return type(values) is tuple and all(type(each) is str for each in values)
    if type(shape) is Record:
        return depth < _MAX_SHAPE and type(shape.fields) is tuple and _are_fields(shape.fields, depth + 1)
    return type(shape) in (Bool, Long)


def _are_fields(fields: tuple[Any, ...], depth: int) -> bool:
    names = [each.name for each in fields if type(each) is Field and type(each.name) is str]
    return len(set(names)) == len(fields) and all(
        _FIELD.fullmatch(each.name) and type(each.optional) is bool and _is_shape(each.shape, depth) for each in fields
    )
