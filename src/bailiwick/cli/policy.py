"""`bailiwick policy`: what can be asked of rules before they decide anything. Each verb has a module of its own."""

from __future__ import annotations

import click

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """Test, compare, prove and bundle the rules of a project."""
