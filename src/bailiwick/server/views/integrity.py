"""`/integrity`: how far the logs are verified, and by what they could be proved to somebody else."""

from __future__ import annotations

from typing import Any

from bailiwick.audit.report import FolderReport, Problem, Report
from bailiwick.audit.witness_settings import needed
from bailiwick.server.integrity import Proof, Verified, Verifier
from bailiwick.server.pages import Shown
from bailiwick.server.records import log_folder
from bailiwick.server.visit import Refused, Visit
from bailiwick.stores.log_file import is_held, log_path

__all__ = ["Integrity"]

_MOST_UNKNOWN = 50


class Integrity:
    """The view, with the verifier of its project."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def __call__(self, visit: Visit) -> Shown | Refused | None:
        refused = visit.log.look("integrity")
        if refused is not None:
            return Refused(reason=refused)
        last, since_ms = self._verifier.latest()
        page = (visit.log.by.user, "integrity")
        data = visit.live.drawn(
            page,
            visit.seen,
            lambda: (last, since_ms is None),
            lambda: {
                "now_ms": visit.log.now_ms,
                "running": since_ms is not None,
                "begun_ms": last.begun_ms if last else None,
                "done_ms": last.done_ms if last else None,
                "failed": last.failed if last else "",
                "report": _report(visit, last, last.report) if last and last.report else None,
            },
        )
        if data is None:
            return None
        return Shown(template="integrity_state.html" if visit.partial else "integrity.html", data=data)


def _report(visit: Visit, last: Verified, report: FolderReport) -> dict[str, Any]:
    every = (*report.parents, *report.logs)
    rules = visit.log.guard.project.settings.witnessing
    return {
        "state": report.state.value,
        "records": sum(one.head[0] for one in every),
        "erased": sum(one.erased for one in every),
        "contents": sum(one.contents for one in every),
        "logs": [_log(visit, one, last.proofs.get(one.log, Proof()), parent=one in report.parents) for one in every],
        "witnesses": [each.name for each in rules.witnesses],
        "quorum": needed(rules.quorum, len(rules.witnesses)),
        "problems": [_problem(item) for item in report.problems],
        "warnings": [_problem(item) for item in report.warnings],
        "unknown": [
            {"decision": call.decision, "tool": call.tool, "log": call.log, "given_up": call.given_up}
            for call in report.unknown[:_MOST_UNKNOWN]
        ],
        "unknown_count": len(report.unknown),
    }


def _log(visit: Visit, one: Report, proof: Proof, *, parent: bool) -> dict[str, Any]:
    return {
        "log": one.log,
        "state": one.state.value,
        "records": one.head[0],
        "root": one.head[1],
        "open": is_held(log_path(log_folder(visit.log.guard), one.log)),
        "own": one.log == visit.log.guard.log.log_id,
        "contents": one.contents,
        "erased": one.erased,
        "unreadable": one.unreadable,
        "sealed": one.sealed,
        "parent": parent,
        "parents": sorted(one.parents),
        "checked": list(dict.fromkeys(one.checked)),
        "checkpoints": one.checkpoints,
        "covers": proof.covers,
        "signed": proof.signed,
        "cosigned": [{"name": name, "at_ms": at_ms} for name, at_ms in proof.witnesses],
        "wrong": proof.wrong,
        "problems": [_problem(item) for item in one.problems],
        "more": one.more,
        "warnings": [_problem(item) for item in one.warnings],
    }


def _problem(item: Problem) -> dict[str, Any]:
    return {"code": item.code, "message": item.message, "seq": item.seq, "event": item.event}
