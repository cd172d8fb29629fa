"""What the pages about CrewAI print: the quickstart, and the example's own, with what was decided in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import pages
from tests.docs.runner import Runner
from tests.docs.test_pages import NEEDS_CREWAI
from tests.worlds import decisions


@pytest.mark.parametrize("name", NEEDS_CREWAI)
def test_what_the_page_prints_is_so(name: str, tmp_path: Path) -> None:
    (page,) = [page for page in pages() if page.name == name]
    with Runner(tmp_path) as runner:
        runner.page(page)


def test_the_example_keeps_its_agents_in_bounds(tmp_path: Path) -> None:
    (page,) = [page for page in pages() if page.name == "examples/crewai/README.md"]
    with Runner(tmp_path) as runner:
        runner.page(page)
        mails = decisions(runner.folder / "examples/crewai", "mail.send")
    links: list[Any] = [event.body["links"] for event in mails]
    chains = [tuple(link["link"] for link in each) for each in links]
    coordinator = ('User::"ana"', 'Agent::"coordinator"')
    assert chains == [(), *[coordinator] * 4], "the reader's mail is refused before rules are asked"
    assert [event.body["outcome"] for event in mails] == ["deny", "deny", "needs_approval", "needs_approval", "allow"]
