"""The `bailiwick` command. One module per verb group; what they share is in `bailiwick.cli.output`.

Exit codes: 0 yes, sound, done; 1 no (findings, denied, tampered, refused); 2 the question could not be answered (bad
usage, unreadable files, a missing extra).
"""

from __future__ import annotations

import sys

import click

from bailiwick.cli.approvals import approvals
from bailiwick.cli.audit import audit
from bailiwick.cli.check import check, explain
from bailiwick.cli.demo import demo
from bailiwick.cli.output import fail
from bailiwick.errors import BailiwickError

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="bailiwick")
def cli() -> None:
    """Keep every AI agent inside its bailiwick: who may do what, with which data, provably.

    \b
    See it work:         demo
    Write policies:      check, explain
    Let people decide:   approvals
    Find out later:      audit

    Shell completion: eval "$(_BAILIWICK_COMPLETE=bash_source bailiwick)", or zsh_source, fish_source.
    """


for command in (demo, check, explain, approvals, audit):
    cli.add_command(command)


def main() -> None:
    """Entry point: turns every error that a person meets into what, where and what to do."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BailiwickError as error:
        fail(error)
        sys.exit(2)
