"""The recorder on real small disks: full, gone read-only, and well again.  Nothing that was promised is lost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet.defer import inlineCallbacks

from hoopgw.model.errors import RecordingFailed
from hoopgw.model.target import Mode
from hoopgw.record.entries import Kind
from hoopgw.store.recorder import Recorder
from tests.store.test_recorder import Recording as _Recording
from tests.store.test_recorder import new_session

TMPFS = 4 << 20
NOTE = 4000  # random bytes: they do not compress


class Disks(_Recording):
    def mounted(self, *words: str) -> Path:
        """A place whose recordings lie on a disk of their own; unmounted with the test."""
        place = Path(self.mktemp()).absolute()
        directory = place / "recordings"
        directory.mkdir(parents=True)
        if os.getuid() != 0:
            raise SkipTest("only root may mount")
        ran = subprocess.run(["mount", *words, str(directory)], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SkipTest(f"nothing can be mounted here: {ran.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(directory)], check=False)
        directory.chmod(0o700)
        return place

    @inlineCallbacks
    def until_it_fails(self, journal: Any) -> Any:
        """What is acknowledged, a note after the other, until one is not."""
        kept: list[bytes] = []
        while True:
            note = os.urandom(NOTE)
            try:
                number = journal.append(Kind.NOTE, note)
                yield journal.synced(number)
            except RecordingFailed:
                return kept
            kept.append(note)

    def notes(self, recorder: Recorder, id: str) -> list[bytes]:
        return [payload for kind, payload in self.written(recorder, id) if kind == Kind.NOTE]

    @inlineCallbacks
    def recovered(self, recorder: Recorder) -> Any:
        while recorder.failure:
            yield recorder.when_synced().addErrback(lambda failure: failure.trap(RecordingFailed) and None)

    @inlineCallbacks
    def test_full(self) -> Any:
        """must-survive 59, 74: ENOSPC: every note that was acknowledged is there, sessions are refused while it
        is full, and with room it goes on and verifies."""
        recorder = self.recorder(self.mounted("-t", "tmpfs", "-o", f"size={TMPFS}", "none"))
        recorder.start()
        self.addCleanup(recorder.stop)
        ballast = recorder.recordings.directory / "ballast"
        ballast.write_bytes(bytes(TMPFS // 2))
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        kept = yield self.until_it_fails(journal)
        self.assertIn("No space left", recorder.failure)
        self.assertGreater(len(kept), 100)
        self.assertRaises(RecordingFailed, recorder.may_open)
        self.assertRaises(RecordingFailed, journal.append, Kind.NOTE, b"no")
        ballast.unlink()
        yield self.recovered(recorder)
        recorder.may_open()
        self.assertEqual(self.notes(recorder, id)[: len(kept)], kept)
        journal.close({"reason": "done"})
        yield recorder.when_synced()
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertTrue(all(result.good for result in results.values()), results)
        self.assertTrue(results[id].final)
