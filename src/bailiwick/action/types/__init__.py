"""The semantic types of arguments, one module per family, and the registry of those that bailiwick ships."""

from __future__ import annotations

from types import MappingProxyType

from bailiwick.action.types.base import Organisation, Parsed, SemanticType, Surroundings, TypeRegistry, Unparsable
from bailiwick.action.types.mail import EmailListType, EmailType, normal_domain
from bailiwick.action.types.money import MoneyType
from bailiwick.action.types.plain import BoolType, EnumType, LongType, StringType
from bailiwick.action.types.sql import SqlType

__all__ = [
    "STANDARD_TYPES",
    "Organisation",
    "Parsed",
    "SemanticType",
    "Surroundings",
    "TypeRegistry",
    "Unparsable",
    "normal_domain",
    "type_registry",
]


def type_registry(*types: SemanticType) -> TypeRegistry:
    """A read-only registry of `types` by name. Raises ValueError if two have the same name."""
    registry = {each.name: each for each in types}
    if len(registry) != len(types):
        raise ValueError("two types have the same name")
    return MappingProxyType(registry)


STANDARD_TYPES: TypeRegistry = type_registry(
    StringType(), LongType(), BoolType(), EnumType(), EmailType(), EmailListType(), MoneyType(), SqlType()
)
