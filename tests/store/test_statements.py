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

# By the filters: the index that must be read where several are combined
COMBINED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"subject": "a", "verdict": "held"}, "sessions_held_subject"),
    ({"target": "t", "verdict": "held"}, "sessions_held_target"),
    ({"target": "t", "verdict": "refused"}, "sessions_refused_target"),
    ({"target": "t", "live": True}, "sessions_live_target"),
    ({"subject": "a", "live": True}, "sessions_live_subject"),
    ({"subject": "a", "protocol": "ssh"}, "sessions_subject"),
    ({"target": "t", "protocol": "ssh"}, "sessions_target"),
    ({"verdict": "refused", "protocol": "ssh"}, "sessions_refused"),
    ({"live": True, "protocol": "ssh"}, "sessions_live"),
    ({"live": True, "verdict": "masked"}, "sessions_live"),
    ({"target": "t", "verdict": "masked"}, "sessions_masked_target"),
    ({"subject": "a", "verdict": "masked"}, "sessions_masked_subject"),
    ({"protocol": "ssh", "verdict": "masked"}, "sessions_masked"),
    ({"subject": "a", "target": "t", "protocol": "ssh"}, "sessions_both"),
    ({"subject": "a", "target": "t", "verdict": "masked"}, "sessions_masked_both"),
    ({"subject": "a", "target": "t", "verdict": "held"}, "sessions_held_subject"),
    ({"subject": "a", "target": "t", "live": True}, "sessions_live_subject"),
    ({"table": "pay.accounts", "subject": "a"}, "session_tables_subject"),
    ({"table": "pay.accounts", "subject": "a", "protocol": "ssh"}, "session_tables_spoken"),
    ({"table": "pay.accounts", "subject": "a", "target": "t", "live": True}, "sessions_live_subject"),
    ({"table": "pay.accounts", "verdict": "masked"}, "session_tables_masked"),
    ({"table": "pay.accounts", "verdict": "masked", "protocol": "ssh"}, "session_tables_masked"),
    ({"table": "pay.accounts", "verdict": "masked", "target": "t"}, "session_tables_masked_target"),
    ({"table": "pay.accounts", "verdict": "masked", "subject": "a"}, "session_tables_masked_subject"),
    ({"table": "pay.accounts", "verdict": "masked", "subject": "a", "target": "t"}, "session_tables_masked_both"),
    ({"table": "pay.accounts", "target": "t"}, "session_tables_target"),
    ({"table": "pay.accounts", "target": "t", "protocol": "ssh"}, "session_tables_target"),
    ({"table": "pay.accounts", "protocol": "ssh"}, "session_tables_protocol"),
    ({"table": "pay.accounts", "target": "t", "subject": "a"}, "session_tables_both"),
    ({"table": "pay.accounts", "target": "t", "verdict": "held"}, "sessions_held_target"),
    ({"table": "pay.accounts", "verdict": "held"}, "sessions_held"),
    ({"table": "pay.accounts", "live": True}, "sessions_live"),
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

    def test_few_first(self) -> None:
        """Of several filters the one that the fewest sessions pass chooses the index: neither all of a protocol
        nor all of a table are read for those of one subject."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(connection.close)
        sqlite._migrate(connection)
        for wanted, index in COMBINED:
            statement, values = session_page(SessionFilter(**wanted))
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sqlite._sql(statement)}", values)]
            self.assertRegex(plan[0], rf"INDEX {index}( |$)", wanted)
            self.assertNotIn("B-TREE", " ".join(plan), wanted)

    def test_bounded(self) -> None:
        """No page is larger than the bound, whatever is asked for."""
        for limit, given in ((10**9, PAGE_LIMIT), (-1, 0), (7, 7)):
            self.assertEqual(session_page(SessionFilter(limit=limit))[1], [given])
