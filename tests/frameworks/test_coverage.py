"""`guard.coverage` and `bailiwick check --app`: what each says of an agent, and how it ends."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from bailiwick import Guard, UsageError
from bailiwick.adapters.coverage import FRAMEWORKS, Coverage, CoveredTool, Reach
from bailiwick.adapters.versions import TESTED
from tests.cli.terminal import Said, terminal
from tests.frameworks.unprotected import UNPROTECTED
from tests.worlds import edit, make_world

__all__ = ["terminal"]

Terminal = Callable[..., Said]

HERE = """
import sys

from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from bailiwick import Guard

guard = Guard.open("project")


def read_page(id: str) -> str:
    '''Read a page.'''
    return id


def look_at(id: str) -> str:
    '''Look at something.'''
    return id


agent = Agent(TestModel(), name="desk-bot", tools=[read_page], capabilities=[guard.pydantic_ai()])


def build() -> object:
    return Agent(TestModel(), name="desk-bot", tools=[read_page, look_at], capabilities=[guard.pydantic_ai()])


def needy(guard: object) -> object:
    return agent


def ends() -> object:
    sys.exit(0)


def breaks() -> object:
    raise KeyError("OPENAI_API_KEY")


async def _later() -> object:
    return agent


class _Lazy:
    @property
    def agent(self) -> object:
        raise RuntimeError("not connected")


lazy = _Lazy()
later = lambda: _later()
biggest = max
number = 7
print("The desk is open.")
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module beside a project, which has agents of a real framework."""
    pytest.importorskip("pydantic_ai", reason="the other environment of `make check` has it")
    (tmp_path / "project").mkdir()
    make_world(tmp_path / "project")
    (tmp_path / "desk_app.py").write_text(HERE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "desk_app"
    module = sys.modules.pop("desk_app", None)
    if module is not None:
        module.guard.close()


def test_every_tool_with_its_entry_and_no_gap(terminal: Terminal, app: str) -> None:
    said = terminal("check", "project", "--app", f"{app}:agent")
    assert (said.code, said.err) == (0, "The desk is open.\n")
    assert said.out.splitlines()[0].split() == ["agent", "tool", "reach", "catalog", "note"]
    assert said.out.splitlines()[1].split()[:4] == ["desk-bot", "read_page", "enforced", "page.read"]
    assert said.out.splitlines()[-1] == "ok: 1 tool of desk_app:agent, 1 enforced"


def test_a_gap_fails(terminal: Terminal, app: str) -> None:
    said = terminal("check", "project", "--app", f"{app}:build", "--json")
    assert (said.code, said.err) == (1, "The desk is open.\n")
    assert (said.json["ok"], said.json["framework"]) == (False, "pydantic-ai")
    assert [(tool["tool"], tool["catalog"], tool["gap"]) for tool in said.json["tools"]] == [
        ("read_page", "page.read", False),
        ("look_at", "", True),
    ]
    told = terminal("check", "project", "--app", f"{app}:build")
    assert told.code == 1
    assert "not in the catalog: every call of it is denied" in told.out
    assert told.out.splitlines()[-1] == "1 gap: 2 tools of desk_app:build, 2 enforced"


WRONG = {
    "no attribute": ("desk_app", "names no agent"),
    "no such attribute": ("desk_app:nobody", "has no attribute 'nobody'"),
    "no such module": ("nowhere:agent", "No module named 'nowhere'"),
    "no agent": ("desk_app:number", "builtins.int is no agent of a framework that the guard knows"),
    "a function that wants something": ("desk_app:needy", "takes guard"),
    "a module that breaks": ("broken_app:agent", "ZeroDivisionError: division by zero"),
    "a module that ends the process": ("ending_app:agent", "ending_app could not be imported: sys.exit(0)"),
    "a function that ends the process": ("desk_app:ends", "desk_app:ends could not be called: sys.exit(0)"),
    "a function that breaks": ("desk_app:breaks", "KeyError: 'OPENAI_API_KEY'"),
    "a function that has no signature": ("desk_app:biggest", "no signature found"),
    "a function that gives a coroutine": ("desk_app:later", "gives a coroutine"),
    "an attribute that breaks": ("desk_app:lazy.agent", "RuntimeError: not connected"),
}


@pytest.mark.parametrize(("name", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_names_no_agent_is_told(terminal: Terminal, app: str, tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "broken_app.py").write_text("1 / 0\n")
    (tmp_path / "ending_app.py").write_text("import sys\nsys.exit(0)\n")
    said = terminal("check", "project", "--app", name)
    assert said.code == 2
    assert told in said.err
    assert "what to do" in said.err


def test_a_project_that_does_not_load_is_no_coverage(terminal: Terminal, app: str, tmp_path: Path) -> None:
    edit(tmp_path / "project", "tools/desk.toml", 'effects  = ["read"]', 'effects  = ["see"]')
    said = terminal("check", "project", "--app", f"{app}:agent")
    assert said.code == 2
    assert "see" in said.err


def test_an_object_of_no_framework_is_refused(tmp_path: Path) -> None:
    with Guard.open(make_world(tmp_path)) as guard, pytest.raises(UsageError, match="is no agent of a framework"):
        guard.coverage(object())


def _row(reach: Reach, catalog: str = "", *models: str) -> CoveredTool:
    return CoveredTool(agent="desk-bot", tool="a_tool", reach=reach, catalog=catalog, models=models)


GAPS = {
    "enforced": (_row(Reach.ENFORCED, "page.read"), False),
    "enforced, in no catalog": (_row(Reach.ENFORCED), True),
    "observed": (_row(Reach.OBSERVED), True),
    "observed, in the catalog of tools alone": (_row(Reach.OBSERVED, "page.read"), True),
    "observed, and permitted for a model": (_row(Reach.OBSERVED, "", "some-model"), False),
    "unreachable": (_row(Reach.UNREACHABLE, "page.read"), True),
}


@pytest.mark.parametrize(("tool", "gap"), GAPS.values(), ids=GAPS.keys())
def test_what_is_a_gap(tool: CoveredTool, gap: bool) -> None:
    covered = Coverage(framework="langchain", tools=(tool,))
    assert tool.gap is gap
    assert bool(covered.gaps) is gap
    (row,) = covered.as_json()["tools"]
    assert (row["reach"], row["gap"]) == (tool.reach.value, gap)
    assert tool.reach.value in str(covered)
    assert tool.note in str(covered)


def _installed(framework: str) -> bool:
    try:
        version(TESTED[framework].distribution)
    except PackageNotFoundError:
        return False
    return True


@pytest.mark.parametrize("framework", [name for name in TESTED if _installed(name)])
def test_every_framework_can_be_asked(framework: str) -> None:
    assert framework in FRAMEWORKS.values()
    adapter = importlib.import_module(f"bailiwick.adapters.{framework.replace('-', '_')}")
    assert callable(adapter.covered)


def test_an_agent_that_nobody_protected_is_not_said_to_be(tmp_path: Path) -> None:
    """In a process of its own: seals that other tests hold would reach it."""
    if not any(map(_installed, UNPROTECTED)):
        pytest.skip("none of these frameworks is in this environment")
    asked = [sys.executable, "-W", "ignore", "-m", "tests.frameworks.unprotected", str(make_world(tmp_path))]
    ran = subprocess.run(asked, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout.splitlines()[-1])
    assert all(reach == ["unreachable"] for reach in said.values()), said
    assert said
