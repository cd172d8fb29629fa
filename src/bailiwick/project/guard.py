"""The public `Guard`: a project folder wired to its stores, ready to govern.

    guard = Guard.open("examples/support")
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        ...

Deployment tier: *embedded*. The guard lives in the agent's process and holds against what the model does, not against
the agent's own code (DESIGN §3).
"""

from __future__ import annotations

import functools
import inspect
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from bailiwick.action.ports import InDoubt
from bailiwick.audit.events import new_id
from bailiwick.audit.log import EventLog
from bailiwick.audit.relations import ENDS, settles
from bailiwick.errors import Denied, StoreError, UsageError
from bailiwick.guard.decide import deny
from bailiwick.guard.effects import Ports
from bailiwick.guard.engine import Engine
from bailiwick.guard.opening import OpenRequest
from bailiwick.guard.record import draft
from bailiwick.guard.session import Session, current_session, running_permit
from bailiwick.model.circumstances import FactDecl
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.model.toml_entries import did_you_mean
from bailiwick.model.tool import Durability, Idempotency, ToolSpec
from bailiwick.project.facts import Provider, Providers
from bailiwick.project.holding import ProjectHolding
from bailiwick.project.load import Project, find_project, load_project
from bailiwick.stores.log_file import is_held, log_path
from bailiwick.stores.log_reader import LogReader
from bailiwick.stores.sqlite_log import SqliteLog
from bailiwick.stores.sqlite_standing import SqliteStanding
from bailiwick.stores.sqlite_state import SqliteState
from bailiwick.stores.sqlite_state_file import StateFile

if TYPE_CHECKING:
    from bailiwick.adapters.langchain import GuardMiddleware

__all__ = ["Guard"]

LOG_FOLDER = "log"
STATE_FILE = "state.db"

P = ParamSpec("P")
R = TypeVar("R")


def now_us() -> int:
    """Wall clock, microseconds since the epoch."""
    return time.time_ns() // 1000


def fresh_id() -> str:
    """A new time-ordered id (UUIDv7)."""
    return new_id(now_us(), secrets.token_bytes(10))


class Guard:
    """One tenant's project with its stores open. Thread-safe; use it as a context manager or call `close`."""

    def __init__(self, project: Project, *, log: SqliteLog, file: StateFile, facts: Mapping[str, Provider]) -> None:
        """For `Guard.open`, which also recovers what an earlier process left behind."""
        self.project = project
        self._log = log
        self._state = state = SqliteState(file)
        self._standing = SqliteStanding(file)
        self._facts = Providers(providers=facts, clock=now_us)
        self._executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="bailiwick-io")
        self._engine = Engine(
            ports=Ports(
                clock=now_us,
                new_id=fresh_id,
                log=log,
                log_id=log.log_id,
                holding=ProjectHolding(project.planes, self._standing),
                facts=self._facts,
                log_alive=functools.partial(_held, project.state / LOG_FOLDER),
                approvals=state,
                sessions=state,
                in_flight=state,
                ledger=state,
            ),
            executor=self._executor,
        )

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str] | None = None, *, facts: Mapping[str, Provider] | None = None
    ) -> Self:
        """Load a project folder (None: the nearest one upwards), open its stores, recover, and record which rules hold.

        `facts` are the providers of the facts that bailiwick.toml declares, by name. A rule that reads a fact which
        nobody provides denies.

        Raises ProjectError with every finding, UsageError if there is no project, StoreError if a store cannot be
        opened.
        """
        project = load_project(find_project(Path(folder) if folder is not None else None))
        settings = project.settings.decisions
        try:
            project.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(
                f"there can be no folder {project.state}: {error.strerror}",
                hint="name another one as `path` in [stores] of bailiwick.toml, or make room for this one",
            ) from error
        with ExitStack() as undo:
            file = StateFile.open(project.state / STATE_FILE)
            undo.callback(file.close)
            log = SqliteLog.open(
                project.state / LOG_FOLDER,
                build=f"bailiwick {version('bailiwick')}",
                tenant=settings.tenant,
                env=settings.env,
                clock=now_us,
                entropy=secrets.token_bytes,
            )
            undo.enter_context(log)
            guard = cls(project, log=log, file=file, facts=_known_facts(facts or {}, settings.facts))
            guard._recover()
            guard._activate()
            undo.pop_all()
        return guard

    def close(self) -> None:
        """Flush and give up the stores. Sessions that are still open can decide nothing after this."""
        self._executor.shutdown(wait=True)
        self._facts.close()
        try:
            self._log.close()
        finally:
            self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── governing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def session(
        self,
        *,
        agent: str,
        task: str,
        user: str | None = None,
        service: str | None = None,
        conversation: str | None = None,
        environment: Mapping[str, str | int | bool] | None = None,
    ) -> Session:
        """A session of `agent` for a user or a service. Enter it to open it; opening may raise Denied.

        `task` names a task of directory.toml, or is a purpose in plain words, which narrows nothing. Give the
        framework's thread id as `conversation` to get the labels of a restored conversation back. `environment` gives
        the attributes that [environment] of bailiwick.toml declares."""
        request = OpenRequest(
            user=user,
            service=service,
            agent=agent,
            task=task,
            conversation=conversation or fresh_id(),
            environment=MappingProxyType(dict(environment or {})),
        )
        return Session(self._engine, request, conversation_given=conversation is not None)

    def tool(self, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorator: every call of the function is a governed call of the catalog's tool `name`.

        Positional arguments, defaults and keyword arguments reach policy as one bound signature. A call outside a
        session is refused. Raises UsageError at once if the catalog has no such tool, or the function takes *args or
        **kwargs."""
        spec = self.project.planes.catalog.find(name)
        if spec is None:
            raise UsageError(f"the catalog has no tool {name!r}", hint="declare it in tools/*.toml")

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            signature = _plain_signature(function)
            if inspect.iscoroutinefunction(function):

                @functools.wraps(function)
                async def governed_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                    bound = _bind(signature, args, kwargs)
                    if self._already_decided(spec, bound):
                        return await function(*args, **kwargs)
                    return await self._session_for(spec.name).acall(spec.name, bound, function)

                return cast("Callable[P, R]", governed_async)

            @functools.wraps(function)
            def governed(*args: P.args, **kwargs: P.kwargs) -> R:
                bound = _bind(signature, args, kwargs)
                if self._already_decided(spec, bound):
                    return function(*args, **kwargs)
                return self._session_for(spec.name).call(spec.name, bound, function)

            return governed

        return decorate

    def langchain(self, *, instructions: str | tuple[str, ...] = ()) -> GuardMiddleware:
        """The middleware for LangChain's `create_agent`; list it last. `instructions` is the system prompt that you
        vouch for. Raises MissingExtra if LangChain is not installed."""
        from bailiwick.adapters.langchain import GuardMiddleware  # an optional dependency

        return GuardMiddleware(
            session=self._session_for,
            instructions=(instructions,) if isinstance(instructions, str) else instructions,
        )

    # ── for the project's own commands ─────────────────────────────────────────────────────────────────────────────

    @property
    def engine(self) -> Engine:
        """The core with its ports."""
        return self._engine

    @property
    def log(self) -> EventLog:
        """The audit log of this process."""
        return self._log

    @property
    def state(self) -> SqliteState:
        """The state store."""
        return self._state

    def in_doubt(self) -> tuple[InDoubt, ...]:
        """Calls that may have run and that the state store knows, oldest first; not those that run just now."""
        settings = self.project.settings.decisions
        noted = self._state.all_in_doubt(settings.tenant, settings.env)
        return tuple(row for row in noted if self._engine.ports.abandoned(row))

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _session_for(self, what: str) -> Session:
        session = current_session()
        if session is not None and session.belongs_to(self._engine):
            return session
        decision = deny(
            what,
            Reason(
                plane=Plane.IDENTITY,
                code="no-session",
                message=f"{what} was called outside of a session, so nobody answers for it.",
                hint="Call it inside `with guard.session(user=..., agent=..., task=...):`.",
            ),
        )
        refusal = self._engine.record_refusal(decision)
        raise Denied(decision.sentence(), decision=decision, event_id=refusal.event_id, hint=decision.reasons[0].hint)

    def _already_decided(self, spec: ToolSpec, bound: dict[str, object]) -> bool:
        permit = running_permit()
        return permit is not None and permit.covers(spec.name, bound)

    def _recover(self) -> None:
        """Sort out what processes that are gone left under way.

        A permitted call without a known outcome may have run: it stays in doubt, also where the state store forgot it
        (a loss of power can take its last commits). A call that was noted but whose decision never reached the log did
        not run, because no permit was handed out."""
        settings = self.project.settings.decisions
        lost = {str(event.body["permit"]): event for event in self._log.unresolved}
        noted = {row.permit_id: row for row in self._state.all_in_doubt(settings.tenant, settings.env)}
        for permit_id, row in noted.items():
            if not row.unknown and permit_id not in lost and (row.log_id == self._log.log_id or self._settled(row)):
                self._state.finish(permit_id)
        for permit_id, event in lost.items():
            idempotency = Idempotency(str(event.body["idempotency"]))
            if idempotency is Idempotency.SAFE:
                continue
            if permit_id not in noted:
                self._note(event, permit_id, idempotency)
            self._state.mark_unknown(permit_id)

    def _note(self, decision: Event, permit_id: str, idempotency: Idempotency) -> None:
        effect_key = str(decision.body["effect_key"])
        try:
            self._state.begin(
                effect_key,
                permit_id=permit_id,
                decision_event=decision.id,
                log_id=decision.log,
                tool=str(decision.body["tool"]),
                idempotency=idempotency,
                now_ms=decision.ts_us // 1000,
            )
        except StoreError:
            # Another process that starts just now may have been faster.
            if permit_id not in {row.permit_id for row in self._state.in_doubt(effect_key)}:
                raise

    def _settled(self, row: InDoubt) -> bool:
        """Whether the log of a process that is gone says that the call was never permitted, or what became of it."""
        path = log_path(self.project.state / LOG_FOLDER, row.log_id)
        if is_held(path):
            return False
        try:
            with LogReader.open(path) as reader:
                return reader.event(row.decision_event) is None or any(
                    event.body["decision"] == row.decision_event and settles(event.kind, row.idempotency.value)
                    for event in reader.events(kinds=ENDS)
                )
        except StoreError:
            return False

    def _activate(self) -> None:
        planes = self.project.planes
        event = draft(
            planes,
            None,
            EventKind.POLICY_ACTIVATED,
            {
                "policy_digest": planes.policy.digest,
                "catalog_digest": planes.catalog.digest,
                "directory_digest": planes.directory.digest,
                "policies": len(planes.policy.policies),
            },
            event_id=fresh_id(),
            now_us=now_us(),
        )
        self._log.append((event,), Durability.SYNC)


def _known_facts(given: Mapping[str, Provider], declared: Sequence[FactDecl]) -> Mapping[str, Provider]:
    names = [fact.name for fact in declared]
    for name in given:
        if name not in names:
            raise UsageError(
                f"a provider is given for the fact {name!r}, which bailiwick.toml does not declare",
                hint=did_you_mean(name, names, f"declare [facts.{name}]"),
            )
    return MappingProxyType(dict(given))


def _plain_signature(function: Callable[..., object]) -> inspect.Signature:
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise UsageError(
                f"a governed tool names all its parameters; {function!r} takes {parameter}",
                hint="write out the parameters that the catalog declares",
            )
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise UsageError(
                f"a governed tool is run with keywords; {parameter.name!r} of {function!r} is positional-only",
                hint="remove the `/` from its signature",
            )
    return signature


def _bind(signature: inspect.Signature, args: tuple[object, ...], kwargs: dict[str, object]) -> dict[str, object]:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _held(folder: Path, log_id: str) -> bool:
    return is_held(log_path(folder, log_id))
