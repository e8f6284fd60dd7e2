"""The recorder on real small disks: full, gone read-only, and well again.  Nothing that was promised is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
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
IMAGE = 32 << 20
NOTE = 4000  # random bytes: they do not compress


class Disks(_Recording):
    def mounted(self, *words: str) -> Path:
        """A place whose recordings lie on a disk of their own; unmounted with the test."""
        place = Path(self.mktemp()).absolute()
        directory = place / "recordings"
        directory.mkdir(parents=True)
        if os.getuid() != 0:
            raise SkipTest("only root may mount")
        self.mount(directory, *words)
        directory.chmod(0o700)
        return place

    def mount(self, directory: Path, *words: str) -> None:
        ran = subprocess.run(["mount", *words, str(directory)], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SkipTest(f"nothing can be mounted here: {ran.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", "--quiet", str(directory)], check=False)

    def image(self, directory: Path, *features: str) -> Path:
        """A file of `directory` with an empty ext4 of IMAGE bytes in it; it takes room as it is written."""
        path = directory.absolute() / "disk.img"
        with path.open("wb") as file:
            file.truncate(IMAGE)
        ran = subprocess.run(["mkfs.ext4", "-q", "-F", *features, str(path)], check=False)
        if ran.returncode:
            raise SkipTest("no file system can be made here")
        return path

    @inlineCallbacks
    def until_it_fails(self, journal: Any, words: str) -> Any:
        """What is acknowledged, a note after the other, until one is not."""
        kept: list[bytes] = []
        while True:
            note = os.urandom(NOTE)
            try:
                number = journal.append(Kind.NOTE, note)
                yield journal.synced(number)
            except RecordingFailed as error:
                self.assertRegex(str(error), words)
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
        ballast = recorder.recordings.directory / "ballast"
        ballast.write_bytes(bytes(TMPFS // 2))
        yield self.refused_and_well_again(recorder, "No space left", ballast.unlink)

    @inlineCallbacks
    def refused_and_well_again(
        self, recorder: Recorder, error: str, heal: Callable[[], Any], broken: Callable[[], Any] = lambda: None
    ) -> Any:
        """A session's notes until the fault is felt, `broken` making it after the first; then `heal`."""
        self.addCleanup(recorder.stop)
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        first = os.urandom(NOTE)
        yield journal.synced(journal.append(Kind.NOTE, first))
        broken()
        kept = yield self.until_it_fails(journal, error)
        self.assertRegex(recorder.failure, error)
        self.assertRaises(RecordingFailed, recorder.may_open)
        self.assertRaises(RecordingFailed, journal.append, Kind.NOTE, b"no")
        heal()
        yield self.recovered(recorder)
        recorder.may_open()
        kept.insert(0, first)
        self.assertEqual(self.notes(recorder, id)[: len(kept)], kept)
        journal.close({"reason": "done"})
        yield recorder.when_synced()
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertTrue(all(result.good for result in results.values()), results)
        self.assertTrue(results[id].final)

    @inlineCallbacks
    def test_read_only(self) -> Any:
        """must-survive 59: EROFS: a file system that has gone read-only under an open file, and is mounted anew."""
        place = Path(self.mktemp())
        place.mkdir(parents=True)
        image = self.image(place)
        recorder = self.recorder(self.mounted("-o", "loop", str(image)))
        recorder.start()
        directory = recorder.recordings.directory

        def anew() -> None:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)
            self.mount(directory, "-o", "loop", str(image))

        def abort() -> None:
            subprocess.run(["mount", "-o", "remount,abort", str(directory)], check=True)

        # a sync that is under way while the file system goes read-only ends as EIO
        yield self.refused_and_well_again(recorder, "Read-only file system|Input/output error", anew, abort)

    @inlineCallbacks
    def test_sync_fails(self) -> Any:
        """must-survive 59: a disk that takes no more below a file system that does (thin provisioning; EIO comes the
        same way): only the sync tells, and what it was to bring to the disk is written again, to another file."""
        below = self.mounted("-t", "tmpfs", "-o", f"size={TMPFS}", "none") / "recordings"
        place = self.mounted("-o", "loop,errors=continue", str(self.image(below, "-O", "^has_journal")))
        recorder = self.recorder(place)
        recorder.start()

        def heal() -> None:
            subprocess.run(["mount", "-o", f"remount,size={2 * IMAGE}", str(below)], check=True)

        yield self.refused_and_well_again(recorder, "No space left", heal)
