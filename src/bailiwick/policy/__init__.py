"""Cedar behind one strict wrapper: schema from catalog and directory, loading with checks of our own, decisions.

`PolicyEngine.load` takes the files of a project and refuses rules that cannot fire as written; `PolicyEngine.decide`
asks for every link of a chain and every resource of a call. cedarpy is spoken in this room alone. DESIGN §4, §5.
"""

from bailiwick.policy.bundle import PolicyEffect, PolicyInfo, PolicySource, Vocabulary
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.entities import Subject
from bailiwick.policy.request import AdminRequest, PolicyRequest

__all__ = [
    "AdminRequest",
    "PolicyEffect",
    "PolicyEngine",
    "PolicyInfo",
    "PolicyRequest",
    "PolicySource",
    "Subject",
    "Vocabulary",
]
