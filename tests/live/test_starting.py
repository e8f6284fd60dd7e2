"""What a PostgreSQL client sets as it logs in is judged as the SET that it stands for."""

from __future__ import annotations

from typing import ClassVar

import psycopg

from hoopgw.cli.demo.shop import WRITER
from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

RULES = """
[mask.mails]
columns = ["pay.people.email"]
show = "none"
[guardrail.secret]
tables = ["pay.secret"]
then = "refuse"
reason = "nobody's business"
[guardrail.set]
statement = ["set"]
roles = ["reader"]
then = "refuse"
reason = "readers set nothing"
"""
SCHEMA = f"""
CREATE SCHEMA pay AUTHORIZATION {WRITER}; SET ROLE {WRITER};
CREATE TABLE pay.people (id int, email text); INSERT INTO pay.people VALUES (1, '424242@x');
CREATE TABLE pay.secret (id int); CREATE TABLE pay.plain (id int);
"""


class AtLogin(LiveCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-pay.toml": RULES}, shipped_guardrails=False)
    _made: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        if not AtLogin._made:
            with psycopg.connect(self.stage.direct_url(), autocommit=True) as direct:
                direct.execute(SCHEMA.encode())
            AtLogin._made = True

    def begin(self, options: str, role: str = "writer") -> psycopg.pq.abc.PGconn:
        return self.connect(role, options=options).pgconn

    def test_path(self) -> None:
        """It says what is meant from the first statement on, also after DISCARD ALL; a rule and a mask hold."""
        link = self.begin("-csearch_path=pay")
        for _ in range(2):
            self.assertEqual(link.exec_(b"select * from plain").error_message, b"")
            self.assertEqual(link.exec_(b"select email from people").get_value(0, 0), b"*" * 8)
            self.assertIn(b"nobody's business", link.exec_(b"select * from secret").error_message)
            link.exec_(b"discard all")
        self.assertEqual(link.exec_(b"show search_path").get_value(0, 0), b"pay")

    def test_others(self) -> None:
        """What a SET may set may be set, and a RESET goes back to that."""
        link = self.begin("-cwork_mem=5MB -c app.tenant=it\\ is --default-transaction-read-only=on")
        link.exec_(b"set work_mem = '1MB'; reset work_mem")
        shown = b"select current_setting('work_mem') || current_setting('app.tenant')"
        self.assertEqual(link.exec_(shown).get_value(0, 0), b"5MBit is")
        self.assertIn(b"read-only", link.exec_(b"create table pay.x ()").error_message)

    def test_refused(self) -> None:
        """must-survive 9: by what holds without rules, or by the target in its own words; nobody becomes another."""
        for options, words in (
            ("-crole=postgres", "stays as the grant says"),
            ("-csession_authorization=postgres", "stays as the grant says"),
            ("-cstandard_conforming_strings=off", "stays on"),
            ("-cuser=postgres", "is not taken at login"),
            ("-cno_such_thing=1", 'unrecognized configuration parameter "no_such_thing"'),
            ("-cwork_mem=much", 'invalid value for parameter "work_mem"'),
        ):
            with self.assertRaises(psycopg.OperationalError) as caught:
                self.begin(options)
            self.assertIn(words, str(caught.exception))

    def test_rule(self) -> None:
        """A rule about SET holds there too, but not for what drivers send unasked."""
        with self.assertRaisesRegex(psycopg.OperationalError, "work_mem is refused: readers set nothing"):
            self.begin("-cwork_mem=5MB", "reader")
        self.assertEqual(self.begin("-cdatestyle=ISO", "reader").exec_(b"select 1").get_value(0, 0), b"1")
