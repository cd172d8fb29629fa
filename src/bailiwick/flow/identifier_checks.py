"""Whether what looks like an identifier is one: check digits, and what no key or password looks like."""

from __future__ import annotations

import re
from itertools import cycle

from stdnum import iban, luhn
from stdnum.gb import nhs

__all__ = [
    "card",
    "has_digit",
    "iban_number",
    "mail",
    "nhs_number",
    "odd_key",
    "passport_zone",
    "phone",
    "reset_link",
    "routing_number",
    "secret_value",
    "told_value",
]


def _bare(value: str) -> str:
    return "".join(char for char in value if char.isalnum())


def card(value: str) -> bool:
    digits = _bare(value)
    return digits[0] in "23456" and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def iban_number(value: str) -> bool:
    return bool(iban.is_valid(value, check_country=False))


def nhs_number(value: str) -> bool:
    return bool(nhs.is_valid(value))


def routing_number(value: str) -> bool:
    return sum(int(digit) * weight for digit, weight in zip(value, cycle((3, 7, 1)), strict=False)) % 10 == 0


def passport_zone(value: str) -> bool:
    """The second line of a passport's machine-readable zone: three of its check digits."""
    return all(
        value[end] == str(sum(_mrz(char) * weight for char, weight in zip(value[start:end], cycle((7, 3, 1)))) % 10)
        for start, end in ((0, 9), (13, 19), (21, 27))
    )


def _mrz(char: str) -> int:
    return 0 if char == "<" else int(char, 36)


_PLACEHOLDERS = frozenset(
    "required optional string str text none null nil true false hidden redacted removed unknown empty missing changed "
    "reset incorrect correct invalid valid wrong expired expires forgotten protected secure strong weak managed policy "
    "manager field input hash hashed encrypted stored sent the a an your my our their his her this that not no yes n/a "
    "tbd todo changeme example and or is was has had will must should can may to for in on of with from by at it "
    "value type number integer varchar".split()
)


def secret_value(value: str) -> bool:
    """Not a word that merely follows `password:`."""
    core = value.strip("\"'`.,;:!?()[]{}<>*_")
    return len(core) >= 3 and core.lower() not in _PLACEHOLDERS and len(set(core)) > 1


def told_value(value: str) -> bool:
    """After `is`: something that is no plain word."""
    core = value.strip(".,;:!?")
    quoted = len(core) > 2 and core[0] in "\"'`" and core[-1] == core[0]
    core = core.strip("\"'`")
    odd = any(not char.isalpha() and char not in "-'’" for char in core)  # noqa: RUF001 - as in "isn't"
    mixed = core != core.lower() and core[1:] != core[1:].lower()
    return secret_value(core) and (quoted or odd or mixed)


def has_digit(value: str) -> bool:
    return any(char.isdigit() for char in value)


def odd_key(value: str) -> bool:
    """A key is not a run of one character, and not words with hyphens."""
    return len(set(value)) > 6 and (has_digit(value) or value != value.lower())


def reset_link(value: str) -> bool:
    low = value.lower()
    said = re.search(
        r"reset|password|passwd|magic|verif|confirm|activat|invit|log-?in|sign-?in|recover|auth|one-?time", low
    )
    given = re.search(r"[?&#;/](?:[a-z_-]{0,20}(?:token|code|key|otp|secret|sig|hash)|t|c|k)=[^&#]{4,}", low)
    path = any(len(part) >= 16 and odd_key(part) for part in re.split(r"[/?#&=]", value)[3:])
    return said is not None and (given is not None or path)


def mail(value: str) -> bool:
    name, _, host = value.rpartition("@")
    return not name.startswith(".") and not name.endswith(".") and ".." not in value and not host.endswith("-")


def phone(value: str) -> bool:
    return 7 <= sum(char.isdigit() for char in value) <= 15
