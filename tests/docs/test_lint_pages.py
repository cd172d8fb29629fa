"""The pages in docs/lint/ are those of the rulebook, and up to date."""

from __future__ import annotations

from bailiwick.policy.rulebook import RULEBOOK, page_of
from tests.docs.lint_pages import FOLDER, lint_pages
from tests.docs.markdown import ROOT


def test_the_pages_are_what_the_rulebook_says() -> None:
    written = {path: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert written == lint_pages(), "run `make docs`"


def test_a_finding_names_a_page_that_is_there() -> None:
    for rule in RULEBOOK:
        page = ROOT / page_of(rule)
        assert page.is_file()
        assert page.read_text(encoding="utf-8").startswith(f"# `{rule}`\n")
