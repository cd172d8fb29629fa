"""The line of every key of a TOML file."""

from __future__ import annotations

import pytest

from bailiwick.errors import ProjectError
from bailiwick.model.toml_lines import TomlText

TEXT = '''# a comment
top = 1
[tools."crm.get"]
names = ["a", # not ] yet
  "b"]
args.id = { type = "string", role = "selector" }
doc = """
[not.a.table]
k = 1
"" """
'a "key"' = 'c:\\d'

[[users]]
id = "a"
[[users]]
id = "b"
[users.more]
x = 2
z.y = [ {a = 1},
  {a = 2, b = 'q]'} ]
'''

LINES: list[tuple[tuple[str | int, ...], int]] = [
    (("top",), 2),
    (("tools",), 3),
    (("tools", "crm.get"), 3),
    (("tools", "crm.get", "names"), 4),
    (("tools", "crm.get", "names", 0), 4),
    (("tools", "crm.get", "names", 1), 5),
    (("tools", "crm.get", "args"), 6),
    (("tools", "crm.get", "args", "id", "role"), 6),
    (("tools", "crm.get", "args", "unwritten"), 6),
    (("tools", "crm.get", "unwritten"), 3),
    (("tools", "crm.get", "doc"), 7),
    (("tools", "crm.get", 'a "key"'), 11),
    (("users", 0), 13),
    (("users", 0, "id"), 14),
    (("users", 1, "id"), 16),
    (("users", 1, "more", "x"), 18),
    (("users", 1, "more", "z", "y", 1, "b"), 20),
    (("k",), 0),
    ((), 0),
]


@pytest.mark.parametrize(("keys", "line"), LINES, ids=lambda value: str(value))
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_where_a_key_is_written(keys: tuple[str | int, ...], line: int, newline: str) -> None:
    where = TomlText.parse("x.toml", TEXT.replace("\n", newline)).where(*keys)
    assert (where.file, where.line) == ("x.toml", line)


BROKEN = [
    ("no value", "a =", 1),
    ("second value", "a = 1\n\na = 2\n", 3),
    ("open string", 'a = 1\nb = "x\n', 2),
    ("open list at the end", "a = 1\n\nb = [[", 3),
    ("lone surrogate", "a = '\ud800'", 1),
    ("too deep", "a = " + "[" * 5000, 1),
]


@pytest.mark.parametrize(("name", "text", "line"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_what_is_not_toml_says_where(name: str, text: str, line: int) -> None:
    with pytest.raises(ProjectError) as raised:
        TomlText.parse("x.toml", text)
    (finding,) = raised.value.findings
    assert (finding.rule, finding.where.file, finding.where.line) == ("toml-syntax", "x.toml", line)
    assert finding.hint
