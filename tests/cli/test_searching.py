"""hoopgw.cli.searching"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.searching import Wanted
from hoopgw.record.happenings import Happening


def exchange(number: int, line: str, *statuses: int) -> list[Happening]:
    asked = Happening("operation", 0, {"number": number, "kind": "request", "decision": "allowed", "text": line})
    return [asked, *(Happening("answer", 0, {"operation": number, "status": each}) for each in statuses)]


NAMED = Happening(
    "operation",
    0,
    {"number": 4, "kind": "request", "decision": "allowed", "text": "PUT /a", "tables": ["PUT /a", "putA"]},
)
SESSION = [
    *exchange(1, "GET /users/7?x=1", 103, 200),
    *exchange(2, "DELETE /x/../users/7", 403),
    Happening("operation", 0, {"number": 3, "kind": "query", "decision": "allowed", "text": "select Secret"}),
    Happening("note", 0, {"path": "/srv/data"}),
]


class Search(SynchronousTestCase):
    def test_what_is_found(self) -> None:
        """Method, path in every reading, and status of one request; texts of operations and paths of files."""
        for wanted, expected in (
            (Wanted(), True),
            (Wanted(method="get"), True),
            (Wanted(method="PUT"), False),
            (Wanted(path="/users/*"), True),
            (Wanted(path="/orders"), False),
            (Wanted(status="403"), True),
            (Wanted(status="2??"), True),
            (Wanted(status="500"), False),
            (Wanted(method="DELETE", path="/users/7", status="403"), True),
            (Wanted(method="GET", status="403"), False),
            (Wanted(operation="putA"), False),
            (Wanted(text="secret"), True),
            (Wanted(text="DATA"), True),
            (Wanted(text="nothing"), False),
            (Wanted(text="secret", method="PUT"), False),
            (Wanted(text="secret", method="GET", status="200"), True),
        ):
            self.assertEqual(wanted.found(SESSION), expected, wanted)
        self.assertTrue(Wanted(operation="putA").found([*SESSION, NAMED]))
        self.assertFalse(Wanted(operation="putA", method="GET").found([*SESSION, NAMED]))
        self.assertTrue(Wanted().everything)
        self.assertTrue(Wanted(text="a", method="GET").asked_only)
        self.assertFalse(Wanted(method="GET", status="200").asked_only)
        self.assertFalse(Wanted(status="200").everything)
