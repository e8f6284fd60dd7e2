"""What is taken out of a regression script, and what stays."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.session.sqlbuiltin import DECLARED_HERE
from tests.regress.rewriting import as_postgresql, without_roles


class Rewriting(SynchronousTestCase):
    def test_taken_out(self) -> None:
        for text in (
            b"SET ROLE regress_user;",
            b"set session authorization 'a';",
            b"SET SESSION AUTHORIZATION DEFAULT;",
            b"  set local role x;",
            b"set session_replication_role = replica;",
            b"SET standard_conforming_strings TO off;",
        ):
            self.assertEqual(without_roles(text + b"\nselect 1;").strip(), b"select 1;", text)
        self.assertEqual(without_roles(b"\\c - other\n\\connect db\n"), b"\\c -\n\\c -\n")

    def test_stays(self) -> None:
        for text in (
            b"set datestyle to 'ISO';",
            b"select 'set role x;';",
            b"reset role;",
            b"\\copy t from stdin",
            b"set standard_conforming_strings to on;",
            b"\\c",
        ):
            self.assertEqual(without_roles(text), text)

    def test_of_a_mistake_in_the_text(self) -> None:
        """DETAIL and HINT of the gateway's go; those of any other refusal stay, and are a difference."""
        said = 'ERROR:  syntax error at or near "x"\nLINE 1: x\n'
        detail = 'DETAIL:  {"decision": "refused", "guardrails": ["built-in:grammar"], "reason": "…"}\n'
        hint = "HINT:  statements are read here by the grammar of PostgreSQL 17\n"
        self.assertEqual(as_postgresql(said + detail + hint), said)
        names = detail.replace("grammar", "names") + f"HINT:  {DECLARED_HERE}\n"
        self.assertEqual(as_postgresql(said + names), said)
        other = detail.replace("grammar", "settings")
        self.assertEqual(as_postgresql(said + other), said + other)
