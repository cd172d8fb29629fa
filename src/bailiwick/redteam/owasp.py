"""Scenarios of OWASP's Agent Security Regression Harness, read from its YAML: what the agent is given, and which calls
must not happen.

Only what can be judged by calls is taken: no_denied_tool_call, approval_required, no_external_recipient. INVARIANT:
whatever else a scenario holds is in its `gaps`; nothing of it is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick.errors import UsageError
from bailiwick.inventory.yaml_text import YamlError, read_yaml

__all__ = ["CATEGORIES", "Scenario", "read_scenarios"]

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "goal_hijack": ("ASI01",),
    "prompt_injection": ("ASI01",),
    "context_injection": ("ASI01", "ASI06"),
    "unsafe_tool_execution": ("ASI02", "ASI05"),
    "unauthorized_outbound_action": ("ASI02",),
    "sensitive_data_disclosure": ("ASI02",),
    "privilege_escalation": ("ASI03",),
    "memory_isolation": ("ASI06",),
    "approval_bypass": ("ASI09",),
    "mcp_trust_boundary": ("ASI04",),
}
"""Category → ids of OWASP's Agentic Security Issues, as we map it."""
_KEYS = frozenset({"id", "title", "category", "severity", "target", "input", "expected", "assertions"})
_TRUSTED = frozenset({"trusted", "high"})
_NOT_JUDGED = {
    "memory_isolation": "what one session may know of another shows in no single call",
    "goal_integrity": "it is about what the agent says of its goal",
    "no_secret_disclosure": "it is about what the agent says",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file. `untrusted` is what others wrote, `trusted` what the developer vouches for; `denied` are tools that
    must not run, `allowed` the only ones that may (None: not said), `approved` those that need a person; `recipients`
    and `domains`: the only ones that anything may be sent to (None: not said). `gaps`: what of it is not run."""

    id: str
    title: str
    category: str
    message: str
    untrusted: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    approved: tuple[str, ...] = ()
    recipients: tuple[str, ...] | None = None
    domains: tuple[str, ...] | None = None
    gaps: tuple[str, ...] = ()


def read_scenarios(paths: Sequence[Path]) -> tuple[Scenario, ...]:
    """The scenarios in these files; a folder stands for every .yaml and .yml in it. Raises UsageError for what is no
    scenario, and for an id that occurs twice."""
    files = [each for path in paths for each in (_inside(path) if path.is_dir() else [path])]
    found: dict[str, Scenario] = {}
    for file in files:
        scenario = _scenario(file)
        if scenario.id in found:
            raise UsageError(f"{file.name}: the scenario {scenario.id} is there twice", hint="give it an id of its own")
        found[scenario.id] = scenario
    if not found:
        raise UsageError("there is no scenario in what --owasp names", hint="give .yaml files, or folders of them")
    return tuple(found.values())


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml") and path.is_file())


def _scenario(file: Path) -> Scenario:
    try:
        raw = read_yaml(file.read_bytes())
    except (YamlError, OSError) as error:
        raise UsageError(f"{file.name}: {error}", hint="it has to be one YAML document") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{file.name} holds no scenario", hint="it has to be a mapping with id, input and assertions")
    wrong = sorted({str(key) for key in raw} ^ _KEYS)
    if wrong:
        raise UsageError(
            f"{file.name}: its keys are not those of a scenario: {', '.join(wrong)}",
            hint=f"a scenario has exactly {', '.join(sorted(_KEYS))}",
        )
    return _Reader(file.name, raw).read()


class _Reader:
    """Takes one scenario apart, and notes what it does not take."""

    def __init__(self, name: str, raw: Mapping[str, Any]) -> None:
        self._name, self._raw = name, raw
        self._gaps: list[str] = []

    def read(self) -> Scenario:
        given, expected = self._table("input"), self._table("expected")
        category = self._word("category")
        if category not in CATEGORIES:
            self._gaps.append(f"the category {category!r} is not known")
        untrusted, trusted = self._context(given)
        self._left("input", given, {"user_message", "context"})
        judged, approved = self._assertions(expected)
        return Scenario(
            id=self._word("id"),
            title=self._word("title"),
            category=category,
            message=self._message(given),
            untrusted=untrusted,
            trusted=trusted,
            denied=self._names(expected, "denied_tools") or () if "no_denied_tool_call" in judged else (),
            allowed=self._names(expected, "allowed_tools") if "no_denied_tool_call" in judged else None,
            approved=approved,
            recipients=self._names(expected, "allowed_recipients") if "no_external_recipient" in judged else None,
            domains=self._names(expected, "allowed_domains") if "no_external_recipient" in judged else None,
            gaps=tuple(self._gaps),
        )

    def _word(self, key: str) -> str:
        value = self._raw[key]
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{self._name}: {key} is no text", hint="see the scenario format of the harness")
        return value.strip()

    def _table(self, key: str) -> Mapping[str, Any]:
        value = self._raw[key]
        if not isinstance(value, dict):
            raise UsageError(f"{self._name}: {key} is no mapping", hint="see the scenario format of the harness")
        return value

    def _message(self, given: Mapping[str, Any]) -> str:
        message = given.get("user_message")
        if not isinstance(message, str) or not message.strip():
            self._gaps.append("it has no input.user_message")
            return ""
        return message.strip()

    def _context(self, given: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(what others wrote, what the developer vouches for)."""
        untrusted: list[str] = []
        trusted: list[str] = []
        listed = given.get("context", [])
        for at, each in enumerate(listed if isinstance(listed, list) else [listed]):
            content = each.get("content") if isinstance(each, dict) else None
            if not isinstance(content, str) or not content.strip():
                self._gaps.append(f"context {at + 1} has no text as content")
                continue
            trust = str(each.get("trust", "")).casefold()
            if trust != "untrusted" and trust not in _TRUSTED:
                self._gaps.append(f"context {at + 1} is {trust or 'not marked'}, neither trusted nor untrusted")
            (trusted if trust in _TRUSTED else untrusted).append(content)
            self._left(f"context {at + 1}", each, {"source", "trust", "content"})
        return tuple(untrusted), tuple(trusted)

    def _assertions(self, expected: Mapping[str, Any]) -> tuple[frozenset[str], tuple[str, ...]]:
        """(the kinds that are judged here, the tools that need an approval)."""
        listed = self._raw["assertions"]
        if not isinstance(listed, list) or not listed:
            raise UsageError(f"{self._name} asserts nothing", hint="see the scenario format of the harness")
        kinds: set[str] = set()
        approved: list[str] = []
        for each in listed:
            kind = str(each.get("type", "")) if isinstance(each, dict) else ""
            match kind:
                case "no_denied_tool_call" if "denied_tools" in expected or "allowed_tools" in expected:
                    kinds.add(kind)
                case "no_external_recipient" if "allowed_recipients" in expected or "allowed_domains" in expected:
                    kinds.add(kind)
                case "approval_required" if isinstance(each.get("action"), str):
                    approved.append(each["action"])
                    kinds.add(kind)
                case "no_denied_tool_call" | "no_external_recipient" | "approval_required":
                    self._gaps.append(f"the assertion {kind} does not say of what")
                case _:
                    why = _NOT_JUDGED.get(kind, "it is not known")
                    self._gaps.append(f"the assertion {kind or str(each)[:60]} is not judged: {why}")
            if kind in kinds:
                self._left(f"the assertion {kind}", each, {"type", "action"} if approved else {"type"})
        needed = set(_needed(kinds))
        self._left("expected", expected, {key for kind, key in _EXPECTED if kind in kinds or kind in _NOT_JUDGED})
        self._gaps += [f"{key} is no list of texts" for key in needed if not _texts(expected.get(key, []))]
        return frozenset(kinds), tuple(approved)

    def _left(self, what: str, table: Mapping[str, Any], known: set[str]) -> None:
        for key in sorted(map(str, table.keys() - known)):
            self._gaps.append(f"{what} has {key}, which is not used")

    def _names(self, table: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
        value = table.get(key)
        return None if value is None else tuple(value) if _texts(value) else ()


_EXPECTED = (
    ("no_denied_tool_call", "denied_tools"),
    ("no_denied_tool_call", "allowed_tools"),
    ("no_external_recipient", "allowed_recipients"),
    ("no_external_recipient", "allowed_domains"),
    ("memory_isolation", "memory_isolation"),
)


def _needed(kinds: set[str]) -> Iterator[str]:
    return (key for kind, key in _EXPECTED if kind in kinds)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)
