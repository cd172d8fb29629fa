"""The type `python` sees what code may do, or refuses it."""

from __future__ import annotations

import ast
import builtins
import importlib
import io
import json
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.action.types import Unparsable
from bailiwick.action.types.python_allowed import (
    DYNAMIC_MODULES,
    HARMFUL_BUILTINS,
    HARMLESS_BUILTINS,
    INNER_ATTRIBUTES,
    INNER_PREFIXES,
    MODULES,
    NODES,
    OUTSIDE_MODULES,
)
from bailiwick.action.types.python_code import MAX_NAMES, MAX_PYTHON, Analysis, analyse
from bailiwick.model.call import Action
from tests.action.desk import cases, catalog_of, parsed

CASES = cases("python.toml")
ALL = {"network", "writes", "reads", "dynamic"}


def ids(case: dict[str, Any]) -> str:
    return str(case["name"])


def does(found: Analysis) -> set[str]:
    facts = {
        "network": found.network,
        "writes": found.writes,
        "reads": found.reads_files,
        "dynamic": found.dynamic,
    }
    return {name for name, happens in facts.items() if happens}


@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case], ids=ids)
def test_what_code_does_is_seen(case: dict[str, Any]) -> None:
    found = analyse(case["code"])
    assert isinstance(found, Analysis), found
    assert does(found) == (ALL if case["does"] == ["all"] else set(case["does"]))
    assert set(case.get("imports", found.imports)) == set(found.imports)
    assert set(case.get("calls", ())) <= set(found.calls)


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=ids)
def test_the_code_is_refused(case: dict[str, Any]) -> None:
    found = analyse(case["code"])
    assert isinstance(found, Unparsable), found
    assert case["refused"] in found.problem


def test_an_execute_reads_its_facts_from_the_code() -> None:
    catalog = catalog_of(
        """
        [tools."code.run"]
        effects   = ["execute"]
        args.code = { type = "python", role = "command" }
        """
    )
    found = parsed("code.run", {"code": "import os"}, catalog)
    assert isinstance(found, Action)
    assert found.interfaces["execute"] == {"programs": ("python", "*"), "network": True, "writes": True}
    found = parsed("code.run", {"code": "print(1)"}, catalog)
    assert isinstance(found, Action)
    assert found.interfaces["execute"] == {"programs": ("python",), "network": False, "writes": False}


def test_no_member_on_the_list_is_a_module_or_missing_from_every_python() -> None:
    newer = {"batched", "sumprod", "UTC", "cbrt", "exp2"}
    for name, members in MODULES.items():
        module = importlib.import_module(name)
        for member in members:
            assert not isinstance(getattr(module, member, None), types.ModuleType), (name, member)
            assert hasattr(module, member) or member in newer or name == "__future__", (name, member)


def test_the_lists_do_not_contradict_each_other() -> None:
    assert not DYNAMIC_MODULES & {name.partition(".")[0] for name in MODULES}
    assert not HARMLESS_BUILTINS & {"eval", "exec", "compile", "open", "getattr", "setattr", "delattr", "vars", "input"}
    assert all(isinstance(getattr(ast, name), type) for name in NODES)
    assert "MatchClass" not in NODES


def test_every_builtin_is_judged() -> None:
    idle = {"dir", "input", "hasattr", "memoryview", "aiter", "anext"}  # bound or not, they reach nothing
    names = {name for name in dir(builtins) if not name.startswith("_")}
    errors = {
        name for name in names if isinstance(value := getattr(builtins, name), type) and issubclass(value, Warning)
    }
    errors |= {
        name for name in names if isinstance(getattr(builtins, name), type) and name.endswith(("Error", "Group"))
    }
    others = errors | {"GeneratorExit", "True", "False", "None"}
    assert names <= HARMLESS_BUILTINS | HARMFUL_BUILTINS | idle | others
    assert not HARMLESS_BUILTINS & HARMFUL_BUILTINS
    assert not OUTSIDE_MODULES & (DYNAMIC_MODULES | set(MODULES))


HARMFUL = (*(getattr(builtins, name, None) for name in HARMFUL_BUILTINS), io.open, io.FileIO, io.open_code, __import__)


def test_no_attribute_of_what_may_be_named_leads_to_a_module_or_a_file() -> None:
    named = [
        getattr(importlib.import_module(name), member, None) for name, members in MODULES.items() for member in members
    ]
    named += [getattr(builtins, name) for name in HARMLESS_BUILTINS]
    named += [io.StringIO(), io.BytesIO(), re.compile("a"), re.match("a", "a"), "", b"", 1, 1.0, {}, [], (), set(), 1j]
    seen: set[int] = set()
    kept: list[object] = []
    while named:
        each = named.pop()
        kept.append(each)  # so that no number is given twice
        assert not isinstance(each, types.ModuleType | types.CodeType | types.FrameType), each
        assert not any(each is harmful for harmful in HARMFUL if harmful is not None), each
        for name in dir(each):
            if name.startswith(INNER_PREFIXES) or name in INNER_ATTRIBUTES or name in ("format", "format_map"):
                continue
            value = getattr(each, name, None)
            if id(value) not in seen and not isinstance(value, int | float | str | bytes):
                seen.add(id(value))
                named.append(value)
    assert len(kept) > 1_000


WATCHED = """
import json, sys
seen = []
quiet = ("object.", "sys._getframe", "marshal", "code.__new__", "compile", "exec", "import", "builtins.id")
def note(event, args):
    if on and not event.startswith(quiet):
        seen.append([event, str(args[:2])])
on = False
sys.addaudithook(note)
codes, modules = json.load(sys.stdin)
for module in modules:
    __import__(module)
for code in codes:
    ready = compile(code, "given", "exec")
    on = True
    try:
        exec(ready, {"__name__": "__main__"})
    except BaseException:
        pass
    on = False
    if seen:
        print(json.dumps([code, seen]), file=sys.__stderr__)
    seen.clear()
"""


def watched(codes: list[str], cwd: str) -> str:
    """What an audit hook sees of codes that run, as lines of JSON."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", WATCHED],
        input=json.dumps([codes, [*MODULES, "_strptime", "inspect"]]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        timeout=60,
        check=True,
    )
    return done.stderr


def harmless(code: str) -> bool:
    found = analyse(code)
    return isinstance(found, Analysis) and does(found) == set()


def test_an_audit_hook_sees_nothing_of_code_that_is_called_harmless(tmp_path: Path) -> None:
    codes = [case["code"] for case in CASES if harmless(case["code"])]
    calls = "\ntry: {}.{}(*({}))\nexcept Exception: pass"
    for name, members in MODULES.items():
        for member in sorted(members - {"sleep"}):
            for args in ("()", "('x',)", "('x', 'w')", "({'a': 1}, 2)", "(print, [1])"):
                codes += [f"import {name}" + calls.format(name, member, args)]
    for name in sorted(HARMLESS_BUILTINS - {"SystemExit", "KeyboardInterrupt"}):
        codes += [f"{name}('x', 'w')", f"{name}(print, 'x')"]
    codes = [code for code in codes if harmless(code)]
    assert len(codes) > 800
    assert watched(["open('x', 'w')"], str(tmp_path)) != ""
    (tmp_path / "x").unlink()
    assert watched(codes, str(tmp_path)) == ""
    assert not list(tmp_path.iterdir())


NESTS: list[tuple[str, Callable[[int], str]]] = [
    ("brackets", lambda n: "x = " + "(" * n + "1" + ")" * n),
    ("lists", lambda n: "x = " + "[" * n + "]" * n),
    ("signs", lambda n: "x = " + "-" * n * 10 + "1"),
    ("not", lambda n: "x = " + "not " * n * 8 + "1"),
    ("lambdas", lambda n: "x = " + "lambda: " * n * 4 + "1"),
    ("attributes", lambda n: "x = 1\nx" + ".a" * n * 10),
    ("sums", lambda n: "x = 1" + " + 1" * n * 9),
    ("strings", lambda n: "x = " + "f'{" * n + "1" + "}'" * n),
    ("blocks", lambda n: "".join(" " * at + "if 1:\n" for at in range(n)) + " " * n + "pass"),
]


@pytest.mark.parametrize(("name", "code"), NESTS, ids=[name for name, _ in NESTS])
def test_deep_nesting_is_an_answer_not_a_crash(name: str, code: Callable[[int], str]) -> None:
    assert isinstance(analyse(code(1)), Analysis)
    assert isinstance(analyse(code(450)), Analysis | Unparsable)
    assert isinstance(analyse(code(4_000)), Unparsable)


def test_what_is_too_much_is_refused() -> None:
    assert isinstance(analyse("#" + "x" * MAX_PYTHON), Unparsable)
    assert isinstance(analyse("\n".join(f"f{n}()" for n in range(MAX_NAMES + 1))), Unparsable)


WORDS = st.sampled_from(
    [
        *(
            "x",
            "f",
            "print",
            "open",
            "eval",
            "os",
            "math",
            "__class__",
            "g",
            "self",
            "gi_frame",
            "format",
            "sqrt",
            "len",
        ),
        *("(", ")", "[", "]", ".", ",", "=", ":", "\n", " ", "'x'", "'w'", "1", "lambda ", "import ", "from ", " as "),
        *("def f(): ", "class A: ", "@", "for x in ", "if ", "return ", "*", "**", "yield ", "await ", "global "),
        *("f'{", "}'", "match ", "case ", "try: ", "except ", "with ", "in ", "not ", "and ", "\t", "    ", ":="),
    ]
)


@settings(max_examples=400, deadline=None)
@given(words=st.lists(WORDS, max_size=14))
def test_harmless_code_names_nothing_that_escapes(words: list[str]) -> None:
    code = "".join(words)
    found = analyse(code)
    if isinstance(found, Analysis) and not found.dynamic:
        names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name) and node.id != "os"}
        names |= {node.attr for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)}
        assert not names & {"eval", "__class__", "gi_frame"}, code
        assert not found.writes or "open" in names or found.imports, code


@settings(max_examples=200, deadline=None)
@given(code=st.text(max_size=40))
def test_any_text_has_an_answer(code: str) -> None:
    assert isinstance(analyse(code), Analysis | Unparsable)
