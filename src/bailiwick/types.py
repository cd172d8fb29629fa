"""What a project's own type of argument is written with. See docs/types.md.

from bailiwick.types import LONG, ArgType, Parsed, Unparsable
"""

from bailiwick.action.types.base import (
    EVERY_ROLE,
    Beyond,
    Option,
    Options,
    Parsed,
    SemanticType,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.content import CONTENT_SHAPE, content_facts
from bailiwick.action.types.own import ArgType
from bailiwick.model.lookup import Lookup, LookupKind
from bailiwick.model.shape import BOOL, LONG, STRING, STRING_SET, Field, Record, Shape, String, StringSet
from bailiwick.model.tool import ArgSpec, Effect, Role

__all__ = [
    "BOOL",
    "CONTENT_SHAPE",
    "EVERY_ROLE",
    "LONG",
    "STRING",
    "STRING_SET",
    "ArgSpec",
    "ArgType",
    "Beyond",
    "Effect",
    "Field",
    "Lookup",
    "LookupKind",
    "Option",
    "Options",
    "Parsed",
    "Record",
    "Role",
    "SemanticType",
    "Shape",
    "String",
    "StringSet",
    "Surroundings",
    "Unparsable",
    "content_facts",
]
