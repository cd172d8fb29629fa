"""The public `Guard`: a project folder wired to its stores, ready to govern.

    guard = Guard.open("examples/support")
    with guard.session(user="alice", agent="support-bot", task="Answer ticket 4711") as session:
        ...

Deployment tier: *embedded*. The guard lives in the agent's process and holds against what the model does, not against
the agent's own code (DESIGN §3).
"""

from __future__ import annotations

import functools
import logging
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import ParamSpec, Self, TypeVar

from bailiwick.action.ports import InDoubt
from bailiwick.action.types import SemanticType
from bailiwick.adapters import sealing
from bailiwick.audit.log import EventLog
from bailiwick.audit.ports import ContentKeys
from bailiwick.effectors.hosts import HostLookups
from bailiwick.effectors.lookups import SystemLookups
from bailiwick.effectors.paths import PathLookups
from bailiwick.errors import BailiwickError, UsageError
from bailiwick.flow.release import Detector
from bailiwick.guard.administration.activating import ActivationOrder, activate, what_holds
from bailiwick.guard.administration.bundles import Activation
from bailiwick.guard.core import Core
from bailiwick.guard.effectors import Effector
from bailiwick.guard.engine import Engine
from bailiwick.guard.handing.credentials import DelegationToken, Prover
from bailiwick.guard.opening import OpenRequest
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Inspector, Ports
from bailiwick.guard.record import draft
from bailiwick.guard.session import Session
from bailiwick.identity.keys import PrivateKey
from bailiwick.model.bundle import ProjectBundle
from bailiwick.model.decision import Reason
from bailiwick.model.event import EventKind
from bailiwick.model.tool import Durability, ToolSpec
from bailiwick.project.adapting import Adapting
from bailiwick.project.bundle import load_bundle
from bailiwick.project.clock import fresh_id, now_us
from bailiwick.project.effecting import BoundEffectors
from bailiwick.project.facts import Provider, Providers, known_providers
from bailiwick.project.holding import ProjectHolding, warn_of_observing
from bailiwick.project.keys import ProjectKeys
from bailiwick.project.load import Project, find_project, load_project, load_settings
from bailiwick.project.log_parts import log_parts
from bailiwick.project.recovery import Recovery
from bailiwick.project.status import LOG_FOLDER, STATE_FILE, activated, make_state_folder
from bailiwick.project.tokens import check_named, token_shown
from bailiwick.project.tools import governed
from bailiwick.stores.log_contents import LogContents
from bailiwick.stores.log_file import is_held, log_path
from bailiwick.stores.sqlite_accounts import SqliteAccounts
from bailiwick.stores.sqlite_budgets import SqliteBudgets
from bailiwick.stores.sqlite_bundles import SqliteBundles
from bailiwick.stores.sqlite_log import SqliteLog
from bailiwick.stores.sqlite_outbox import SqliteOutbox
from bailiwick.stores.sqlite_standing_grants import SqliteStandingGrants
from bailiwick.stores.sqlite_state import SqliteState
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_suspensions import SqliteSuspensions
from bailiwick.stores.sqlite_tokens import SqliteReplay, SqliteRevocations
from bailiwick.stores.sqlite_written import SqliteWritten

__all__ = ["Guard"]

_SQLGLOT = logging.getLogger("sqlglot")

P = ParamSpec("P")
R = TypeVar("R")


class Guard(Adapting):
    """One tenant's project with its stores open. Thread-safe; use it as a context manager or call `close`."""

    def __init__(
        self,
        project: Project,
        *,
        log: SqliteLog,
        file: StateFile,
        facts: Mapping[str, Provider],
        detectors: tuple[Detector, ...] = (),
        inspector: Inspector | None = None,
        hosts: HostLookups | None = None,
    ) -> None:
        """For `Guard.open`, which also recovers what an earlier process left behind."""
        # It logs the beginning of a text that it cannot parse: arguments of calls do not belong into a program's log.
        if _SQLGLOT.level == logging.NOTSET:
            _SQLGLOT.setLevel(logging.ERROR)
        self.project = project
        self._log = log
        self._state = state = SqliteState(file)
        self._suspensions = SqliteSuspensions(file)
        self._outbox = SqliteOutbox(file)
        self._facts = Providers(providers=facts, clock=now_us)
        self._effectors = BoundEffectors()
        bundles = SqliteBundles(file)
        self._holding = ProjectHolding(project, suspensions=self._suspensions, bundles=bundles, swapped=self._record)
        self._executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="bailiwick-io")
        self._engine = Engine(
            ports=Ports(
                clock=now_us,
                new_id=fresh_id,
                entropy=secrets.token_bytes,
                log=log,
                log_id=log.log_id,
                holding=self._holding,
                facts=self._facts,
                lookups=SystemLookups(hosts=hosts, paths=PathLookups(base=project.folder, own=project.own)),
                effectors=self._effectors,
                keys=ProjectKeys(
                    folder=project.folder,
                    state=project.state,
                    name=f"{project.settings.decisions.tenant}/{project.settings.decisions.env}",
                ),
                replay=SqliteReplay(file),
                revocations=SqliteRevocations(file),
                log_alive=functools.partial(_held, project.state / LOG_FOLDER),
                approvals=state,
                remembered=SqliteStandingGrants(file),
                sessions=state,
                in_flight=state,
                suspensions=self._suspensions,
                accounts=SqliteAccounts(file),
                bundles=bundles,
                ledger=state,
                contents=LogContents(project.state / LOG_FOLDER, log.keys),
                detectors=detectors,
                inspector=inspector,
                written=SqliteWritten(file),
                budgets=SqliteBudgets(file),
            ),
            executor=self._executor,
        )

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        facts: Mapping[str, Provider] | None = None,
        types: Sequence[SemanticType] = (),
        detectors: Sequence[Detector] = (),
        inspector: Inspector | None = None,
    ) -> Self:
        """Load a project folder (None: the nearest one upwards), open its stores, recover, and record which rules hold.

        `facts` are the providers of the facts that bailiwick.toml declares, by name. A rule that reads a fact which
        nobody provides denies. `types` are types of arguments beside those that bailiwick.toml names; commands such as
        `bailiwick check` do not know them. `detectors` find identifiers for `@redact` and `@mask` beside the built-in
        patterns; `inspector` is the model without tools that `Session.inspect` asks about hidden contents.

        Raises ProjectError with every finding, UsageError if there is no project, StoreError if a store cannot be
        opened.
        """
        guard = cls.for_activation(folder, facts=facts, types=types, detectors=detectors, inspector=inspector)
        try:
            guard.engine.ports.holding.now()
        except BailiwickError:
            guard.close()
            raise
        return guard

    @classmethod
    def for_activation(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        facts: Mapping[str, Provider] | None = None,
        types: Sequence[SemanticType] = (),
        detectors: Sequence[Detector] = (),
        inspector: Inspector | None = None,
        loaded: Project | None = None,
        hosts: HostLookups | None = None,
    ) -> Self:
        """As `open`, also where bailiwick.toml asks for an activated bundle and none is: then every call is denied
        until one was activated. `loaded`: what the folder holds, where it was just read; `hosts`: who is
        asked for the addresses of hosts, if not the system."""
        path = find_project(Path(folder) if folder is not None else None)
        settings = load_settings(path)
        state = path / settings.state_path
        # What is wrong in the folder is said before anything is made in it, where it is the folder that decides.
        here = None if (state / STATE_FILE).exists() else loaded or load_project(path, types=types)
        make_state_folder(state)
        with ExitStack() as undo:
            file = StateFile.open(state / STATE_FILE)
            undo.callback(file.close)
            parts = log_parts(state, settings)
            undo.callback(parts.close)
            log = SqliteLog.open(
                state / LOG_FOLDER,
                build=f"bailiwick {version('bailiwick')}",
                tenant=settings.decisions.tenant,
                env=settings.decisions.env,
                clock=now_us,
                entropy=secrets.token_bytes,
                parts=parts,
            )
            undo.enter_context(log)
            recovery = Recovery(
                logs=state / LOG_FOLDER,
                log=log,
                state=SqliteState(file),
                bundles=SqliteBundles(file),
                budgets=SqliteBudgets(file),
                tenant=settings.decisions.tenant,
                env=settings.decisions.env,
            )
            active = recovery.active_bundle()
            if active is not None:
                here = activated(path, settings, active, recovery.bundles, types=types)
            project = replace(here or load_project(path, types=types), state=state)
            known = known_providers(facts or {}, project.settings.decisions.facts)
            guard = cls(
                project,
                log=log,
                file=file,
                facts=known,
                detectors=tuple(detectors),
                inspector=inspector,
                hosts=hosts,
            )
            recovery.settle_calls()
            recovery.settle_budgets()
            guard._record(project.planes)
            warn_of_observing(project.planes)
            undo.pop_all()
        return guard

    def close(self) -> None:
        """Flush and give up the stores. Sessions that are still open can decide nothing after this, and tools of
        frameworks that this Guard sealed do not run (`unseal`)."""
        sealing.leave(self._engine)
        self._executor.shutdown(wait=True)
        self._facts.close()
        with ExitStack() as ending:
            ending.callback(self._state.close)
            ending.callback(self._log.parts.close)
            ending.callback(self._log.close)

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
        token = token_shown(user_token=user_token, plan=plan, delegation=delegation, key=key)
        check_named(token, user=user, service=service, agent=agent, task=task)
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

    def tool(
        self, name: str, *, effectors: Mapping[str, Effector] | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorator: every call of the function is a governed call of the catalog's tool `name`.

        Positional arguments, defaults and keyword arguments reach policy as one bound signature. A call outside a
        session is refused. `effectors` are bound as by `enforce`. Raises UsageError at once if the catalog has no such
        tool, or the function takes *args or **kwargs."""
        spec = self._spec(name)
        self._effectors.bind(spec, effectors or {})
        return governed(self._engine, spec.name)

    def enforce(self, tool: str, /, **effectors: Effector) -> None:
        """From here on these effectors keep to these arguments of a tool: they are in `context.enforced`, and the tool
        gets its handles by `bailiwick.effector(argument)`. Raises UsageError if one cannot keep to an argument as the
        catalog declares it, or another one is bound to it."""
        self._effectors.bind(self._spec(tool), effectors)

    def activate(self, bundle: ProjectBundle, *, by: str, tests: str, os_user: str) -> Activation | Reason:
        """Let the rules of a bundle take over, here and in every process that shares the state, or say why not.

        `tests` says what became of the bundle's tests: `passed`, `none` or `skipped`. Raises ProjectError with what is
        wrong in the bundle, UsageError if it keeps its state elsewhere."""
        project = load_bundle(self.project.folder, bundle, types=self.project.types)
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

    @property
    def keys(self) -> ContentKeys | None:
        """What contents are sealed under."""
        return self._log.keys

    @property
    def outbox(self) -> SqliteOutbox:
        """What waits to be sent to channels."""
        return self._outbox

    def in_doubt(self) -> tuple[InDoubt, ...]:
        """Calls that may have run and that the state store knows, oldest first; not those that run just now."""
        settings = self.project.settings.decisions
        noted = self._state.all_in_doubt(settings.tenant, settings.env)
        return tuple(row for row in noted if self._engine.ports.abandoned(row))

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _spec(self, name: str) -> ToolSpec:
        spec = self._holding.configuration().catalog.find(name)
        if spec is None:
            raise UsageError(f"the catalog has no tool {name!r}", hint="declare it in tools/*.toml")
        return spec

    def _record(self, planes: Planes) -> None:
        """Which rules hold in this process from here on."""
        event = draft(
            planes, None, EventKind.POLICY_ACTIVATED, what_holds(planes), event_id=fresh_id(), now_us=now_us()
        )
        self._log.append((event,), Durability.SYNC)


def _held(folder: Path, log_id: str) -> bool:
    return is_held(log_path(folder, log_id))
