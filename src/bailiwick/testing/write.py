"""A missing test as TOML that can be added at the end of its file."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from enum import IntEnum

from bailiwick.model.decision import Decision
from bailiwick.testing.candidates import Candidate
from bailiwick.testing.expected import Context
from bailiwick.testing.run import by_link, deciding

__all__ = ["Shown", "case_toml", "toml_key", "toml_value"]

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


class Shown(IntEnum):
    """What of a decision tells a mutant from the rules as they are, the plainest first."""

    OUTCOME = 0
    RULES = 1
    LINKS = 2


def case_toml(
    candidate: Candidate, decision: Decision, *, shown: Collection[Shown], declared: set[tuple[str, str]]
) -> str:
    """A `[[case]]` that holds under the rules as they are, after what it needs that its file does not declare.

    It states the outcome, and what else is in `shown`. `declared` are the parts that earlier texts brought along."""
    asked = candidate.asked
    lines = [
        line
        for section, name, values in _parts(candidate)
        if (f"{candidate.file.path}/{section}", name) not in declared
        for line in (
            f"[{section}.{toml_key(name)}]",
            *(f"{key} = {toml_value(value)}" for key, value in values.items()),
            "",
        )
    ]
    declared.update((f"{candidate.file.path}/{section}", name) for section, name, _ in _parts(candidate))
    lines += ["[[case]]", f"principal = {toml_value(asked.principal.name)}", f"call = {toml_value(asked.call.name)}"]
    if asked.context.name:
        lines.append(f"context = {toml_value(asked.context.name)}")
    lines.append(f"outcome = {toml_value(decision.outcome.value)}")
    if Shown.RULES in shown:
        lines.append(f"policies = {toml_value(sorted(deciding(decision)))}")
    if Shown.LINKS in shown:
        lines.append(f"links = {toml_value({name: sorted(ids) for name, ids in by_link(decision).items()})}")
    return "\n".join(lines) + "\n"


def _parts(candidate: Candidate) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """What the file lacks: section, name and values."""
    who, call, context = candidate.asked.principal, candidate.asked.call, candidate.asked.context
    if "principals" in candidate.new:
        root = {"user": who.user} if who.user else {"service": who.service}
        yield "principals", who.name, {**root, "agent": who.agent, "task": who.task}
    if "calls" in candidate.new:
        yield "calls", call.name, {"tool": call.call.tool, "args": call.call.args}
    if "contexts" in candidate.new:
        yield "contexts", context.name, dict(_context(context, candidate.asked.now_us))


def _context(context: Context, now_us: int) -> Iterator[tuple[str, object]]:
    """The keys of a context that was made here: it has no prompts and no results."""
    if context.now_us is not None:
        now = datetime.fromtimestamp(now_us // 1_000_000, UTC).replace(microsecond=now_us % 1_000_000)
        yield "now", now.isoformat()
    if context.unknown:
        yield "unknown", list(context.unknown)
    if context.evidence.at_ms is not None:
        age, evidence = now_us // 1000 - context.evidence.at_ms, context.evidence
        yield "evidence", {"method": evidence.method.value, "age": f"{age}ms", "strong": evidence.strong}
    if context.usage:
        yield "usage", dict(context.usage)
    if context.enforced:
        yield "enforced", sorted(context.enforced)
    if context.hosts:
        yield "hosts", {name: list(addresses) for name, addresses in context.hosts.items()}
    if context.environment:
        yield "environment", dict(context.environment)
    if context.facts:
        yield (
            "facts",
            {
                name: {"value": value, "age": f"{age_ms}ms"} if age_ms else value
                for name, (value, age_ms) in context.facts.items()
            },
        )


def toml_key(name: str) -> str:
    """A name as a key."""
    return name if _BARE.match(name) else toml_value(name)


def toml_value(value: object) -> str:
    """A value of JSON, or a mapping or list of such, on one line."""
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{toml_key(str(key))} = {toml_value(item)}" for key, item in value.items()) + " }"
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")
