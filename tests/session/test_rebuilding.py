"""The index row that a recording gives is the row that the session had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from hoopgw.auth.local import load_or_make_key
from hoopgw.model.events import Code
from hoopgw.model.operation import QUERY, Operation
from hoopgw.model.target import Mode
from hoopgw.record.entries import Kind, asked, completed
from hoopgw.session.opening import described, new_row
from hoopgw.session.rebuilding import rebuilt
from hoopgw.store.recorder import Recorder
from hoopgw.store.recovery import recently_opened
from tests.session.fakes import access
from tests.store.test_recorder import new_session, settings


class Rebuilt(TestCase):
    def recorder(self) -> Recorder:
        place = Path(self.mktemp())
        place.mkdir()
        made = settings(place)
        recorder = Recorder(made, "test", load_or_make_key(Path(made.signing_key.name)), reactor.callFromThread)  # type: ignore[attr-defined]
        recorder.start()
        self.addCleanup(recorder.stop)
        return recorder

    def recorded(self, recorder: Recorder) -> tuple[Any, Any]:
        row = new_row(new_session(), "bastion", access(), "127.0.0.1", "sha256:one", 7.0)
        journal = recorder.open(row.id, described(row, access(), {}), Mode.STRICT)
        journal.append(Kind.VERDICT, json.dumps({"verdict": 1, "tables": ["public.orders"]}).encode())
        journal.append(Kind.NOTE, json.dumps({"code": Code.HOLD_CREATED.value}).encode())
        operations = tuple(Operation("postgresql", QUERY, b"x", number=number) for number in range(1, 6))
        journal.append(Kind.ASKED, *asked(operations, [0, 1, 2, 5, 0], [1, 0, 0, 0, 0], b"Q bytes"))
        journal.append(Kind.TO_CLIENT, b"0123456789")
        journal.append(Kind.COMPLETED, completed(1, 3, 2, ""))
        return row, journal

    @inlineCallbacks
    def test_interrupted(self) -> Any:
        """What was asked, refused, held, masked and moved is counted again, and the tables are named."""
        recorder = self.recorder()
        row, journal = self.recorded(recorder)
        journal.close({"reason": "interrupted", "interrupted": True, "missing": None})
        yield recorder.when_synced()
        found = rebuilt(recorder.recordings, row.id)
        assert found is not None
        counted = found.operations, found.refused, found.held, found.masked, found.bytes_in, found.bytes_out
        self.assertEqual(counted, (5, 2, 1, 2, 7, 10))
        self.assertEqual((found.subject, found.tables), (row.subject, ("public.orders",)))
        self.assertTrue(found.interrupted)
        self.assertEqual((len(found.digest), found.reason), (64, "interrupted"))

    @inlineCallbacks
    def test_damaged(self) -> Any:
        """What is too short for what it says is passed over: the row is what the rest tells."""
        for kind, payload in ((Kind.ASKED, b"\xff\xff\0\0"), (Kind.ASKED, b"\1"), (Kind.COMPLETED, b"\1")):
            recorder = self.recorder()
            row, journal = self.recorded(recorder)
            journal.append(kind, payload)
            yield recorder.when_synced()
            found = rebuilt(recorder.recordings, row.id)
            assert found is not None
            self.assertEqual((found.operations, found.masked, found.bytes_out), (5, 2, 10))

    @inlineCallbacks
    def test_closed(self) -> Any:
        """A session's own totals count where it closed itself."""
        recorder = self.recorder()
        row, journal = self.recorded(recorder)
        journal.close({"reason": "done", "closed": 9.0, "operations": 5, "rows": 77, "tables": ["a.b"]})
        yield recorder.when_synced()
        found = rebuilt(recorder.recordings, row.id)
        assert found is not None
        self.assertEqual((found.closed, found.rows, found.tables, found.interrupted), (9.0, 77, ("a.b",), False))

    @inlineCallbacks
    def test_which_are_looked_at(self) -> Any:
        """Those that were opened shortly before the last one."""
        recorder = self.recorder()
        ids = [self.recorded(recorder)[0].id for _ in range(3)]
        yield recorder.when_synced()
        self.assertEqual(recently_opened(recorder.recordings, 600.0), ids)
        self.assertEqual(recently_opened(recorder.recordings, 0.0), ids[-1:])
        self.assertIsNone(rebuilt(recorder.recordings, new_session()))
