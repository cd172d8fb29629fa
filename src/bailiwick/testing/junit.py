"""Results of policy tests as JUnit XML, as CI systems read it: one suite per file, one test case per cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from bailiwick.testing.run import Ran

__all__ = ["junit"]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def junit(results: Sequence[Ran]) -> str:
    """A `testsuites` document."""
    files = dict.fromkeys(ran.case.file for ran in results)
    suites = "".join(_suite(file, [ran for ran in results if ran.case.file == file]) for file in files)
    head = _attributes(name="bailiwick policy test", **_counts(results))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites{head}>\n{suites}</testsuites>\n'


def _suite(file: str, results: Sequence[Ran]) -> str:
    head = _attributes(name=file, **_counts(results))
    return f"  <testsuite{head}>\n{''.join(map(_case, results))}  </testsuite>\n"


def _case(ran: Ran) -> str:
    head = _attributes(
        classname=ran.case.file,
        name=ran.case.title,
        file=ran.case.where.file,
        line=str(ran.case.where.line),
        time=_time(ran.seconds),
    )
    if ran.passed:
        return f"    <testcase{head}/>\n"
    told = "\n".join((*ran.wrong, ran.decision.explain()))
    failure = f"<failure{_attributes(message='; '.join(ran.wrong), type='policy')}>{escape(_xml(told))}</failure>"
    return f"    <testcase{head}>\n      {failure}\n    </testcase>\n"


def _counts(results: Sequence[Ran]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(not ran.passed for ran in results)),
        "errors": "0",
        "skipped": "0",
        "time": _time(sum(ran.seconds for ran in results)),
    }


def _attributes(**values: str) -> str:
    return "".join(f" {name}={quoteattr(_xml(value))}" for name, value in values.items())


def _time(seconds: float) -> str:
    return f"{seconds:.6f}"


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda found: f"\\u{{{ord(found.group()):x}}}", text)
