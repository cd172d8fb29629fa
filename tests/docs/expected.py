"""Printed output, compared with real output.

`…` in a line stands for anything, a line that is `…` alone for any number of lines. Names in capitals (APPROVAL_ID,
EVENT_ID, HOLD_ID, LOG_ID, ROOT) stand for ids, which differ from run to run: the first one of its name in a block is
remembered and put in where a later command of the page names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["IDS", "filled", "match"]

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
IDS: Mapping[str, str] = {
    "APPROVAL_ID": r"apr-[0-9a-f]{12}",
    "EVENT_ID": _UUID,
    "HOLD_ID": r"hld-[0-9a-f]{12}",
    "LOG_ID": rf"log-{_UUID}",
    "ROOT": r"sha256:[0-9a-f]{64}",
}
_SPECIAL = re.compile(rf"…|\b(?:{'|'.join(IDS)})\b")


def match(printed: str, real: str) -> dict[str, str] | None:
    """The ids that stand in `real` where `printed` names them; None if the two do not agree."""
    pattern = "".join(_line(line) for line in printed.rstrip().splitlines())
    found = re.fullmatch(_once_each(pattern), "".join(f"{line.rstrip()}\n" for line in real.rstrip().splitlines()))
    return None if found is None else {name: text for name, text in found.groupdict().items() if text is not None}


def filled(command: str, ids: Mapping[str, str]) -> str:
    """`command` with the ids that are known so far."""
    return _SPECIAL.sub(lambda found: ids.get(found.group(), found.group()), command)


def _line(line: str) -> str:
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    parts: list[str] = []
    at = 0
    for special in _SPECIAL.finditer(line.rstrip()):
        parts.append(re.escape(line[at : special.start()]))
        parts.append(r".*?" if special.group() == "…" else f"(?P<{special.group()}>{IDS[special.group()]})")
        at = special.end()
    return "".join((*parts, re.escape(line.rstrip()[at:]), r"\n"))


def _once_each(pattern: str) -> str:
    """A group may have a name only once: further ones just have to be such an id."""
    for name, form in IDS.items():
        head, group, rest = pattern.partition(f"(?P<{name}>{form})")
        pattern = head + group + rest.replace(f"(?P<{name}>{form})", f"(?:{form})")
    return pattern
