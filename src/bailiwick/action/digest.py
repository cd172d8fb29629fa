"""What a call is bound to. DESIGN §3 promises 4 and 5.

`action_digest` names one exact call by one chain in one session and task: approvals and permits bind to it.
`effect_key` names what the call does, whoever makes it: by it the same effect is recognised when it may have
happened already.
"""

from __future__ import annotations

import hashlib

from bailiwick.action import ports
from bailiwick.model.call import Action, Authority
from bailiwick.model.canonical import digest

__all__ = ["action_digest", "effect_key"]


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


def effect_key(action: Action, tenant: str, env: str) -> str:
    """How `ports.InFlightStore` knows an effect: tenant, environment, a digest of the tool and its exact arguments."""
    args = hashlib.sha256(action.args).hexdigest()
    return ports.effect_key(tenant, env, digest("bailiwick.effect.v1", {"tool": action.tool.name, "args": args}))
