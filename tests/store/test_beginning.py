"""A recording begins with its note and its first entry, or with neither."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from hoopgw.auth.local import load_or_make_key
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.target import Mode
from hoopgw.record.chunks import GATEWAY
from hoopgw.record.entries import Kind
from hoopgw.record.verify import known_sessions, missing
from hoopgw.store.recorder import Recorder
from tests.store.test_recorder import new_session, settings


class Beginning(TestCase):
    def setUp(self) -> None:
        place = Path(self.mktemp())
        place.mkdir()
        made = settings(place, spool=1 << 20)
        key = load_or_make_key(Path(made.signing_key.name))
        self.recorder = Recorder(made, "test", key, reactor.callFromThread)  # type: ignore[attr-defined]
        self.recorder.start()

    def known(self) -> tuple[set[str], set[str]]:
        """Sessions that the gateway journal knows, and those of them that a verifier misses."""
        self.recorder.stop()
        known = known_sessions(self.recorder.recordings.chunks(GATEWAY))
        lost = missing(known, set(self.recorder.recordings.sessions()))
        return {id for id in known if id}, {result.session for result in lost}

    @inlineCallbacks
    def test_no_room(self) -> Any:
        """A session for whose first entry there is no room leaves no note of it: nobody looks for its recording."""
        goes_on, write = threading.Event(), self.recorder.segments.write
        self.recorder.segments.write = lambda chunks: goes_on.wait(240) and write(chunks)  # type: ignore[method-assign]
        first, refused = new_session(), []
        journal = self.recorder.open(first, {}, Mode.STRICT)
        while not refused:
            id = new_session()
            try:
                self.recorder.open(id, {"identity": "x" * 3000}, Mode.STRICT)
            except SpoolFull:
                refused.append(id)
        goes_on.set()
        yield self.recorder.when_synced()
        journal.close({})
        known, lost = self.known()
        self.assertIn(first, known)
        self.assertNotIn(refused[0], known)
        self.assertEqual(lost, set())

    @inlineCallbacks
    def test_failed(self) -> Any:
        """The same where nothing can be written; a session in best-effort mode begins with its gap."""
        self.recorder.spool.failure = "No space left on device"
        strict, best_effort = new_session(), new_session()
        self.assertRaises(RecordingFailed, self.recorder.open, strict, {}, Mode.STRICT)
        journal = self.recorder.open(best_effort, {}, Mode.BEST_EFFORT)
        self.recorder.spool.failure = ""
        journal.append(Kind.NOTE, b"again")
        yield self.recorder.when_synced()
        journal.close({})
        known, lost = self.known()
        self.assertEqual((known, lost), ({best_effort}, set()))
