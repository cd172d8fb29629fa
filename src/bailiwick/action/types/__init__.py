"""The semantic types of arguments, one module per family, and the registry of those that bailiwick ships."""

from __future__ import annotations

from types import MappingProxyType

from bailiwick.action.types.base import Organisation, Parsed, SemanticType, Surroundings, TypeRegistry, Unparsable
from bailiwick.action.types.http import HttpType
from bailiwick.action.types.iban import IbanType
from bailiwick.action.types.lists import ListType
from bailiwick.action.types.mail import Address, EmailListType, EmailType, normal_address, normal_domain
from bailiwick.action.types.money import MoneyType
from bailiwick.action.types.numbers import DatetimeType, NumberType
from bailiwick.action.types.objects import ObjectListType, ObjectType
from bailiwick.action.types.path import PathType
from bailiwick.action.types.payload import BytesType, JsonType
from bailiwick.action.types.plain import BoolType, EnumType, LongType, StringType
from bailiwick.action.types.python_code import PythonType
from bailiwick.action.types.shell import ShellType
from bailiwick.action.types.sql import SqlType
from bailiwick.action.types.url import UrlListType, UrlType
from bailiwick.action.types.url_addresses import is_address
from bailiwick.action.types.url_names import normal_host

__all__ = [
    "STANDARD_TYPES",
    "Address",
    "Organisation",
    "Parsed",
    "SemanticType",
    "Surroundings",
    "TypeRegistry",
    "Unparsable",
    "extended",
    "is_address",
    "normal_address",
    "normal_domain",
    "normal_host",
    "type_registry",
]


def type_registry(*types: SemanticType) -> TypeRegistry:
    """A read-only registry of `types` by name, with the list of each single value that has none of its own (`long[]`),
    and the objects that can be made of them all. Raises ValueError if two have the same name."""
    registry = {each.name: each for each in types}
    if len(registry) != len(types):
        raise ValueError("two types have the same name")
    for each in types:
        if each.scalar:
            registry.setdefault(f"{each.name}[]", ListType(item=each))
    known: TypeRegistry = MappingProxyType(registry)
    thing = ObjectType(types=known)
    registry.setdefault(thing.name, thing)
    things = ObjectListType(item=thing)
    registry.setdefault(things.name, things)
    return known


def extended(*own: SemanticType) -> TypeRegistry:
    """The standard types and `own` ones. Raises ValueError if one has the name of another."""
    taken = [each.name for each in own if each.name in STANDARD_TYPES]
    if taken:
        raise ValueError(f"'{taken[0]}' is a standard type")
    made = (ListType, ObjectType, ObjectListType)
    return type_registry(*(each for each in STANDARD_TYPES.values() if not isinstance(each, made)), *own)


STANDARD_TYPES: TypeRegistry = type_registry(
    *(StringType(), LongType(), NumberType(), BoolType(), EnumType(), DatetimeType(), BytesType(), JsonType()),
    *(EmailType(), EmailListType(), MoneyType(), SqlType()),
    *(UrlType(), UrlListType(), HttpType(), IbanType()),
    *(ShellType(), PythonType(), PathType()),
)
