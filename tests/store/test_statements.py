"""Pages of the index stay fast however many sessions there are: every filter reads an index in order."""

from __future__ import annotations

import sqlite3
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.store import sqlite
from hoopgw.store.interface import SessionFilter
from hoopgw.store.statements import PAGE_LIMIT, session_page

FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"subject": "a"},
    {"target": "t"},
    {"subject": "a", "target": "t"},
    {"protocol": "postgresql"},
    {"verdict": "refused"},
    {"verdict": "held"},
    {"verdict": "masked"},
    {"table": "pay.accounts"},
    {"live": True},
    {"live": False},
    {"since": 1.0, "until": 2.0},
    {"subject": "a", "before": (1.0, "s_1")},
    {"table": "pay.accounts", "before": (1.0, "s_1")},
)


class Pages(SynchronousTestCase):
    def test_no_sort_and_no_scan(self) -> None:
        """No filter sorts, and none reads the table from end to end; the bare page walks its index."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(connection.close)
        sqlite._migrate(connection)
        for wanted in FILTERS:
            statement, values = session_page(SessionFilter(**wanted))
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sqlite._sql(statement)}", values)]
            self.assertNotIn("B-TREE", " ".join(plan), wanted)
            for step in plan:
                self.assertRegex(step, "INDEX|PRIMARY KEY", wanted)

    def test_bounded(self) -> None:
        """No page is larger than the bound, whatever is asked for."""
        for limit, given in ((10**9, PAGE_LIMIT), (-1, 0), (7, 7)):
            self.assertEqual(session_page(SessionFilter(limit=limit))[1], [given])
