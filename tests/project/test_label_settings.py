"""What `[labels]` says of strict content, of outside names and of what carries no label."""

from __future__ import annotations

import pytest

from bailiwick.errors import ProjectError
from bailiwick.model.label import NamedLabel
from bailiwick.project.settings import read_settings


@pytest.mark.parametrize(
    ("text", "level", "categories"),
    [
        ("", 3, {"phi", "mnpi", "secret"}),
        ('levels = ["low", "high"]\ncategories = ["secret", "hr"]', 1, {"secret"}),
        ('levels = ["public", "restricted", "top"]', 1, {"phi", "mnpi", "secret"}),
        ('strict = ["confidential", "pii"]', 2, {"pii"}),
        ('strict = ["restricted", "internal"]', 1, set()),
        ('strict = ["public"]', 0, set()),
        ("strict = []", None, set()),
        ('strict = ["pii"]', None, {"pii"}),
    ],
)
def test_what_is_strict(text: str, level: int | None, categories: set[str]) -> None:
    found = read_settings("bailiwick.toml", f"[labels]\n{text}\n").decisions.strictness
    assert (found.level, set(found.categories)) == (level, categories)


def test_outside_names_mean_levels_and_categories() -> None:
    text = r"""[labels]
default = "internal"
free_text = 0
[labels.names]
"General" = "internal"
"Highly  Confidential\\Finance" = ["restricted", "mnpi", "internal"]
"Health" = "phi"
"""
    found = read_settings("bailiwick.toml", text).decisions
    assert found.label_names == {
        "general": NamedLabel(level=1),
        "highly confidential/finance": NamedLabel(level=3, categories=frozenset({"mnpi"})),
        "health": NamedLabel(level=0, categories=frozenset({"phi"})),
    }
    assert (found.unlabelled, found.free_text) == (1, 0)


def test_by_default_what_carries_no_label_is_not_open() -> None:
    assert read_settings("bailiwick.toml", "").decisions.unlabelled is None


@pytest.mark.parametrize("text", ['strict = ["restrictet"]', 'default = "intern"', 'names = { x = "confidentail" }'])
def test_a_name_that_is_no_level_and_no_category_is_refused(text: str) -> None:
    with pytest.raises(ProjectError) as refused:
        read_settings("bailiwick.toml", f"[labels]\n{text}\n")
    (finding,) = refused.value.findings
    assert (finding.rule, finding.where.line) == ("unknown-label", 2)
    assert finding.hint
