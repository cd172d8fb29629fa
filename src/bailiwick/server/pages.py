"""How a page is drawn: one value for a page and its `.json` twin, so that the twin can show nothing that the page may
not.

INVARIANT: every text that a template prints goes through `visible` and is then escaped, whether the template's author
thought of it or not: what is invisible, moves other text or ends a line is written out. Content of several lines is
printed line by line (`lines`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bailiwick.action.approval_card import visible

__all__ = ["Pages", "Shown", "as_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page shows: `data` is plain JSON, and all that its template gets to see of the project."""

    template: str
    data: Mapping[str, object]
    status: int = 200


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("bailiwick.server", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_written_out,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(lines=_lines, block=_block, when=_when, span=_span)
    made.filters.update(instant=_instant, took=_took, outcome_class=_outcome_class)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """`project` names the project in the head of each page (`acme/prod`); `renew` is how often a page asks for what is
    new."""

    project: str
    renew: str = "3s"
    _environment: Environment = field(default_factory=_environment)

    def html(self, template: str, data: Mapping[str, object], *, status: int = 200, **around: object) -> HTMLResponse:
        """A page. `around` is what belongs to the visitor and not to the page: who they are, the token of their
        forms, whether there is a page *Answers* for them, and pages on the log."""
        about: dict[str, object] = {"person": "", "csrf": "", "here": "", "told": None}
        about |= {"answers": False, "reads_log": False}
        drawn = self._environment.get_template(template).render(
            {**about, **around, **data, "project": self.project, "renew": self.renew}
        )
        return HTMLResponse(drawn, status_code=status)

    def failed(self, request: Request, status: int, told: str) -> Response:
        """The page for what went wrong; JSON where JSON was asked for."""
        if request.url.path.endswith(".json"):
            return as_json({"error": told}, status=status)
        return self.html("failed.html", {"status": status, "message": told}, status=status)


def as_json(data: Mapping[str, object], *, status: int = 200) -> Response:
    """A twin."""
    body = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Response(body, status_code=status, media_type="application/json")


def _written_out(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _block(text: str) -> Markup:
    """For a text field, which keeps its line breaks."""
    return Markup("\n").join(visible(line) for line in text.split("\n"))


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _instant(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def _took(us: int) -> str:
    """A short time: `0.4 ms`, `1.25 s`, then as `span` has it."""
    if us < 1_000_000:
        return f"{us / 1000:.1f} ms"
    return f"{us / 1_000_000:.2f} s" if us < 60_000_000 else _span(us // 1000)


_CLASSES = {
    **dict.fromkeys(("allow", "completed"), "allow"),
    **dict.fromkeys(("deny", "failed"), "deny"),
    **dict.fromkeys(("needs_approval", "cancelled"), "ask"),
}


def _outcome_class(outcome: str) -> str:
    """By which colour an outcome is shown, beside its word."""
    return _CLASSES.get(outcome, "other")


def _span(ms: int) -> str:
    """How long, in the largest two units: `4 min 10 s`."""
    seconds = max(0, ms // 1000)
    for size, unit, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{seconds} s"
