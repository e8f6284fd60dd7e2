"""A spool that is not as it was left: the start says so, and nothing of it gets into a recording."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import OperatorError
from hoopgw.model.target import Mode
from hoopgw.record.verify import SessionVerifier
from hoopgw.store.recorder import Recorder
from hoopgw.store.recordings import Recordings, session_id
from hoopgw.store.spool import HEAD, PAGE, TAIL, Spool
from tests.store.test_recorder import settings

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ONE, TWO = b"A" * 16, b"B" * 16
NOTES = [b'{"event":"opened","session":"%b","time":5}' % session_id(one).encode() for one in (ONE, TWO)]


def entry(session: bytes, kind: int, sequence: int, payload: bytes, piece: int = 0, flags: int = 1) -> bytes:
    """As the ring holds it, byte by byte."""
    head = session + len(payload).to_bytes(4, "little") + bytes((kind, flags)) + piece.to_bytes(2, "little")
    return head + sequence.to_bytes(8, "little") + (9).to_bytes(8, "little") + payload


def note(payload: bytes) -> bytes:
    return entry(bytes(16), 9, 0, payload)


LEFT = [
    note(NOTES[0]), entry(ONE, 1, 1, b"{}"), entry(ONE, 3, 2, b"a"), note(NOTES[1]), entry(TWO, 1, 1, b"{}"),
    entry(ONE, 3, 3, b"first half, ", flags=0), entry(ONE, 3, 3, b"second half", piece=1),
]  # fmt: skip


class Leftovers(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir()
        self.settings = settings(self.place, spool=1 << 16)

    def left(self, entries: bytes, tail: int = 0) -> None:
        """A gateway has died, and the ring holds these."""
        path = self.place / "test.spool"
        path.unlink(missing_ok=True)
        Spool(path, 1 << 16).close()
        with path.open("r+b") as file:
            for at, word in ((HEAD, len(entries)), (TAIL, tail)):
                file.seek(at)
                file.write(word.to_bytes(8, "little"))
            file.seek(PAGE)
            file.write(entries)

    def recorder(self) -> Recorder:
        return Recorder(self.settings, "test", KEY, lambda call, *given: None)

    def started(self) -> list[str]:
        recorder = self.recorder()
        try:
            return recorder.start()
        finally:
            if recorder.writer._thread.is_alive():
                recorder.stop()
            else:
                recorder.segments.close()
                recorder.spool.close()

    def verified(self) -> dict[str, tuple[bool, bool]]:
        """By session: without a fault; closed and sealed."""
        recordings, found = Recordings(self.place / "recordings"), {}
        for session in (ONE, TWO):
            verifier = SessionVerifier(session_id(session), session, KEY.public_key())
            for chunk in recordings.chunks(session):
                verifier.take(chunk)
            found[session_id(session)] = verifier.result().good, verifier.result().final
        self.assertLessEqual(set(recordings.sessions()), set(found))
        return found

    def refused(self, entries: bytes, words: str, tail: int = 0) -> None:
        self.left(entries, tail)
        error = self.assertRaises(OperatorError, self.started)
        self.assertRegex(str(error), words)
        self.assertEqual(list(Recordings(self.place / "recordings").sessions()), [], "something of it was written")

    def test_whole(self) -> None:
        """must-survive 59: what is as it was left is recorded, sealed, and verifies."""
        self.left(b"".join(LEFT))
        self.assertEqual(set(self.started()), {session_id(ONE), session_id(TWO)})
        self.assertEqual(set(self.verified().values()), {(True, True)})

    def test_again(self) -> None:
        """must-survive 59: entries that were stored before the gateway died are known, and not stored twice."""
        self.left(b"".join(LEFT))
        self.started()
        self.left(b"".join(LEFT))
        self.assertEqual(self.started(), [])
        self.assertEqual(set(self.verified().values()), {(True, True)})

    def test_begins_between_entries(self) -> None:
        """must-survive 59: a ring whose tail is wrong."""
        for tail in (1, 19, 60, len(LEFT[0]) + 1):
            self.refused(b"".join(LEFT), "is damaged", tail)

    def test_reaches_over_its_end(self) -> None:
        """must-survive 59: where an entry seems to reach over the ring's head the closing entry that is put behind it
        must not become a part of it: the session would stay without its seal, and nobody would say so."""
        recorder = self.recorder()
        recorder.start()
        recorder.open(session_id(ONE), {}, Mode.STRICT)
        recorder.stop()
        # from its fifth byte on the first one says to have 259 bytes, 120 more than are there
        self.left(b"".join(entry(ONE, 3, number, b"x" * 21) for number in (2, 3, 4)), tail=4)
        self.assertRegex(str(self.assertRaises(OperatorError, self.started)), "is damaged")
        (self.place / "test.spool").unlink()
        self.assertEqual(self.started(), [session_id(ONE)])
        self.assertEqual(self.verified()[session_id(ONE)], (True, True))

    def test_an_entry_of_nobody(self) -> None:
        """must-survive 59: an entry of a changed session would be missing where it was, and be there where none was."""
        for at, changed in ((2, entry(TWO, 3, 2, b"a")), (4, entry(b"C" * 16, 1, 1, b"{}"))):
            self.refused(b"".join([*LEFT[:at], changed, *LEFT[at + 1 :]]), "is damaged|does not go on")

    def test_entries_that_do_not_follow(self) -> None:
        """must-survive 59: entries and pieces that are missing, come twice or stand in another place."""
        for entries in (
            [*LEFT[:2], *LEFT[3:]],
            [*LEFT[:3], LEFT[2], *LEFT[3:]],
            [*LEFT[:5], *LEFT[6:]],
            [*LEFT[:5], LEFT[6], LEFT[5]],
        ):
            self.refused(b"".join(entries), "is damaged")

    def test_what_the_recording_lacks(self) -> None:
        """must-survive 59: a spool that goes on behind entries which are in no recording."""
        self.refused(b"".join(LEFT[2:3]), "does not go on where its recording ends.*entry 2 after 0")

    def test_no_note(self) -> None:
        """A note of the gateway's own that nobody can read."""
        for payload in (b"", b"{", b"[]", b'{"event":"opened"}', b"\xff"):
            self.refused(note(payload) + b"".join(LEFT), "is damaged")

    def test_longer_than_the_ring(self) -> None:
        """An entry that reaches over what is there."""
        self.refused(b"".join(LEFT)[:-1], "is damaged")
