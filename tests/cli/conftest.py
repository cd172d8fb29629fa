"""Fixtures of the command line's tests."""

from tests.cli.terminal import terminal

__all__ = ["terminal"]
