"""must-survive 18: a statement that the closed list does not know is refused, whatever the rules are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy import sql_statement
from hoopgw.policy.sql import analyse
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_nodes import EFFECTS_OF
from hoopgw.session.sqlbuiltin import built_in


class Unknown(SynchronousTestCase):
    def test_without_any_rule(self) -> None:
        """Also inside EXPLAIN, and beside statements that are known."""
        self.patch(
            sql_statement,
            "EFFECTS_OF",
            {kind: does for kind, does in EFFECTS_OF.items() if kind != "RefreshMatViewStmt"},
        )
        for text in (
            "refresh materialized view x",
            "explain analyze refresh materialized view x",
            "select 1; refresh materialized view x",
        ):
            verdict = built_in(analyse(text.encode(), None, NameContext()))
            self.assertEqual([refusal.guardrail for refusal in verdict.refusals], ["built-in:grammar"], text)
            self.assertFalse(verdict.keep)

    def test_known(self) -> None:
        """Names that are not in the catalogue are not such a statement: rules that name tables speak of those."""
        for text in ("select * from nowhere", "explain select * from nowhere", "prepare p as select * from nowhere"):
            self.assertTrue(built_in(analyse(text.encode(), None, NameContext())).plain, text)
