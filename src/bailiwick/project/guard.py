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
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from bailiwick.action.ports import InDoubt
from bailiwick.audit.events import new_id
from bailiwick.audit.log import EventLog
from bailiwick.errors import BailiwickError, Denied, StoreError, UsageError
from bailiwick.guard.activating import ActivationOrder, activate, what_holds
from bailiwick.guard.bundles import Activation
from bailiwick.guard.core import Core
from bailiwick.guard.credentials import DelegationToken, PlanToken, Prover, UserToken
from bailiwick.guard.current import current_session, running_permit
from bailiwick.guard.decide import deny
from bailiwick.guard.engine import Engine
from bailiwick.guard.opening import OpenRequest
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import draft
from bailiwick.guard.session import Session
from bailiwick.identity.keys import PrivateKey
from bailiwick.identity.proof import prove
from bailiwick.model.bundle import ProjectBundle
from bailiwick.model.circumstances import FactDecl
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.toml_entries import did_you_mean
from bailiwick.model.tool import Durability, ToolSpec
from bailiwick.project.binding import bind, plain_signature
from bailiwick.project.bundle import load_bundle
from bailiwick.project.facts import Provider, Providers
from bailiwick.project.holding import ProjectHolding, warn_of_observing
from bailiwick.project.keys import ProjectKeys
from bailiwick.project.load import Project, find_project, load_project, load_settings
from bailiwick.project.recovery import Recovery
from bailiwick.project.status import STATE_FILE, activated
from bailiwick.stores.log_file import is_held, log_path
from bailiwick.stores.sqlite_bundles import SqliteBundles
from bailiwick.stores.sqlite_log import SqliteLog
from bailiwick.stores.sqlite_standing import SqliteStanding
from bailiwick.stores.sqlite_state import SqliteState
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_tokens import SqliteReplay, SqliteRevocations

if TYPE_CHECKING:
    from bailiwick.adapters.langchain import GuardMiddleware

__all__ = ["Guard"]

LOG_FOLDER = "log"

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
        bundles = SqliteBundles(file)
        self._holding = ProjectHolding(project, standing=self._standing, bundles=bundles, swapped=self._record)
        self._executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="bailiwick-io")
        self._engine = Engine(
            ports=Ports(
                clock=now_us,
                new_id=fresh_id,
                log=log,
                log_id=log.log_id,
                holding=self._holding,
                facts=self._facts,
                keys=ProjectKeys(
                    folder=project.folder,
                    state=project.state,
                    name=f"{project.settings.decisions.tenant}/{project.settings.decisions.env}",
                ),
                replay=SqliteReplay(file),
                revocations=SqliteRevocations(file),
                log_alive=functools.partial(_held, project.state / LOG_FOLDER),
                approvals=state,
                sessions=state,
                in_flight=state,
                standing=self._standing,
                bundles=bundles,
                ledger=state,
            ),
            executor=self._executor,
        )

    @classmethod
    def open(cls, folder: str | os.PathLike[str] | None = None, *, facts: Mapping[str, Provider] | None = None) -> Self:
        """Load a project folder (None: the nearest one upwards), open its stores, recover, and record which rules hold.

        `facts` are the providers of the facts that bailiwick.toml declares, by name. A rule that reads a fact which
        nobody provides denies.

        Raises ProjectError with every finding, UsageError if there is no project, StoreError if a store cannot be
        opened.
        """
        guard = cls.for_activation(folder, facts=facts)
        try:
            guard.engine.ports.holding.now()
        except BailiwickError:
            guard.close()
            raise
        return guard

    @classmethod
    def for_activation(
        cls, folder: str | os.PathLike[str] | None = None, *, facts: Mapping[str, Provider] | None = None
    ) -> Self:
        """As `open`, also where bailiwick.toml asks for an activated bundle and none is: then every call is denied
        until one was activated."""
        path = find_project(Path(folder) if folder is not None else None)
        settings = load_settings(path)
        state = path / settings.state_path
        # What is wrong in the folder is said before anything is made in it, where it is the folder that decides.
        here = None if (state / STATE_FILE).exists() else load_project(path)
        _make_folder(state)
        with ExitStack() as undo:
            file = StateFile.open(state / STATE_FILE)
            undo.callback(file.close)
            log = SqliteLog.open(
                state / LOG_FOLDER,
                build=f"bailiwick {version('bailiwick')}",
                tenant=settings.decisions.tenant,
                env=settings.decisions.env,
                clock=now_us,
                entropy=secrets.token_bytes,
            )
            undo.enter_context(log)
            recovery = Recovery(
                logs=state / LOG_FOLDER,
                log=log,
                state=SqliteState(file),
                bundles=SqliteBundles(file),
                tenant=settings.decisions.tenant,
                env=settings.decisions.env,
            )
            active = recovery.active_bundle()
            if active is not None:
                here = activated(path, settings, active, recovery.bundles)
            project = replace(here or load_project(path), state=state)
            known = _known_facts(facts or {}, project.settings.decisions.facts)
            guard = cls(project, log=log, file=file, facts=known)
            recovery.settle_calls()
            guard._record(project.planes)
            warn_of_observing(project.planes)
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
        agent: str = "",
        task: str = "",
        user: str | None = None,
        service: str | None = None,
        conversation: str | None = None,
        environment: Mapping[str, str | int | bool] | None = None,
        user_token: str | None = None,
        plan: str | None = None,
        delegation: str | None = None,
        key: PrivateKey | Prover | None = None,
    ) -> Session:
        """A session of `agent` for a user or a service. Enter it to open it; opening may raise Denied.

        `task` names a task of directory.toml, or is a purpose in plain words, which narrows nothing. Give the
        framework's thread id as `conversation` to get the labels of a restored conversation back. `environment` gives
        the attributes that [environment] of bailiwick.toml declares.

        Instead of naming the `user`, show the `user_token` of their sign-in. A signed `plan` says itself for whom,
        through which agent and on what; so does a `delegation` that another process made
        (`Session.delegate_token`), with the agent's private `key`, or a function that makes the proof for each call.
        Raises UsageError if these do not go together."""
        token = _token(user_token=user_token, plan=plan, delegation=delegation, key=key)
        named = (agent, task, user or "", service or "")
        if isinstance(token, PlanToken | DelegationToken) and any(named):
            raise UsageError("the token says for whom the session is", hint="leave out user, service, agent and task")
        if isinstance(token, UserToken) and (user or service):
            raise UsageError("the user token says who the user is", hint="leave out user and service")
        if not isinstance(token, PlanToken | DelegationToken) and not (agent and task):
            raise UsageError("a session has an agent and a task", hint="name both")
        request = OpenRequest(
            user=user,
            service=service,
            agent=agent,
            task=task,
            conversation=conversation or fresh_id(),
            environment=MappingProxyType(dict(environment or {})),
            token=token,
        )
        given = conversation is not None or isinstance(token, DelegationToken)
        return Session(self._engine, request, conversation_given=given)

    def tool(self, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorator: every call of the function is a governed call of the catalog's tool `name`.

        Positional arguments, defaults and keyword arguments reach policy as one bound signature. A call outside a
        session is refused. Raises UsageError at once if the catalog has no such tool, or the function takes *args or
        **kwargs."""
        spec = self.project.planes.catalog.find(name)
        if spec is None:
            raise UsageError(f"the catalog has no tool {name!r}", hint="declare it in tools/*.toml")

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            signature = plain_signature(function)
            if inspect.iscoroutinefunction(function):

                @functools.wraps(function)
                async def governed_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                    bound = bind(signature, args, kwargs)
                    if self._already_decided(spec, bound):
                        return await function(*args, **kwargs)
                    return await self._session_for(spec.name).acall(spec.name, bound, function)

                return cast("Callable[P, R]", governed_async)

            @functools.wraps(function)
            def governed(*args: P.args, **kwargs: P.kwargs) -> R:
                bound = bind(signature, args, kwargs)
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

    def activate(self, bundle: ProjectBundle, *, by: str, tests: str, os_user: str) -> Activation | Reason:
        """Let the rules of a bundle take over, here and in every process that shares the state, or say why not.

        `tests` says what became of the bundle's tests: `passed`, `none` or `skipped`. Raises ProjectError with what is
        wrong in the bundle, UsageError if it keeps its state elsewhere."""
        project = load_bundle(self.project.folder, bundle)
        if project.settings.state_path != self.project.settings.state_path:
            raise UsageError(
                f"the bundle keeps its state in {project.settings.state_path!r}, "
                f"and what holds in {self.project.settings.state_path!r}",
                hint="keep [stores] path; to move the state, stop every process, move the folder, and change both",
            )
        order = ActivationOrder(bundle=bundle, planes=project.planes, by=by, tests=tests, os_user=os_user)
        core = Core(planes=self._holding.configuration(), new_id=fresh_id)
        return self._engine.run(activate(core, order))

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

    def _record(self, planes: Planes) -> None:
        """Which rules hold in this process from here on."""
        event = draft(
            planes, None, EventKind.POLICY_ACTIVATED, what_holds(planes), event_id=fresh_id(), now_us=now_us()
        )
        self._log.append((event,), Durability.SYNC)


def _make_folder(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"there can be no folder {state}: {error.strerror}",
            hint="name another one as `path` in [stores] of bailiwick.toml, or make room for this one",
        ) from error


def _token(
    *, user_token: str | None, plan: str | None, delegation: str | None, key: PrivateKey | Prover | None
) -> UserToken | PlanToken | DelegationToken | None:
    if sum(each is not None for each in (user_token, plan, delegation)) > 1:
        raise UsageError("a session is opened with one token", hint="give user_token, plan or delegation, one of them")
    if (key is None) is not (delegation is None):
        raise UsageError("a delegation goes with the agent's key", hint="give delegation and key, both")
    if user_token is not None:
        return UserToken(user_token)
    if plan is not None:
        return PlanToken(plan)
    if delegation is None or key is None:
        return None
    return DelegationToken(delegation, _prover(delegation, key) if isinstance(key, PrivateKey) else key)


def _prover(token: str, key: PrivateKey) -> Prover:
    def made(digest: str) -> str:
        return prove(token, key=key, digest=digest, nonce=secrets.token_urlsafe(16), now_ms=now_us() // 1000)

    return made


def _known_facts(given: Mapping[str, Provider], declared: Sequence[FactDecl]) -> Mapping[str, Provider]:
    names = [fact.name for fact in declared]
    for name in given:
        if name not in names:
            raise UsageError(
                f"a provider is given for the fact {name!r}, which bailiwick.toml does not declare",
                hint=did_you_mean(name, names, f"declare [facts.{name}]"),
            )
    return MappingProxyType(dict(given))


def _held(folder: Path, log_id: str) -> bool:
    return is_held(log_path(folder, log_id))
