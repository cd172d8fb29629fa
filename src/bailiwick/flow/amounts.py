"""Plain values that clauses give themselves: amounts, and numbers with a unit. DESIGN §5 *Flow*, binding.

"Refund 39.90 on order 7" is no request to refund the order's total; "500 mg, 90 days" gives each argument its own
number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bailiwick.flow.clauses import MONEY
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.tool import Effect, Role

__all__ = ["fits", "number_of", "says_otherwise"]

_CENTS = re.compile(r"(?<![\w.,:/-])(\d{1,3}(?:[.,' ]\d{3})*[.,]\d{2}|\d+[.,]\d{2})(?![\w:/-]|[.,]\d)")
_PAID = re.compile(
    r"\b(?:refund|pay|transfer|send|wire|credit|reimburse|give|überweise|zahle|erstatte|paie|paye|paga)\s+"
    r"(?:(?:him|her|them|back|only|just|out|another|up|to|ihm|ihr|nur)\s+)*(\d[\d.,']*)(?![\w/-])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.,:/-])(\d+(?:[.,]\d+)?)(?:[ -]?(%|[^\W\d_]{1,12}\b))?(?![\w:/]|-\d)")
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SPELT = {
    "percent": ("percent", "pct", "percentage", "prozent"),
    "hours": ("hours", "hour", "hrs", "hr", "h", "stunden"),
    "minutes": ("minutes", "minute", "mins", "min", "minuten"),
    "seconds": ("seconds", "second", "secs", "sec"),
    "days": ("days", "day", "d", "tage", "tagen", "jours", "dias"),
    "weeks": ("weeks", "week", "wochen"),
    "months": ("months", "month", "monate"),
    "years": ("years", "year", "jahre"),
    "mg": ("mg", "milligrams", "milligram"),
    "ml": ("ml",),
    "kg": ("kg", "kilos", "kilograms"),
    "grams": ("g", "grams", "gram"),
    "km": ("km",),
    "gb": ("gb",),
    "mb": ("mb",),
}
_UNITS = {word: unit for unit, words in _SPELT.items() for word in words}


def number_of(text: str) -> float | None:
    """A number as people write it: `1.200,50`, `1,200.50` and `1200.5` are one."""
    digits = text.strip().rstrip(".,").replace(" ", "").replace("'", "")
    last = max(digits.rfind("."), digits.rfind(","))
    if last >= 0 and len(digits) - last - 1 != 3:
        digits = digits[:last].replace(".", "").replace(",", "") + "." + digits[last + 1 :]
    else:
        digits = digits.replace(".", "").replace(",", "")
    try:
        return float(digits)
    except ValueError:
        return None


def says_otherwise(argument: ArgFacts, value: str, near: Iterable[str], action: Action) -> bool:
    """Whether clauses that ask for the call give a value of this kind, and another one than `value`: an amount for what
    is paid, or a number with the unit that the argument is called by."""
    given = number_of(value)
    if given is None:
        return False
    texts = list(near)
    if _is_money(argument, action):
        others = {each for arg in action.judged if arg.name != argument.name for each in arg.values}
        said = {number for text in texts for number in _amounts(text, others)}
        if said:
            return given not in said
    units = _units(argument.name)
    said = {number for text in texts for number, unit in _numbers(text) if unit in units}
    return bool(said) and given not in said


def fits(argument: ArgFacts, value: str, near: Iterable[str], action: Action) -> bool:
    """Whether a number that clauses say may be this argument: not if it always stands with the unit of another one, and
    not if it is said less often than there are arguments that hold it."""
    given = number_of(value)
    units = [unit for text in near for number, unit in _numbers(text) if number == given]
    if given is None or not units:
        return True
    own = _units(argument.name)
    rivals = [arg for arg in action.judged if arg.role is Role.VALUE and arg.name != argument.name]
    theirs = {unit for arg in rivals for unit in _units(arg.name)} - own
    held = 1 + sum(1 for arg in rivals if any(number_of(each) == given for each in arg.values))
    free = any(unit == "" or unit in own or (not own and unit not in theirs) for unit in units)
    return free and len(units) >= held


def _is_money(argument: ArgFacts, action: Action) -> bool:
    spec = action.tool.judged().get(argument.name)
    paid = action.tool.interface.get(Effect.PAY, {}).get("amount")
    return argument.name == paid or (spec is not None and spec.type == "money")


def _amounts(text: str, others: set[str]) -> Iterator[float]:
    for pattern in (MONEY, _CENTS, _PAID):
        for found in pattern.finditer(text):
            digits = next(group for group in found.groups() if group)
            number = number_of(digits)
            if number is not None and digits.rstrip(".,") not in others:
                yield number


def _numbers(text: str) -> Iterator[tuple[float, str]]:
    """Every number, with its unit if one is known."""
    for found in _NUMBER.finditer(text):
        number = number_of(found[1])
        if number is not None:
            yield number, "percent" if found[2] == "%" else _UNITS.get((found[2] or "").casefold(), "")


def _units(name: str) -> set[str]:
    return {
        _UNITS[part]
        for part in (each.lower() for each in _NAME_PARTS.findall(name))
        if part in _UNITS and len(part) > 1
    }
