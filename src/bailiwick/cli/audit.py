"""`bailiwick audit`: is the record whole, what does it say, and why was a call decided as it was. Each verb has a
module of its own."""

from __future__ import annotations

import click

from bailiwick.cli.audit_case import case
from bailiwick.cli.audit_erase import erase, retain
from bailiwick.cli.audit_export import export
from bailiwick.cli.audit_hold import hold
from bailiwick.cli.audit_proofs import checkpoint, keys, prove, tiles
from bailiwick.cli.audit_reconcile import reconcile
from bailiwick.cli.audit_search import filters, search, tail
from bailiwick.cli.audit_sessions import compare_sessions, sessions, timeline
from bailiwick.cli.audit_show import show
from bailiwick.cli.audit_verify import verify
from bailiwick.cli.audit_why import why

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """Verify, show and explain the audit log.

    Showing and explaining needs the action admin.read_log in the rules in administration/, contents admin.reveal too,
    and is recorded. Verifying needs nothing: it shows no record, and an auditor can do it with the logs alone.

    `verify`, `keys` and `checkpoint` take the project folder as an argument, the others as --dir.
    """


for verb in (
    verify,
    checkpoint,
    keys,
    prove,
    tiles,
    show,
    why,
    sessions,
    timeline,
    compare_sessions,
    search,
    filters,
    tail,
    reconcile,
    export,
    case,
    erase,
    hold,
    retain,
):
    audit.add_command(verb)
