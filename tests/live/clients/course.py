"""What every client does through the gateway, in its own way, and what must come of it.

Each step gives a plain value under its name; a client that cannot do a step leaves it out and its test says so.
`number` is the client's own: rows that it makes carry ids from `number` on, so that clients do not meet.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

MASKS = """
[mask.mail]
columns = ["customers.email"]
show = "last4"
"""
SLEEP = "select pg_sleep(30)"
REFUSED = "truncate products"
STEPS = (
    "encrypted",  # bool: TLS, as the client itself sees it where it can tell
    "plain",  # [1, "one"]
    "parameters",  # [number, "it's", None, "ÿ€"] back, as 8 byte integer, text, null, text
    "values",  # true: numeric, bytea, bool, timestamptz, int[] and jsonb went in and came back equal
    "prepared",  # [2, 3, …, 11] of one prepared statement
    "error",  # "22012"
    "after_error",  # 1
    "transaction",  # ["23505", "25P02", 0]: a key given twice, what follows, and rows left after ROLLBACK
    "refused",  # ["ZG001", DETAIL as text], and
    "after_refused",  # 1
    "refused_in_transaction",  # ["ZG001", "25P02", 0]
    "held",  # rows of a statement that waited for its approval
    "masked",  # what is shown of the first customer's address
    "cancelled",  # "57014"
    "copied_in",  # rows by COPY FROM STDIN
    "copied_out",  # lines by COPY TO STDOUT
)


def held(number: int) -> str:
    """An UPDATE of every row: waits for somebody of dba.  Each client's text is its own, and so is its hold."""
    return f"update products set price = price where true or id = {number}"


class Checked(SynchronousTestCase):
    """`check` compares what a client found; `without` names the steps that it has no way to do."""

    def check(self, found: dict[str, Any], number: int, without: tuple[str, ...] = ()) -> None:
        self.assertEqual(sorted(found), sorted(set(STEPS) - set(without)))
        expected: dict[str, Any] = {
            "encrypted": True,
            "plain": [1, "one"],
            "parameters": [number, "it's", None, "ÿ€"],
            "values": True,
            "prepared": list(range(2, 12)),
            "error": "22012",
            "after_error": 1,
            "transaction": ["23505", "25P02", 0],
            "after_refused": 1,
            "refused_in_transaction": ["ZG001", "25P02", 0],
            "masked": "*****************.com",
            "cancelled": "57014",
            "copied_in": 3,
            "copied_out": 3,
        }
        for name, value in expected.items():
            if name in found:
                self.assertEqual(found[name], value, name)
        if "held" in found:
            self.assertGreaterEqual(found["held"], 8)
        sqlstate, detail = found["refused"]
        self.assertEqual(sqlstate, "ZG001")
        denial = json.loads(detail)
        self.assertEqual(denial["decision"], "refused")
        self.assertEqual(denial["guardrails"], ["no-destructive-ddl"])
        self.assertIn("reason", denial)
