"""What somebody else chose (a tool's name, a title, a text) neither steers a terminal nor hides from its reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bailiwick import ApprovalPending, Denied
from bailiwick.cli import cli
from bailiwick.cli.output import shown, shown_text
from tests.worlds import MAIL, Tool, asked, decisions, make_world, opened

ESCAPE = "\x1b[2J\x9b31m\u202e\x07"


def output(*words: str) -> str:
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in which a page, and a model that read it, chose what the log holds."""
    make_world(tmp_path)
    with opened(tmp_path) as session:
        page = [{"title": f"{ESCAPE}\nsound: all is well :bomb:", "id": "evil-77"}, f"first\nrelated: {ESCAPE}"]
        session.call("page.read", {"id": "1"}, run=Tool(page).run)
        for name, args in ((f"no{ESCAPE}tool", {}), ("put.safe", {"id": "evil-77"})):
            with pytest.raises(Denied):
                session.enter(name, args)
        with pytest.raises(ApprovalPending):
            session.enter("mail.send", {**MAIL, "body": f"Hello{ESCAPE} :bomb: [red]"})
    return tmp_path


def test_a_reader_of_log_and_requests_sees_characters_not_what_they_do(folder: Path) -> None:
    with opened(folder) as session:
        request = asked(session)[0]
    where: tuple[str, ...] = ("--as", "bob", "--dir", str(folder))
    said = [output("audit", "show", *where), output("approvals", "show", request, *where)]
    where = (*where, "--reveal")
    for event in decisions(folder):
        said.append(output("audit", "why", event.id, *where))
        said.extend(output("audit", "show", parent, *where) for parent in (event.id, *event.parents))
    text = "\n".join(said)
    assert not set(text) & set("\x1b\x9b\u202e\x07"), "no character of it reaches the terminal as it is"
    assert "\\u{1b}[2J" in text
    assert "Hello\\u{1b}[2J\\u{9b}31m\\u{202e}\\u{7} :bomb: [red]" in text, "no picture, and no colour"
    assert not any(line.startswith(("sound:", "first\nrelated:")) for line in text.splitlines())


def test_further_lines_of_a_text_do_not_pass_for_ours() -> None:
    assert shown("[bold]a\nb") == "\\[bold]a\\u{a}b"
    assert shown_text("a\nerror: b") == "a\n  | error: b"
