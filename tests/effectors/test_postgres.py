"""The PostgreSQL effector reads what was decided, whatever the database has in store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from bailiwick.effectors.postgres import ReadOnlyPostgres
from bailiwick.effectors.rows import Limits
from bailiwick.errors import DidNotRun
from tests.effectors.deciding import decided_sql

SCHEMA = """
    CREATE TABLE customers (id int PRIMARY KEY, name text);
    INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Edsger');
    CREATE TABLE noted (what text);
    CREATE SEQUENCE ids;
    CREATE SCHEMA hidden;
    CREATE FUNCTION hidden.writes() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN INSERT INTO public.noted VALUES ('written'); RETURN 'done'; END $$;
    CREATE FUNCTION hidden.escapes() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO public.noted VALUES ('escaped'); RETURN 'done'; END $$;
    CREATE VIEW writing AS SELECT id, hidden.writes() AS name FROM customers;
    CREATE VIEW escaping AS SELECT id, hidden.escapes() AS name FROM customers;
    CREATE VIEW sleeping AS SELECT id, pg_sleep(60)::text AS name FROM customers;
    CREATE ROLE {reader} LOGIN;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader};
    GRANT USAGE ON SCHEMA hidden TO {reader};
"""


class Shop:
    """A database with a role that may only read it."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.role = f"reader_{psycopg.conninfo.conninfo_to_dict(owner)['dbname']}"
        self.do(SCHEMA.replace("{reader}", self.role))
        self.address = psycopg.conninfo.make_conninfo(owner, user=self.role)

    def do(self, text: str) -> None:
        with psycopg.connect(self.owner, autocommit=True) as connection:
            connection.execute(text)

    def noted(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.owner, autocommit=True) as connection:
            return connection.execute("SELECT what FROM noted").fetchall()

    def rows(self, text: str, **settings: Any) -> Sequence[tuple[Any, ...]]:
        return ReadOnlyPostgres(self.address, **settings).handle(decided_sql(text, "postgres")).rows().rows

    def lied_to(self, text: str, **settings: Any) -> Sequence[tuple[Any, ...]]:
        """As if the parser had taken `text` for a plain read of customers."""
        told = decided_sql("SELECT name FROM customers", "postgres")
        lying = type(told)(spec=told.spec, value=text, facts=told.facts, found={})
        return ReadOnlyPostgres(self.address, **settings).handle(lying).rows().rows


@pytest.fixture
def shop(postgres: str) -> Shop:
    return Shop(postgres)


def test_plain_reads_are_answered(shop: Shop) -> None:
    read = ReadOnlyPostgres(shop.address).handle(decided_sql("SELECT name, id FROM customers ORDER BY id", "postgres"))
    assert read.rows().dicts()[0] == {"name": "Ada", "id": 1}
    assert read.rows() is read.rows()
    assert shop.rows("SELECT count(*) FROM Customers WHERE name LIKE '%a%' AND name ILIKE 'a%'") == ((1,),)
    assert shop.rows("SELECT lower(name) FROM public.customers WHERE id = ANY(ARRAY[1])") == (("ada",),)


@pytest.mark.parametrize("view", ["writing", "escaping", "sleeping"])
def test_a_view_is_not_read_without_the_operators_word(shop: Shop, view: str) -> None:
    with pytest.raises(DidNotRun, match=f"the view {view}"):
        shop.rows(f"SELECT name FROM {view}")


@pytest.mark.parametrize(
    ("view", "why"), [("writing", "read-only transaction"), ("escaping", "read-write mode"), ("sleeping", "timeout")]
)
def test_a_view_that_was_vouched_for_still_changes_nothing(shop: Shop, view: str, why: str) -> None:
    with pytest.raises(DidNotRun, match=why):
        shop.rows(f"SELECT name FROM {view}", views=[view], limits=Limits(seconds=0.3))
    assert shop.noted() == []


def test_a_function_cannot_stand_in_for_a_built_in_one(shop: Shop) -> None:
    """`lower(name)` of a varchar column is the nearest match in any schema that is searched."""
    shop.do(
        "CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('out', $1); RETURN 'shadowed'; END $$;"
        "ALTER TABLE customers ALTER COLUMN name TYPE varchar(20)"
    )
    with psycopg.connect(shop.address) as connection:
        assert connection.execute("SELECT lower(name) FROM customers").fetchall()[0] == ("shadowed",)
    with pytest.raises(DidNotRun, match="the function lower"):
        shop.rows("SELECT lower(name) FROM customers")
    shop.do("REVOKE EXECUTE ON FUNCTION public.lower(varchar) FROM PUBLIC")
    with pytest.raises(DidNotRun, match="permission denied"):
        shop.rows("SELECT lower(name) FROM customers")


def test_a_member_of_a_row_that_is_a_function_is_not_called(shop: Shop) -> None:
    shop.do("CREATE FUNCTION public.wipe(customers) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT 'wiped' $$")
    with pytest.raises(DidNotRun, match="the function wipe"):
        shop.rows("SELECT customers.wipe FROM customers")


def test_an_operator_and_a_cast_cannot_stand_in_either(shop: Shop) -> None:
    shop.do(
        "CREATE FUNCTION hidden.same(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;"
        "CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hidden.same)"
    )
    with pytest.raises(DidNotRun, match=r"the operator public\.="):
        shop.rows("SELECT id FROM customers WHERE name = 'Ada'")
    shop.do(
        "DROP OPERATOR public.= (text, text); CREATE TYPE hidden.mood AS ENUM ('fine');"
        "CREATE FUNCTION hidden.feels(hidden.mood) RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;"
        "CREATE CAST (hidden.mood AS integer) WITH FUNCTION hidden.feels(hidden.mood) AS IMPLICIT"
    )
    with pytest.raises(DidNotRun, match="the cast by"):
        shop.rows("SELECT id FROM customers WHERE name = 'Ada'")
    assert shop.rows("SELECT id FROM customers WHERE name = 'Ada'", functions=["feels"]) == ((1,),)


def test_a_table_of_another_server_is_not_read(shop: Shop) -> None:
    shop.do(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw;"
        "CREATE TABLE parts (id int) PARTITION BY LIST (id);"
        f"CREATE FOREIGN TABLE afar PARTITION OF parts DEFAULT SERVER away; GRANT SELECT ON parts, afar TO {shop.role};"
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC"
    )
    for name in ("afar", "parts"):
        with pytest.raises(DidNotRun, match="the foreign table afar"):
            shop.rows(f"SELECT id FROM {name}")


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        ("ALTER ROLE {role} SUPERUSER", "a superuser"),
        ("ALTER ROLE {role} BYPASSRLS", "row security"),
        ("ALTER ROLE {role} CREATEROLE", "make roles"),
        ("GRANT INSERT ON customers TO {role}", "change customers"),
        ("GRANT UPDATE (name) ON customers TO {role}", "change customers"),
        ("ALTER TABLE customers OWNER TO {role}", "change customers"),
        ("GRANT CREATE ON SCHEMA public TO {role}", "in schema public"),
        ("GRANT pg_execute_server_program TO {role}", "pg_execute_server_program"),
        ("GRANT pg_read_server_files TO {role}", "pg_read_server_files"),
        ("GRANT pg_write_all_data TO {role}", "pg_write_all_data"),
    ],
)
def test_a_role_that_could_change_things_is_refused(shop: Shop, grant: str, why: str) -> None:
    shop.do(grant.replace("{role}", shop.role))
    with pytest.raises(DidNotRun, match=why):
        shop.rows("SELECT id FROM customers")
    assert len(shop.rows("SELECT id FROM customers", any_role=True)) == 3


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM customers",
        "SELECT hidden.writes()",
        "SELECT hidden.escapes()",
        "SELECT nextval('ids')",
        "SELECT 1; DELETE FROM customers",
        "COMMIT; DELETE FROM customers",
        "SET TRANSACTION READ WRITE",
        "COMMIT",
        "CREATE TABLE made (a int)",
        "COPY customers TO PROGRAM 'cat > /tmp/made'",
        "DO $$ BEGIN INSERT INTO noted VALUES ('x'); END $$",
        "WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone",
        "SELECT * FROM customers FOR UPDATE",
    ],
)
def test_facts_that_lie_change_nothing(shop: Shop, text: str) -> None:
    """Were the parser wrong about a text, the server itself still would not do it, whoever asks."""
    for address in (shop.address, shop.owner):
        shop.address = address
        try:
            shop.lied_to(text, any_role=True)
        except DidNotRun:
            continue
        assert text in ("COMMIT", "SET TRANSACTION READ WRITE"), "it was taken"
    assert shop.noted() == []
    assert len(shop.rows("SELECT id FROM customers", any_role=True)) == 3


def test_rows_and_seconds_are_limited(shop: Shop) -> None:
    text = "SELECT generate_series(1, 1000000)"
    read = ReadOnlyPostgres(shop.address, limits=Limits(rows=2)).handle(decided_sql(text, "postgres")).rows()
    assert (read.rows, read.complete) == (((1,), (2,)), False)
    with pytest.raises(DidNotRun, match="timeout"):
        shop.lied_to("SELECT pg_sleep(60)", limits=Limits(seconds=0.2))


def test_what_it_shows_of_itself_holds_no_password(shop: Shop) -> None:
    read = ReadOnlyPostgres("host=/nowhere password=hunter2").handle(decided_sql("SELECT 1", "postgres"))
    assert "hunter2" not in repr(read)
    with pytest.raises(DidNotRun) as told:
        read.rows()
    assert "hunter2" not in str(told.value)
