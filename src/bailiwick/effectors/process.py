"""Runs a simple pipeline without a shell: the effector for arguments of type `shell`.

INVARIANT: what runs are the words that were parsed, as argument lists. Each program that they name, also behind a
wrapper (`timeout`, `xargs`, `find -exec`), lies in a folder that the operator names, and the operator lists it: the
name that was asked for and, where that is a link, the name of the file that it leads to. No shell, nor a program that
is known to run what cannot be seen (`*` among the programs), is started, listed or not. The commands share one process
group, which is killed when time or output run out; the environment holds `PATH` (the folders), `LANG` and what the
operator adds, nothing else of this process.

What a program does with its arguments is its own affair, and so is what it starts: this keeps to *which* programs run
on *which* words, and who lists a program vouches for it. Whoever must bound where they write runs the agent's tools
under another user, or in a container. A program that starts others in a session or group of their own leaves them
behind.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bailiwick.action.types.shell import ANY_PROGRAM, simple_pipeline
from bailiwick.action.types.shell_wrappers import SHELLS
from bailiwick.effectors.limits import check_count, check_seconds
from bailiwick.errors import DidNotRun, EffectorFailed, UsageError
from bailiwick.guard.effectors import Decided
from bailiwick.model.tool import ArgSpec

__all__ = ["CommandLimits", "CommandResult", "CommandRunner", "DecidedCommand"]

_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")
_MANY_IN_ONE = frozenset({"busybox", "toybox"})
"""Links to them are programs in their own right; by their own names they run any of these."""
_NOT_HERE = SHELLS | _MANY_IN_ONE | {"eval", "exec", "source", ".", "sudo", "doas", "setsid"}
"""Programs that read text anew, change the user, or leave the process group."""
_CHUNK = 65_536
_LOOK_S = 0.01
_END_S = 5.0
"""How long what was killed may take to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLimits:
    """What one pipeline may take: `seconds`, and `max_bytes` of output and errors together."""

    seconds: float = 30.0
    max_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        check_seconds(self.seconds)
        check_count("max_bytes", self.max_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """`statuses`: how each command of the pipeline ended, as a shell counts (a signal is negative)."""

    statuses: tuple[int, ...]
    output: bytes
    errors: bytes

    @property
    def succeeded(self) -> bool:
        return not any(self.statuses)


class CommandRunner:
    """Runs what was decided in the folder `cwd`. `programs` are the names of those that may run, `folders` where they
    are looked for, in this order."""

    def __init__(
        self,
        *,
        cwd: str | Path,
        programs: Collection[str],
        folders: Sequence[str] = _FOLDERS,
        environment: Mapping[str, str] | None = None,
        limits: CommandLimits | None = None,
    ) -> None:
        if not folders or any(not folder.startswith("/") or ":" in folder for folder in folders):
            raise UsageError("programs lie in folders with an absolute path", hint='such as folders=["/usr/bin"]')
        if environment and "PATH" in environment:
            raise UsageError("PATH is made of the folders", hint="name them in folders=[…]")
        self._cwd = Path(cwd).absolute()
        self._programs = _listed(programs)
        self._folders = tuple(folders)
        self._environment = {"PATH": ":".join(folders), "LANG": "C.UTF-8", **(environment or {})}
        self._limits = limits or CommandLimits()

    def problem(self, spec: ArgSpec) -> str:
        return "" if spec.type == "shell" else f"is of type {spec.type}, and this effector runs type shell"

    def handle(self, decided: Decided) -> DecidedCommand:
        return DecidedCommand(
            decided=decided,
            cwd=self._cwd,
            programs=self._programs,
            folders=self._folders,
            environment=self._environment,
            limits=self._limits,
        )


def _listed(programs: Collection[str]) -> frozenset[str]:
    names = frozenset() if isinstance(programs, str) else frozenset(programs)
    if not names or any(not name or "/" in name or name == ANY_PROGRAM for name in names):
        raise UsageError("programs are listed by their names, without a folder", hint='such as programs=["ls", "grep"]')
    if refused := sorted((_NOT_HERE - _MANY_IN_ONE) & names):
        raise UsageError(f"this runner does not start {refused[0]}", hint="leave it out of programs")
    return names


@dataclass(slots=True, kw_only=True)
class DecidedCommand:
    """One decided pipeline. It runs once; whoever asks again gets the same result."""

    decided: Decided
    cwd: Path
    programs: frozenset[str]
    folders: tuple[str, ...]
    environment: Mapping[str, str]
    limits: CommandLimits
    _result: CommandResult | None = None
    _ran: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, given: bytes = b"") -> CommandResult:
        """What came of it; `given` is the input of the first command. Raises DidNotRun where it is no pipeline that is
        run here, EffectorFailed where it had to be stopped, UsageError once the call is over."""
        self.decided.begin()
        with self._lock:
            if self._result is None:
                if self._ran:
                    raise EffectorFailed("the command was stopped before")
                commands = self._commands()
                self._ran = True
                self._result = _Run(self, commands).result(given)
            return self._result

    def _commands(self) -> list[list[str]]:
        facts = self.decided.facts.facts
        assert isinstance(facts, Mapping)
        programs = facts["programs"]
        assert isinstance(programs, tuple)
        hidden = sorted(_NOT_HERE.intersection(programs)) or ([ANY_PROGRAM] if ANY_PROGRAM in programs else [])
        if hidden:
            raise DidNotRun(
                f"this runner does not start {hidden[0]}" if hidden != [ANY_PROGRAM] else "it may run any program",
                hint="give a pipeline of plain programs",
            )
        pipeline = simple_pipeline(str(self.decided.value))
        if pipeline is None:
            raise DidNotRun(
                "only a pipeline of literal words is run, without variables, wildcards and redirections",
                hint="write the words out",
            )
        commands = [[self._program(words[0]), *words[1:]] for words in pipeline]
        self._check_inner(programs, pipeline)
        return commands

    def _check_inner(self, programs: tuple[str, ...], pipeline: Sequence[Sequence[str]]) -> None:
        """What wrappers start is looked up by them in `PATH`, the same folders."""
        for name in programs:
            # The parser counts a name in small letters, too: that need not be a program.
            if any(other != name and other.lower() == name for other in programs) and self._find(name) is None:
                continue
            self._program(name)
        for words in pipeline:
            for at, word in enumerate(words):
                folder, slash, base = word.rpartition("/")
                if base == "env" and base in programs and at + 1 < len(words):
                    raise DidNotRun("env could run its command without PATH", hint="run the command without env")
                if slash and base in programs and folder not in self.folders:
                    raise DidNotRun(f"{word:.60} has the name of a program, and lies in no folder of programs")

    def _program(self, name: str) -> str:
        path = self._find(name)
        if path is None:
            raise DidNotRun(f"there is no program {name:.60} in {', '.join(self.folders)}")
        asked = name.rpartition("/")[2]
        for each in (asked, Path(path).resolve().name):
            if each not in self.programs:
                link = "" if each == asked else f", where {name:.60} leads"
                raise DidNotRun(f"this runner does not start {each:.60}{link}", hint="its list of programs has it not")
        return path

    def _find(self, name: str) -> str | None:
        folder, slash, base = name.rpartition("/")
        for each in self.folders if not slash else [own for own in self.folders if own == folder]:
            path = f"{each}/{base}"
            if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
                return path
        return None


class _Run:
    """The processes of one pipeline, from the first to the last."""

    def __init__(self, command: DecidedCommand, commands: list[list[str]]) -> None:
        self._command = command
        self._commands = commands
        self._processes: list[subprocess.Popen[bytes]] = []
        self._until = time.monotonic() + command.limits.seconds

    def result(self, given: bytes) -> CommandResult:
        with contextlib.ExitStack() as stack:
            stack.callback(self._end)
            try:
                stdin, output, errors = self._start(stack)
            except OSError as error:
                if not self._processes:
                    raise DidNotRun(f"the program cannot be started: {error.strerror}") from error
                raise EffectorFailed(f"a part of the pipeline cannot be started: {error.strerror}") from error
            said = self._talk(stdin, given, (output, errors))
            self._wait()
        return CommandResult(
            statuses=tuple(each.returncode for each in self._processes), output=said[0], errors=said[1]
        )

    def _start(self, stack: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        error_read, error_write = (os.fdopen(each, mode) for each, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
        stack.enter_context(error_read)
        with error_write:
            source: int | IO[bytes] = subprocess.PIPE
            for words in self._commands:
                process = subprocess.Popen(
                    words,
                    cwd=self._command.cwd,
                    env=dict(self._command.environment),
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=error_write,
                    process_group=self._processes[0].pid if self._processes else 0,
                )
                self._processes.append(process)
                if not isinstance(source, int):
                    source.close()
                assert process.stdout is not None
                source = process.stdout
        first, last = self._processes[0].stdin, self._processes[-1].stdout
        assert first is not None
        assert last is not None
        stack.enter_context(last)
        stack.callback(_close, first)
        return first, last, error_read

    def _talk(self, stdin: IO[bytes], given: bytes, outputs: tuple[IO[bytes], IO[bytes]]) -> tuple[bytes, bytes]:
        said: dict[IO[bytes], bytearray] = {each: bytearray() for each in outputs}
        os.set_blocking(stdin.fileno(), False)
        with selectors.DefaultSelector() as waiting:
            for each in outputs:
                waiting.register(each, selectors.EVENT_READ)
            waiting.register(stdin, selectors.EVENT_WRITE)
            rest = memoryview(given)
            while waiting.get_map():
                for key, _ in self._ready(waiting):
                    if key.fileobj is stdin:
                        rest = self._give(stdin, rest, waiting)
                        continue
                    assert not isinstance(key.fileobj, int)
                    chunk = os.read(key.fd, _CHUNK)
                    said[outputs[0] if key.fileobj is outputs[0] else outputs[1]] += chunk
                    if not chunk:
                        waiting.unregister(key.fileobj)
                if sum(len(each) for each in said.values()) > self._command.limits.max_bytes:
                    raise EffectorFailed(f"the command said more than {self._command.limits.max_bytes} bytes")
        return bytes(said[outputs[0]]), bytes(said[outputs[1]])

    def _ready(self, waiting: selectors.BaseSelector) -> Iterator[tuple[selectors.SelectorKey, int]]:
        left = self._until - time.monotonic()
        found = waiting.select(left) if left > 0 else []
        if not found and time.monotonic() >= self._until:
            raise self._too_long()
        return iter(found)

    def _give(self, stdin: IO[bytes], rest: memoryview, waiting: selectors.BaseSelector) -> memoryview:
        try:
            rest = rest[os.write(stdin.fileno(), rest[:_CHUNK]) :] if rest else rest
        except BlockingIOError:
            return rest
        except BrokenPipeError:
            rest = rest[:0]
        if not rest:
            waiting.unregister(stdin)
            _close(stdin)
        return rest

    def _too_long(self) -> EffectorFailed:
        return EffectorFailed(f"the command took longer than {self._command.limits.seconds:g} s and was stopped")

    def _wait(self) -> None:
        """Until all have ended. None is reaped: the group's number stays taken until it is killed."""
        while not all(_has_ended(each.pid) for each in self._processes):
            if time.monotonic() >= self._until:
                raise self._too_long()
            time.sleep(_LOOK_S)

    def _end(self) -> None:
        """Whatever is left of the group ends. What changed its user, is traced or hangs in the kernel may not."""
        for each in self._processes:
            # One that made a group of its own (`timeout`) has its own number for it.
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(each.pid, signal.SIGKILL)
        until, left = time.monotonic() + _END_S, False
        for each in self._processes:
            try:
                each.wait(timeout=max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                left = True
                # Whenever it ends, somebody takes its status: no zombie stays for good.
                threading.Thread(target=each.wait, name="bailiwick-left", daemon=True).start()
            for pipe in (each.stdin, each.stdout):
                if pipe is not None:
                    _close(pipe)
        if left:
            raise EffectorFailed(
                "the command was killed and has not ended: it may still run", hint="look for it before you call again"
            )


def _has_ended(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError as error:
        raise EffectorFailed(
            "how the command ended cannot be known: something else in this process waits for its children",
            hint="leave SIGCHLD alone, and wait for no child that is not yours",
        ) from error


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.close()
