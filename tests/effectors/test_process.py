"""The command effector runs a decided pipeline without a shell, within its limits, and leaves nothing behind."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path

import pytest

import bailiwick.effectors.process as process
from bailiwick.action.parse import parse_call
from bailiwick.action.types import Surroundings
from bailiwick.effectors.http import HttpLimits
from bailiwick.effectors.process import CommandLimits, CommandRunner, DecidedCommand
from bailiwick.effectors.rows import Limits
from bailiwick.errors import DidNotRun, EffectorFailed, UsageError, Where
from bailiwick.guard.effectors import Decided
from bailiwick.model.call import Action, Call
from bailiwick.model.tool import ArgSpec
from tests.action.desk import catalog_of

PROGRAMS = frozenset(
    "awk cat coreutils env find frobnicate ls mawk printf python3 python3.11 sleep sort tail tee timeout tr true wc yes"
    " original-awk gawk python3.12 python3.13".split()
)


def _still() -> None:
    """The call is under way."""


def decided(text: str, begin: Callable[[], None] = _still) -> Decided:
    catalog = catalog_of(
        """
        [tools."os.run"]
        effects  = ["execute"]
        args.cmd = { type = "shell", role = "command" }
        """
    )
    action = parse_call(catalog, Call(tool="os.run", args={"cmd": text}), around=Surroundings())
    assert isinstance(action, Action), action
    (facts,) = action.arguments
    return Decided(spec=action.tool.args["cmd"], value=text, facts=facts, found={}, begin=begin)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., DecidedCommand]:
    def made(text: str, **limits: float) -> DecidedCommand:
        chosen = CommandLimits(**{"seconds": 20.0, "max_bytes": 100_000, **limits})  # type: ignore[arg-type]
        return CommandRunner(cwd=tmp_path, programs=PROGRAMS, limits=chosen).handle(decided(text))

    return made


def test_a_pipeline_runs_on_its_words(command: Callable[..., DecidedCommand], tmp_path: Path) -> None:
    (tmp_path / "f").write_text("b\na\n")
    found = command("cat f | sort | tr a-z A-Z").run()
    assert (found.output, found.errors, found.statuses) == (b"A\nB\n", b"", (0, 0, 0))
    assert found.succeeded


def test_words_are_not_read_again(command: Callable[..., DecidedCommand]) -> None:
    assert command("printf '%s\\n' '$HOME; ls `id` *' \"a  b\"").run().output == b"$HOME; ls `id` *\na  b\n"


def test_input_goes_to_the_first_command(command: Callable[..., DecidedCommand]) -> None:
    given = b"x" * 300_000
    assert command("wc -c").run(given).output.strip() == b"300000"
    assert command("true").run(given).succeeded  # it reads none of it


def test_how_each_command_ended_is_told(command: Callable[..., DecidedCommand]) -> None:
    found = command("ls nothing-here | wc -l").run()
    assert found.statuses[0] != 0
    assert found.statuses[1] == 0
    assert b"nothing-here" in found.errors
    assert not found.succeeded


def test_it_runs_once(command: Callable[..., DecidedCommand], tmp_path: Path) -> None:
    made = command("tee -a f")
    assert made.run(b"x") is made.run(b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


def test_the_environment_is_small(command: Callable[..., DecidedCommand], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    said = command("env").run().output.decode().splitlines()
    assert sorted(line.partition("=")[0] for line in said) == ["LANG", "PATH"]


NOT_RUN = [
    ("a list", "ls; ls"),
    ("a redirection", "ls > x"),
    ("a variable", "ls $HOME"),
    ("a wildcard", "ls *"),
    ("a home", "ls ~"),
    ("a substitution", "ls $(id)"),
    ("an assignment", "a=1 ls"),
    ("in the background", "sleep 1 &"),
    ("a shell", "sh -c ls"),
    ("a shell through a wrapper", "env sh -c ls"),
    ("an interpreter", "python3 -c 1"),
    ("awk", "awk 'BEGIN{system(\"id\")}'"),
    ("sudo", "sudo ls"),
    ("another session", "setsid ls"),
    ("eval", "eval ls"),
    ("a builtin", "exit 1"),
    ("a program that is not there", "frobnicate"),
    ("a program somewhere else", "/tmp/ls"),
    ("find runs a shell", "find . -exec sh -c ls \\;"),
]


@pytest.mark.parametrize(("name", "text"), NOT_RUN, ids=[name for name, _ in NOT_RUN])
def test_what_is_no_plain_pipeline_does_not_run(name: str, text: str, command: Callable[..., DecidedCommand]) -> None:
    with pytest.raises(DidNotRun):
        command(text).run()


def test_what_lies_in_the_working_folder_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "ls").write_text("#!/bin/sh\necho wrong\n")
    (tmp_path / "ls").chmod(0o755)
    assert b"wrong" not in CommandRunner(cwd=tmp_path, programs=PROGRAMS).handle(decided("ls")).run().output


def test_too_long_is_stopped_with_all_that_it_started(command: Callable[..., DecidedCommand], tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    begun = time.monotonic()
    made = command("find f -exec tail -f f \\; | cat", seconds=0.5)
    with pytest.raises(EffectorFailed, match="longer than"):
        made.run()
    assert time.monotonic() - begun < 15
    assert not running(tmp_path)
    with pytest.raises(EffectorFailed, match="before"):
        made.run()


def test_too_much_output_is_stopped(command: Callable[..., DecidedCommand], tmp_path: Path) -> None:
    with pytest.raises(EffectorFailed, match="more than 5000 bytes"):
        command("yes", max_bytes=5000).run()
    assert not running(tmp_path)


def test_a_program_that_closes_its_output_is_waited_for_no_longer_than_allowed(
    tmp_path: Path,
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "silent").write_text("#!/bin/sh\nexec 1>/dev/null 2>/dev/null 0</dev/null\nexec tail -f /dev/null\n")
    (tools / "leaves").write_text("#!/bin/sh\ntail -f /dev/null >/dev/null 2>&1 &\necho left\n")
    for each in tools.iterdir():
        each.chmod(0o755)
    folders = [str(tools), "/usr/bin", "/bin"]
    programs = ["silent", "leaves"]
    runner = CommandRunner(cwd=tmp_path, programs=programs, folders=folders, limits=CommandLimits(seconds=0.5))
    with pytest.raises(EffectorFailed, match="longer than"):
        runner.handle(decided("silent")).run()
    runner = CommandRunner(cwd=tmp_path, programs=programs, folders=folders)
    assert runner.handle(decided("leaves")).run().output == b"left\n"
    assert not running(tmp_path)


def running(folder: Path) -> list[str]:
    """Processes that still work in `folder`. One that was killed may take a moment to go."""
    until = time.monotonic() + 5
    while (found := _in(folder)) and time.monotonic() < until:
        pass
    return found


def _in(folder: Path) -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if (each / "cwd").readlink() == folder:
                found.append((each / "comm").read_text())
        except OSError:
            continue
    return found


def test_nothing_runs_once_the_call_is_over(tmp_path: Path) -> None:
    def over() -> None:
        raise UsageError("the call is over")

    with pytest.raises(UsageError):
        CommandRunner(cwd=tmp_path, programs=PROGRAMS).handle(decided("ls", begin=over)).run()


def test_it_keeps_to_commands_alone(tmp_path: Path) -> None:
    runner = CommandRunner(cwd=tmp_path, programs=["ls"])
    assert "string" in runner.problem(ArgSpec(name="x", type="string", where=Where(file="tools/x.toml")))
    assert runner.problem(decided("ls").spec) == ""
    with pytest.raises(UsageError):
        CommandRunner(cwd=tmp_path, programs=["ls"], folders=["bin"])
    with pytest.raises(UsageError, match="PATH"):
        CommandRunner(cwd=tmp_path, programs=["ls"], environment={"PATH": "/tmp"})


def test_no_descriptor_stays_open(command: Callable[..., DecidedCommand]) -> None:
    command("true").run()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for text in ("ls | cat", "ls nothing", "cat"):
        command(text).run()
    with pytest.raises(EffectorFailed):
        command("yes", max_bytes=10).run()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("kind", [CommandLimits, HttpLimits, Limits])
@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 0.0001, -1.0, -1, True, "1", None, 1e300])
def test_a_limit_is_one(kind: type, value: object) -> None:
    for each in fields(kind):
        with pytest.raises(UsageError):
            kind(**{each.name: value})


@pytest.mark.parametrize("programs", [[], "ls", ["/usr/bin/ls"], ["*"], [""], ["ls", "bash"], ["sudo"], ["setsid"]])
def test_programs_are_listed_by_name_and_no_shell_is_among_them(tmp_path: Path, programs: Collection[str]) -> None:
    with pytest.raises(UsageError):
        CommandRunner(cwd=tmp_path, programs=programs)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that say their names; `x86_64` and `shown` are links."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("setarch", "show", "Upper"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} ran\n")
        (folder / name).chmod(0o755)
    (folder / "x86_64").symlink_to("setarch")
    (folder / "shown").symlink_to("show")
    (folder / "upper").symlink_to("show")
    (folder / "hidden").symlink_to("/bin/sh")
    return folder


LISTED = [
    ("the program itself", "show", {"show"}, True),
    ("by its folder", "{tools}/show", {"show"}, True),
    ("not listed", "show", {"setarch"}, False),
    ("by its folder, not listed", "{tools}/show", {"setarch"}, False),
    ("a link and where it leads", "x86_64 show", {"x86_64", "setarch"}, True),
    ("a link alone", "x86_64 show", {"x86_64"}, False),
    ("a link that is not listed itself", "x86_64 show", {"setarch"}, False),
    ("a link to a shell", "hidden -c id", {"hidden"}, False),
    ("the second of a pipeline", "show | setarch", {"show"}, False),
    ("behind a wrapper", "timeout 5 show", {"timeout", "show"}, True),
    ("behind a wrapper, not listed", "timeout 5 show", {"timeout"}, False),
    ("behind a wrapper, a link alone", "timeout 5 shown", {"timeout", "shown"}, False),
    ("behind two wrappers, not listed", "timeout 5 nice show", {"timeout", "nice"}, False),
    ("the wrapper is not listed", "timeout 5 show", {"show"}, False),
    ("behind find", "find . -maxdepth 0 -exec show \\;", {"find", "show"}, True),
    ("behind find, not listed", "find . -maxdepth 0 -exec show \\;", {"find"}, False),
    ("behind a wrapper, elsewhere", "timeout 5 /sbin/show", {"timeout", "show"}, False),
    ("behind a wrapper, in the working folder", "timeout 5 ./tools/show", {"timeout", "show"}, False),
    ("env without PATH", "env -i show", {"env", "show"}, False),
    ("env with a variable", "env LANG=C show", {"env", "show"}, False),
    ("another name on a file system without case", "Upper", {"Upper"}, False),
    ("a name in capitals", "Show", {"Show", "show"}, False),
]


@pytest.mark.parametrize(("name", "text", "programs", "runs"), LISTED, ids=[each[0] for each in LISTED])
def test_what_is_not_listed_does_not_run(name: str, text: str, programs: set[str], runs: bool, tools: Path) -> None:
    folders = [str(tools), "/usr/bin", "/bin"]
    runner = CommandRunner(cwd=tools.parent, programs=programs, folders=folders)
    made = runner.handle(decided(text.replace("{tools}", str(tools))))
    if runs:
        assert b" ran\n" in made.run().output
    else:
        with pytest.raises(DidNotRun):
            made.run()


def test_what_makes_a_group_of_its_own_is_ended_too(command: Callable[..., DecidedCommand], tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(EffectorFailed, match="longer than"):
        command("true | timeout 60 tail -f f", seconds=0.5).run()
    assert not running(tmp_path)


HELD = """#!{python}
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER: any
child = os.fork()
if child == 0:
    os.setsid()
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    seized = libc.ptrace(0x4206, os.getppid(), None, None)  # PTRACE_SEIZE
    with open("seized.new", "w") as file:
        file.write(f"{{os.getpid()}} {{seized}}")
    os.rename("seized.new", "seized")
    os.closerange(0, 3)
    time.sleep(60)
    os._exit(0)
while not os.path.exists("seized"):
    time.sleep(0.01)
print("said " * 10, flush=True)
time.sleep(60)
"""


def test_what_cannot_be_ended_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is traced is not over before the tracer has seen it, dead or not."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/held").write_text(HELD.format(python=sys.executable))
    (tmp_path / "tools/held").chmod(0o755)
    monkeypatch.setattr(process, "_END_S", 0.5)
    limits = CommandLimits(seconds=30, max_bytes=10)
    runner = CommandRunner(cwd=tmp_path, programs=["held"], folders=[str(tmp_path / "tools")], limits=limits)
    begun = time.monotonic()
    try:
        with pytest.raises(EffectorFailed, match="may still run") as failed:
            runner.handle(decided("held")).run()
        assert time.monotonic() - begun < 25
        assert "more than 10 bytes" in str(failed.value.__context__)
    finally:
        tracer, seized = (tmp_path / "seized").read_text().split()
        os.kill(int(tracer), signal.SIGKILL)
    assert seized == "0"
    assert not running(tmp_path)


def test_a_status_that_nobody_saw_is_not_success(command: Callable[..., DecidedCommand]) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(EffectorFailed, match="cannot be known"):
            command("ls nothing").run()
    finally:
        signal.signal(signal.SIGCHLD, before)
