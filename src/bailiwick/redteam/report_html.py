"""A run as one HTML page: figures, then each attack that succeeded with what ran and what would stop it.

The page is static and holds everything it needs: no script, no address that a browser would fetch. Every text of a run
may come from somebody else and is escaped. INVARIANT: nothing reaches the page but through `_text`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from bailiwick.redteam.hits import ASI_TITLES, ATLAS_TITLES, Hit
from bailiwick.redteam.results import Figures, WorldRun, figures

__all__ = ["redteam_html"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c1c1c }
h1, h2, h3 { line-height: 1.2 } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
pre { background: #f5f5f2; padding: .6rem; overflow-x: auto } .bad { color: #a40000 } .good { color: #1b6b1b }
article { border-top: 2px solid #1c1c1c; margin-top: 2rem } @media (prefers-color-scheme: dark) {
body { background: #161616; color: #e8e8e8 } pre { background: #222 } th, td { border-color: #444 }
.bad { color: #ff8a80 } .good { color: #8fd18f } article { border-color: #888 } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def redteam_html(runs: Sequence[WorldRun], hits: Sequence[Hit], why_not: str = "") -> str:
    """The whole page."""
    named = [(run.world, figures([run])) for run in runs] + ([("all", figures(runs))] if len(runs) > 1 else [])
    verdict = _verdict(figures(runs), why_not)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>bailiwick redteam</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>bailiwick redteam</h1>\n"
        f"{verdict}\n<h2>Figures</h2>\n{_figures(named)}\n<h2>Families</h2>\n{_families(runs)}\n"
        f"<h2>Attacks that succeeded</h2>\n{''.join(map(_hit, hits)) or '<p>None.</p>'}\n</body>\n</html>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _verdict(whole: Figures, why_not: str) -> str:
    if why_not:
        return f'<p class="bad">This run says nothing about its target: {_text(why_not)}.</p>'
    kind = "bad" if whole.succeeded else "good"
    return f'<p class="{kind}">{_text(whole.succeeded)} of {_text(whole.pairs)} winnable attacks succeeded.</p>'


def _figures(named: Iterable[tuple[str, Figures]]) -> str:
    head = (
        "world",
        "tasks",
        "done",
        "without a person",
        "approvals per task",
        "attacks succeeded",
        "done under attack",
    )
    return _table(
        head,
        (
            (
                name,
                each.tasks,
                _percent(each.benign_utility),
                _percent(each.unattended_utility),
                f"{each.approvals_per_task:.2f}",
                f"{each.succeeded} of {each.pairs}",
                _percent(each.utility_under_attack),
            )
            for name, each in named
        ),
    )


def _families(runs: Sequence[WorldRun]) -> str:
    counts: dict[str, list[int]] = {}
    for pair in (pair for run in runs for pair in run.pairs if pair.trials):
        row = counts.setdefault(pair.kind, [0, 0])
        row[0] += 1
        row[1] += pair.succeeded
    return _table(("family", "winnable", "succeeded"), ((kind, *row) for kind, row in sorted(counts.items())))


def _hit(hit: Hit) -> str:
    names = [f"{name} {ASI_TITLES.get(name, '')}" for name in hit.asi]
    names += [f"{name} {ATLAS_TITLES.get(name, '')}" for name in hit.atlas]
    rows: list[tuple[object, ...]] = [("id", hit.id), ("world", hit.world), ("when", ", ".join(hit.moments))]
    rows.append(("mapped to", "; ".join(names)))
    if hit.where is not None:
        rows.append(("tool", f"{hit.tools[-1]}, {hit.where}"))
    if hit.trace:
        rows.append(("trace", f"{hit.trace}, events {' '.join(hit.events) or 'none'}"))
    body = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    proposed = ""
    if hit.proposal is not None:
        proposed = (
            f"<h3>A rule that stops it</h3><pre>{_text(hit.proposal.policy)}</pre>"
            f"<h3>A test that shows it</h3><pre>{_text(hit.proposal.test)}</pre>"
        )
    return f'<article id="{_text(hit.id)}"><h3>{_text(hit.message)}</h3><table>{body}</table>{proposed}</article>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.1f} %"
