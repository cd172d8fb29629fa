"""The world of the rules in `administration/`: what people do to bailiwick itself, and with whose leave.

A world of its own, so that a wide permit for tools never lets anybody read the log or approve, and a forbid on calls
need not know of either. Same loader, same checks, same engine. DESIGN §5 *State and scale*.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from bailiwick.model.administration import ADMIN_GROUP, AdminAction
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind
from bailiwick.model.tool import Catalog
from bailiwick.policy.build import build_world
from bailiwick.policy.bundle import Vocabulary
from bailiwick.policy.world import ActionDecl, Attr, Bool, Long, Ref, StrSet, Struct, World

__all__ = ["ADMINISTRATION_FOLDER", "build_admin_world"]

ADMINISTRATION_FOLDER = "administration"


def build_admin_world(*, directory: Directory, vocabulary: Vocabulary) -> World:
    """What rules on administration can see: the directory's entities, and the actions of `AdminAction`."""
    world = build_world(catalog=_NO_TOOLS, directory=directory, vocabulary=vocabulary)
    circumstances = next(iter(world.actions.values())).context.attrs
    context = Struct(
        MappingProxyType(
            {
                "now": Attr(Long()),
                "user": Attr(Ref(EntityKind.USER)),
                "own": Attr(Bool()),
                "approved": Attr(StrSet()),
                "evidence": circumstances["evidence"],
                "hours": circumstances["hours"],
            }
        )
    )
    actions = {
        action.value: ActionDecl(
            name=action.value,
            groups=(ADMIN_GROUP,),
            ancestors=frozenset({ADMIN_GROUP}),
            resource=EntityKind.RESOURCE,
            context=context,
            zones=frozenset(),
            templates=action.templates,
            principals=(EntityKind.USER,),
        )
        for action in AdminAction
    }
    entities = {**world.entities, EntityKind.ACTION: frozenset({*actions, ADMIN_GROUP})}
    return replace(
        world, actions=MappingProxyType(actions), entities=MappingProxyType(entities), folder=ADMINISTRATION_FOLDER
    )


_NO_TOOLS = Catalog(tools={}, aliases={}, zones=frozenset(), digest="")
