"""Facts of providers: asked with a time limit, kept until they are too old. A failure is never a value.

A provider is a function of the project's own: `on_call(user="alice") -> bool`. It gets what its fact is about by name
(`user`, `agent`, `resource`; nothing for a global fact).

INVARIANT: a reading is as old as the moment at which its provider was asked, so a slow provider makes it older, never
younger; and none is used whose age cannot be told (the clock went back).
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType

from bailiwick.audit.log import Clock
from bailiwick.errors import FactUnavailable, UsageError
from bailiwick.model.call import Fact
from bailiwick.model.circumstances import FactDecl, FactReading
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityRef
from bailiwick.model.shape import fits
from bailiwick.policy.information import FactQuestion

__all__ = ["Provider", "Providers", "known_providers"]

Provider = Callable[..., object]
"""A function, or a coroutine function, of what the fact is about. Lists and sets of texts become sets."""

_WORKERS = 8
_MOST_KEPT = 10_000


@dataclass(slots=True, kw_only=True, eq=False)
class Providers:
    """The `FactSource` of one Guard. Threads may share it."""

    providers: Mapping[str, Provider]
    clock: Clock
    _kept: dict[tuple[str, EntityRef | None], FactReading] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="bailiwick-facts")
    )

    def close(self) -> None:
        """Ask nobody any more. A provider that still works is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def read(self, question: FactQuestion) -> FactReading:
        fact = question.fact
        key = (fact.name, question.about)
        now_ms = self.clock() // 1000
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and 0 <= now_ms - kept.read_ms < fact.max_age_ms:
            return kept
        provider = self.providers.get(fact.name)
        if provider is None:
            raise FactUnavailable(
                f"Nobody provides the fact {fact.name}",
                hint=f"Open the guard with facts={{'{fact.name}': a function}}.",
            )
        reading = FactReading(value=self._ask(provider, question), read_ms=now_ms)
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = reading
        return reading

    def _ask(self, provider: Provider, question: FactQuestion) -> Fact:
        fact, about = question.fact, question.about
        named = {} if about is None else {fact.scope.value: about.id}
        future = self._executor.submit(_called, provider, named)
        try:
            error = future.exception(timeout=fact.timeout_ms / 1000)
        except TimeoutError:
            future.cancel()
            raise FactUnavailable(
                f"The provider of fact {fact.name} did not answer within {fact.timeout_ms} ms", hint="Try again later."
            ) from None
        if error is not None:
            raise FactUnavailable(
                f"The provider of fact {fact.name} failed with {type(error).__name__}", hint="Tell its operator."
            ) from error
        value = future.result()
        if isinstance(value, list | set | frozenset):
            value = tuple(sorted(value)) if all(type(item) is str for item in value) else None
        if not fits(fact.shape, value):
            raise FactUnavailable(
                f"The provider of fact {fact.name} gave a {type(value).__name__}, which it is not declared to give",
                hint=f"Tell its operator; see [facts.{fact.name}] in bailiwick.toml.",
            )
        return value  # type: ignore[return-value]  # `fits` says that it is one


def _called(provider: Provider, named: Mapping[str, str]) -> object:
    value = provider(**named)
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


async def _awaited(value: Awaitable[object]) -> object:
    return await value


def known_providers(given: Mapping[str, Provider], declared: Sequence[FactDecl]) -> Mapping[str, Provider]:
    """The providers that a program brings along. Raises UsageError for one of a fact that the project does not
    declare."""
    names = [fact.name for fact in declared]
    for name in given:
        if name not in names:
            raise UsageError(
                f"a provider is given for the fact {name!r}, which bailiwick.toml does not declare",
                hint=did_you_mean(name, names, f"declare [facts.{name}]"),
            )
    return MappingProxyType(dict(given))
