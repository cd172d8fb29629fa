"""The label of a document from its metadata: of Microsoft Purview, of a classification, of access lists. DESIGN §5
*Flow*, retrieval.

Read are
- `MSIP_Label_<GUID>_Name` and `_Enabled`, as Microsoft Purview writes them into documents; the name, or else the id, is
  looked up in `[labels.names]`;
- `sensitivity`, `classification`, `label` and the like: the name of a level, of a category or a mapped one;
- `categories`, as far as they are categories of the project (elsewhere the word means topics);
- access lists: `readers`, `acl`, `permissions` (each has to be met), and `allowed_users`, `allowed_groups` (either).

Names of fields are compared without case, width, hyphens, underscores and what cannot be seen. Whoever can write the
metadata writes the label, so it says nothing on integrity: what was retrieved is untrusted.

INVARIANT: what is there and is not understood means the highest level, or readable by nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bailiwick.flow.naming import Naming, plain_name
from bailiwick.model.label import EVERYONE, Integrity, Label, Readers
from bailiwick.model.principal import EntityKind

__all__ = ["label_from_metadata"]

_MSIP = re.compile(r"msip_label_([0-9a-f-]{32,38})_(name|enabled)", re.IGNORECASE)
_LEVELS = frozenset(
    {"sensitivity", "sensitivitylabel", "sensitivitylevel", "classification", "label", "confidentiality"}
)
_LISTS = frozenset({"readers", "acl", "acls", "permissions", "accesscontrollist", "allowedprincipals"})
_USERS = frozenset({"allowedusers", "allowedemails", "userids"})
_GROUPS = frozenset({"allowedgroups", "groupids"})
_KNOWN = _LEVELS | _LISTS | _USERS | _GROUPS | {"categories"}
_PEOPLE = (EntityKind.USER, EntityKind.GROUP, EntityKind.ROLE)


def label_from_metadata(metadata: object, naming: Naming) -> Label | None:
    """The label that `metadata` gives to a document; None where it says nothing, and the default counts."""
    if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
        return naming.unknown
    fields: dict[str, object] = {}
    for key, value in metadata.items():
        plain = _comparable(key)
        if plain in fields and plain in _KNOWN:
            return naming.unknown  # said twice: nobody knows which one counts
        fields[plain] = value
    levels = [*_purview(metadata, naming), *_named(fields, naming)]
    readers = _readers(fields, naming)
    if not levels and readers is None:
        return None
    label = naming.default if not levels else Label()
    if readers is not None:
        label = replace(label, readers=readers)
    for said in levels:
        label = label.join(said)
    author = fields.get("author")
    by = naming.who(author, (EntityKind.USER,)) if isinstance(author, str) else None
    return replace(label, integrity=Integrity.UNTRUSTED, author=by)


def _comparable(key: str) -> str:
    """Without what tells two names of one field apart to nobody who reads them."""
    shown = "".join(char for char in unicodedata.normalize("NFKC", key) if unicodedata.category(char) != "Cf")
    return re.sub(r"[\s_-]+", "", shown).casefold()


def _purview(metadata: Mapping[str, object], naming: Naming) -> Iterator[Label]:
    """The labels that are applied. One that is taken off again says so in `Enabled`."""
    found: dict[str, dict[str, object]] = {}
    for key, value in metadata.items():
        match = _MSIP.fullmatch(key.strip())
        if match is not None:
            found.setdefault(match.group(1).lower(), {})[match.group(2).lower()] = value
        elif key.strip().casefold().startswith("msip_label") and not _known_msip(key):
            yield naming.unknown
    for guid, said in found.items():
        if str(said.get("enabled", "true")).strip().casefold() in ("false", "0"):
            continue
        name = said.get("name")
        if plain_name(guid) in naming.names:
            yield naming.label(guid)
        elif isinstance(name, str) and name.strip():
            yield naming.label(name)
        else:
            yield naming.unknown


def _known_msip(key: str) -> bool:
    return re.fullmatch(r"msip_label_[0-9a-f-]{32,38}_[a-z0-9]+", key.strip(), re.IGNORECASE) is not None


def _named(fields: Mapping[str, object], naming: Naming) -> Iterator[Label]:
    for key in _LEVELS & fields.keys():
        if fields[key] not in (None, "", []):
            yield naming.label(fields[key])
    topics = fields.get("categories")
    names = topics if isinstance(topics, list | tuple | set | frozenset) else [topics]
    known = {plain_name(name) for name in names if isinstance(name, str)} & naming.categories
    if known:
        yield Label(categories=frozenset(known))


def _readers(fields: Mapping[str, object], naming: Naming) -> Readers | None:
    """Who may read by the access lists; None if there are none."""
    lists = [naming.readers(fields[key], _PEOPLE) for key in sorted(_LISTS & fields.keys())]
    either = [naming.readers(fields[key], (EntityKind.USER,)) for key in _USERS & fields.keys()]
    either += [naming.readers(fields[key], (EntityKind.GROUP, EntityKind.ROLE)) for key in _GROUPS & fields.keys()]
    if either:
        names = frozenset[str]().union(*(one for readers in either for one in readers.sets))
        lists.append(EVERYONE if any(readers.everyone for readers in either) else Readers.of(*names))
    if not lists:
        return None
    found = EVERYONE
    for readers in lists:
        found &= readers
    return found
