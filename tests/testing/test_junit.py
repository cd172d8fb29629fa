"""JUnit XML, read back by a parser of XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from bailiwick.testing import junit
from tests.testing.desk import PARTS, planes_of, ran
from tests.worlds import FILES

EVERY = 'principals = ["alice", "eve"]\ncalls = ["read", "read-9", "mail", "put"]\n'
TEXT = (
    PARTS
    + f'[[matrix]]\nname = "<all> & \\"more\\""\n{EVERY}[[matrix]]\nname = "strange"\ncontext = "strange"\n{EVERY}'
    + '[matrix.expect.alice]\nread = "allow"\nmail = "needs_approval"\n"read-9" = "allow"\n'
)
RULES = FILES["policies/desk.cedar"].replace("Page 9 is closed.", "Page 9\\u{7} is <closed> & ]]>")


def test_what_a_ci_system_reads(tmp_path: Path) -> None:
    results = ran(planes_of(tmp_path, policies_desk_cedar=RULES), TEXT)
    text = junit(results)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    (suite,) = root.findall("testsuite")
    failed = sum(not one.passed for one in results)
    assert failed == 4, "alice may read and put, her mail is gated, and page 9 is closed"
    for element in (root, suite):
        assert (element.get("tests"), element.get("failures")) == ("16", str(failed))
        assert element.get("time") == "8.000000"
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [one.case.title for one in results]
    assert {case.get("classname") for case in cases} == {"tests/desk.toml"}
    assert {case.get("time") for case in cases} == {"0.500000"}
    assert cases[0].get("name") == '<all> & "more": alice → read'
    for case, one in zip(cases, results, strict=True):
        failure = case.find("failure")
        assert (failure is None) is one.passed
        if failure is not None:
            assert failure.get("message") == "; ".join(one.wrong)
            assert one.decision.reasons[0].message in (failure.text or "").replace("\\u{7}", "\x07")


def test_a_text_that_xml_cannot_hold(tmp_path: Path) -> None:
    results = ran(planes_of(tmp_path, policies_desk_cedar=RULES), TEXT)
    (bad,) = (one for one in results if one.case.asked.key == ("alice", "read-9", "strange"))
    assert not bad.passed
    assert "\x07" in bad.decision.explain()
    text = junit(results)
    assert "\x07" not in text
    assert "\\u{7}" in text
    ET.fromstring(text)
