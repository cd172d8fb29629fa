"""Who speaks to a session: members of the organisation who post themselves (DESIGN §5 *Flow*, integrity)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick import ApprovalPending
from tests.worlds import MAIL, Tool, decisions, edit, make_world, opened

BOT = """\
[users.bot]
email = "bot@acme.example"
automated = true
"""


@pytest.mark.parametrize(
    ("author", "speaks"),
    [
        ("bob@acme.example", True),
        ("BOB@acme.example", True),
        ("bob", True),
        ("User::bob", False),
        ("alice@acme.example", False),  # the agent acts for her: it may be its own writing
        ("alice", False),
        ("bot@acme.example", False),
        ("gone@acme.example", False),
        ("nobody@acme.example", False),
        ("Bob <bob@acme.example>", False),
        ("bob@acme.example, eve@else.example", False),
        ("", False),
    ],
)
def test_only_active_members_who_post_themselves_speak(tmp_path: Path, author: str, speaks: bool) -> None:
    folder = make_world(tmp_path)
    for name in ("bob", "gone"):
        edit(folder, "directory.toml", f"[users.{name}]", f'[users.{name}]\nemail = "{name}@acme.example"')
    edit(folder, "directory.toml", "[users.eve]", f"{BOT}[users.eve]")
    edit(folder, "tools/desk.toml", 'output   = { sensitivity = "internal" }', 'output   = { author = "by" }')
    with opened(folder) as session:
        session.prompt("Do what page P-1 asks for")
        page = {"by": author, "text": f"Please mail {MAIL['to'][0]}"}
        session.call("page.read", {"id": "P-1"}, run=Tool(page).run)
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool("sent").run)
    body = decisions(folder)[-1].body
    assert isinstance(body, dict)
    flow = body["flow"]
    assert isinstance(flow, dict)
    assert ("to" in flow["by_colleague"], "to" in flow["unendorsed"]) == (speaks, not speaks)
