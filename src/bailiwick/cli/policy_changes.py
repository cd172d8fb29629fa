"""What differs between two projects outside of what rules can see, and may still let more happen: settings and labels.

`policy diff` compares what rules say of the same facts. What is said here changes the facts themselves: who counts as a
stranger, what a level is called, what a tool's result carries. No rule shows that, so somebody has to look at it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import replace

from bailiwick.errors import Where
from bailiwick.guard.planes import PolicyMode
from bailiwick.model.tool import ArgSpec, ToolSpec
from bailiwick.project.load import Project

__all__ = ["unseen_changes"]

_NOWHERE = Where(file="bailiwick.toml")


def unseen_changes(old: Project, new: Project) -> Iterator[str]:
    """A sentence for each, in a fixed order."""
    was, now = old.settings.decisions, new.settings.decisions
    if now.mode is PolicyMode.OBSERVE and was.mode is not now.mode:
        yield "policies.mode is observe: what the rules deny is recorded, and happens"
    if more := sorted(new.settings.domains - old.settings.domains):
        yield f"org.domains has {', '.join(more)} too: nobody there is a stranger any more"
    if was.levels != now.levels:
        yield f"labels.levels were {', '.join(was.levels)} and are {', '.join(now.levels)}: rules go by their numbers"
    signed = ([replace(issuer, where=_NOWHERE) for issuer in each.oidc] for each in (was, now))
    if operator.ne(*signed):
        yield "oidc changed: who may sign in as whom, or which groups that gives them"
    before, after = (project.planes.catalog.tools for project in (old, new))
    for name in sorted(before.keys() & after.keys()):
        differ = [what for what, one, other in _declared(before[name], after[name]) if one != other]
        if differ:
            yield f"{name}: its {', '.join(differ)} changed, so calls may carry other facts and labels"


def _declared(was: ToolSpec, now: ToolSpec) -> Iterator[tuple[str, object, object]]:
    """What the flow plane goes by, of both."""
    yield "output", was.output, now.output
    yield "sink", was.sink, now.sink
    yield "interface", was.interface, now.interface
    for name in sorted(was.args.keys() & now.args.keys()):
        one, other = was.args[name], now.args[name]
        yield f"argument {name}", _read_as(one), _read_as(other)


def _read_as(arg: ArgSpec) -> object:
    return arg.role, arg.recipients, arg.type, arg.options
