"""Every id under which something can be found in rules and in what they refer to: one entry and one page of docs each.

The severity of a finding is that of its entry, so it cannot differ from place to place. Errors keep a project from
loading (DESIGN §3 promise 2); warnings and notes do not. A *warning* is something that its author cannot have meant, or
that nobody can use; a *note* is something that may well be meant, and that is worth a look.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bailiwick.errors import Severity
from bailiwick.policy.rulebook_entries import Lint
from bailiwick.policy.rulebook_gates import GATES
from bailiwick.policy.rulebook_names import NAMES
from bailiwick.policy.rulebook_project import PROJECT
from bailiwick.policy.rulebook_rules import RULES

__all__ = ["RULEBOOK", "Lint", "severity_of", "why_command"]

RULEBOOK: Mapping[str, Lint] = MappingProxyType({lint.id: lint for lint in (*RULES, *NAMES, *GATES, *PROJECT)})
"""By id."""


def severity_of(rule: str) -> Severity:
    """How grave a finding with this id is. Raises KeyError if it has no entry."""
    return RULEBOOK[rule].severity


def why_command(rule: str) -> str:
    """The command that prints the entry of this id wherever bailiwick is installed; "" if there is no entry."""
    return f"bailiwick check --why {rule}" if rule in RULEBOOK else ""
