"""The types of a project: the standard ones, those that `[types]` of bailiwick.toml names, and those given to
`Guard.open`.

A type is code, so a folder or a bundle names it by its import path and does not hold it: what runs is what is installed
here. The digest of its module's own file becomes part of the catalog's digest, so another code is another catalog (and
asks approvers again); what that module imports is not covered.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import all_suffixes
from pathlib import Path

from bailiwick.action.types import STANDARD_TYPES, SemanticType, TypeRegistry, extended
from bailiwick.errors import Finding, ProjectError, Where
from bailiwick.guard.own_types import ContainedType, contained, imported
from bailiwick.project.sections import TypeDecl

__all__ = ["ProjectTypes", "load_types"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectTypes:
    """All types by name; of the project's own ones also what code they are, and the files that hold it or that Python
    would take in their place."""

    registry: TypeRegistry
    sources: Mapping[str, str]
    files: frozenset[Path] = frozenset()


def load_types(declared: Sequence[TypeDecl], given: Sequence[SemanticType] = ()) -> ProjectTypes:
    """Imports what is declared. Raises ProjectError with everything that is wrong."""
    findings: list[Finding] = []
    own: dict[str, ContainedType] = {}
    sources: dict[str, str] = {}
    files: set[Path] = set()
    for each in declared:
        found, problem = imported(each.module, each.attribute)
        if problem:
            findings.append(_not_imported(each, problem))
        else:
            files |= _files(each.module) | _files(type(found).__module__)
            _add(own, sources, findings, found, each.where, expected=each.name)
    for value in given:
        files |= _files(type(value).__module__)
        _add(own, sources, findings, value, Where(file="Guard.open(types=…)"), expected=None)
    if findings:
        raise ProjectError(findings)
    registry = extended(*own.values()) if own else STANDARD_TYPES
    return ProjectTypes(registry=registry, sources=sources, files=frozenset(files))


def _add(
    own: dict[str, ContainedType],
    sources: dict[str, str],
    findings: list[Finding],
    found: object,
    where: Where,
    *,
    expected: str | None,
) -> None:
    made, problem = contained(found, where)
    if made is None:
        shown = expected or type(found).__name__
        hint = "make it a class on bailiwick.types.ArgType, that is made without arguments"
        findings.append(Finding(rule="bad-type", message=f"type '{shown}': {problem}", where=where, hint=hint))
    elif expected not in (None, made.name):
        message = f"[types] calls it '{expected}', and it calls itself '{made.name}'"
        findings.append(Finding(rule="bad-type", message=message, where=where, hint="use one name"))
    elif made.name in STANDARD_TYPES:
        message = f"'{made.name}' is a standard type, which nothing can replace"
        findings.append(Finding(rule="type-clash", message=message, where=where, hint="give it another name"))
    elif made.name in own:
        message = f"there are two types '{made.name}': the other is from {own[made.name].where}"
        findings.append(Finding(rule="type-clash", message=message, where=where, hint="name or give it once"))
    else:
        own[made.name] = made
        sources[made.name] = _source(type(found))


def _not_imported(declared: TypeDecl, problem: str) -> Finding:
    return Finding(
        rule="type-not-imported",
        message=f"type '{declared.name}' cannot be imported from {declared.module}:{declared.attribute}: {problem}",
        where=declared.where,
        hint="install its package where bailiwick is installed, or put its folder on PYTHONPATH",
    )


def _source(cls: type) -> str:
    """Which code it is: its import path, and the digest of its module's file."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    path = f"{cls.__module__}:{cls.__qualname__}"
    try:
        data = Path(file).read_bytes() if file else None
    except OSError:
        data = None
    return f"{path} sha256:{hashlib.sha256(data).hexdigest()}" if data is not None else f"{path} (no file)"


def _files(module: str) -> set[Path]:
    """The file of a module and what would be imported before it, by that name in that folder; of a package, all."""
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if not file:
        return set()
    found = Path(file)
    if found.stem == "__init__":
        return {found.parent}
    names = {top, *(f"{top}{suffix}" for suffix in all_suffixes()), found.name}
    return {*(found.parent / name for name in names), found.parent / "__pycache__"}
