"""The type `shell` sees which programs a text runs and what they may do, or refuses it. The real bash agrees."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.action.types import Unparsable
from bailiwick.action.types.shell import ANY_PROGRAM, Analysis, analyse, simple_pipeline
from bailiwick.action.types.shell_programs import LAUNCHERS, REFUSED, RESERVED
from bailiwick.action.types.shell_text import MAX_SHELL
from bailiwick.action.types.shell_tree import MAX_COMMANDS
from bailiwick.model.call import Action
from bailiwick.model.decision import Reason
from tests.action.desk import cases, catalog_of, parsed

CASES = cases("shell.toml")
SOAK = bool(os.environ.get("BAILIWICK_SOAK"))
CATALOG = """
    [tools."os.run"]
    effects  = ["execute"]
    args.cmd = { type = "shell", role = "command" }
"""


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


def seen(text: str) -> Analysis:
    found = analyse(text)
    assert isinstance(found, Analysis), found
    return found


@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case], ids=ids)
def test_what_a_command_does_is_seen(case: dict[str, Any]) -> None:
    found = seen(case["text"])
    assert set(found.programs) == set(case["programs"])
    does = {"writes": found.writes, "network": found.network, "secrets": found.reads_secrets}
    assert {name for name, happens in does.items() if happens} == set(case["does"])
    assert found.commands == case.get("commands", found.commands)
    assert set(case.get("paths", ())) <= set(found.paths)


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=ids)
def test_the_command_is_refused(case: dict[str, Any]) -> None:
    found = analyse(case["text"])
    assert isinstance(found, Unparsable), found
    assert case["refused"] in found.problem
    assert found.code == "unparsable-shell"


def test_an_execute_reads_its_facts_from_the_command() -> None:
    found = parsed("os.run", {"cmd": "ls | xargs rm"}, catalog_of(CATALOG))
    assert isinstance(found, Action)
    assert found.interfaces["execute"] == {"programs": ("ls", "xargs", "rm"), "network": False, "writes": True}


def test_a_tool_that_does_not_execute_takes_no_command() -> None:
    catalog = catalog_of(CATALOG.replace('["execute"]', '["read"]'))
    found = parsed("os.run", {"cmd": "ls"}, catalog)
    assert isinstance(found, Reason)
    assert found.code == "exceeds-effects"


def test_whole_words_of_a_simple_pipeline() -> None:
    assert simple_pipeline("ls -l 'a b' | wc -l") == (("ls", "-l", "a b"), ("wc", "-l"))
    for text in ("ls; ls", "ls > x", "ls $x", "ls *", "a=1 ls", "! ls", "ls &", "ls ~", "ls | cat < x", "echo `ls`"):
        assert simple_pipeline(text) is None, text


NESTS: list[tuple[str, Callable[[int], str]]] = [
    ("substitutions", lambda n: "echo " + "$(echo " * n + "x" + ")" * n),
    ("subshells", lambda n: "( " * n + "ls" + " )" * n),
    ("groups", lambda n: "{ " * n + "ls;" + " };" * n),
    ("quotes", lambda n: 'echo "' + '$(echo "' * n + "x" + '")' * n + '"'),
]


@pytest.mark.parametrize(("name", "text"), NESTS, ids=[name for name, _ in NESTS])
def test_deep_nesting_is_an_answer_not_a_crash(name: str, text: Callable[[int], str]) -> None:
    assert isinstance(analyse(text(2)), Analysis)
    assert isinstance(analyse(text(500)), Unparsable)


def test_what_is_too_long_is_refused() -> None:
    assert isinstance(analyse("echo " + "x" * MAX_SHELL), Unparsable)
    assert isinstance(analyse("ls;" * (MAX_COMMANDS + 1)), Unparsable)
    assert isinstance(analyse(" ".join(f"a{n}/b" for n in range(80)).join(["ls ", ""])), Unparsable)


def test_every_builtin_of_the_real_bash_is_known() -> None:
    listed = subprocess.run(["bash", "-c", "compgen -b; compgen -k"], capture_output=True, text=True, check=True)
    known = (
        REFUSED
        | RESERVED
        | LAUNCHERS
        | set(
            "[ : break builtin cd command continue echo eval exec exit false kill printf pwd read return set "
            "shift test true type umask wait time".split()
        )
    )
    assert set(listed.stdout.split()) <= known


# --- the real bash ----------------------------------------------------------------------------------------------------

SHIMS = ("rm", "ls", "cat", "touch", "mkdir", "evil", "grep", "wc", "head", "sort", "curl", "git")
PASSED_ON = ("env", "xargs", "timeout", "nice", "nohup", "find", "stdbuf")
SHELL_SHIMS = ("sh", "bash")


class Bash:
    """A bash, and a dash where there is one, whose programs only note that they were started."""

    SHELLS = tuple(filter(None, (shutil.which("bash"), shutil.which("dash"))))

    def __init__(self, folder: Path) -> None:
        self.programs, self.work, self.notes = folder / "bin", folder / "work", folder / "notes"
        self.programs.mkdir()
        for name in SHIMS:
            self._shim(name, f': > "{self.notes}/{name}"')
        for name in PASSED_ON:
            self._shim(name, f': > "{self.notes}/{name}"; exec {shutil.which(name)} "$@"')
        for name in SHELL_SHIMS:
            self._shim(name, f': > "{self.notes}/{name}"; exec {shutil.which("bash")} "$@"')

    def _shim(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, text: str) -> set[str]:
        """The programs that the shells start for `text`."""
        return set().union(*(self._run(shell, text) for shell in self.SHELLS))

    def _run(self, shell: str, text: str) -> set[str]:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        (self.work / "f").write_text("rm evil\n")
        shutil.rmtree(self.notes, ignore_errors=True)
        self.notes.mkdir()
        try:
            subprocess.run(
                [shell, "-c", text],
                cwd=self.work,
                env={"PATH": str(self.programs), "HOME": str(self.work), "x": "rm", "empty": ""},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=20,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not end: {text!r}")
        return {each.name for each in self.notes.iterdir()}


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Bash:
    return Bash(tmp_path_factory.mktemp("bash"))


def agrees(bash: Bash, text: str) -> None:
    found = analyse(text)
    if isinstance(found, Analysis) and ANY_PROGRAM not in found.programs:
        assert bash.run(text) <= set(found.programs), text


def test_the_real_bash_is_asked_at_all(bash: Bash) -> None:
    assert bash.run("ls; echo $(rm x) | xargs env cat; find f -exec touch {} \\;") == {
        *("ls", "rm", "xargs", "env", "cat", "find", "touch"),
    }
    assert bash.run("$x") == {"rm"}
    assert bash.run("sh -c 'eval evil'") == {"sh", "evil"}


@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case], ids=ids)
def test_bash_runs_no_other_programs(case: dict[str, Any], bash: Bash) -> None:
    if not {"exec", "/dev/tcp", "/dev/udp"} & set(case["text"].replace("/192", " ").split()):
        agrees(bash, case["text"])


PIECES = st.sampled_from(
    [
        *("rm", "ls", "cat x", "evil", "touch y", "echo a", "grep -n a f", "true", "git log", "time ls"),
        *("env", "xargs", "timeout 5", "nice", "sh -c", "bash -c", "eval", "find . -exec", "command", "exec", "nohup"),
        *("env -i", "xargs -n 1", "find . -name", "builtin", "test -f", "printf", "cd", "stdbuf -o 0", "xargs -I{}"),
        *(" ", " ", " ", " ", "\n", "\t", ";", "&&", "||", "|", "|&", "&", "!", "(", ")", "{", "}", ";;", "{ ", "; }"),
        *(
            "$(",
            ")",
            "`",
            "$((",
            "))",
            "<(",
            ">(",
            "${",
            "}",
            "$x",
            "$empty",
            '"$x"',
            "$",
            "$'",
            '$"',
            "${x}",
            "${x:-rm}",
        ),
        *(
            "'",
            "'",
            '"',
            '"',
            "\\",
            "\\\n",
            "\\;",
            "\\'",
            '\\"',
            "{}",
            "+",
            "{rm,ls}",
            "*",
            "?",
            "~",
            "[",
            "]",
            "#",
            "# ",
        ),
        *(
            ">",
            ">>",
            "<",
            "2>&1",
            "&>",
            "<<<",
            "<<EOF\n",
            "<<'EOF'\n",
            "\nEOF\n",
            "EOF",
            "<<-EOF\n",
            ">&",
            "{fd}>",
            "<>",
        ),
        *(
            "if ",
            "then ",
            "fi",
            "for i in ",
            "do ",
            "done",
            "while ",
            "case ",
            "esac",
            "function ",
            "rm()",
            "coproc ",
            "in ",
        ),
        *("[ ", " ]", "[ -f f ]", "[ -n x -a ", " \\\n ", " # ", "\n# ", "xargs -I{} ", "-v"),
        *("a=1", "a=rm", "a=", "a+=1", "a[0]=1", "PATH=/", "=", "==", "-", "--", "-x", "-c", "-delete", "f", "x", "1"),
        *(
            "'rm'",
            '"rm"',
            "'rm x'",
            '"rm $x"',
            "'ls; rm'",
            "r\\m",
            "r''m",
            "\u00e4",
            "a#b",
            "!rm",
            "^",
            "%",
            "@",
            ",",
            ":",
        ),
    ]
)
PROGRAMS = st.sampled_from(["rm x", "ls -l", "cat f", "evil", "touch y", "echo a", "git log", "grep -n a f", "true"])
WRAPPED = st.tuples(
    st.sampled_from(
        [
            *("", "", "", "env ", "env A=1 ", "env a=1 ", "xargs -n 1 ", "timeout 5 ", "nice -n 3 ", "nohup ", "time "),
            *("command ", "builtin ", "exec ", "find f -exec ", "stdbuf -o 0 ", "find . -name f -o -exec ", "eval "),
            *("sh -c ", "xargs sh -c ", "bash -ec ", "if ", "! ", "a=1 ", "x=$(", "echo $(", "env -u x ", "{ ", "( "),
        ]
    ),
    PROGRAMS,
    st.sampled_from(
        ["", "", "", " \\;", " {} \\;", " {} +", " > y", " 2>&1", " <<< a", ")", " )", "; }", "; then ls; fi"]
    ),
).map("".join)
LINES = st.lists(
    st.tuples(WRAPPED, st.sampled_from(["; ", " | ", " && ", " || ", "\n", " & ", " |& "])), max_size=4
).map(lambda parts: "".join(text for part in parts for text in part).rstrip("; |&\n"))
SHAPES = st.one_of(
    LINES,
    LINES.map(lambda text: f"sh -c '{text}'"),
    st.lists(PIECES, min_size=1, max_size=9).map("".join),
    st.lists(PIECES, min_size=1, max_size=7).map(" ".join),
    st.tuples(st.lists(PIECES, max_size=5).map(" ".join), st.lists(PIECES, max_size=4).map("".join)).map(
        lambda parts: f"cat <<EOF {parts[1]}\n{parts[0]}\nEOF\nls"
    ),
    st.tuples(PIECES, PIECES, PIECES).map(lambda parts: f'echo "{parts[0]}$({parts[1]} {parts[2]})"'),
)


@pytest.mark.soak
@settings(
    max_examples=20_000 if SOAK else 400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(text=SHAPES)
def test_bash_runs_no_other_programs_whatever_is_put_together(text: str, bash: Bash) -> None:
    agrees(bash, text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_has_an_answer(text: str) -> None:
    assert isinstance(analyse(text), Analysis | Unparsable)
