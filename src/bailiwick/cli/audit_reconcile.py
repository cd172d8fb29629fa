"""`bailiwick audit reconcile`: somebody found out what became of a call that may have run."""

from __future__ import annotations

from pathlib import Path

import click

from bailiwick.action.ports import Resolution
from bailiwick.audit.trace import find
from bailiwick.cli.audit_reading import path_of_logs, unasked
from bailiwick.cli.output import AS_OPTION, DIR_OPTION, JSON_OPTION, console, os_user, print_json, refuse
from bailiwick.errors import UsageError
from bailiwick.guard.administration.reconciling import Finding
from bailiwick.guard.administration.reconciling import reconcile as reconcile_call
from bailiwick.model.decision import Reason
from bailiwick.project import Guard, find_project
from bailiwick.stores.log_file import is_held, log_path
from bailiwick.stores.log_verification import verify_folder

__all__ = ["reconcile"]


@click.command("reconcile")
@click.argument("event_id")
@click.option("--ran", "resolution", flag_value=Resolution.RAN.value, help="It ran: the effect is there.")
@click.option("--did-not-run", "resolution", flag_value=Resolution.DID_NOT_RUN.value, help="It did not run.")
@AS_OPTION
@click.option("--note", default="", help="What was looked at.")
@DIR_OPTION
@JSON_OPTION
def reconcile(
    event_id: str, resolution: str | None, person: str, note: str, folder: Path | None, as_json: bool
) -> None:
    """Say what became of a call that may have run, so that it is no longer blocked. Exit code 1: refused.

    EVENT_ID is the decision's, as `audit verify` lists it. It needs the action admin.reconcile in administration/.
    """
    if resolution is None:
        raise click.UsageError("say --ran or --did-not-run")
    path = find_project(folder)
    with Guard.open(path) as guard:
        with unasked(path) as readers:
            _reader, event = find(readers, event_id)
        logs = path_of_logs(path)
        unknown = {
            call.decision
            for call in verify_folder(logs).unknown
            if call.log == guard.log.log_id or not is_held(log_path(logs, call.log))  # else it is running just now
        }
        # A run that was given up has its outcome in the log (cancelled), and may have run all the same.
        unknown |= {row.decision_event for row in guard.in_doubt()}
        if event.id not in unknown:
            raise UsageError(f"the outcome of {event.id} is not in doubt", hint="see `bailiwick audit verify`")
        found = Finding(decision=event, resolution=Resolution(resolution), by=person, os_user=os_user(), note=note)
        recorded = guard.engine.administer(lambda core: reconcile_call(core, found))
    if isinstance(recorded, Reason):
        refuse(recorded, as_json=as_json)
    if as_json:
        print_json({"done": True, "event": recorded})
        return
    console().print(f"recorded as {recorded}")
