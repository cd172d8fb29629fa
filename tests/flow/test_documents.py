"""Labels of documents from their metadata."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.flow.documents import label_from_metadata
from bailiwick.flow.naming import Naming
from tests.flow.test_labelling import NAMING

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TOP_NOBODY = [3, [], "nobody"]
CASES: dict[str, tuple[Any, list[Any] | None]] = {
    "nothing": ({}, None),
    "nothing that labels": ({"source": "kb", "page": 3, "author": "ann"}, None),
    "no metadata": ("confidential", TOP_NOBODY),
    "keys that are no names": ({1: "confidential"}, TOP_NOBODY),
    "a Purview label": (
        {f"MSIP_Label_{GUID}_Name": "General", f"MSIP_Label_{GUID}_Enabled": "True"},
        [1, [], "everyone"],
    ),
    "a Purview label under a parent": (
        {f"MSIP_Label_{GUID}_Name": "Highly Confidential\\Finance"},
        [3, ["mnpi"], "everyone"],
    ),
    "a Purview label that was taken off": (
        {f"MSIP_Label_{GUID}_Name": "General", f"MSIP_Label_{GUID}_Enabled": "false"},
        None,
    ),
    "a Purview label without a name": ({f"MSIP_Label_{GUID}_Enabled": "true"}, TOP_NOBODY),
    "a Purview label that nobody mapped": ({f"MSIP_Label_{GUID}_Name": "Geheim"}, [3, [], "everyone"]),
    "a malformed Purview label": ({"MSIP_Label_general": "General"}, TOP_NOBODY),
    "a level under a name with what cannot be seen": ({"\uff53ensi\u200btivity": "Confidential"}, [2, [], "everyone"]),
    "a level": ({"Sensitivity": "Confidential"}, [2, [], "everyone"]),
    "a level and a classification": (
        {"sensitivity-label": "internal", "classification": "phi"},
        [1, ["phi"], "everyone"],
    ),
    "the same said twice": ({"Label": "public", "label": "restricted"}, TOP_NOBODY),
    "a level that is no name": ({"label": 2}, [3, [], "everyone"]),
    "an empty level is none": ({"label": ""}, None),
    "topics are no categories": ({"categories": ["finance", "PII"]}, [0, ["pii"], "everyone"]),
    "readers": ({"label": "internal", "readers": ["ann", "support"]}, [1, [], "Group::support, User::ann"]),
    "readers of an unlabelled document": ({"acl": "ann"}, [3, [], "User::ann"]),
    "allowed users and groups are alternatives": (
        {"label": "internal", "allowed_users": ["ann"], "allowed_groups": ["support"]},
        [1, [], "Group::support, User::ann"],
    ),
    "a group is no user": ({"label": "internal", "allowed_users": ["support"]}, [1, [], "nobody"]),
    "lists that all have to be met": (
        {"label": "internal", "acl": ["ann", "bob"], "permissions": ["support"]},
        [1, [], "Group::support and User::ann, User::bob"],
    ),
    "readers whom nobody knows": ({"label": "internal", "readers": ["eve@evil.example"]}, [1, [], "nobody"]),
}


@pytest.mark.parametrize(("metadata", "expected"), CASES.values(), ids=CASES.keys())
def test_a_document_is_labelled_by_its_metadata(metadata: Any, expected: list[Any] | None) -> None:
    label = label_from_metadata(metadata, NAMING)
    assert expected == (label and [label.sensitivity, sorted(label.categories), str(label.readers)])
    assert label is None or label.tainted


def test_who_wrote_it_is_told_where_it_is_known() -> None:
    for author, known in (("ann@example.com", "User::ann"), ("eve@evil.example", None), (7, None)):
        label = label_from_metadata({"label": "internal", "author": author}, NAMING)
        assert label is not None
        assert label.author == known


def test_what_carries_no_label_is_of_the_highest_level_unless_the_project_says_otherwise() -> None:
    assert (NAMING.default.sensitivity, str(NAMING.default.readers)) == (3, "nobody")
    said = Naming(top=3, levels=("a", "b", "c", "d"), unlabelled=1)
    assert (said.default.sensitivity, said.default.readers.everyone, said.default.tainted) == (1, True, True)
