"""The action plane: what may be done now, with these arguments, and what needs a human. DESIGN §5 *Action*.

`load_catalog` reads what each tool does, `parse_call` turns a call into typed facts or refuses it, `action_digest` and
`effect_key` name exactly what was understood. Approvals live in `approvals`, the ports that the plane needs in `ports`.
"""

from __future__ import annotations

from bailiwick.action.catalog import load_catalog
from bailiwick.action.digest import action_digest, effect_key
from bailiwick.action.parse import parse_call
from bailiwick.action.types import STANDARD_TYPES, Organisation, TypeRegistry, normal_domain

__all__ = [
    "STANDARD_TYPES",
    "Organisation",
    "TypeRegistry",
    "action_digest",
    "effect_key",
    "load_catalog",
    "normal_domain",
    "parse_call",
]
