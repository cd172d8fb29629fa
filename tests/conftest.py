"""Fixtures of all tests."""

from tests.needs import postgres, postgres_server, pytest_terminal_summary

__all__ = ["postgres", "postgres_server", "pytest_terminal_summary"]
