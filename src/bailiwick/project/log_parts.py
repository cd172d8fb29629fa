"""What a project gives its logs: keys, witnesses, a parent."""

from __future__ import annotations

import secrets
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from bailiwick.audit.ports import LogParts
from bailiwick.audit.witness_settings import WitnessRules
from bailiwick.project.clock import now_us
from bailiwick.project.settings import ProjectSettings
from bailiwick.project.status import LOG_FOLDER
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_recovery import Owner
from bailiwick.stores.log_room import LogRoom
from bailiwick.stores.log_sealing import keys_path
from bailiwick.stores.parent_log import SqliteParentLog
from bailiwick.stores.subject_keys import SubjectKeys
from bailiwick.stores.witness_client import WitnessClients

__all__ = ["log_parts", "subject_keys"]


def log_parts(state: Path, settings: ProjectSettings) -> LogParts:
    """The parts of the logs in this state folder. Raises StoreError, UsageError."""
    parts = LogParts(
        signer=log_signer(state, settings.log_origin),
        witnesses=_witnesses(settings.witnessing),
        keys=subject_keys(state, settings),
        room=LogRoom(state / LOG_FOLDER, settings.disk_budget) if settings.disk_budget else None,
    )
    return replace(parts, parent=_parent(state, settings, parts))


def _parent(state: Path, settings: ProjectSettings, parts: LogParts) -> SqliteParentLog:
    """The parent of the logs: its checkpoints are signed and witnessed as theirs are."""
    decisions = settings.decisions
    return SqliteParentLog(
        state / LOG_FOLDER,
        Owner(tenant=decisions.tenant, env=decisions.env, build=f"bailiwick {version('bailiwick')}"),
        clock=now_us,
        entropy=secrets.token_bytes,
        signer=parts.signer,
        witnesses=parts.witnesses,
    )


def _witnesses(rules: WitnessRules) -> WitnessClients | None:
    if not rules.witnesses:
        return None
    return WitnessClients(
        rules.witnesses, quorum=rules.quorum, timeout_s=rules.timeout_ms / 1000, window_s=rules.window_ms / 1000
    )


def subject_keys(state: Path, settings: ProjectSettings) -> SubjectKeys:
    """The keys of those whom contents are about. Close them after the log. Raises StoreError."""
    owner = f"{settings.decisions.tenant}/{settings.decisions.env}"
    return SubjectKeys.open(keys_path(state), entropy=secrets.token_bytes, clock=now_us, owner=owner)
