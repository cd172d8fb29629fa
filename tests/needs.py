"""Servers and browsers that some tests need: started here, or the test is skipped, counted and told in the summary.

`scripts/ensure` installs them. A test takes `postgres` (the address of a new, empty database of a private server), or
calls `needs.chromium()` (a path).
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from bailiwick.redteam.agentdojo import DojoWorld

__all__ = ["PostgresServer", "agentdojo", "chromium", "lacking", "postgres", "postgres_server"]

POSTGRESQL, CHROMIUM, AGENTDOJO = "PostgreSQL", "Chromium", "agentdojo"
_LACKS = "bailiwick-lacks: no "
_COUNT = itertools.count(1)


def lacking(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What the skipped test of this report lacked, "" if it was skipped for another reason."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return reason.partition(_LACKS)[2]


def _lack(what: str) -> NoReturn:
    pytest.skip(f"{_LACKS}{what}")


def chromium() -> str:
    """The path of a Chromium, or the test is skipped."""
    path = Path("/usr/bin/chromium")
    if not path.exists():
        _lack(CHROMIUM)
    return str(path)


def agentdojo() -> type[DojoWorld]:
    """The worlds of the package agentdojo, or the test is skipped."""
    if importlib.util.find_spec("agentdojo") is None:
        _lack(AGENTDOJO)
    return importlib.import_module("bailiwick.redteam.agentdojo").DojoWorld  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A private server that listens on a socket in its own directory, and trusts whoever can open that."""

    directory: Path
    binaries: Path
    runs_as: dict[str, object] = field(default_factory=dict)
    superuser: str = "postgres"

    def address(self, database: str = "postgres", *, user: str = "") -> str:
        return f"host={self.directory} port=5432 dbname={database} user={user or self.superuser}"

    def control(self, program: str, *arguments: str) -> None:
        subprocess.run(  # type: ignore[call-overload]
            [self.binaries / program, *arguments],
            cwd=self.directory,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.runs_as,
        )


def _binaries() -> Path:
    """Where the server's programs are, newest first, or the test is skipped."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        _lack(POSTGRESQL)
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = _binaries()
    # The path of a socket is short (107 bytes), pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="bw-pg-") as made:
        directory = Path(made)
        runs_as: dict[str, object] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            who = pwd.getpwnam("postgres" if _has_user("postgres") else "nobody")
            os.chown(directory, who.pw_uid, who.pw_gid)
            runs_as = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": ()}
        server = PostgresServer(directory=directory, binaries=binaries, runs_as=runs_as)
        data = str(directory / "data")
        options = f"-c listen_addresses= -c unix_socket_directories={directory} -c port=5432 -c fsync=off"
        initdb = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", server.superuser)
        server.control("initdb", "--pgdata", data, *initdb)
        server.control("pg_ctl", "start", "-w", "-D", data, "-l", str(directory / "log"), "-o", options)
        try:
            yield server
        finally:
            server.control("pg_ctl", "stop", "-w", "-D", data, "-m", "immediate")


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The address, for its superuser, of a new and empty database. It is dropped after the test."""
    name = f"test_{next(_COUNT)}"
    with psycopg.connect(postgres_server.address(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres_server.address(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _has_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One clear line: tests that did not run for want of a server are no tests that passed."""
    skipped: list[pytest.TestReport | pytest.CollectReport] = terminalreporter.stats.get("skipped", [])
    missing = Counter(lack for report in skipped if (lack := lacking(report)))
    if missing:
        what = ", ".join(f"no {lack} ({count})" for lack, count in sorted(missing.items()))
        terminalreporter.write_line(
            f"{missing.total()} tests did not run: {what}. See scripts/ensure.", red=True, bold=True
        )
