"""The pages in docs/lint/ are those of the rulebook, and up to date."""

from __future__ import annotations

from bailiwick.policy.rulebook import RULEBOOK
from tests.docs.lint_pages import FOLDER, lint_pages


def test_the_pages_are_what_the_rulebook_says() -> None:
    written = {path: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert written == lint_pages(), "run `make docs`"


def test_each_entry_has_a_page() -> None:
    for rule in RULEBOOK:
        page = FOLDER / f"{rule}.md"
        assert page.read_text(encoding="utf-8").startswith(f"# `{rule}`\n")
