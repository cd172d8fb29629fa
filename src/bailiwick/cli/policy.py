"""`bailiwick policy`: what can be asked of rules before they decide anything. Each verb has a module of its own."""

from __future__ import annotations

import click

from bailiwick.cli.policy_backtest import backtest_
from bailiwick.cli.policy_bundle import BUNDLE_VERBS
from bailiwick.cli.policy_prove import diff, prove
from bailiwick.cli.policy_suggest import suggest_
from bailiwick.cli.policy_test import test

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """Test, compare, prove, backtest, suggest and bundle the rules of a project."""


policy.add_command(test)
policy.add_command(diff)
policy.add_command(prove)
policy.add_command(backtest_)
policy.add_command(suggest_)
for verb in BUNDLE_VERBS:
    policy.add_command(verb)
