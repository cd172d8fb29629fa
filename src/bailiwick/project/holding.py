"""Which planes hold in this process just now: looked up before each decision, built anew only where something changed.

INVARIANT: `now` never answers with planes older than the store; where the store cannot be asked, or a bundle that was
activated cannot be loaded here, it raises, and the caller denies (promise 1). A decision that has begun keeps the
planes it began with: they are one value, swapped as one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from bailiwick.errors import BailiwickError, StoreError
from bailiwick.guard.administration.activating import unchangeable
from bailiwick.guard.administration.bundles import Activation, BundleStore
from bailiwick.guard.planes import Planes, PolicyMode
from bailiwick.identity.ports import SuspensionStore
from bailiwick.model.bundle import read
from bailiwick.project.bundle import load_bundle
from bailiwick.project.load import Project

__all__ = ["ProjectHolding", "warn_of_observing"]

_LOG = logging.getLogger("bailiwick")


class ProjectHolding:
    """The `Holding` of one Guard. Threads may share it. `swapped` is told of other rules before they decide anything;
    where it raises, they do not."""

    def __init__(
        self, project: Project, *, suspensions: SuspensionStore, bundles: BundleStore, swapped: Callable[[Planes], None]
    ) -> None:
        self._latest = project.planes
        self._folder = project.folder
        self._types = project.types
        self._suspensions = suspensions
        self._bundles = bundles
        self._swapped = swapped
        self._lock = threading.Lock()
        self._unusable: dict[str, StoreError] = {}
        """The bundle that cannot be loaded here, by digest: it is not tried anew at each decision."""

    @property
    def latest(self) -> Planes:
        return self._latest

    def now(self) -> Planes:
        planes = self.configuration()
        if planes.settings.bundles.required and planes.bundle is None:
            raise StoreError(
                "bailiwick.toml asks for an activated bundle, and none is",
                hint="build, sign and activate one: bailiwick policy build, sign, activate",
            )
        return planes

    def configuration(self) -> Planes:
        """As `now`, also where nothing may be decided for lack of a bundle: what the first one is judged by."""
        planes = self._latest
        settings = planes.settings
        revision = self._suspensions.revision(settings.tenant, settings.env)
        if revision == planes.suspensions.revision:
            return planes
        with self._lock:
            suspensions = self._suspensions.suspensions(settings.tenant, settings.env)
            planes = self._renewed(self._bundles.active(settings.tenant, settings.env))
            self._latest = replace(planes, suspensions=suspensions)
            return self._latest

    def _renewed(self, active: Activation | None) -> Planes:
        before = self._latest
        held = before.bundle
        if active == held:
            return before
        if held is not None and (active is None or active.sequence <= held.sequence):
            raise StoreError(
                f"bundle {held.sequence} was activated, and the state store knows of {active.sequence} at most"
                if active
                else f"bundle {held.sequence} was activated, and the state store knows of none",
                hint="the store was set back while it was in use: restore the newest copy, then restart",
            )
        assert active is not None
        if found := self._unusable.get(active.digest):
            raise found
        try:
            planes = self._loaded(active)
        except BailiwickError as error:
            refused = StoreError(
                f"bundle {active.sequence} was activated, and this process cannot use it: {error}",
                hint="every call is denied until it can: restart it with the version of bailiwick that activated the "
                "bundle, or activate another one",
            )
            self._unusable = {active.digest: refused}
            raise refused from error
        self._swapped(planes)
        warn_of_observing(planes)
        return planes

    def _loaded(self, active: Activation) -> Planes:
        settings = self._latest.settings
        bundle = read(self._bundles.data(settings.tenant, settings.env, active.sequence))
        if bundle.digest != active.digest:
            raise StoreError("it is not the bundle that was activated", hint="find out who wrote to the state store")
        planes = load_bundle(self._folder, bundle, active, types=self._types).planes
        if fixed := unchangeable(self._latest, planes):
            raise StoreError(fixed.message, hint=fixed.hint)
        return planes


def warn_of_observing(planes: Planes) -> None:
    """Say in the process's own log that there are rules which do not deny."""
    if planes.settings.mode is PolicyMode.OBSERVE:
        _LOG.warning("policies.mode is observe: what the rules would deny is recorded, and passes")
    elif planes.policy.observed:
        _LOG.warning("only observed, so they deny nothing: %s", ", ".join(sorted(planes.policy.observed)))
