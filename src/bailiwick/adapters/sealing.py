"""The seal: methods of a framework's own classes, so that no tool runs past the guard. DESIGN §4, promise 1.

An adapter stands where the framework calls tools, and gives good messages. The seal stands below it, in the class of
the tools themselves: nested agents, direct calls and whatever the adapter was not told of come through there. A run
under a live permit passes once; every other one is decided as a call of its own, or refused where there is no session.

A seal holds for the whole process, from the first Guard that asks for it. INVARIANT: closing a Guard does not lift it,
so that agents which were protected run nothing rather than everything; `Guard.unseal` does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from weakref import WeakSet

from bailiwick.guard.current import current_session, running_permit
from bailiwick.guard.engine import Engine
from bailiwick.guard.finding import nobody_answers, session_for
from bailiwick.guard.session import Session

__all__ = ["Method", "is_sealed", "leave", "lift", "passes", "seal", "sealed_engine", "sealed_session", "seals"]

Make = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of a class, or function of a module, and what is made of it: `make(original)` takes its place."""

    owner: type | ModuleType
    name: str
    make: Make


@dataclass(slots=True, kw_only=True)
class _Held:
    """One framework's seal: which open Guards answer for it, and what was there before."""

    engines: list[Engine] = field(default_factory=list)
    before: list[tuple[type | ModuleType, str, Any]] = field(default_factory=list)


_held: dict[str, _Held] = {}
_closed: WeakSet[Engine] = WeakSet()
"""Those of Guards that are closed: they answer for nothing, whatever is protected through them afterwards."""
_door = threading.Lock()


def seal(framework: str, engine: Engine, methods: Callable[[], tuple[Method, ...]]) -> None:
    """From here on the framework's tools run under a permit alone. `methods` is asked once."""
    with _door:
        if framework not in _held:
            _held[framework] = _sealed(methods())
        held = _held[framework]
        if engine not in _closed and all(each is not engine for each in held.engines):
            held.engines.append(engine)


def leave(engine: Engine) -> None:
    """A Guard is closed: it answers for nothing any more. What it sealed stays so."""
    with _door:
        _closed.add(engine)
        for held in _held.values():
            held.engines = [each for each in held.engines if each is not engine]


def lift(engine: Engine | None = None) -> None:
    """Frameworks for which no Guard answers, `engine` left out, are as they were."""
    with _door:
        for framework, held in tuple(_held.items()):
            held.engines = [each for each in held.engines if each is not engine]
            if not held.engines:
                del _held[framework]
                _take_back(held)


def is_sealed(framework: str) -> bool:
    """Whether the framework's seal holds in this process."""
    return framework in _held


def seals(framework: str, engine: Engine) -> bool:
    """Whether this Guard holds the framework's seal."""
    held = _held.get(framework)
    return held is not None and any(each is engine for each in held.engines)


def passes(layer: str, name: str, args: Mapping[str, object] | None = None) -> bool:
    """Whether the run that is just beginning is the one that the live permit is for: true once for each layer."""
    permit = running_permit()
    return permit is not None and permit.claim(layer, name, args)


def sealed_engine(framework: str) -> Engine:
    """The engine that decides a run without a permit: that of the current session, or else the newest that sealed.
    Raises Denied where all of them are closed."""
    session = current_session()
    with _door:
        held = _held.get(framework)
        engines = () if held is None else tuple(held.engines)
    if not engines:
        raise nobody_answers(framework)
    return next((each for each in engines if session is not None and session.belongs_to(each)), engines[-1])


def sealed_session(framework: str, what: str) -> Session:
    """The session that a run without a permit is asked in. Raises Denied where there is none; it is on record unless
    every Guard is closed."""
    session = current_session()
    if session is not None and not session.closed:
        return session
    return session_for(sealed_engine(framework), what)


_ABSENT = object()


def _sealed(methods: tuple[Method, ...]) -> _Held:
    held = _Held()
    try:
        for method in methods:
            _put(held, method)
    except BaseException:
        _take_back(held)
        raise
    return held


def _put(held: _Held, method: Method) -> None:
    inherited = vars(method.owner).get(method.name, _ABSENT)
    original: Any = getattr(method.owner, method.name, None)  # a field of a dataclass is in its objects alone
    made = method.make(original)
    held.before.append((method.owner, method.name, inherited))
    setattr(method.owner, method.name, made)


def _take_back(held: _Held) -> None:
    for owner, name, original in reversed(held.before):
        if original is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
