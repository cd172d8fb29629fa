"""Programs whose words hold another command: `env`, `xargs`, `find -exec`, `sudo`, `sh -c` and their like.

Only options of the tables are taken before the inner command; any other is refused, since it may run something or hide
where the inner command begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bailiwick.action.types.shell_words import ANYTHING, NotPlain, Word

__all__ = ["SHELLS", "WRAPPERS", "Found", "Inner", "find_commands", "inner_command", "shell_text"]

SHELLS = frozenset({"sh", "bash", "dash", "ash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """How a wrapper names its command: options (as for getopt), long options without and with a value after "=", and
    how many words stand before the command."""

    short: str = ""
    long: frozenset[str] = frozenset()
    skipped: int = 0
    powers: bool = False
    """It gives other rights to what it runs."""
    open_ended: bool = False
    """It adds words that are not known to the end of the command."""


WRAPPERS: Mapping[str, Inner] = {
    "env": Inner(short="iu:0"),
    "nohup": Inner(),
    "timeout": Inner(
        short="k:s:v", long=frozenset({"preserve-status", "foreground", "signal", "kill-after"}), skipped=1
    ),
    "nice": Inner(short="n:", long=frozenset({"adjustment"})),
    "ionice": Inner(short="c:n:t"),
    "stdbuf": Inner(short="i:o:e:", long=frozenset({"input", "output", "error"})),
    "setsid": Inner(short="fwc"),
    "time": Inner(short="p"),
    "command": Inner(short="p"),
    "builtin": Inner(),
    "exec": Inner(),
    "xargs": Inner(
        short="0rtpxn:L:P:s:d:I:", long=frozenset({"null", "no-run-if-empty", "max-args", "max-procs"}), open_ended=True
    ),
    "sudo": Inner(short="nEHkSbu:g:", powers=True),
    "doas": Inner(short="nu:", powers=True),
    "busybox": Inner(),
    "toybox": Inner(),
}

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")


def inner_command(name: str, words: Sequence[Word]) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """The command that wrapper `name` runs with the words after it (empty: none), and the names of variables that it
    sets. Raises NotPlain."""
    inner = WRAPPERS[name]
    rest = list(words)
    replaces = False
    while rest:
        text = rest[0].literal
        if text is None and rest[0].may_be_option:
            raise NotPlain(f"gives {name} a word before its command that is not known")
        if text is None or not text.startswith("-"):
            break
        del rest[0]
        if text == "--":
            break
        if name == "xargs" and "I" in text:
            replaces = _replaces(text, rest)
        if _takes_next(name, text, inner):
            if not rest or rest[0].literal is None:
                raise NotPlain(f"gives {name} an option without its value")
            del rest[0]
    assigned: list[str] = []
    while name in ("env", "sudo") and rest and (found := _ASSIGNMENT.match(rest[0].pattern)):
        assigned.append(found[1])
        del rest[0]
    if inner.skipped and any(each.literal is None for each in rest[: inner.skipped]):
        raise NotPlain(f"gives {name} a word before its command that is not known")
    rest = rest[inner.skipped :]
    if rest and inner.open_ended:
        rest = [_replaced(each) for each in rest] if replaces else rest
        rest.append(Word(literal=None, pattern=ANYTHING, splits=True))
    return tuple(rest), tuple(assigned)


def _replaces(option: str, after: Sequence[Word]) -> bool:
    """Whether `-I` of xargs names `{}`, the one sign that is looked for in the words of its command."""
    if option == "-I{}" or (option == "-I" and after and after[0].literal == "{}"):
        return True
    raise NotPlain(f"gives xargs the option {option:.30}, which is not taken")


def _takes_next(name: str, option: str, inner: Inner) -> bool:
    """Whether the value of the option is the next word."""
    if option.startswith("--"):
        long, equals, _ = option[2:].partition("=")
        if long in inner.long and (equals or long in ("preserve-status", "foreground", "null", "no-run-if-empty")):
            return False
        raise NotPlain(f"gives {name} the option {option:.30}, which is not taken")
    if name == "nice" and re.fullmatch(r"-[0-9]+", option):
        return False
    for at, letter in enumerate(option[1:], start=1):
        place = inner.short.find(letter)
        if place < 0 or letter == ":":
            raise NotPlain(f"gives {name} the option {option:.30}, which is not taken")
        if inner.short[place + 1 : place + 2] == ":":
            return at == len(option) - 1
    if option == "-":
        raise NotPlain(f"gives {name} the option '-', which is not taken")
    return False


def shell_text(words: Sequence[Word]) -> str | None:
    """The text that a shell runs by `-c`; None if it runs something else (a file, its input). Raises NotPlain."""
    if not words or words[0].literal is None or not re.fullmatch(r"-[eux]*c", words[0].literal):
        return None
    if len(words) < 2 or words[1].literal is None:
        raise NotPlain("hands a shell text that is not known")
    if words[1].literal.startswith(("-", "+")):
        raise NotPlain("hands a shell options after -c")
    return words[1].literal


FIND_READS = frozenset(
    """
    -name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -type -xtype -size -mtime -ctime -atime
    -mmin -cmin -amin -newer -maxdepth -mindepth -depth -empty -print -print0 -prune -quit -not -o -or -a -and -perm
    -user -group -uid -gid -links -inum -true -false -mount -xdev -follow -readable -writable -executable -ls -printf
    -daystart -noleaf -H -L -P -nouser -nogroup
    """.split()
)
_FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_FIND_WRITES = frozenset({"-delete", "-fprint", "-fprint0", "-fprintf", "-fls"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a find does: the commands that it runs, whether it writes, and whether there is more that is not known."""

    commands: tuple[tuple[Word, ...], ...]
    writes: bool
    unknown: bool


def find_commands(words: Sequence[Word]) -> Found:
    """Raises NotPlain where a command of -exec has no end."""
    commands: list[tuple[Word, ...]] = []
    writes = unknown = False
    rest = list(words)
    while rest:
        each = rest.pop(0)
        text = each.literal
        if text in _FIND_RUNS:
            end = next((at for at, word in enumerate(rest) if word.literal in (";", "+")), None)
            if end is None or any(word.splits for word in rest[:end]):
                raise NotPlain("hands find a command whose end is unclear")
            if rest[end].literal == "+" and (end == 0 or rest[end - 1].literal != "{}"):
                raise NotPlain("hands find a command whose end is unclear")
            commands.append(tuple(_replaced(word) for word in rest[:end]))
            del rest[: end + 1]
        elif text in _FIND_WRITES:
            writes = True
        elif text is None:
            unknown = unknown or each.may_be_option or each.pattern[:1] in "(!,"
        elif text.startswith("-") and text not in FIND_READS and re.fullmatch(r"-[0-9]+", text) is None:
            unknown = True
    return Found(commands=tuple(commands), writes=writes, unknown=unknown)


def _replaced(word: Word) -> Word:
    """What stands for a file that is found: nobody knows its name, but it begins with where the search began."""
    if "{}" not in word.pattern:
        return word
    return Word(literal=None, pattern=word.pattern.replace("{}", ANYTHING))
