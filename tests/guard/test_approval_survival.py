"""What an approval outlives, and what ends it (promise 4): one table of what may happen between a yes and the call."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bailiwick import ApprovalPending, Denied
from tests.worlds import MAIL, Tool, approve, asked, edit, make_world, opened

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "approval_changes.toml").read_text(encoding="utf-8")
)["case"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_promise_4_what_an_approval_outlives(tmp_path: Path, case: dict[str, Any]) -> None:
    folder, quorum, tool = make_world(tmp_path), case.get("quorum", 1), Tool()
    if quorum > 1:
        edit(
            folder,
            "policies/desk.cedar",
            '@approvers("Group::leads")',
            f'@approvers("Group::leads") @quorum("{quorum}")',
        )
    with opened(folder) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=tool.run)
        for person in ("bob", "dora")[:quorum]:
            assert approve(session, asked(session)[0], person).code == ""
    for change in case.get("change", ()):
        edit(folder, change["path"], change["old"], change["new"])
    expected = case.get("expect", "")
    with opened(folder) as session:
        if not expected:
            session.call("mail.send", MAIL, run=tool.run)
            assert tool.runs == [MAIL]
            return
        how = Denied if case.get("outcome") == "deny" else ApprovalPending
        with pytest.raises(how) as refused:
            session.call("mail.send", MAIL, run=tool.run)
        assert type(refused.value) is how
        assert refused.value.decision is not None
        assert refused.value.decision.reasons[0].code == expected
        assert tool.runs == []
        assert len(asked(session)) == (1 if how is Denied else 2), "a request that nobody can use is not made"
