"""Links between the pages lead somewhere, and every page can be reached."""

from __future__ import annotations

import pytest

from tests.docs.markdown import ROOT, Page, pages

PAGES = {page.path: page for page in pages()}


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_links_resolve(page: Page) -> None:
    for link in page.links:
        if link.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        assert target.exists(), f"{page.name} links to {link}"
        assert ROOT in target.parents or target == ROOT, f"{page.name} links out of the project: {link}"
        if anchor:
            assert anchor in PAGES[target].anchors, f"{page.name} links to {link}, which has no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    seen = {ROOT / "README.md"}
    todo = list(seen)
    while todo:
        page = PAGES.get(todo.pop())
        if page is None:
            continue
        for link in page.links:
            target = (page.path.parent / link.partition("#")[0]).resolve()
            if target not in seen and target.suffix == ".md":
                seen.add(target)
                todo.append(target)
    assert PAGES.keys() <= seen, PAGES.keys() - seen
