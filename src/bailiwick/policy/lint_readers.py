"""Tools that return secrets, and of which nothing says who may read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bailiwick.errors import Finding
from bailiwick.model.tool import Catalog
from bailiwick.policy.rulebook import severity_of

__all__ = ["open_to_all"]


def open_to_all(catalog: Catalog, levels: Sequence[str], strict: Collection[str]) -> Iterator[Finding]:
    """The tools whose results are of the second highest of `levels` or above, or of a category of `strict`, and that
    everybody may read."""
    high = max(len(levels) - 2, 1)
    for name, tool in catalog.tools.items():
        output = tool.output
        if output.readers is not None or output.readers_from:
            continue
        said = [(output.sensitivity, output.categories)]
        said += [(rule.sensitivity, rule.categories) for rule in output.labels if rule.readers is None]
        worst = max(level for level, _ in said)
        what = [levels[worst]] if worst >= high else []
        what += sorted({each for _, categories in said for each in categories if each in strict})
        if what:
            yield Finding(
                rule="readers-unsaid",
                message=f"results of '{name}' are {', '.join(what)}, and nothing says who may read them: everybody may",
                where=tool.where,
                hint="give the output `readers` or `readers_from`, the labels of its fields `readers`",
                severity=severity_of("readers-unsaid"),
            )
