"""The recorder: what was appended is kept, over a kill too; what was changed is named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from hoopgw.auth.local import load_or_make_key
from hoopgw.model.errors import RecordingFailed, SpoolFull
from hoopgw.model.settings import RecordingSettings
from hoopgw.model.target import Mode, SecretReference
from hoopgw.record.chunks import DATA, GATEWAY, HEADER_SIZE, SEAL, Chunk, Joined
from hoopgw.record.entries import Kind
from hoopgw.record.verify import Known, SessionVerifier, known_sessions, missing
from hoopgw.store import journal as journal_module
from hoopgw.store import segments, writer
from hoopgw.store.keys import publish
from hoopgw.store.recorder import Recorder
from hoopgw.store.recordings import Recordings, located, session_bytes, session_id
from hoopgw.store.recovery import gateway_notes
from hoopgw.store.spool import BOOT, BULK, PAGE

ROOT = Path(__file__).parent.parent.parent


def settings(place: Path, **changes: Any) -> RecordingSettings:
    given: dict[str, Any] = {
        "directory": str(place / "recordings"),
        "spool_directory": str(place),
        "spool": 4 << 20,
        "min_free": 1,
        "signing_key": SecretReference("file", str(place / "keys/recording.key")),
        "seal_every": 0.05,
    }
    return RecordingSettings(**{**given, **changes})


def new_session() -> str:
    return session_id(os.urandom(16))


class Recording(TestCase):
    def recorder(self, place: Path, **changes: Any) -> Recorder:
        place.mkdir(parents=True, exist_ok=True)
        made = settings(place, **changes)
        key = load_or_make_key(Path(made.signing_key.name))
        return Recorder(made, "test", key, reactor.callFromThread)  # type: ignore[attr-defined]

    def written(self, recorder: Recorder, id: str) -> list[tuple[int, bytes]]:
        joined = Joined()
        return [
            (entry.kind, entry.payload)
            for chunk in recorder.recordings.chunks(session_bytes(id))
            if chunk.header.kind == DATA
            for entry in joined.of(chunk.raw())
        ]

    def verify(self, recordings: Recordings, key: Any) -> dict[str, Any]:
        known = known_sessions(recordings.chunks(GATEWAY))
        found = {}
        for id in recordings.sessions():
            verifier = SessionVerifier(id, session_bytes(id), key, known.get(id))
            for chunk in recordings.chunks(session_bytes(id)):
                verifier.take(chunk)
            found[id] = verifier.result()
        found.update({result.session: result for result in missing(known, set(found))})
        return found

    @inlineCallbacks
    def test_recorded_and_verified(self) -> Any:
        """What is appended is in the journal, in order, in pieces joined; live and closed sessions verify."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        self.addCleanup(recorder.stop)
        closed, live = new_session(), new_session()
        journals = {id: recorder.open(id, {"who": id}, Mode.STRICT) for id in (closed, live)}
        for number in range(300):
            for id, journal in journals.items():
                journal.append(Kind.TO_CLIENT, f"{id} {number}".encode())
        journals[closed].append(Kind.TO_CLIENT, bytes(600_000))
        journals[closed].close({"reason": "done"})
        yield journals[live].synced(300)
        for id in journals:
            texts = [payload for kind, payload in self.written(recorder, id) if kind == Kind.TO_CLIENT]
            self.assertEqual(texts[:300], [f"{id} {number}".encode() for number in range(300)])
        self.assertEqual(self.written(recorder, closed)[-2], (Kind.TO_CLIENT, bytes(600_000)))
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertTrue(all(result.good for result in results.values()), results)
        self.assertTrue(results[closed].final)
        self.assertFalse(results[live].final)

    @inlineCallbacks
    def test_bulk_is_cleared(self) -> Any:
        """What a large result left in the ring is gone when it has passed, though nothing else comes."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        self.addCleanup(recorder.stop)
        journal = recorder.open(new_session(), {}, Mode.STRICT)
        for _ in range(16):  # in one turn of the reactor, of which the writer's thread takes some meanwhile
            journal.append(Kind.TO_CLIENT, b"secret!!" * (BULK // 64))
        yield recorder.when_synced()
        ring = recorder.spool
        deadline = time.monotonic() + 60
        while bytes(ring.slice(PAGE, PAGE + ring.capacity)).strip(b"\0"):
            self.assertLess(time.monotonic(), deadline)
            yield deferLater(reactor, 0.02, lambda: None)
        self.assertEqual(ring.head, ring.tail)

    @inlineCallbacks
    def test_clock_set_back(self) -> Any:
        """must-survive 59: an hour back in the middle of a session: order is by number, nothing is lost, it verifies;
        so do what the next start finds open and what it seals."""
        place = Path(self.mktemp())
        recorder = self.recorder(place)
        recorder.start()
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        for number in range(100):
            journal.append(Kind.TO_CLIENT, b"%d" % number)
        yield recorder.when_synced()
        real = time.time_ns
        for module in (time, journal_module):
            self.patch(module, "time_ns", lambda: real() - 3600 * 10**9)
        self.assertTrue(recorder.has_room())
        for number in range(100, 200):
            journal.append(Kind.TO_CLIENT, b"%d" % number)
        journal.close({"reason": "done"})
        late = new_session()
        recorder.open(late, {}, Mode.STRICT)
        yield recorder.when_synced()
        recorder.stop()
        again = self.recorder(place)
        self.assertEqual(again.start(), [late])
        self.addCleanup(again.stop)
        shown = [payload for kind, payload in self.written(again, id) if kind == Kind.TO_CLIENT]
        self.assertEqual(shown, [b"%d" % number for number in range(200)])
        results = self.verify(again.recordings, again._key.public_key())
        self.assertTrue(all(result.good and result.final for result in results.values()), results)

    @inlineCallbacks
    def test_cut_into_journals(self) -> Any:
        """Segments are cut into journals; nothing is lost or there twice, and it verifies."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        ids = [new_session() for _ in range(5)]
        for id in ids:
            journal = recorder.open(id, {}, Mode.STRICT)
            journal.append(Kind.TO_CLIENT, b"x" * 1000)
            journal.close({})
        yield recorder.when_synced()
        recorder.stop()
        self.assertEqual(recorder.recordings.segments(), [])
        for id in ids:
            self.assertEqual([kind for kind, _ in self.written(recorder, id)], [Kind.OPEN, Kind.TO_CLIENT, Kind.CLOSE])
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertEqual((len(results), all(result.good and result.final for result in results.values())), (5, True))

    @inlineCallbacks
    def test_disk_full(self) -> Any:
        """must-survive 59, 74: where nothing can be written strict fails; best-effort says what is missing."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        self.addCleanup(recorder.stop)
        strict = recorder.open(new_session(), {}, Mode.STRICT)
        relaxed_id = new_session()
        relaxed = recorder.open(relaxed_id, {}, Mode.BEST_EFFORT)
        yield recorder.when_synced()
        real = recorder.segments.write

        def full(stored: list[bytes]) -> None:
            raise OSError(28, "No space left on device")

        self.patch(recorder.segments, "write", full)
        strict.append(Kind.NOTE, b"kept in the spool")
        yield self.assertFailure(strict.synced(2), RecordingFailed)
        self.assertRaises(RecordingFailed, strict.append, Kind.NOTE, b"no")
        self.assertRaises(RecordingFailed, recorder.may_open)
        relaxed.append(Kind.NOTE, b"lost")
        self.patch(recorder.segments, "write", real)
        while recorder.failure:
            yield recorder.when_synced().addErrback(lambda failure: failure.trap(RecordingFailed) and None)
        relaxed.append(Kind.NOTE, b"again")
        yield recorder.when_synced()
        kinds = [kind for kind, _ in self.written(recorder, relaxed_id)]
        self.assertEqual(kinds, [Kind.OPEN, Kind.GAP, Kind.GAP, Kind.NOTE])
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertTrue(all(result.good for result in results.values()), results)

    @inlineCallbacks
    def test_killed_in_a_gap(self) -> Any:
        """must-survive 59: best-effort: a gateway that is killed before a session's gap has ended leaves a record that
        says so, and from when on."""
        place = Path(self.mktemp())
        recorder = self.recorder(place)
        recorder.start()
        id = new_session()
        journal = recorder.open(id, {}, Mode.BEST_EFFORT)
        yield recorder.when_synced()
        real = recorder.segments.write

        def full(stored: list[bytes]) -> None:
            raise OSError(28, "No space left on device")

        self.patch(recorder.segments, "write", full)
        recorder.open(new_session(), {}, Mode.BEST_EFFORT)
        yield self.assertFailure(recorder.when_synced(), RecordingFailed)
        for _ in range(3):
            journal.append(Kind.NOTE, b"lost")
        self.patch(recorder.segments, "write", real)
        while recorder.failure:
            yield recorder.when_synced().addErrback(lambda failure: failure.trap(RecordingFailed) and None)
        recorder.stop()  # without a word of the session, as if killed
        again = self.recorder(place)
        self.assertIn(id, again.start())
        self.addCleanup(again.stop)
        written = self.written(again, id)
        self.assertEqual([kind for kind, _ in written], [Kind.OPEN, Kind.GAP, Kind.CLOSE])
        self.assertEqual(list(json.loads(written[1][1])), ["from"])
        results = self.verify(again.recordings, again._key.public_key())
        self.assertTrue(all(result.good for result in results.values()), results)

    @inlineCallbacks
    def test_retention(self) -> Any:
        """must-survive 60: what is old and closed goes, an open session never; retired is not missing."""
        place = Path(self.mktemp())
        recorder = self.recorder(place)
        recorder.start()
        old, other = new_session(), new_session()
        for id in (old, other):
            journal = recorder.open(id, {}, Mode.STRICT)
            journal.close({})
        live = new_session()
        recorder.stop()
        again = self.recorder(place)
        again.start()
        again.open(live, {}, Mode.STRICT)
        soon = time.time() + 60
        retired = yield deferToThread(again.retire_before, soon, frozenset((other, live)))
        self.assertEqual(retired, ([old], []))
        self.assertFalse(again.recordings.journal(session_bytes(old)).exists())
        again.recordings.journal(session_bytes(other)).unlink()
        again.stop()
        results = self.verify(again.recordings, again._key.public_key())
        self.assertEqual({id: result.good for id, result in results.items()}, {other: False, live: True})
        self.assertIn("missing", results[other].problem)

    @inlineCallbacks
    def test_retention_past_a_bad_file(self) -> Any:
        """must-survive 60: one that cannot be deleted is named, and the others go all the same."""
        place = Path(self.mktemp())
        recorder = self.recorder(place)
        recorder.start()
        ids = [new_session() for _ in range(3)]
        for id in ids:
            recorder.open(id, {}, Mode.STRICT).close({})
        recorder.stop()
        again = self.recorder(place)
        again.start()
        self.addCleanup(again.stop)
        real, bad = Path.unlink, ids[1]

        def unlink(path: Path, missing_ok: bool = False) -> None:
            if path.stem == bad:
                raise OSError(30, "Read-only file system")
            real(path, missing_ok)

        self.patch(Path, "unlink", unlink)
        retired, failed = yield deferToThread(again.retire_before, time.time() + 60, frozenset())
        self.assertEqual(set(retired), set(ids) - {bad})
        self.assertEqual(failed, [f"{bad}: Read-only file system"])

    def failing(self, recorder: Recorder, *names: str) -> None:
        """The first sync of what follows fails, after its bytes were written; `names` of os always do."""
        left = [1]
        real = os.fdatasync

        def fdatasync(file: int) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(5, "Input/output error")
            real(file)

        def fails(*given: Any) -> None:
            raise OSError(5, "Input/output error")

        self.patch(os, "fdatasync", fdatasync)
        for name in names:
            self.patch(os, name, fails)

    @inlineCallbacks
    def tried_again(self, *names: str) -> Any:
        recorder = self.recorder(Path(self.mktemp()), seal_every=60.0)  # no sync but the one that is to fail
        recorder.start()
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        yield recorder.when_synced()
        self.failing(recorder, *names)
        journal.append(Kind.NOTE, b"its sync fails, and is tried again")
        yield self.assertFailure(journal.synced(2), RecordingFailed)
        while recorder.failure:
            yield recorder.when_synced().addErrback(lambda failure: failure.trap(RecordingFailed) and None)
        journal.append(Kind.NOTE, b"more")
        journal.close({})
        yield recorder.when_synced()
        self.check_tried_again(recorder, id)
        recorder.stop()
        self.check_tried_again(recorder, id)

    def check_tried_again(self, recorder: Recorder, id: str) -> None:
        kinds = [kind for kind, _ in self.written(recorder, id)]
        self.assertEqual(kinds, [Kind.OPEN, Kind.NOTE, Kind.NOTE, Kind.CLOSE])
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertTrue(all(result.good and result.final for result in results.values()), results)

    def test_a_sync_that_fails_once(self) -> Any:
        """must-survive 59: what a failed round wrote and what its second try wrote do not stand side by side."""
        return self.tried_again()

    def test_a_sync_that_fails_and_cannot_be_taken_back(self) -> Any:
        """The same where the file cannot even be cut: the second try counts."""
        return self.tried_again("ftruncate")

    @inlineCallbacks
    def test_closed_while_nothing_can_be_written(self) -> Any:
        """A session that ends because writing fails has its last entry as soon as writing works again."""
        recorder = self.recorder(Path(self.mktemp()), seal_every=60.0)
        recorder.start()
        self.addCleanup(recorder.stop)
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        yield recorder.when_synced()
        self.failing(recorder)
        journal.append(Kind.NOTE, b"x")
        yield self.assertFailure(journal.synced(2), RecordingFailed)
        journal.close({"reason": "recording failed"})
        self.assertRaises(RecordingFailed, journal.append, Kind.NOTE, b"nothing comes after it")
        while recorder.failure:
            yield recorder.when_synced().addErrback(lambda failure: failure.trap(RecordingFailed) and None)
        self.assertEqual([kind for kind, _ in self.written(recorder, id)], [Kind.OPEN, Kind.NOTE, Kind.CLOSE])

    @inlineCallbacks
    def test_segments_moved_away(self) -> Any:
        """must-survive 59, 60: what nobody would find any more is no recording: it fails, goes on in another file, and
        where the first is put back all of it verifies."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        self.addCleanup(recorder.stop)
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        yield journal.synced(journal.append(Kind.NOTE, b"before"))
        segments = recorder.recordings.directory / "segments"
        away = segments.rename(segments.with_name("away"))
        yield self.assertFailure(journal.synced(journal.append(Kind.NOTE, b"moved")), RecordingFailed)
        while recorder.failure:
            yield recorder.when_synced().addErrback(lambda failure: failure.trap(RecordingFailed) and None)
        journal.close({})
        yield recorder.when_synced()
        key = recorder._key.public_key()
        self.assertFalse(self.verify(recorder.recordings, key)[id].good)
        for path in away.iterdir():
            self.assertFalse((segments / path.name).exists())
            path.rename(segments / path.name)
        result = self.verify(recorder.recordings, key)[id]
        self.assertTrue(result.good and result.final, result)
        notes = [payload for kind, payload in self.written(recorder, id) if kind == Kind.NOTE]
        self.assertEqual(notes, [b"before", b"moved"])

    @inlineCallbacks
    def test_a_backlog_does_not_wait(self) -> Any:
        """Where more is in the spool than a round takes, the next one follows at once: else readers are paused."""
        self.patch(writer, "ROUND", 3600.0)
        recorder = self.recorder(Path(self.mktemp()), spool=32 << 20)
        recorder.start()
        self.addCleanup(recorder.stop)
        journal = recorder.open(new_session(), {}, Mode.STRICT)
        for _ in range(100):
            journal.append(Kind.TO_CLIENT, bytes(200_000))
        recorder.writer.hurry()
        deadline = time.monotonic() + 60
        while recorder.spool.head - recorder.spool.tail > 4 << 20:
            self.assertLess(time.monotonic(), deadline)
            yield deferLater(reactor, 0.01, lambda: None)  # type: ignore[arg-type]

    @inlineCallbacks
    def test_larger_than_the_spool(self) -> Any:
        """must-survive 78: one entry of 20 MiB goes through a spool of 4 MiB; one that is given up is left out."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        self.addCleanup(recorder.stop)
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        large = os.urandom(20 << 20)
        tries = 0
        while True:
            try:
                journal.append(Kind.ASKED, b"head", large)
                break
            except SpoolFull:
                tries += 1
                yield recorder.when_synced()
        self.assertGreater(tries, 5)
        self.assertRaises(SpoolFull, journal.append, Kind.TO_CLIENT, large[1:])
        yield recorder.when_synced()
        journal.close({})
        yield recorder.when_synced()
        found = self.written(recorder, id)
        self.assertEqual([kind for kind, _ in found], [Kind.OPEN, Kind.ASKED, Kind.CLOSE])
        self.assertEqual(found[1][1], b"head" + large)
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertTrue(results[id].good, results[id])

    @inlineCallbacks
    def test_idle_sessions_are_sealed(self) -> Any:
        """A session that says nothing more is sealed after `seal_every`, and the gateway journal says so."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        self.addCleanup(recorder.stop)
        id = new_session()
        recorder.open(id, {}, Mode.STRICT)
        yield recorder.when_synced()
        deadline, notes = time.monotonic() + 60, list[str]()
        while "sealed" not in notes and time.monotonic() < deadline:
            yield deferLater(reactor, 0.02)  # type: ignore[arg-type]
            notes = [note["event"] for note in gateway_notes(recorder.recordings) if note["session"] == id]
        self.assertEqual(notes, ["opened", "sealed"])
        self.assertEqual(list(recorder.recordings.chunks(session_bytes(id)))[-1].header.kind, SEAL)

    @inlineCallbacks
    def test_damage_to_one_session_hides_no_other(self) -> Any:
        """A damaged chunk in a segment is passed over; the others are read, and the file stays when it is cut."""
        place = Path(self.mktemp())
        recorder = self.recorder(place)
        recorder.start()
        ids = [new_session() for _ in range(3)]
        journals = [recorder.open(id, {}, Mode.STRICT) for id in ids]
        for journal in journals:
            journal.append(Kind.NOTE, b"x")
            yield recorder.when_synced()
        for journal in journals:
            journal.append(Kind.NOTE, b"y")
        yield recorder.when_synced()
        [segment] = recorder.recordings.segments()
        with segment.open("r+b") as file:
            places = [(header.session, offset) for header, offset, _ in located(file)]
            offset = next(offset for session, offset in places[2:] if session == session_bytes(ids[1]))
            for at in (offset, offset + HEADER_SIZE - 2):  # what it is; and how long it is
                file.seek(at)
                file.write(b"\xff")
        for id in (ids[0], ids[2]):
            self.assertEqual([payload for _, payload in self.written(recorder, id)], [b"{}", b"x", b"y"])
        recorder.stop()
        self.assertEqual(recorder.recordings.segments(), [])
        self.assertTrue(segment.with_suffix(".damaged").exists())
        results = self.verify(recorder.recordings, recorder._key.public_key())
        self.assertEqual([results[id].good for id in ids], [True, False, True])

    @inlineCallbacks
    def test_damage_takes_no_other_place(self) -> Any:
        """A chunk whose number was changed neither replaces the one of that number nor hides what comes after it."""
        for number in (1, 1 << 60):
            recorder = self.recorder(Path(self.mktemp()), seal_every=60.0)
            recorder.start()
            id = new_session()
            journal = recorder.open(id, {}, Mode.STRICT)
            for text in (b"a", b"b", b"c"):
                yield recorder.when_synced()
                journal.append(Kind.NOTE, text)
            yield recorder.when_synced()
            [segment] = recorder.recordings.segments()
            with segment.open("r+b") as file:
                found = [offset for header, offset, _ in located(file) if header.session == session_bytes(id)]
                file.seek(found[2] + 24)
                file.write(number.to_bytes(8, "little"))
            recorder.segments.close()
            recorder._rolled()
            while recorder.recordings.segments():
                yield deferLater(reactor, 0.02)  # type: ignore[arg-type]
            journal.append(Kind.NOTE, b"d")
            journal.close({})
            yield recorder.when_synced()
            recorder.stop()
            texts = [payload for kind, payload in self.written(recorder, id) if kind == Kind.NOTE]
            self.assertEqual(texts, [b"a", b"c", b"d"])
            self.assertTrue(segment.with_suffix(".damaged").exists())
            self.assertFalse(self.verify(recorder.recordings, recorder._key.public_key())[id].good)

    @inlineCallbacks
    def test_read_while_it_is_cut(self) -> Any:
        """Who reads a session while its segment is cut finds all of it."""
        recorder = self.recorder(Path(self.mktemp()))
        recorder.start()
        self.addCleanup(recorder.stop)
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        for number in range(5):
            journal.append(Kind.NOTE, b"%d" % number)
            yield recorder.when_synced()
        reading = recorder.recordings.chunks(session_bytes(id))
        found = [next(reading)]
        cut = set(recorder.recordings.segments())
        self.patch(segments, "SEGMENT", 0)  # the writer closes this one after its next round
        journal.append(Kind.NOTE, b"later")
        while cut & set(recorder.recordings.segments()):  # a seal that comes meanwhile begins another one
            yield deferLater(reactor, 0.02)  # type: ignore[arg-type]
        found += reading
        joined = Joined()
        entries = [entry for chunk in found if chunk.header.kind == DATA for entry in joined.of(chunk.raw())]
        self.assertEqual([entry.sequence for entry in entries][:6], [1, 2, 3, 4, 5, 6])

    @inlineCallbacks
    def test_stopped_while_the_disk_hangs(self) -> Any:
        """A sync that does not come back does not hold up the gateway's end; the next start drains the spool."""
        place = Path(self.mktemp())
        recorder = self.recorder(place)
        recorder.start()
        id = new_session()
        journal = recorder.open(id, {}, Mode.STRICT)
        yield recorder.when_synced()
        goes_on = threading.Event()
        hangs = lambda file: goes_on.wait(240) and None  # noqa: E731
        self.patch(os, "fdatasync", hangs)
        self.patch(writer, "STOPPING", 0.2)
        journal.append(Kind.NOTE, b"not synced")
        yield deferLater(reactor, 0.1)  # type: ignore[arg-type]
        yield deferToThread(recorder.stop)
        self.assertTrue(recorder.writer._thread.is_alive())
        self.assertEqual(recorder.spool.record(recorder.spool.region(recorder.spool.tail)[0])[0], session_bytes(id))
        goes_on.set()
        recorder.writer._thread.join()
        recorder.spool.close()

    def test_a_new_key(self) -> None:
        """The keys that were used before stay beside the new one."""
        place = Path(self.mktemp())
        place.mkdir()
        keys = [Ed25519PrivateKey.generate().public_key() for _ in range(3)]
        for key in (*keys, keys[0]):
            publish(place / "recording.pub", key)
        pem = (place / "recording.pub").read_bytes()
        found = [
            load_pem_public_key(each + b"-----END PUBLIC KEY-----\n")
            for each in pem.split(b"-----END PUBLIC KEY-----\n")[:-1]
        ]
        self.assertEqual(found, [keys[0], keys[2], keys[1]])

    @inlineCallbacks
    def test_power_lost(self) -> Any:
        """Where the machine went down the sessions are sealed, and say from when on something may be missing."""
        place = Path(self.mktemp())
        recorder = self.recorder(place)
        recorder.start()
        id = new_session()
        recorder.open(id, {}, Mode.STRICT)
        yield recorder.when_synced()
        recorder.writer._stopping = True
        recorder.writer._thread.join()
        recorder._note({"event": "nothing", "session": id})
        recorder.spool.close()
        with recorder.spool.path.open("r+b") as file:
            file.seek(BOOT)
            file.write(b"0" * 36)
        again = self.recorder(place)
        self.assertEqual(again.start(), [id])
        again.stop()
        closing = json.loads(self.written(again, id)[-1][1])
        self.assertTrue(closing["interrupted"])
        self.assertEqual(closing["missing"]["from"], next(again.recordings.chunks(session_bytes(id))).header.last_time)


class Tampering(SynchronousTestCase):
    """must-survive 61: the verifier names the first bad chunk and the operations it covers."""

    def setUp(self) -> None:
        from hoopgw.model.operation import QUERY, Operation
        from hoopgw.record.entries import asked

        place = Path(self.mktemp())
        place.mkdir()
        made = settings(place, seal_every=0.0)
        self.key = load_or_make_key(Path(made.signing_key.name))
        self.recorder = Recorder(made, "test", self.key, lambda call, *given: call(*given))
        self.recorder.start()
        self.addCleanup(self.recorder.stop)
        self.ids = [new_session(), new_session()]
        journals = [self.recorder.open(id, {}, Mode.STRICT) for id in self.ids]
        for number in range(1, 6):
            for journal in journals:
                operation = Operation("postgresql", QUERY, b"SELECT 1", number=number)
                journal.append(Kind.ASKED, *asked((operation,), [0], [0], b"Q\0\0\0\rSELECT 1\0"))
            synced = self.recorder.spool.head
            while self.recorder.spool.tail < synced:
                time.sleep(0.01)
        journals[0].close({})
        while self.recorder.spool.tail < self.recorder.spool.head:
            time.sleep(0.01)
        self.chunks = list(self.recorder.recordings.chunks(session_bytes(self.ids[0])))
        self.others = list(self.recorder.recordings.chunks(session_bytes(self.ids[1])))

    def result(self, chunks: list[Chunk], key: Any = None, known: Known | None = None) -> Any:
        verifier = SessionVerifier(self.ids[0], session_bytes(self.ids[0]), key or self.key.public_key(), known)
        for chunk in chunks:
            verifier.take(chunk)
        return verifier.result()

    def test_untouched(self) -> None:
        """What was not changed verifies."""
        self.assertTrue(self.result(self.chunks).good)
        self.assertGreater(len(self.chunks), 8)

    def test_flip(self) -> None:
        """A flipped bit is found in the very chunk, with its operations."""
        for index, chunk in enumerate(self.chunks):
            body = bytearray(chunk.body)
            body[len(body) // 2] ^= 1
            bad = Chunk(chunk.header, bytes(body), chunk.check)
            found = self.result([*self.chunks[:index], bad, *self.chunks[index + 1 :]])
            self.assertEqual((found.good, found.chunk), (False, index))
            covers = chunk.header.first_operation, chunk.header.last_operation
            self.assertEqual(found.operations, covers)

    def test_replaced(self) -> None:
        """A chunk that was made anew, its own check right, is found by what follows."""

        for index in range(len(self.chunks) - 1):
            if self.chunks[index].header.kind != DATA:
                continue
            header = self.chunks[index].header._replace(last_time=1)
            bad = Chunk(header, self.chunks[index].body)
            bad = Chunk(header, self.chunks[index].body, bad.digest()[:8])
            found = self.result([*self.chunks[:index], bad, *self.chunks[index + 1 :]])
            self.assertEqual((found.good, found.chunk), (False, index))

    def test_order_and_absence(self) -> None:
        """Left out, doubled, swapped, and of another session."""
        whole = self.chunks
        for bad, number in (
            ([*whole[:3], *whole[4:]], 3),
            ([*whole[:3], whole[2], *whole[3:]], 3),
            ([*whole[:3], whole[4], whole[3], *whole[5:]], 3),
            ([*whole[:3], self.others[3], *whole[4:]], 3),
        ):
            found = self.result(bad)
            self.assertEqual((found.good, found.chunk), (False, number))

    def test_cut(self) -> None:
        """The end cut off: what is left verifies by itself, and the gateway journal tells."""
        known = known_sessions(self.recorder.recordings.chunks(GATEWAY))
        self.assertTrue(self.result(self.chunks[:-2]).good)
        self.assertIn("cut", self.result(self.chunks[:-2], known=known[self.ids[0]]).problem)

    def test_other_key(self) -> None:
        """Signed by another key: the first seal says so."""
        found = self.result(self.chunks, Ed25519PrivateKey.generate().public_key())
        self.assertFalse(found.good)
        self.assertIn("signature", found.problem)


CHILD = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from hoopgw.model.errors import SpoolFull
    from hoopgw.model.settings import RecordingSettings
    from hoopgw.model.target import Mode, SecretReference
    from hoopgw.record.entries import Kind
    from hoopgw.store import segments
    from hoopgw.store.recorder import Recorder
    from hoopgw.auth.local import load_or_make_key
    place, point = Path(sys.argv[1]), sys.argv[2]
    made = RecordingSettings(directory=str(place / "recordings"), spool_directory=str(place), spool=4 << 20,
        min_free=1, signing_key=SecretReference("file", str(place / "keys/recording.key")), seal_every=0.02)
    name, _, number = point.partition(":")
    left = int(number or 0)
    segments.SEGMENT = 8192  # so that they are cut while this runs
    half = name == "half"  # of the bytes of a write are written
    name = "write" if half else name
    if name:
        real = getattr(os, name)
        def dying(*given):
            global left
            left -= 1
            if left == 0:
                if half:
                    real(given[0], given[1][: len(given[1]) // 2])
                os.kill(os.getpid(), 9)
            return real(*given)
        setattr(os, name, dying)
    recorder = Recorder(made, "test", load_or_make_key(Path(made.signing_key.name)), lambda call, *given: None)
    recorder.start()
    journals = [recorder.open(sys.argv[3 + n], {}, Mode.STRICT) for n in range(3)]
    n = 0
    while n < 2000 or not sys.argv[2]:  # killed from outside: however fast the machine is, it does not end before
        for at, journal in enumerate(journals):
            while True:
                try:
                    journal.append(Kind.TO_CLIENT, b"%d " % n + b"x" * (n * 37 % 900 if n % 40 else 700000))
                    break
                except SpoolFull:
                    time.sleep(0.001)
            sys.stdout.write("%d %d\\n" % (at, n))
        sys.stdout.flush()
        n += 1
    """
)


class Killed(SynchronousTestCase):
    """must-survive 59: a gateway killed at any moment has lost nothing that a session was told was kept."""

    def run_and_kill(self, point: str, after: float) -> None:
        place = Path(self.mktemp()).absolute()
        place.mkdir()
        ids = [new_session() for _ in range(3)]
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(place), point, *ids],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        if not point:
            time.sleep(after)
            child.send_signal(signal.SIGKILL)
        told, _ = child.communicate(timeout=250)
        self.assertEqual(child.returncode, -signal.SIGKILL, f"{point} was not reached")
        kept: dict[int, int] = {}
        for line in told.decode().splitlines()[:-1]:
            at, number = line.split()
            kept[int(at)] = int(number)
        recorder = Recorder(
            settings(place), "test", load_or_make_key(place / "keys/recording.key"), lambda call, *given: None
        )
        recorder.start()
        recorder.stop()
        for at, id in enumerate(ids):
            self.check(recorder, id, kept.get(at, -1))
        shutil.rmtree(place)

    def check(self, recorder: Recorder, id: str, last: int) -> None:
        joined, found = Joined(), []
        verifier = SessionVerifier(id, session_bytes(id), recorder._key.public_key())
        for chunk in recorder.recordings.chunks(session_bytes(id)):
            verifier.take(chunk)
            if chunk.header.kind == DATA:
                found += [int(e.payload.split()[0]) for e in joined.of(chunk.raw()) if e.kind == Kind.TO_CLIENT]
        if last >= 0:
            self.assertEqual(found[: last + 1], list(range(last + 1)))
            self.assertEqual(found, sorted(set(found)))
            result = verifier.result()
            self.assertTrue(result.good and result.final, result)

    def test_at_any_moment(self) -> None:
        """Killed in the middle of things: every entry that was appended is there, and the sessions are sealed."""
        for after in (0.8, 1.1, 1.4):
            self.run_and_kill("", after)

    def test_at_every_write_and_sync(self) -> None:
        """Killed in the n-th write or sync of the recorder."""
        for point in (
            "write:1",
            "write:2",
            "write:5",
            "half:2",
            "half:3",
            "half:7",
            "fdatasync:1",
            "fdatasync:2",
            "fdatasync:6",
        ):
            self.run_and_kill(point, 0)

    def test_at_every_step_of_cutting(self) -> None:
        """Killed in the n-th step of moving chunks to journals: made, written, cut to length, synced, segment gone."""
        for point in (
            "mkdir:4",
            "mkdir:6",
            "fsync:2",
            "fsync:4",
            "pwrite:1",
            "pwrite:4",
            "pwrite:30",
            "ftruncate:2",
            "ftruncate:4",
            "unlink:1",
            "unlink:2",
        ):
            self.run_and_kill(point, 0)

    def test_at_the_naming_of_the_key(self) -> None:
        """Killed before the public key has its name: nothing was recorded yet, and the next start names it."""
        self.run_and_kill("replace:1", 0)
