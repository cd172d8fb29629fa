"""What the desk's agents can do: plain functions on real data. They know nothing of agents, rules or bailiwick.

Each tool does what it says for whoever calls it. The few checks here keep a tool from breaking itself (a note's name
is a name, a query runs on a read-only connection); who may call it, and with what, is not decided here.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from desk.data import Desk
from desk.mail import compose, deliver

__all__ = ["Row", "Tools"]

Row = dict[str, Any]
"""One record: column or field name to a string, number or None."""

ROW_LIMIT: Final = 200
HIT_LIMIT: Final = 3
FIELDS: Final = ("name", "email", "company", "plan", "notes")
NOTE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,60}")


class Tools:
    """The tools of one desk, as methods: the name, the signature and the docstring are what an agent's model sees."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def all(self) -> tuple[Callable[..., object], ...]:
        """Every tool, for a framework to wrap."""
        return (
            self.kb_search,
            self.get_customer,
            self.search_customers,
            self.update_customer,
            self.query_db,
            self.hr_salaries,
            self.draft_email,
            self.send_email,
            self.save_note,
            self.read_note,
        )

    def kb_search(self, query: str) -> list[Row]:
        """Search the knowledge base. Returns the best articles, each with id, title and text."""
        words = re.findall(r"\w+", query)
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in words)
        return self._select(
            self._desk.knowledge,
            "SELECT id, title, text FROM articles WHERE articles MATCH ? ORDER BY bm25(articles, 0, 4, 1), id LIMIT ?",
            (match, HIT_LIMIT),
        )

    def get_customer(self, id: str) -> Row:  # noqa: A002
        """Read one customer by number: name, email, company, plan, balance_cents, notes."""
        rows = self._select(self._desk.database, "SELECT * FROM customers WHERE id = ?", (id,))
        if not rows:
            raise LookupError(f"there is no customer {id}")
        return rows[0]

    def search_customers(self, query: str, limit: int = 10) -> list[Row]:
        """Find customers by a part of their name, email or company. Returns id, name, email and company of each."""
        like = "%" + re.sub(r"([%_\\])", r"\\\1", query) + "%"
        return self._select(
            self._desk.database,
            r"SELECT id, name, email, company FROM customers WHERE name LIKE ? ESCAPE '\' OR email LIKE ? ESCAPE '\' "
            r"OR company LIKE ? ESCAPE '\' ORDER BY id LIMIT ?",
            (like, like, like, min(limit, ROW_LIMIT)),
        )

    def update_customer(self, id: str, field: str, value: str) -> Row:  # noqa: A002
        """Change one field of a customer: name, email, company, plan or notes. Returns the changed record."""
        if field not in FIELDS:
            raise ValueError(f"a customer has no field {field!r} that can be changed; there are {', '.join(FIELDS)}")
        with closing(sqlite3.connect(self._desk.database)) as database, database:
            database.execute(f"UPDATE customers SET {field} = ? WHERE id = ?", (value, id))  # noqa: S608 - from FIELDS
        return self.get_customer(id)

    def query_db(self, sql: str) -> list[Row]:
        """Run an SQL query on the desk's database (tables customers, tickets). Returns the rows."""
        return self._select(self._desk.database, sql)

    def hr_salaries(self, department: str) -> list[Row]:
        """List the salaries of a department: name, title, salary_cents."""
        return self._select(
            self._desk.database,
            "SELECT name, title, salary_cents FROM employees WHERE department = ? ORDER BY salary_cents DESC",
            (department,),
        )

    def draft_email(self, to: list[str], subject: str, body: str) -> Row:
        """Write a mail as a draft, without sending it. Returns the draft's file name."""
        number = 1 + sum(1 for _ in self._desk.drafts.glob("*.eml"))
        path = self._desk.drafts / f"{number:04}.eml"
        with path.open("xb") as file:
            file.write(compose(self._desk.sender, to, subject, body).as_bytes())
        return {"draft": path.name}

    def send_email(self, to: list[str], subject: str, body: str) -> Row:
        """Send a mail. Returns its message id and recipients."""
        message = compose(self._desk.sender, to, subject, body)
        deliver(message, port=self._desk.smtp_port)
        return {"message_id": str(message["Message-ID"]), "to": to}

    def save_note(self, name: str, text: str) -> Row:
        """Keep a text as a new note under a name of letters, digits, spaces, - and _. Returns the name."""
        with self._note(name).open("x", encoding="utf-8") as file:
            file.write(text)
        return {"name": name}

    def read_note(self, name: str) -> Row:
        """Read a note by its name. Returns name and text."""
        return {"name": name, "text": self._note(name).read_text(encoding="utf-8")}

    def _note(self, name: str) -> Path:
        if not NOTE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a note: letters, digits, spaces, - and _, at most 61 of them")
        return self._desk.notes / f"{name}.txt"

    @staticmethod
    def _select(path: Path, sql: str, parameters: tuple[object, ...] = ()) -> list[Row]:
        """Rows of one statement on a read-only connection: whatever the statement says, it changes nothing."""
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql, parameters).fetchmany(ROW_LIMIT)]
