"""Methods that every class of a framework has of its own: none is left out, and none is sealed twice."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Guard
from bailiwick.adapters import sealing
from bailiwick.adapters.families import family
from bailiwick.adapters.sealing import Method
from tests.worlds import make_world


class Tool:
    """A framework's base class, which keeps a list of its kinds."""

    kinds: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Tool.kinds = (*Tool.kinds, cls.__name__)

    def run(self) -> list[str]:
        return ["ran"]


class Early(Tool):
    def run(self) -> list[str]:
        return ["early"]


class Inheriting(Early):
    pass


def _decided(original: Callable[..., list[str]]) -> Callable[..., list[str]]:
    @functools.wraps(original)
    def run(self: Tool) -> list[str]:
        return ["decided", *original(self)] if sealing.is_sealed("family") else original(self)

    return run


def methods() -> tuple[Method, ...]:
    return tuple(family(Tool, {"run": _decided}))


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard.open(make_world(tmp_path)) as opened:
        sealing.seal("family", opened.engine, methods)
        yield opened
        opened.unseal()


@pytest.mark.usefixtures("guard")
def test_every_class_is_sealed_once() -> None:
    class Late(Early):
        def run(self) -> list[str]:
            return ["late"]

    assert Tool().run() == ["decided", "ran"]
    assert Early().run() == Inheriting().run() == ["decided", "early"]
    assert Late().run() == ["decided", "late"]
    assert Tool.kinds[-1] == "Late"


@pytest.mark.usefixtures("guard")
def test_a_method_that_looks_like_a_sealed_one_is_sealed() -> None:
    def run(_self: Tool) -> list[str]:
        return ["wrapping"]

    looks_sealed = functools.update_wrapper(run, Tool.run)
    wrapping = type("Wrapping", (Tool,), {"run": looks_sealed})
    assert wrapping().run() == ["decided", "wrapping"]


def test_what_was_made_under_a_seal_is_free_without_it_and_sealed_once_under_the_next(guard: Guard) -> None:
    class Late(Tool):
        def run(self) -> list[str]:
            return ["late"]

    guard.unseal()
    assert Late().run() == ["late"]
    assert Early().run() == ["early"]
    assert "__init_subclass__" in vars(Tool)
    sealing.seal("family", guard.engine, methods)
    assert Late().run() == ["decided", "late"]
