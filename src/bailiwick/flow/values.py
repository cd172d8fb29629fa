"""The same number, date or time, written otherwise: `50`, `50.00` and `€50`; `2024-05-15` and `May 15th, 2024`; `10:00`
and `10am`. DESIGN §5 *Flow*, endorsement.

What is found has a *form*, one string for all ways to write it: `n:1250` a number, `c:EUR` a currency, `m:1250 EUR` an
amount with its currency, `q:3 kg` a number with its unit, `d:2024-05-15` a date, `d:05-15` one without a year,
`t:10:00` a time of day, `u:90` a duration in minutes.

Only what can be read in one way has a form. `05/06/2024` has none (May or June), nor has `1.250` in a text (a thousand
or one and a quarter), `007` (a name, not a number), a time with a zone, or anything that is part of a longer token.
`1,250` is a thousand: nobody writes three decimal places of money. `$` is the US dollar. A date without a year is that
day of any year. A number with a unit (`25%`, `3 kg`, `2.25h`) is that number, and another value than the number alone;
`5k` is 5000. English, German, French and Spanish names of months.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

__all__ = ["forms_in", "needed_forms", "started"]

_MAX_DIGITS = 18
_BEFORE = r"(?<![^\s(\[{\"'“„«=:~*_])"
_AFTER = r"(?=[)\]}\"'”’»*_.,;:!?]*(?:\s|$))"  # noqa: RUF001

_SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP"}
_CURRENCY_WORDS = {"euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "pounds": "GBP", "us$": "USD"}
_CODES = frozenset(
    """
    EUR USD GBP CHF JPY CNY SEK NOK DKK PLN CZK HUF RON BGN AUD NZD CAD MXN BRL ARS CLP COP INR SGD HKD KRW TWD THB MYR
    IDR PHP VND ZAR TRY ILS AED SAR EGP NGN KES UAH ISK
    """.split()
)
_UNIT = r"(?:€|\$|£|US\$|[A-Z]{3}\b|[Ee]uros?\b|[Dd]ollars?\b|[Pp]ounds\b)"
_DIGITS = (
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:'\d{3})+(?:[.,]\d+)?|"
    r"\d+(?:[.,]\d+)?"
)
_MEASURES = "hrs?|h|mins?|secs?|ms|kg|mg|km|cm|mm|ml|kb|mb|gb|tb|px|GB|MB|TB|KB|kW|kWh"
_NUMBER = re.compile(
    rf"{_BEFORE}(?P<sign>[-+−]?)(?P<before>{_UNIT}[ ]?)?(?P<digits>{_DIGITS})(?P<after>[ ]?{_UNIT})?"  # noqa: RUF001
    rf"(?P<unit>[ ]?(?:%|(?:{_MEASURES})\b)|k\b)?{_AFTER}"
)
_PLAIN_NUMBER = re.compile(r"(-?)(0|[1-9]\d*)(?:\.(\d+))?")

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jänner janvier janv enero ene",
            "february feb februar février févr fevrier febrero",
            "march mar märz maerz mrz mars marzo",
            "april apr avril avr abril abr",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet juil julio",
            "august aug août aout agosto ago",
            "september sept sep septembre septiembre setiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez décembre déc diciembre dic",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_DATES = (
    re.compile(
        rf"{_BEFORE}(?P<y>\d{{4}})(?P<sep>[-/.])(?P<m>\d{{1,2}})(?P=sep)(?P<d>\d{{1,2}})(?:(?=[T ]\d\d:)|{_AFTER})"
    ),
    re.compile(rf"{_BEFORE}(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}){_AFTER}"),
    re.compile(
        rf"{_BEFORE}(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.|º)?[ ](?:(?:of|de)[ ])?(?P<name>{_MONTH})\b\.?"
        rf"(?:,?[ ](?:(?:de|del)[ ])?(?P<y>\d{{4}}))?{_AFTER}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_BEFORE}(?P<name>{_MONTH})\b\.?[ ](?:the[ ])?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?"
        rf"(?:,?[ ](?P<y>\d{{4}}))?{_AFTER}",
        re.IGNORECASE,
    ),
)
_SLASHED = re.compile(rf"{_BEFORE}(\d{{1,2}})/(\d{{1,2}})/(\d{{4}}){_AFTER}")

_DASH = "-–—"  # noqa: RUF001
_TIME_BEFORE = rf"(?:{_BEFORE}|(?<=[\dm][{_DASH}])|(?<=\d\dT))"
_TIME_AFTER = rf"(?:{_AFTER}|(?=[{_DASH}]\d{{1,2}}(?::|\s?[ap]\.?m)))"
_TIMES = (
    re.compile(
        rf"{_TIME_BEFORE}(?P<h>\d{{1,2}})[:.](?P<m>\d{{2}})(?::(?P<s>\d{{2}})(?:\.0+)?)?\s?(?P<half>[ap]\.?m\b\.?){_TIME_AFTER}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_TIME_BEFORE}(?P<h>\d{{1,2}}):(?P<m>\d{{2}})(?::(?P<s>\d{{2}})(?:\.0+)?)?(?P<half>){_TIME_AFTER}(?!\s?[AaPp]\.?[Mm]\b)"
    ),
    re.compile(rf"{_TIME_BEFORE}(?P<h>\d{{1,2}})(?P<m>)(?P<s>)\s?(?P<half>[ap]\.?m\b\.?){_TIME_AFTER}", re.IGNORECASE),
    re.compile(rf"{_BEFORE}(?P<h>\d{{1,2}})(?:[:.](?P<m>\d{{2}}))?(?P<s>)(?P<half>)\s?Uhr\b{_AFTER}", re.IGNORECASE),
    re.compile(rf"{_BEFORE}(?P<h>\d{{1,2}})\s?h\s?(?P<m>\d{{2}})?(?P<s>)(?P<half>)\b{_AFTER}"),
)
_WORD_TIMES = re.compile(
    rf"{_BEFORE}(noon|midday|midnight|mittag|mitternacht|midi|minuit|mediodía){_AFTER}", re.IGNORECASE
)
_NOON = frozenset({"noon", "midday", "mittag", "midi", "mediodía"})

_COUNTS = {
    **dict.fromkeys("a an one ein eine einer un une una".split(), 1),
    **dict.fromkeys("two zwei deux dos".split(), 2),
    **dict.fromkeys("three drei trois tres".split(), 3),
    **dict.fromkeys("four vier quatre cuatro".split(), 4),
    **dict.fromkeys("five fünf cinq cinco".split(), 5),
    **dict.fromkeys("six sechs seis".split(), 6),
}
_DURATION = re.compile(
    rf"(?<![\w.,:])(?P<count>\d{{1,3}}|{'|'.join(sorted(_COUNTS, key=len, reverse=True))})[ -]?"
    r"(?P<unit>hours?|hrs?|stunden?|heures?|horas?|minutes?|mins?|minuten?|minutos?)\b",
    re.IGNORECASE,
)

_WHOLE_DATETIME = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:\.0+)?)?)")


def forms_in(text: str) -> Iterator[tuple[str, int, int]]:
    """(form, start, end) of every number, amount, date and time in a text (in `cleaned` form)."""
    for found in _NUMBER.finditer(text):
        for form in _number_forms(found):
            yield form, found.start(), found.end()
    for form, start, end in _dates(text):
        yield form, start, end
        if len(form) > len("d:05-15"):
            yield f"D:{form[-5:]}", start, end
    yield from _times(text)
    for found in _DURATION.finditer(text):
        yield f"u:{_minutes(found)}", found.start(), found.end()


def started(value: str, minutes: int) -> str:
    """The date and time `minutes` before `value`; empty if it is no date with a time."""
    both = _WHOLE_DATETIME.fullmatch(value.strip())
    try:
        end = datetime.fromisoformat(f"{both['date']}T{both['time'][:8]}") if both is not None else None
        return "" if end is None else (end - timedelta(minutes=minutes)).isoformat(sep=" ")
    except (ValueError, OverflowError):
        return ""


def needed_forms(value: str) -> tuple[tuple[str, ...], ...]:
    """What a text must hold so that it says the same as the whole `value`: of each group one form. None if `value` is
    no number, amount, date or time."""
    value = value.strip()
    if not value or len(value) > 64:
        return ()
    both = _WHOLE_DATETIME.fullmatch(value)
    if both is not None:
        date, time = needed_forms(both["date"]), needed_forms(both["time"])
        return date + time if date and time else ()
    plain = _PLAIN_NUMBER.fullmatch(value)
    if plain is not None:
        number = _canonical(value)
        return ((f"n:{number}",),) if number else ()
    amount = _NUMBER.fullmatch(value)
    if amount is not None:
        forms = [form for form in _number_forms(amount) if not form.startswith("c:")]
        # With its currency it is another value than without.
        return ((forms[-1],),) if forms else ()
    for form, start, end in _dates(value):
        if (start, end) == (0, len(value)):
            # A text that leaves the year out means this one too; a value that leaves it out may be of any year.
            return ((form, f"d:{form[-5:]}"),) if len(form) > len("d:05-15") else ((form, f"D:{form[-5:]}"),)
    for form, start, end in _times(value):
        if (start, end) == (0, len(value)):
            return ((form,),)
    return ((f"c:{value}",),) if value in _CODES else ()


def _number_forms(found: re.Match[str]) -> Iterator[str]:
    digits = found["digits"]
    number = _read(digits)
    units = {unit for part in (found["before"], found["after"]) if part and (unit := _currency(part))}
    words = sum(1 for part in (found["before"], found["after"]) if part)
    if not number or len(units) > 1 or len(units) < words:
        return
    if found["unit"] == "k":
        number = _canonical(format(Decimal(number) * 1000, "f"))
    sign = "-" if found["sign"] in ("-", "−") and number != "0" else ""  # noqa: RUF001
    yield f"n:{sign}{number}"
    for unit in units:
        yield f"c:{unit}"
        yield f"m:{sign}{number} {unit}"
    if found["unit"] not in (None, "k"):
        yield f"q:{sign}{number} {found['unit'].strip().lower().removesuffix('s')}"


def _currency(part: str) -> str:
    word = part.strip()
    return _SYMBOLS.get(word) or _CURRENCY_WORDS.get(word.lower()) or (word if word in _CODES else "")


def _read(digits: str) -> str:
    """The one number that `digits` can mean to a reader, in canonical form; empty if there are two, or it is a name."""
    marks = [char for char in digits if char in ".,"]
    plain = digits.replace("'", "")
    if "," in marks and "." in marks:
        last = marks[-1]
        plain = plain.replace("." if last == "," else ",", "").replace(",", ".")
    elif len(marks) > 1:
        plain = plain.replace(marks[0], "")
    elif marks:
        whole, _, decimals = plain.partition(marks[0])
        if len(decimals) == 3 and whole != "0" and len(whole) <= 3:
            if marks[0] == ".":
                return ""
            plain = whole + decimals
        else:
            plain = f"{whole}.{decimals}"
    return _canonical(plain)


def _canonical(plain: str) -> str:
    whole = plain.lstrip("-").partition(".")[0]
    if (len(whole) > 1 and whole.startswith("0")) or sum(map(str.isdigit, plain)) > _MAX_DIGITS or not plain.isascii():
        return ""
    number = Decimal(plain)
    return "0" if number == 0 else format(number.normalize(), "f")


def _minutes(found: re.Match[str]) -> int:
    count = found["count"].lower()
    number = int(count) if count.isdigit() else _COUNTS[count]
    return number if found["unit"].lower().startswith("m") else 60 * number


def _dates(text: str) -> Iterator[tuple[str, int, int]]:
    for pattern in _DATES:
        for found in pattern.finditer(text):
            parts = found.groupdict()
            month = int(parts["m"]) if parts.get("m") else _MONTHS[found["name"].lower()]
            form = _date(parts["y"], month, int(parts["d"]))
            if form:
                yield form, found.start(), found.end()
    for found in _SLASHED.finditer(text):
        first, second = int(found[1]), int(found[2])
        if first > 12 or second > 12 or first == second:
            form = _date(found[3], min(first, second) if first != second else first, max(first, second))
            if form:
                yield form, found.start(), found.end()


def _date(year: str | None, month: int, day: int) -> str:
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month]:
        return ""
    short = f"{month:02d}-{day:02d}"
    return f"d:{year}-{short}" if year else f"d:{short}"


def _times(text: str) -> Iterator[tuple[str, int, int]]:
    for pattern in _TIMES:
        for found in pattern.finditer(text):
            form = _time(int(found["h"]), int(found["m"] or 0), int(found["s"] or 0), found["half"][:1].lower())
            if form:
                yield form, found.start(), found.end()
    for found in _WORD_TIMES.finditer(text):
        yield "t:12:00" if found[1].lower() in _NOON else "t:00:00", found.start(), found.end()


def _time(hour: int, minute: int, second: int, half: str) -> str:
    if half:
        if not 1 <= hour <= 12:
            return ""
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return ""
    return f"t:{hour:02d}:{minute:02d}" + (f":{second:02d}" if second else "")
