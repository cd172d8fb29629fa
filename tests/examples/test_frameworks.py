"""The example of each framework: one story, told by its page, which is run as it stands, each command a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import ROOT, pages
from tests.docs.runner import Runner
from tests.worlds import decisions

CHAINS = {
    "langchain": ("helper",),
    "langgraph": ("helper",),
    "openai_agents": ("front", "writer"),
    "autogen": ("clerk", "mailer"),
}
"""Through whom the mail of each example goes. CrewAI's is tested where CrewAI is installed, by tests/crewai."""


@pytest.mark.parametrize("name", CHAINS)
def test_what_the_page_of_an_example_prints_is_so(name: str, tmp_path: Path) -> None:
    (page,) = [page for page in pages() if page.name == f"examples/{name}/README.md"]
    with Runner(tmp_path) as runner:
        runner.page(page)
        folder = runner.folder / "examples" / name
    mails = decisions(folder, "mail.send")
    thief, *waited, sent = [event.body["outcome"] for event in mails]
    assert (thief, set(waited), sent) == ("deny", {"needs_approval"}, "allow")
    links: list[Any] = [event.body["links"] for event in mails]
    chain = ('User::"ana"', *(f'Agent::"{agent}"' for agent in CHAINS[name]))
    assert {tuple(link["link"] for link in each) for each in links} == {chain}


@pytest.mark.parametrize("name", [*CHAINS, "crewai"])
def test_the_examples_differ_in_their_agents_alone(name: str) -> None:
    """Whoever knows one reads only the program of the next."""
    first, other = ROOT / "examples/langchain", ROOT / "examples" / name
    for part in ("bailiwick.toml", "tools/greenhouse.toml", "administration/people.cedar"):
        assert (other / part).read_text(encoding="utf-8") == (first / part).read_text(encoding="utf-8")
