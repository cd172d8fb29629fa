"""Shell commands: the type `shell`, from the grammar of tree-sitter-bash.

Facts `{ programs, commands, writes, network, reads_secrets, paths }`. `programs` are the programs that the text runs
itself, through wrappers (`env`, `xargs`, `find -exec`, `sh -c` …) too, by name; what stands outside of the system's own
folders also by its path. It holds `*` where a program may run others that cannot be seen: interpreters, build tools,
`ssh`. `writes`, `network` and `reads_secrets` are false only for programs and options of a list (`shell_programs`).
`commands` counts the simple commands; `paths` are the words that look like paths, as written.

Text on which shells may differ, or that nobody thought of, is refused (`shell_tree`), and so are programs that are
named by an expansion, changes of what later words mean (aliases, functions, traps, most builtins with a state) and
variables that programs and the shell obey (`PATH`, `LD_PRELOAD`, `BASH_ENV` …).

A parsed fact is not an effect (DESIGN §5 *Action*): which file `ls` is, and what it does, is the machine's affair. The
effector `CommandRunner` runs simple pipelines without a shell.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bailiwick.action.types.base import (
    AsksNothing,
    Beyond,
    NoOptions,
    Options,
    Parsed,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.shell_programs import (
    ANYTHING_ELSE,
    NO_FILES,
    REFUSED,
    RESERVED,
    Doing,
    plain_name,
    program_does,
)
from bailiwick.action.types.shell_secrets import HARMLESS_VARIABLES, names_secret
from bailiwick.action.types.shell_tree import Line, Redirect, read_line
from bailiwick.action.types.shell_words import ANYTHING, NotPlain, Word
from bailiwick.action.types.shell_wrappers import SHELLS, WRAPPERS, find_commands, inner_command, shell_text
from bailiwick.model.shape import BOOL, LONG, STRING_SET, Field, Record, Shape
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = ["ANY_PROGRAM", "Analysis", "ShellType", "analyse", "simple_pipeline"]

SHELL_SHAPE = Record(
    (
        Field("programs", STRING_SET),
        Field("commands", LONG),
        Field("writes", BOOL),
        Field("network", BOOL),
        Field("reads_secrets", BOOL),
        Field("paths", STRING_SET),
    )
)

ANY_PROGRAM = "*"
"""Stands among the programs for those that cannot be seen."""

MAX_NESTED = 4
"""Texts within texts: `sh -c`, `eval`."""
MAX_PATHS = 50

_PROGRAM = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]*|(?:~?/|\.)?[A-Za-z0-9_.+/-]*/[A-Za-z0-9_.+-]+|:")
_SYSTEM_FOLDERS = frozenset({"/bin", "/usr/bin", "/sbin", "/usr/sbin"})
_HARMLESS_NAMES = frozenset({"LANG", "LANGUAGE", "TZ", "NO_COLOR", "TERM", "COLUMNS", "LINES", "CI"})
_OBEYED_NAMES = frozenset(
    {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "histchars", "auto_resume"}
)
_OWN_NAME = re.compile(r"(?!npm_config_)(?![a-z0-9_]*_proxy\Z)[a-z_][a-z0-9_]*|LC_[A-Z]+")
_NO_FILE = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin"})
_SET_WORDS = frozenset({"-e", "-u", "-x", "-eu", "-ex", "-eux", "-o", "-euo", "-euxo", "pipefail"})
_FILE_DESCRIPTOR = re.compile(r"[0-9]|-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is known about one command line."""

    programs: tuple[str, ...]
    commands: int
    writes: bool
    network: bool
    reads_secrets: bool
    paths: tuple[str, ...]


@functools.lru_cache(maxsize=512)
def analyse(text: str) -> Analysis | Unparsable:
    """What `text` does. Pure, hence cached."""
    judge = _Judge()
    try:
        judge.text(text, depth=0)
    except (NotPlain, UnicodeError, RecursionError) as problem:
        said = str(problem) if isinstance(problem, NotPlain) else "is not shell that the grammar understands"
        return Unparsable(problem=f"is a command that is not taken: it {said:.200}", code="unparsable-shell")
    if len(judge.paths) > MAX_PATHS:
        return Unparsable(problem=f"names more than {MAX_PATHS} paths", code="unparsable-shell")
    return Analysis(
        programs=tuple(judge.programs),
        commands=judge.commands,
        writes=judge.writes,
        network=judge.network,
        reads_secrets=judge.reads_secrets,
        paths=tuple(judge.paths),
    )


def simple_pipeline(text: str) -> tuple[tuple[str, ...], ...] | None:
    """The words of each command, if `text` is nothing but commands of literal words joined by `|`; else None.

    For text that `analyse` took."""
    try:
        line = read_line(text)
    except (NotPlain, UnicodeError):
        return None
    if line.compound or line.redirects or any(command.assigned for command in line.commands):
        return None
    found = [[word.literal for word in command.words] for command in line.commands]
    if any(word is None or word.startswith("~") for words in found for word in words):
        return None
    return tuple(tuple(word for word in words if word is not None) for words in found)


@dataclass(slots=True, kw_only=True)
class _Judge:
    programs: dict[str, None] = field(default_factory=dict)
    paths: dict[str, None] = field(default_factory=dict)
    commands: int = 0
    writes: bool = False
    network: bool = False
    reads_secrets: bool = False

    def text(self, text: str, *, depth: int) -> None:
        if depth > MAX_NESTED:
            raise NotPlain("hands text to a shell within a shell too often")
        self.line(read_line(text), depth)

    def line(self, line: Line, depth: int) -> None:
        own = {each.name for each in line.assigned} | set(line.loops)
        for command in line.commands:
            own |= {each.name for each in command.assigned}
        for name in own:
            _check_assigned(name)
        if any(name not in HARMLESS_VARIABLES and name not in own for name in line.variables):
            self.reads_secrets = True
        for assigned in (*line.assigned, *(each for command in line.commands for each in command.assigned)):
            if assigned.value.literal is not None:
                self._word(assigned.value)
        for redirect in line.redirects:
            self._redirect(redirect)
        for command in line.commands:
            self._command(command.words, depth)

    # -- one command -------------------------------------------------------------------------------------------------

    def _command(self, words: Sequence[Word], depth: int) -> None:
        self.commands += 1
        first, rest = words[0], words[1:]
        program = self._named(first)
        if program not in NO_FILES:
            for word in rest:
                self._word(word)
        if program in _SPECIAL:
            self._special(program, rest, depth)
        elif program in WRAPPERS:
            self._wrapped(program, rest, depth)
        elif program == "find":
            self._find(rest, depth)
        elif plain_name(program) in SHELLS and (text := shell_text(rest)) is not None:
            self.text(text, depth=depth + 1)
        elif program.lower() in WRAPPERS or program.lower() == "find":
            self._does(Doing(runs=True))  # on a file system without case it is the wrapper
        else:
            self._does(program_does(program, rest))

    def _named(self, word: Word) -> str:
        """Counts a program → the name that the tables know it by."""
        name = word.literal
        if name is None or _PROGRAM.fullmatch(name) is None or name in RESERVED:
            raise NotPlain("names a program in another way than by a plain word")
        folder, slash, base = name.rpartition("/")
        if base in REFUSED:
            raise NotPlain(f"uses {base}, which changes what other words mean")
        if not slash or folder in _SYSTEM_FOLDERS:
            self._count(base)
            return base
        self.programs[name] = None
        self.paths[name] = None
        self._count(base)
        # A file of that name elsewhere is another program: nothing is known about it.
        return base if plain_name(base) in SHELLS or base in WRAPPERS or base == "find" else name

    def _count(self, name: str) -> None:
        self.programs[name] = None
        self.programs[name.lower()] = None  # on a file system without case it is the same

    def _does(self, doing: Doing) -> None:
        self.writes = self.writes or doing.writes
        self.network = self.network or doing.network
        self.reads_secrets = self.reads_secrets or doing.secrets
        if doing.runs:
            self.programs[ANY_PROGRAM] = None

    def _wrapped(self, program: str, words: Sequence[Word], depth: int) -> None:
        if program == "command" and words and words[0].literal in ("-v", "-V"):
            return  # says what the words would run
        inner, assigned = inner_command(program, words)
        for name in assigned:
            _check_assigned(name)
        if WRAPPERS[program].powers:
            self._does(ANYTHING_ELSE)
        if inner:
            self._command(inner, depth)
        elif program == "env":
            self.reads_secrets = True

    def _find(self, words: Sequence[Word], depth: int) -> None:
        found = find_commands(words)
        self.writes = self.writes or found.writes
        if found.unknown:
            self._does(Doing(runs=True))
        for command in found.commands:
            if not command:
                raise NotPlain("hands find no command")
            self._command(command, depth)

    def _special(self, program: str, words: Sequence[Word], depth: int) -> None:
        if program == "test":
            _check_test(words)
            return
        if program == "printf":
            if not words or words[0].may_be_option:
                raise NotPlain("gives printf an option, or a format that is not known")
            return
        known = [word.literal for word in words if word.literal is not None]
        if len(known) < len(words):
            raise NotPlain(f"hands {program} words that are not known")
        if program == "eval":
            if known:
                self.text(" ".join(known), depth=depth + 1)
        else:
            _check_state(program, known)

    # -- words -------------------------------------------------------------------------------------------------------

    def _word(self, word: Word) -> None:
        if names_secret(word):
            self.reads_secrets = True
        text = word.pattern.replace(ANYTHING, "…")
        if "/" in text or text.startswith((".", "~")):
            self.paths[text[:200]] = None

    def _redirect(self, redirect: Redirect) -> None:
        target = redirect.target
        if (
            redirect.operator in (">&", "<&")
            and target.literal is not None
            and _FILE_DESCRIPTOR.fullmatch(target.literal)
        ):
            return
        self._word(target)
        text = target.pattern
        unknown = target.literal is None and text[:1] in (ANYTHING, "/", "*", "?", "[")
        if unknown or re.search(r"/dev/+(?:\.+/+)*(?:tcp|udp)", text):
            self._does(ANYTHING_ELSE)  # bash connects where a path says /dev/tcp/host/port
        if target.literal in _NO_FILE:
            return
        self.paths[text.replace(ANYTHING, "…")[:200]] = None
        if redirect.operator not in ("<", "<&"):
            self.writes = True


_SPECIAL = frozenset({"eval", "test", "printf", "set", "read", "wait", "exit", "return", "break", "continue", "shift"})


def _check_state(program: str, words: Sequence[str]) -> None:
    """Builtins that change the shell itself."""
    if program == "set":
        if not words or not _SET_WORDS.issuperset(words):
            raise NotPlain("uses set with other options than -e, -u, -x and -o pipefail")
    elif program == "read":
        for name in words:
            if name != "-r":
                _check_assigned(name)
    elif any(word.startswith("-") for word in words):
        raise NotPlain(f"gives {program} an option")


_COMPARES = frozenset({"=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
"""Of three words of test, the one in the middle decides if it is one of these."""


def _check_test(words: Sequence[Word]) -> None:
    """`test -v` and `-R` calculate with the name that they are given, and a subscript in it runs commands."""
    unknown = [word for word in words if word.literal is None]
    compares = len(words) == 3 and words[1].literal in _COMPARES
    if (len(unknown) > 1 and not compares) or any(word.splits for word in unknown):
        raise NotPlain("tests more than one value that is not known, or one without quotes")
    for word in words:
        if word.literal is not None and (word.literal in ("-v", "-R") or "[" in word.literal):
            raise NotPlain("tests a variable by its name")


def _check_assigned(name: str) -> None:
    """Variables in lower case are the text's own; the others are obeyed by programs or the shell."""
    if name in _HARMLESS_NAMES or (_OWN_NAME.fullmatch(name) and name not in _OBEYED_NAMES):
        return
    raise NotPlain(f"sets the variable {name:.40}, which programs or the shell may obey")


@dataclass(frozen=True, slots=True)
class ShellType(NoOptions, AsksNothing):
    """A command line for sh or bash."""

    name: str = "shell"
    scalar: bool = False
    roles: frozenset[Role] = frozenset({Role.COMMAND})

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return SHELL_SHAPE

    def accepts(self, spec: ArgSpec) -> str:  # noqa: ARG002
        return "a shell command on one line or several, with plain program names and without functions"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem="is not a string")
        found = analyse(value)
        if isinstance(found, Unparsable):
            return found
        return Parsed(
            facts={
                "programs": found.programs,
                "commands": found.commands,
                "writes": found.writes,
                "network": found.network,
                "reads_secrets": found.reads_secrets,
                "paths": found.paths,
            },
            values=(value,),
            beyond=(Beyond(effect=Effect.EXECUTE, saw="a shell command"),),
        )
