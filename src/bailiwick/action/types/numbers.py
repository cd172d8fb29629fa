"""The types `number` and `datetime`: what is compared by size.

A number keeps its decimals: `12.5` is a decimal, never a float, which has no exact form. Rules read the whole numbers
that it lies between. A point in time is RFC 3339 in one spelling, with the offset that makes it a point in time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bailiwick.action.types.base import (
    EVERY_ROLE,
    AsksNothing,
    NoOptions,
    Options,
    Parsed,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.plain import kind_of
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.shape import LONG, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["DatetimeType", "NumberType"]

NUMBER_SHAPE = Record((Field("floor", LONG), Field("ceil", LONG)))

MAX_DIGITS = 40
"""Digits of a number, before and after its point."""

_NOT_CONTENT = EVERY_ROLE - {Role.CONTENT, Role.COMMAND}
_DATETIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NumberType(NoOptions, AsksNothing):
    """A whole number or a decimal within ±2^53. Facts: the whole numbers next below and above it, or itself twice."""

    name: str = "number"
    scalar: bool = True
    roles: frozenset[Role] = _NOT_CONTENT

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return NUMBER_SHAPE

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return f"a whole number or a decimal within ±2^53, of at most {MAX_DIGITS} digits"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is int:
            number = Decimal(value)
        elif isinstance(value, Decimal) and value.is_finite():
            number = value
        else:
            return Unparsable(problem=f"is {kind_of(value)}, not an exact number")
        # Asked before anything is written out: `1e999999999` has one digit.
        _, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)
        if len(digits) > MAX_DIGITS or not -MAX_DIGITS <= exponent <= MAX_DIGITS or abs(number) > MAX_INT:
            return Unparsable(problem="is too large or has too many digits", code="too-long")
        floor = int(number.to_integral_value(rounding=ROUND_FLOOR))
        ceil = int(number.to_integral_value(rounding=ROUND_CEILING))
        return Parsed(facts={"floor": floor, "ceil": ceil}, values=(_plainly(number),))


def _plainly(number: Decimal) -> str:
    """One spelling for one number: 12.50 and 12.5, 0 and -0 are the same."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


@dataclass(frozen=True, slots=True)
class DatetimeType(NoOptions, AsksNothing):
    """A point in time: `2026-03-31T17:00:00Z` or with an offset. Facts: milliseconds since 1970 in UTC."""

    name: str = "datetime"
    scalar: bool = True
    roles: frozenset[Role] = _NOT_CONTENT

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002
        return LONG

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return "a date and time with its offset, as in 2026-03-31T17:00:00Z or 2026-03-31T17:00:00.250+02:00"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem=f"is {kind_of(value)}, not a string")
        found = _DATETIME.fullmatch(value)
        if found is None:
            return Unparsable(
                problem="is no date and time with an offset in the one form that is taken", code="not-a-time"
            )
        year, month, day, hour, minute, second, fraction, offset = found.groups()
        if offset == "-00:00":
            return Unparsable(problem="has the offset -00:00, which says that nobody knows it", code="not-a-time")
        if second == "60":
            return Unparsable(problem="is a leap second, which clocks count in different ways", code="not-a-time")
        try:
            local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
            moment = local - _offset(offset)
        except (ValueError, OverflowError):
            return Unparsable(problem="is no date and time that there is", code="not-a-time")
        ms = (moment - _EPOCH) // timedelta(milliseconds=1) + int((fraction or "0").ljust(3, "0"))
        return Parsed(facts=ms, values=(_in_utc(moment, fraction),))


def _offset(text: str) -> timedelta:
    if text == "Z":
        return timedelta(0)
    size = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -size if text[0] == "-" else size


def _in_utc(moment: datetime, fraction: str | None) -> str:
    """One spelling for one point in time."""
    digits = (fraction or "").rstrip("0")
    whole = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"
