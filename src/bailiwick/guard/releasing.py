"""What a program lets out of a session on purpose: answers about hidden contents, data for somebody, a value as
endorsed. A model cannot reach any of it. DESIGN §5 *Flow*."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bailiwick.errors import UsageError
from bailiwick.flow.handles import Handle
from bailiwick.flow.releases import Data, DataKind
from bailiwick.guard.answering import refusal_error
from bailiwick.guard.core import Refusal
from bailiwick.guard.ports import Inspector
from bailiwick.guard.release.inspecting import (
    Asked,
    FindInspector,
    InspectRequest,
    ask,
    end_inspection,
    fail_inspection,
)
from bailiwick.guard.release.lowering import DeclassifyRequest, EndorseRequest, declassify_flow, endorse_flow
from bailiwick.guard.seeing import Seeing
from bailiwick.model.tool import DECLASSIFY_TOOL, ENDORSE_TOOL, INSPECT_TOOL, Role

__all__ = ["Releasing"]


class Releasing(Seeing):
    """The part of a `Session` that lets something out."""

    def inspect(
        self,
        handle: Handle | str,
        question: str,
        schema: Mapping[str, Any],
        *,
        inspector: Inspector | None = None,
    ) -> bool | int | str:
        """Ask a model without tools about a hidden content, itself a decision (`handle.inspect`). → the answer, as
        `schema` has it: a boolean, one of a few texts, a bounded integer or a date keeps the session untainted, free
        text does not. `inspector` is asked instead of the one that `Guard.open` was given. Raises Denied,
        ApprovalPending, or UsageError where there is no inspector."""
        state = self._open
        found: Inspector | None = inspector or self._engine.run(_inspector())
        if found is None:
            raise UsageError(
                "there is no inspector that could be asked",
                hint="give one: Guard.open(..., inspector=…), or inspector=…",
            )
        request = InspectRequest(handle=_name(handle), question=question, schema=dict(schema))
        asked = self._engine.decide(lambda core: ask(core, state, request), INSPECT_TOOL)
        if isinstance(asked, Refusal):
            raise refusal_error(asked)
        try:
            value = found(question, asked.content, dict(schema))
        except Exception:  # noqa: BLE001  what it raised may quote the content, so nobody is told
            failed = self._engine.recorded(fail_inspection(self._engine.core, state, asked), asked.permit)
            raise refusal_error(failed) from None
        except BaseException:
            self._engine.recorded(fail_inspection(self._engine.core, state, asked), asked.permit)
            raise
        return self._answered(asked, value)

    def declassify(
        self, data: Handle | str, *, to: Collection[str] = (), readers: Collection[str] = (), kind: str = "content"
    ) -> None:
        """Let exactly this data go to exactly these mail addresses, or readers (`Group::support`), in this session,
        whatever its label: itself a decision (`label.declassify`), which is denied unless a rule names it. `data` is a
        handle, or the id of a content, or, with kind="source", a source (`tool:crm.get_customer`). Where people are
        asked, this raises ApprovalPending the first time; the same call again, once that was granted, takes effect.
        Raises Denied."""
        meant = DataKind.HANDLE if isinstance(data, Handle) else _kind(kind)
        request = DeclassifyRequest(data=Data(kind=meant, name=_name(data)), recipients=to, readers=readers)
        state = self._open
        answer = self._engine.decide(lambda core: declassify_flow(core, state, request), DECLASSIFY_TOOL)
        if isinstance(answer, Refusal):
            raise refusal_error(answer)

    def endorse(self, value: str, *, role: str = "target") -> None:
        """Take exactly this value as endorsed in arguments of this role, in this session: itself a decision
        (`label.endorse`) that takes a person's approval. The first time this raises ApprovalPending, or Denied; the
        same call again, once that was granted, takes effect."""
        if role not in set(Role):
            raise UsageError(f"there is no role {role!r}", hint=f"one of {', '.join(Role)}")
        state, request = self._open, EndorseRequest(value=value, role=Role(role))
        answer = self._engine.decide(lambda core: endorse_flow(core, state, request), ENDORSE_TOOL)
        if isinstance(answer, Refusal):
            raise refusal_error(answer)

    def _answered(self, asked: Asked, value: object) -> bool | int | str:
        told = self._engine.recorded(end_inspection(self._engine.core, self._open, asked, value), asked.permit)
        if isinstance(told, Refusal):
            raise refusal_error(told)
        return told.value


def _inspector() -> Any:
    return (yield FindInspector())


def _name(data: Handle | str) -> str:
    return data.name if isinstance(data, Handle) else data


def _kind(kind: str) -> DataKind:
    if kind not in set(DataKind):
        raise UsageError(f"there is no kind of data {kind!r}", hint=f"one of {', '.join(DataKind)}")
    return DataKind(kind)
