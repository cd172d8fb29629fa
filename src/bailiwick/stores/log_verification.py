"""Checks a folder of logs: each of them, its parent log, and what is between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bailiwick.audit.folder import cross_check, heads_in
from bailiwick.audit.kept import KeptHead
from bailiwick.audit.leftovers import keyless
from bailiwick.audit.notes import NoteKey
from bailiwick.audit.report import FolderReport, Problem, Report
from bailiwick.audit.verify import unread
from bailiwick.errors import StoreError
from bailiwick.stores.log_file import list_logs, list_parents, lock_path, log_path
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.log_sealing import keys_path

__all__ = ["Against", "verify_folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What an auditor brings: heads that were kept elsewhere, by log, and the keys that may have signed the logs'
    checkpoints (none: it is not asked who signed them)."""

    heads: Mapping[str, tuple[KeptHead, ...]] = field(default_factory=dict)
    keys: tuple[NoteKey, ...] = ()


def verify_folder(folder: Path, *, against: Against | None = None) -> FolderReport:
    """Check every log of a folder and what is between them.

    Parents are read first: what they commit to is in the logs by then, whoever goes on writing. Raises StoreError if
    there is no log at all: nothing to verify is not the same as nothing wrong.
    """
    against = against or Against()
    heads = {log: tuple(kept) for log, kept in against.heads.items()}
    parents = [_verify_one(path, heads.pop(path.stem, ()), against.keys) for path in list_parents(folder)]
    committed = heads_in(parents)
    for log, kept in committed.items():
        heads[log] = (*heads.get(log, ()), *kept)
    paths = {path.stem: path for path in list_logs(folder)}
    paths.update({log: log_path(folder, log) for log in heads if log not in paths})
    if not paths and not parents:
        raise StoreError(
            f"there is no log in {folder}",
            hint="Run an agent first, or give another project folder, or a folder with log-….db files.",
        )
    reports = [_verify_one(path, heads.get(log, ()), against.keys) for log, path in sorted(paths.items())]
    orphans = (lock for lock in sorted(folder.glob("log-*.lock")) if lock.stem not in paths)
    told = bool(parents) and not any(report.unreadable for report in parents)
    warnings = [_orphan(lock, told=told) for lock in orphans if lock == lock_path(log_path(folder, lock.stem))]
    if keys_path(folder.parent).exists():
        warnings += keyless(reports)
    return cross_check(reports, warnings, parents=parents, known_now=_born_since(folder, reports, committed))


def _orphan(lock: Path, *, told: bool) -> Problem:
    """What a lock without its log says; `told`: a parent log would know of the log, had there been one."""
    if told:
        text = f"{lock.name} is there and no log: a process ended before it had made one; no parent log knows of it"
        return Problem(code="unborn", message=text)
    return Problem(code="log-gone", message=f"{lock.name} is there and its log is not: was a log removed?")


def _born_since(folder: Path, reports: Collection[Report], committed: Collection[str]) -> frozenset[str]:
    """Logs that were born while the folder was read."""
    if all(report.log in committed for report in reports):
        return frozenset()
    again = [_verify_one(path, (), ()) for path in list_parents(folder)]
    return frozenset(heads_in(again))


def _verify_one(path: Path, kept: Collection[KeptHead], keys: Collection[NoteKey]) -> Report:
    if not path.exists():
        most = max(kept, key=lambda head: (head.kept, head.size))
        text = f"{path.stem} is gone; {most.source} covers {most.size} records of it"
        return unread(path.stem, problem=Problem(code="gone", message=text))
    try:
        with LogReader.open(path) as reader:
            return reader.verify(kept, keys)
    except StoreError as error:
        return unread(path.stem, unreadable=str(error))
