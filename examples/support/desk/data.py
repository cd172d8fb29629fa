"""The desk's data: customers, tickets and employees in SQLite, the knowledge base in SQLite FTS5.

Built from a fixed seed, so that two builds hold the same rows. Customer 42 is Ada Marsh; her ticket is number 4711.
The articles are the Markdown files in `kb/` beside this package: the file's name is the article's id.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["CUSTOMERS", "DEPARTMENTS", "Desk", "build_desk"]

CUSTOMERS: Final = 3000
TICKETS: Final = 900
DEPARTMENTS: Final = ("engineering", "finance", "sales", "support")
ARTICLES: Final = Path(__file__).parent.parent / "kb"
SEED: Final = 4711

FIRST: Final = (
    "Ada Alma Amir Anouk Bela Bruno Carla Chidi Dana Dimitri Edda Elif Emil Farah Felix Greta Hana Hugo Ida Ines Ivo "
    "Jana Jonas Kaya Lea Levi Lina Malik Mara Milo Nadia Noor Olga Omar Paula Quinn Rana Remy Sami Selma Tariq Thea "
    "Uma Vito Wanda Xenia Yara Zoe"
).split()
LAST: Final = (
    "Abel Adler Bauer Becker Conti Costa Dahl Duarte Egger Eriksen Farkas Fischer Grant Gruber Haas Hansen Ito Jansen "
    "Kaur Keller Lang Lopez Maier Marsh Mertens Nagy Novak Okafor Olsen Petrov Quist Rossi Roth Sato Silva Tanaka "
    "Toth Ueda Vogel Weber Winter Yilmaz Young Zeman"
).split()
COMPANY: Final = (
    "Alder Amber Anchor Birch Bright Cedar Cinder Cobalt Copper Delta Ember Fjord Granite Harbor Helix Indigo Juniper "
    "Kestrel Lagoon Linden Maple Meridian Nimbus Onyx Orchard Pioneer Quarry Ridge Saffron Summit Tidal Umber Vesper "
    "Willow Zephyr"
).split()
TRADE: Final = ("Foods", "Freight", "Health", "Labs", "Media", "Optics", "Press", "Retail", "Textiles", "Works")
NOTES: Final = (
    "Prefers to be called in the morning.",
    "Asked for the invoice as PDF.",
    "Moved to a new office in spring.",
    "Renewal is handled by their finance team.",
    "Had trouble with the export in March, solved.",
    "",
    "",
)
SUBJECTS: Final = (
    "Cannot sign in after password reset",
    "Invoice shows the wrong address",
    "How do I add a seat?",
    "Export stops at 50 %",
    "Refund for a double charge",
    "Webhook delivers twice",
    "Please cancel the trial",
)
TITLES: Final = {
    "engineering": ("Engineer", "Senior Engineer", "Staff Engineer"),
    "finance": ("Accountant", "Controller"),
    "sales": ("Account Executive", "Sales Engineer"),
    "support": ("Support Agent", "Support Lead"),
}

SCHEMA: Final = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, company TEXT NOT NULL, plan TEXT NOT NULL,
    balance_cents INTEGER NOT NULL, notes TEXT NOT NULL
);
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id), subject TEXT NOT NULL,
    status TEXT NOT NULL, opened TEXT NOT NULL
);
CREATE TABLE employees (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, department TEXT NOT NULL, title TEXT NOT NULL,
    salary_cents INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where the desk keeps its things. `smtp_port` is a mail server on 127.0.0.1 (`desk.mail.MailServer`)."""

    root: Path
    smtp_port: int
    sender: str = "support@northwind.example"

    @property
    def database(self) -> Path:
        return self.root / "desk.db"

    @property
    def knowledge(self) -> Path:
        return self.root / "kb.db"

    @property
    def mailbox(self) -> Path:
        """What the mail server received."""
        return self.root / "mailbox.mbox"

    @property
    def drafts(self) -> Path:
        return self.root / "drafts"

    @property
    def notes(self) -> Path:
        return self.root / "notes"


def build_desk(root: Path, *, smtp_port: int) -> Desk:
    """Make the folders and databases under `root` that are not there yet, and say where they are."""
    desk = Desk(root=root, smtp_port=smtp_port)
    for folder in (root, desk.drafts, desk.notes):
        folder.mkdir(parents=True, exist_ok=True)
    if not desk.database.exists():
        _build(desk.database, _fill_database)
    if not desk.knowledge.exists():
        _build(desk.knowledge, _fill_knowledge)
    return desk


def _build(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Fill a database beside its final name and move it there whole, so that a build that was broken off shows."""
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished)) as database, database:
        fill(database)
    unfinished.replace(path)


def _fill_database(database: sqlite3.Connection) -> None:
    chance = random.Random(SEED)
    database.executescript(SCHEMA)
    database.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)", _customers(chance))
    database.executemany("INSERT INTO tickets VALUES (?, ?, ?, ?, ?)", _tickets(chance))
    database.executemany("INSERT INTO employees VALUES (?, ?, ?, ?, ?)", _employees(chance))


def _customers(chance: random.Random) -> Iterator[tuple[int, str, str, str, str, int, str]]:
    for number in range(1, CUSTOMERS + 1):
        first, last = ("Ada", "Marsh") if number == 42 else (chance.choice(FIRST), chance.choice(LAST))
        word, trade = chance.choice(COMPANY), chance.choice(TRADE)
        email = f"{first}.{last}@{word}-{trade}.example".lower()
        plan = chance.choices(("free", "team", "business"), weights=(5, 3, 2))[0]
        balance = 0 if plan == "free" else chance.randrange(-20_000, 250_000)
        yield number, f"{first} {last}", email, f"{word} {trade}", plan, balance, chance.choice(NOTES)


def _tickets(chance: random.Random) -> Iterator[tuple[int, int, str, str, str]]:
    yield 4711, 42, "Refund to a card that has been closed", "open", "2026-03-02"
    for number in range(5000, 5000 + TICKETS - 1):
        opened = f"2026-{chance.randrange(1, 4):02}-{chance.randrange(1, 28):02}"
        status = chance.choice(("open", "waiting", "solved"))
        yield number, chance.randrange(1, CUSTOMERS + 1), chance.choice(SUBJECTS), status, opened


def _employees(chance: random.Random) -> Iterator[tuple[int, str, str, str, int]]:
    number = 0
    for department in DEPARTMENTS:
        for _ in range(12):
            number += 1
            name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
            title = chance.choice(TITLES[department])
            yield number, name, department, title, chance.randrange(52_000, 138_000, 500) * 100


def _fill_knowledge(database: sqlite3.Connection) -> None:
    database.execute("CREATE VIRTUAL TABLE articles USING fts5(id UNINDEXED, title, text, tokenize = 'porter')")
    database.executemany("INSERT INTO articles VALUES (?, ?, ?)", _articles())


def _articles() -> Iterator[tuple[str, str, str]]:
    for path in sorted(ARTICLES.glob("*.md")):
        title, _, text = path.read_text(encoding="utf-8").partition("\n")
        yield path.stem, title.removeprefix("# ").strip(), text.strip()
