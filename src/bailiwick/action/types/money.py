"""Amounts of money as whole minor units of an ISO 4217 currency. DESIGN §4: `{ minor: Long, currency: String }`.

Never a float: `12.1` has no exact binary form. Accepted is `{"amount": "12.50", "currency": "EUR"}` and `"12.50
EUR"`; where the catalog fixes the `currency`, also `"12.50"`, a decimal or a whole number of major units. With `unit
= "minor"` a whole number of minor units is the only form. Amounts are written in one way: ASCII digits, a point, no
sign, no thousands separator, no exponent, no more decimals than the currency has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bailiwick.action.types.base import (
    EVERY_ROLE,
    AsksNothing,
    Option,
    Options,
    OptionValue,
    Parsed,
    Surroundings,
    Unparsable,
    quoted,
)
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.shape import LONG, STRING, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["EXPONENTS", "MONEY_SHAPE", "MoneyType"]

MONEY_SHAPE = Record((Field("minor", LONG), Field("currency", STRING)))

_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE
CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW
KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK
PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS
UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
"""Currency → decimals of its minor unit (ISO 4217, list one; without its funds, metals and codes for tests). What is
not here is refused, not guessed. A tool that counts otherwise than ISO does (some card processors take UGX in
hundredths) must not be declared with `unit = "minor"`."""

_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,4})?")
_UNITS = ("major", "minor")


def _known_currency(value: OptionValue) -> str:
    return "" if value in EXPONENTS else "it must be an ISO 4217 code in capitals that bailiwick knows, such as EUR"


def _known_unit(value: OptionValue) -> str:
    return "" if value in _UNITS else f"it must be {quoted(_UNITS)}"


@dataclass(frozen=True, slots=True)
class MoneyType(AsksNothing):
    """`currency` fixes the currency; `unit = "minor"` (with a currency) says that the tool takes cents."""

    name: str = "money"
    scalar: bool = False
    roles: frozenset[Role] = EVERY_ROLE - {Role.CONTENT, Role.COMMAND, Role.CREDENTIAL}

    @property
    def options(self) -> Mapping[str, Option]:
        return {
            "currency": Option(kind=str, problem=_known_currency),
            "unit": Option(kind=str, needs="currency", problem=_known_unit),
        }

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return MONEY_SHAPE

    def accepts(self, spec: ArgSpec) -> str:
        currency = spec.options.get("currency")
        if currency is None:
            return 'an amount with its currency, such as "12.50 EUR" or {"amount": "12.50", "currency": "EUR"}'
        if spec.options.get("unit") == "minor":
            return f"a whole number of the minor units of {currency}"
        example = "12.50" if EXPONENTS.get(str(currency)) else "1250"
        return f'an amount in {currency} as a string, such as "{example}"'

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        fixed = spec.options.get("currency")
        if spec.options.get("unit") == "minor":
            if type(value) is not int or not isinstance(fixed, str):
                return Unparsable(problem="is not a whole number of minor units")
            return _in_minor(value, fixed, named=False)
        split = _split(value, fixed if isinstance(fixed, str) else None)
        if isinstance(split, Unparsable):
            return split
        amount, currency = split
        if currency not in EXPONENTS:
            return Unparsable(problem=f"names a currency that is not known: {currency!r:.20}", code="unknown-currency")
        if fixed is not None and currency != fixed:
            return Unparsable(problem=f"is in {currency}, but only {fixed} is taken", code="not-allowed")
        return _in_major(amount, currency, named=fixed is None)


def _split(value: object, fixed: str | None) -> tuple[str, str] | Unparsable:
    """Amount and currency as they are written."""
    match value:
        case str() if fixed is not None and " " not in value:
            return value, fixed
        case str():
            amount, space, currency = value.partition(" ")
            return (amount, currency) if space else Unparsable(problem="names no currency")
        case bool() | float():
            return Unparsable(problem="is no exact amount")
        case int() | Decimal() if fixed is not None:
            return _digits(value), fixed
        case {"amount": amount, "currency": str(currency), **rest} if not rest:
            if type(amount) is str:
                return amount, currency
            if type(amount) is int or isinstance(amount, Decimal):
                return _digits(amount), currency
            return Unparsable(problem="has an amount that is no string")
        case _:
            return Unparsable(problem="is no amount of money")


def _digits(amount: int | Decimal) -> str:
    """Plain digits; "" for a decimal so large or small that writing it out would fill the memory."""
    if isinstance(amount, int):
        return str(amount)
    return format(amount, "f") if amount.is_finite() and abs(amount.adjusted()) < 20 else ""


def _in_major(amount: str, currency: str, *, named: bool) -> Parsed | Unparsable:
    exponent = EXPONENTS[currency]
    if _AMOUNT.fullmatch(amount) is None:
        return Unparsable(
            problem=f"has the amount {amount!r:.40}, which is not plain digits with a point", code="not-an-amount"
        )
    if len(amount.partition(".")[2]) > exponent:
        return Unparsable(problem=f"has more decimals than {currency}, which has {exponent}", code="not-an-amount")
    return _in_minor(int(Decimal(amount).scaleb(exponent)), currency, named=named)


def _in_minor(minor: int, currency: str, *, named: bool) -> Parsed | Unparsable:
    if not 0 <= minor <= MAX_INT:
        return Unparsable(problem="is negative or too large", code="not-an-amount")
    exponent = EXPONENTS[currency]
    amount = f"{Decimal(minor).scaleb(-exponent):f}"
    # Where the catalog fixes the currency, the call chose a number alone: that is what somebody has to have named.
    return Parsed(facts={"minor": minor, "currency": currency}, values=(f"{amount} {currency}" if named else amount,))
