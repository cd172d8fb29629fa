"""What a call is bound to. DESIGN §3 promises 4 and 5.

`action_digest` names one exact call by one chain in one session and task: approvals and permits bind to it.
`effect_key` names what the call does, whoever makes it: by it the same effect is recognised when it may have
happened already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from bailiwick.action import ports
from bailiwick.action.catalog import declaration
from bailiwick.model.call import Action, Authority, Fact
from bailiwick.model.canonical import digest

__all__ = ["action_digest", "effect_key", "meaning_digest", "meaning_parts", "plain"]


def action_digest(action: Action, authority: Authority) -> str:
    """`sha256:<hex>` over tenant, environment, session, chain, task, tool and the exact arguments.

    INVARIANT: two calls have the same digest iff all of these are equal; arguments count by their canonical bytes.
    """
    key = authority.key
    return digest(
        "bailiwick.action.v1",
        {
            "tenant": key.tenant,
            "env": key.env,
            "session": key.id,
            "chain": [[link.kind.value, link.id] for link in authority.chain.links],
            "task": authority.task,
            "tool": action.tool.name,
            "args": hashlib.sha256(action.args).hexdigest(),
        },
    )


def meaning_digest(action: Action) -> str:
    """What a person understands by the call beyond its arguments: the catalog's entry of its tool, and the facts,
    objects and recipients that were read out of the arguments. Where it changes, a card shows something else."""
    return digest(
        "bailiwick.meaning.v1",
        {
            "tool": declaration(action.tool),
            "facts": [[argument.name, plain(argument.facts)] for argument in action.arguments],
            "interfaces": {name: plain(facts) for name, facts in action.interfaces.items()},
            "resources": [
                [resource.ref.kind.value, resource.ref.id, sorted(resource.zones)] for resource in action.resources
            ],
            "recipients": [list(action.recipients), action.recipients_external],
        },
    )


def meaning_parts(action: Action) -> tuple[tuple[str, str], ...]:
    """What `meaning_digest` is of, part by part and but for how long a text is: what stays the same where the text of a
    content differs. An argument that is read as a plain value has no part of its own: it is either the same, or free.
    """
    parts = {"tool": digest("bailiwick.part.v1", declaration(action.tool))}
    for argument in action.arguments:
        if isinstance(argument.facts, Mapping):
            parts[f"argument {argument.name}"] = digest("bailiwick.part.v1", _lengthless(argument.facts))
    for name, facts in action.interfaces.items():
        parts[f"does {name}"] = digest("bailiwick.part.v1", _lengthless(facts))
    touched = [[each.ref.kind.value, each.ref.id, sorted(each.zones)] for each in action.resources]
    reached = [list(action.recipients), action.recipients_external]
    parts["reaches"] = digest("bailiwick.part.v1", [touched, reached])
    return tuple(sorted(parts.items()))


def _lengthless(fact: Fact) -> object:
    if isinstance(fact, Mapping):
        return {name: _lengthless(item) for name, item in fact.items() if name != "length"}
    return plain(fact)


def plain(fact: Fact) -> object:
    """A fact as JSON; a set is sorted."""
    if isinstance(fact, Mapping):
        return {name: plain(item) for name, item in fact.items()}
    return sorted(fact) if isinstance(fact, tuple) else fact


def effect_key(action: Action, tenant: str, env: str) -> str:
    """How `ports.InFlightStore` knows an effect: tenant, environment, a digest of the tool and its exact arguments."""
    args = hashlib.sha256(action.args).hexdigest()
    return ports.effect_key(tenant, env, digest("bailiwick.effect.v1", {"tool": action.tool.name, "args": args}))
