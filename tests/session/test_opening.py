"""How a session begins on record: row and first entry say the same, and a login waits for room."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import RecordingFailed
from hoopgw.session.deciding import PATIENCE, ROOM
from hoopgw.session.opening import described, new_row, room_for, row_of
from tests.session.fakes import access, identity


class Opening(SynchronousTestCase):
    def test_one_from_the_other(self) -> None:
        """The row of a session whose gateway died before it was written is made from the recording's first entry."""
        who = access(identity("agent", "dba", "agents", actors=("bot",)))
        row = new_row("s_0000000000000000000000", "bastion", who, "127.0.0.1", "sha256:one", 7.0)
        opening = json.loads(json.dumps(described(row, who, {"tls": {"version": "TLSv1.3"}})))
        self.assertEqual(row_of(opening), row)
        self.assertEqual((opening["tls"]["version"], opening["grant"]), ("TLSv1.3", "agents"))
        self.assertEqual([actor["subject"] for actor in opening["identity"]["actors"]], ["bot"])
        self.assertIsNone(row_of({}))


class Room(SynchronousTestCase):
    def test_waits(self) -> None:
        """must-survive 64: a spool that another session fills delays a login, and does not refuse it."""
        clock, room = Clock(), [False]
        waiting = Deferred.fromCoroutine(room_for(lambda: room[0], clock))
        clock.pump([ROOM] * 5)
        self.assertNoResult(waiting)
        room[0] = True
        clock.advance(ROOM)
        self.assertIsNone(self.successResultOf(waiting))

    def test_not_for_ever(self) -> None:
        """Where there is none for long the login fails as unrecordable."""
        clock = Clock()
        waiting = Deferred.fromCoroutine(room_for(lambda: False, clock))
        clock.advance(PATIENCE + 1)
        self.failureResultOf(waiting, RecordingFailed)
