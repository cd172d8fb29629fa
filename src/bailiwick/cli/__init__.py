"""The `bailiwick` command. One module per verb group; what they share is in `bailiwick.cli.output`.

Exit codes: 0 yes, sound, done; 1 no (findings, denied, tampered, refused); 2 the question could not be answered (bad
usage, unreadable files, a missing extra).
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click

from bailiwick.cli.accounts import accounts
from bailiwick.cli.agents import agents
from bailiwick.cli.approvals import approvals
from bailiwick.cli.audit import audit
from bailiwick.cli.budgets import budgets
from bailiwick.cli.channels import channels
from bailiwick.cli.check import check
from bailiwick.cli.demo import demo
from bailiwick.cli.explain import explain
from bailiwick.cli.init import init
from bailiwick.cli.output import fail
from bailiwick.cli.policy import policy
from bailiwick.cli.redteam import redteam
from bailiwick.cli.serve import serve
from bailiwick.cli.witness import witness
from bailiwick.errors import BailiwickError, StoreError, UsageError, Where

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="bailiwick")
def cli() -> None:
    """Keep every AI agent inside its bailiwick: who may do what, with which data, provably.

    \b
    See it work:         demo
    Begin:               init
    Write policies:      check, explain, policy
    Attack them:         redteam
    Let people decide:   serve, approvals, channels, accounts, agents, budgets
    Find out later:      audit, witness

    Shell completion: eval "$(_BAILIWICK_COMPLETE=bash_source bailiwick)", or zsh_source, fish_source.
    """


for command in (
    demo,
    init,
    check,
    explain,
    policy,
    redteam,
    serve,
    approvals,
    channels,
    accounts,
    agents,
    budgets,
    audit,
    witness,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: turns every error that a person meets into what, where and what to do."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter still gets the rest
    try:
        _all_text(sys.argv)
        # Outside its standalone mode click returns the code of an `Exit`, and None where a verb just ended.
        sys.exit(cli(standalone_mode=False))
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BailiwickError as error:
        fail(error)
        sys.exit(2)
    except OSError as error:
        # Where nothing nearer knew better what it means: a folder that cannot be made, a full disk under stdout.
        where = Where(file=os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
        hint = "check that it exists, who may use it, and whether the disk is full"
        fail(StoreError(f"the system refused: {error.strerror or error}", hint=hint, where=where))
        sys.exit(2)


def _all_text(arguments: Sequence[str]) -> None:
    """Raises UsageError for bytes that are no text: nothing that bailiwick keeps can be named by them."""
    for argument in arguments:
        if any("\ud800" <= char <= "\udfff" for char in argument):
            raise UsageError(f"an argument is not UTF-8: {argument!r}", hint="type it, or set the locale to UTF-8")
