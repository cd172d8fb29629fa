"""The tools of these tests can fail: wrong output, wrong findings and ids that are not understood show."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.docs.expected import filled, match
from tests.docs.markdown import Page
from tests.docs.runner import Runner
from tests.docs.source_texts import Kind, Unknown, _Reader

APPROVAL = "apr-0123456789ab"


@pytest.mark.parametrize(
    ("printed", "real", "ids"),
    [
        ("granted\n", "granted\n", {}),
        ("granted\n", "granted   \n\n", {}),
        ("granted\n", "refused\n", None),
        ("granted\n", "granted\nand more\n", None),
        ("granted\n…\n", "granted\nand more\nand more\n", {}),
        ("…\nlast\n", "last\n", {}),
        ("a … c\n", "a b c\n", {}),
        ("a … c\n", "a b\n", None),
        ("APPROVAL_ID is granted\n", f"{APPROVAL} is granted\n", {"APPROVAL_ID": APPROVAL}),
        ("APPROVAL_ID is granted\n", "apr-1 is granted\n", None),
        ("", "", {}),
        ("", "something\n", None),
    ],
)
def test_output_matches_or_does_not(printed: str, real: str, ids: dict[str, str] | None) -> None:
    assert match(printed, real) == ids


def test_ids_are_put_into_later_commands() -> None:
    command = "bailiwick approvals approve APPROVAL_ID --as bob"
    assert filled(command, {"APPROVAL_ID": APPROVAL}) == f"bailiwick approvals approve {APPROVAL} --as bob"


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ false\n```\n",
        "```python\nprint('not shown')\n```\n",
        "```python\nprint('one')\n```\n\n```text output\ntwo\n```\n",
        "```python\nraise ValueError\n```\n",
        '```cedar\npermit (principal, action == Action::"kb.search", resource);\n```\n',
        '```cedar refused=missing-id\n@id("a") permit (principal, action == Action::"kb.search", resource);\n```\n',
        "```toml settings\nnothing = 1\n```\n",
        "```toml\n```\n",
        "```ruby\n```\n",
    ],
)
def test_a_page_that_is_wrong_is_caught(text: str, tmp_path: Path) -> None:
    page = Page(path=Path(__file__).with_name("page.md"))
    page.__dict__["text"] = text
    with Runner(tmp_path) as runner, pytest.raises(AssertionError, match=r"page\.md:"):
        runner.page(page)


def test_an_id_that_cannot_be_worked_out_is_an_error() -> None:
    source = "def refuse(code):\n    return Reason(code=made_up(code), message='No.')\n"
    with pytest.raises(Unknown):
        list(_Reader("guard.new", ast.parse(source)).read())


def test_an_id_is_found_through_names_and_callers() -> None:
    source = """
def _unknown(what):
    kind = what.split()[0]
    return Reason(code=f"unknown-{kind}", message=f"There is no {what}.", hint="Look." if what else "Look again.")

def one(): return _unknown("user of ours")
def two(): return _unknown("agent")
"""
    found = list(_Reader("guard.new", ast.parse(source)).read())
    assert found == [
        (Kind.REASON, "unknown-user", ["There is no user of ours."], ["Look.", "Look again."]),
        (Kind.REASON, "unknown-agent", ["There is no agent."], ["Look.", "Look again."]),
    ]
