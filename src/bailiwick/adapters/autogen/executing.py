"""Code that AutoGen runs out of messages, without any tool: each block is a call of `execute_code`."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import Any

from bailiwick.adapters.autogen.seat import Seat
from bailiwick.adapters.governing import Told, agovern
from bailiwick.adapters.sealing import sealed_session
from bailiwick.errors import MissingExtra
from bailiwick.guard.session import Session

try:
    from autogen_core import CancellationToken, ComponentModel
    from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
except ImportError as error:
    raise MissingExtra(feature="the AutoGen adapter", extra="autogen") from error

__all__ = ["EXECUTE", "GuardExecutor", "sealed_execution"]

EXECUTE = "execute_code"
"""What the catalog has to call it (`names`). Arguments: `language` and `code`."""


class GuardExecutor(CodeExecutor):
    """Decides each block of code. Made by `Guard.autogen`."""

    component_type = "code_executor"

    def __init__(self, inner: CodeExecutor, find: Callable[[], Session | Awaitable[Session]]) -> None:
        self.inner = inner
        self._find = find

    @classmethod
    def of(cls, inner: CodeExecutor, seat: Seat) -> GuardExecutor:
        return cls(inner, lambda: seat.session(EXECUTE))

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """One block after the other, until one fails or is denied."""
        said: list[str] = []
        for block in code_blocks:
            told = await agovern(
                self._find,
                EXECUTE,
                {"language": block.language, "code": block.code},
                lambda given: self._run(given, cancellation_token),
                plain=lambda result: result.output,
                failed=lambda result: result.exit_code != 0,
            )
            result = _shown(told)
            said.append(result.output)
            if result.exit_code != 0:
                return CodeResult(exit_code=result.exit_code, output="\n".join(said))
        return CodeResult(exit_code=0, output="\n".join(said))

    async def _run(self, given: dict[str, Any], token: CancellationToken) -> CodeResult:
        return await self.inner.execute_code_blocks([CodeBlock(code=given["code"], language=given["language"])], token)

    async def start(self) -> None:
        await self.inner.start()

    async def stop(self) -> None:
        await self.inner.stop()

    async def restart(self) -> None:
        await self.inner.restart()

    def dump_component(self) -> ComponentModel:
        """The executor without the guard: protect what you make of it."""
        return self.inner.dump_component()


def sealed_execution(original: Callable[..., Awaitable[CodeResult]]) -> Callable[..., Awaitable[CodeResult]]:
    """`CodeExecutorAgent.execute_code_block` of agents that nobody protected."""

    async def execute_code_block(self: Any, *args: Any, **more: Any) -> CodeResult:
        executor = self._code_executor
        if not isinstance(executor, GuardExecutor):
            self = copy.copy(self)
            self._code_executor = GuardExecutor(executor, lambda: sealed_session("autogen", EXECUTE))
        return await original(self, *args, **more)

    return execute_code_block


def _shown(told: Told[CodeResult]) -> CodeResult:
    if told.open and told.value is not None:
        return told.value
    return CodeResult(exit_code=0 if told.value is not None and told.value.exit_code == 0 else 1, output=told.text)
