"""must-survive 17: what a transaction has changed opens no forbidden table and takes no mask away, while it is open."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import psycopg

from hoopgw.cli.demo.shop import WRITER
from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

# The rule is about reading only: it lets the changes through, and the role owns everything
RULES = """
[guardrail.secrets]
tables = ["pay.secret"]
access = "read"
then = "refuse"

[mask.mails]
columns = ["pay.people.email"]
show = "none"
"""
SCHEMA = f"""
CREATE SCHEMA pay AUTHORIZATION {WRITER}; CREATE SCHEMA other AUTHORIZATION {WRITER};
GRANT CREATE ON SCHEMA public TO {WRITER}; GRANT CREATE ON DATABASE shop TO {WRITER};
SET ROLE {WRITER};
CREATE TABLE pay.secret (id int, amount int); INSERT INTO pay.secret VALUES (1, 424242);
CREATE TABLE pay.dull (id int, amount int); INSERT INTO pay.dull VALUES (1, 7);
CREATE TABLE pay.people (id int, name text, email text); INSERT INTO pay.people VALUES (1, 'ann', '424242@x');
CREATE TABLE pay.parts (id int, amount int) PARTITION BY LIST (id);
CREATE TABLE other.secret (id int, amount int); INSERT INTO other.secret VALUES (1, 7);
CREATE VIEW pay.plain AS SELECT id, amount FROM pay.dull;
CREATE FUNCTION pay.few() RETURNS SETOF int LANGUAGE sql AS 'SELECT amount FROM pay.dull';
"""
HIDDEN = "424242"
SWAPPED = (
    "alter table pay.secret rename to x",
    "alter table pay.dull rename to secret",
    "alter table pay.x rename to dull",
)
CASES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("alter table pay.secret rename to opened",), "select * from pay.opened"),
    (("alter table pay.secret rename to opened",), "copy pay.opened to stdout"),
    (("alter table pay.secret rename to opened",), "update pay.opened set id = id returning amount"),
    (("alter table pay.secret set schema public",), "select * from public.secret"),
    (("alter table pay.secret set schema public",), "select * from secret"),
    (SWAPPED, "select * from pay.dull"),
    (("create view pay.v as select * from pay.secret",), "select * from pay.v"),
    (("create or replace view pay.plain as select id, amount from pay.secret",), "select * from pay.plain"),
    (
        (
            "create or replace function pay.few() returns setof int language sql as"
            " 'select amount from pay.secret'",
        ),
        "select pay.few()",
    ),
    (("alter schema pay rename to shown",), "select * from shown.secret"),
    (
        ("alter schema pay rename to gone", "alter schema other rename to pay", "alter schema gone rename to other"),
        "select * from other.secret",
    ),
    (("alter table pay.secret inherit pay.dull",), "select * from pay.dull"),
    (("alter table pay.parts attach partition pay.secret for values in (1)",), "select * from pay.parts"),
    (("do $$ begin execute 'alter table pay.sec' || 'ret rename to opened'; end $$",), "select * from pay.opened"),
    (("alter table pay.people rename column email to e",), "select e from pay.people"),
    (("alter table pay.people rename to folk",), "select row_to_json(f) from pay.folk f"),
    (("alter table pay.people set schema public",), "select email from public.people"),
    (("create view pay.vp as select id || email as x from pay.people",), "select x from pay.vp"),
    (("alter table pay.people add e2 text generated always as (email) stored",), "select e2 from pay.people"),
)  # fmt: skip


class Opened(LiveCase):
    """The shipped rules against changes of the schema are left out: rule and mask hold by themselves."""

    options: ClassVar[Options] = Options(more={"guardrails.d/90-pay.toml": RULES}, shipped_guardrails=False)
    _made: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        if not Opened._made:
            with psycopg.connect(self.stage.direct_url(), autocommit=True) as direct:
                direct.execute(SCHEMA.encode())
            Opened._made = True

    def held(self, changes: tuple[str, ...], text: str, binary: bool = False, prepared: bool = False) -> None:
        """The last of them or an earlier one is refused, by the gateway; nothing hidden is shown."""
        connection = self.connect("writer", autocommit=False)
        cursor = connection.cursor()
        if prepared:  # while its names still mean something else
            with contextlib.suppress(psycopg.DatabaseError):  # there is no such name yet, or it may not be read at all
                connection.execute(text.encode(), prepare=True)
            connection.rollback()
        with self.assertRaises(psycopg.DatabaseError, msg=(changes, text)) as caught:
            for change in changes:
                cursor.execute(change.encode(), binary=binary)
            self.fail((changes, self.rows(cursor, text, binary, prepared)))
        self.assertIn('"decision": "refused"', caught.exception.diag.message_detail or "", (changes, text))
        connection.rollback()
        connection.close()

    def rows(self, cursor: psycopg.Cursor[Any], text: str, binary: bool, prepared: bool) -> Any:
        if text.startswith("copy"):
            with cursor.copy(text.encode()) as copy:
                return [bytes(piece) for piece in copy]
        return cursor.execute(text.encode(), binary=binary, prepare=prepared).fetchall()

    def test_there_is_something_to_hide(self) -> None:
        """Direct, the same shows it: a case that cannot fail would show nothing."""
        for changes, text in CASES:
            with psycopg.connect(self.stage.direct_url()) as direct:
                direct.execute(f"set role {WRITER}".encode())
                for change in changes:
                    direct.execute(change.encode())
                self.assertIn(HIDDEN, repr(self.rows(direct.cursor(), text, False, False)), text)
                direct.rollback()

    def test_simple_queries(self) -> None:
        for changes, text in CASES:
            self.held(changes, text)

    def test_extended_protocol(self) -> None:
        for changes, text in CASES:
            self.held(changes, text, binary=not text.startswith("copy"))

    def test_prepared_before(self) -> None:
        """A statement that was prepared while its names meant something else."""
        for changes, text in CASES:
            self.held(changes, text, prepared=True)

    def test_one_text(self) -> None:
        """All of them in one Query."""
        for changes, text in CASES:
            connection = self.connect("writer", autocommit=False)
            with self.assertRaises(psycopg.DatabaseError, msg=text) as caught:
                connection.execute("; ".join((*changes, text)).encode())
            self.assertIn('"decision": "refused"', caught.exception.diag.message_detail or "", (changes, text))
            connection.close()

    def test_a_change_that_fails(self) -> None:
        """It leaves no doubt behind: the names of the session are known as before."""
        connection = self.connect("writer")
        for failing in ("alter table pay.nowhere rename to x", "alter table pay.dull rename column nowhere to x"):
            with self.assertRaises(psycopg.DatabaseError):
                connection.execute(failing.encode())
            self.assertEqual(connection.execute("select amount from pay.dull").fetchall(), [(7,)])
