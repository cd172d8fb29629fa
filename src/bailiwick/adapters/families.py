"""Methods that every class of a family has of its own: those of classes that are there, and of those still to come.

Where a framework leaves it to each tool, model or agent how it runs, there is no one method that a seal could stand in.
INVARIANT: what a class gets while the seal holds stays when it is lifted, so whatever `make` gives does nothing then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

from bailiwick.adapters.sealing import Make, Method

__all__ = ["family", "in_family"]

_ours: WeakSet[Callable[..., Any]] = WeakSet()
"""What stands in a class already. (A mark on the function would go along where somebody wraps it.)"""


def family(base: type[Any], makes: Mapping[str, Make]) -> Iterator[Method]:
    """Of `base` and of every class that derives from it: each of the methods named in `makes` that it defines, or that
    it has of a class which is no relative of `base` (a mixin)."""
    for owner in _classes(base):
        for name in makes:
            if _is_open(owner, name, base):
                yield Method(owner=owner, name=name, make=_noted(makes[name]))
    yield Method(owner=base, name="__init_subclass__", make=lambda _original: _later(base, makes))


def in_family(method: object) -> bool:
    """Whether what is called here is a method that stands in the place of one."""
    return getattr(method, "__func__", method) in _ours


def _classes(base: type[Any]) -> list[type[Any]]:
    found: dict[type[Any], None] = {base: None}
    waiting = [base]
    while waiting:
        below = [each for each in type.__subclasses__(waiting.pop()) if each not in found]
        found.update(dict.fromkeys(below))
        waiting += below
    return list(found)


def _is_open(owner: type[Any], name: str, base: type[Any]) -> bool:
    origin = next((each for each in owner.__mro__ if name in vars(each)), None)
    if origin is None or (origin is not owner and (issubclass(origin, base) or issubclass(base, origin))):
        return False
    held = vars(origin)[name]
    if held is None or isinstance(held, staticmethod | classmethod | property):  # they are called by nobody's name
        return False
    return held not in _ours and not getattr(held, "__isabstractmethod__", False)


def _noted(make: Make) -> Make:
    def noted(original: Callable[..., Any]) -> Callable[..., Any]:
        made = make(original)
        _ours.add(made)
        return made

    return noted


def _later(base: type[Any], makes: Mapping[str, Make]) -> Any:
    own = vars(base).get("__init_subclass__")

    def __init_subclass__(cls: type[Any], /, **kwargs: Any) -> None:  # noqa: N807  it takes the place of that
        if own is None:
            super(base, cls).__init_subclass__(**kwargs)
        else:
            own.__get__(None, cls)(**kwargs)
        for name, make in makes.items():
            if _is_open(cls, name, base):
                setattr(cls, name, _noted(make)(getattr(cls, name)))

    return classmethod(__init_subclass__)
