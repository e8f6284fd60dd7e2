"""`hoopgw sessions verify` over files: each way of tampering is named, with the public key alone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.sessions import sessions
from hoopgw.model.settings import RecordingSettings
from hoopgw.model.target import Mode, SecretReference
from hoopgw.record.chunks import GATEWAY, Chunk
from hoopgw.store.recorder import Recorder
from hoopgw.store.recordings import Recordings, session_bytes, session_id
from tests.record.chains_for_tests import HEADER, Maker, chained_anew, session

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OLD = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
ONE, TWO = session_id(b"1" * 16), session_id(b"2" * 16)


def pem(key: Ed25519PrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(sessions, ["verify", *arguments], obj={})


def said(*arguments: str) -> dict[str, Any]:
    """By session what `--json` says of it."""
    return {each["session"]: each for each in json.loads(verify(*arguments, "--json").stdout)}


class Store:
    """Recordings of two sessions with ten operations each, as a gateway leaves them."""

    def __init__(self, place: Path, key: Ed25519PrivateKey = KEY) -> None:
        self.place, self.recordings = place, Recordings(place)
        self.one, self.two = (session(key, id, session_bytes(id)).chunks for id in (ONE, TWO))
        self.gateway = Maker(key, "gateway", GATEWAY)
        for id, chunks in ((ONE, self.one), (TWO, self.two)):
            self.gateway.note(event="opened", session=id, time=1)
            for chunk in chunks[2:14:3]:
                self.noted("sealed", id, chunk)
            self.noted("closed", id, chunks[-1])
        self.gateway.seal()
        self.write()
        (place / "recording.pub").write_bytes(pem(key))

    def noted(self, event: str, id: str, chunk: Chunk) -> None:
        self.gateway.note(event=event, session=id, chunk=chunk.header.number, digest=chunk.digest().hex(), time=2)

    def write(self) -> None:
        (self.place / "segments").mkdir(parents=True, exist_ok=True)
        for raw, chunks in (
            (session_bytes(ONE), self.one),
            (session_bytes(TWO), self.two),
            (GATEWAY, self.gateway.chunks),
        ):
            self.journal(raw, chunks)

    def journal(self, raw: bytes, chunks: Sequence[Chunk]) -> Path:
        path = self.recordings.journal(raw)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(chunk.stored() for chunk in chunks))
        return path


class Tampered(SynchronousTestCase):
    """must-survive 61."""

    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.store = Store(self.place)
        self.file = self.store.recordings.journal(session_bytes(ONE))

    def bad(self, chunk: int | None, operations: list[int], words: str = "", *arguments: str) -> None:
        """That session is named, and no other."""
        found = said(str(self.place), *arguments)
        self.assertEqual([id for id, each in found.items() if not each["verified"]], [ONE], found)
        self.assertEqual((found[ONE]["chunk"], found[ONE]["operations"]), (chunk, operations), found[ONE])
        self.assertIn(words, found[ONE]["problem"])
        self.assertEqual(verify(str(self.place)).exit_code, 1)

    def test_untouched(self) -> None:
        """All of it verifies, with the key beside it, or one that is named; and so does a file by itself."""
        for arguments in ((str(self.place),), (str(self.place), "--key", str(self.place / "recording.pub"))):
            ran = verify(*arguments)
            self.assertEqual(ran.exit_code, 0, ran.output)
            self.assertIn("3 of 3 verified", ran.stdout)
        self.assertEqual(verify(str(self.file)).exit_code, 0)

    def test_every_byte(self) -> None:
        """A flipped bit anywhere in the file: the chunk in which it is."""
        whole, start = self.file.read_bytes(), 0
        for number, chunk in enumerate(self.store.one):
            length = len(chunk.stored())
            for at in (*range(0, HEADER, 7), HEADER, length - 9, length - 8, length - 1):
                data = bytearray(whole)
                data[start + at] ^= 1
                self.file.write_bytes(data)
                for place in (self.place, self.file):
                    found = said(str(place))
                    name = ONE if ONE in found else next(iter(found))
                    last = number == len(self.store.one) - 1 and 116 <= at < 120  # longer than the file: as if torn
                    if last and place == self.file:
                        self.assertTrue(found[name]["torn"])
                    else:
                        self.assertEqual((found[name]["verified"], found[name]["chunk"]), (False, number), (at, found))
            start += length

    def test_cut(self) -> None:
        """The end of a session is not there."""
        self.store.journal(session_bytes(ONE), self.store.one[:9])
        self.bad(9, [7], "cut")

    def test_left_out(self) -> None:
        """Chunks are not there, or come twice, or in another order."""
        one = self.store.one
        for chunks, chunk, operations in (
            ([*one[:4], *one[5:]], 4, [4, 4]),
            ([*one[:4], *one[7:]], 4, [4, 5]),
            ([*one[:4], one[3], *one[4:]], 4, []),
            ([*one[:3], one[4], one[3], *one[5:]], 3, [3, 3]),
        ):
            self.store.journal(session_bytes(ONE), chunks)
            self.bad(chunk, operations)

    def test_spliced(self) -> None:
        """A chunk of another session in the place of one."""
        one = self.store.one
        self.store.journal(session_bytes(ONE), [*one[:3], self.store.two[3], *one[4:]])
        self.bad(3, [3], "another session")

    def test_made_anew(self) -> None:
        """Left out and chained anew, without the key: the next seal tells."""
        one = self.store.one
        changed = [
            *one[:3],
            *(replace(chunk, header=chunk.header._replace(number=at)) for at, chunk in enumerate(one[4:], 3)),
        ]
        self.store.journal(session_bytes(ONE), chained_anew(changed, 3))
        found = said(str(self.place))[ONE]
        self.assertEqual((found["verified"], found["chunk"]), (False, 3))

    def test_session_missing(self) -> None:
        """All of a session is gone; one that was retired is not missed."""
        self.file.unlink()
        self.bad(None, [], "missing")
        self.store.gateway.note(event="retired", session=ONE, time=3)
        self.store.gateway.seal()
        self.store.journal(GATEWAY, self.store.gateway.chunks)
        self.assertEqual(verify(str(self.place)).exit_code, 0)

    def test_sealed_by_another_key(self) -> None:
        """A session written anew with another key, or with an earlier one that the auditor still has."""
        anew = session(OLD, ONE, session_bytes(ONE)).chunks
        self.store.journal(session_bytes(ONE), anew)
        self.bad(2, [1, 2], "that of key")
        (self.place / "recording.pub").write_bytes(pem(KEY) + pem(OLD))
        self.bad(14, [9, 10], "made anew")

    def test_all_put_back(self) -> None:
        """must-survive 61: everything as it was on an earlier day is found by the head that was noted since."""
        ran = verify(str(self.place))
        head = next(line.split()[1] for line in ran.stdout.splitlines() if "head:" in line)
        self.assertEqual(verify(str(self.place), "--head", head).exit_code, 0)
        self.store.journal(GATEWAY, self.store.gateway.chunks[:3])
        self.store.gateway.chunks = self.store.gateway.chunks[:3]
        found = said(str(self.place), "--head", head)["gateway"]
        self.assertEqual((found["verified"], found["chunk"]), (False, int(head.partition(":")[0])))
        for wrong in ("1", "x:" + "0" * 64, "1:" + "0" * 63):
            self.assertEqual(verify(str(self.place), "--head", wrong).exit_code, 2)

    def test_gateway_journal_cut(self) -> None:
        """A session that is there, and that a journal which verifies does not know; where a machine was lost between
        its first chunk and the note behind it, nothing is wrong."""
        end = next(at for at, chunk in enumerate(self.store.gateway.chunks) if TWO.encode() in chunk.raw())
        self.store.journal(GATEWAY, self.store.gateway.chunks[:end])
        found = said(str(self.place))
        self.assertEqual((found["gateway"]["verified"], found[ONE]["verified"]), (True, True))
        self.assertIn("not in the gateway journal", found[TWO]["problem"])
        self.assertEqual(verify(str(self.place)).exit_code, 1)
        self.store.journal(session_bytes(TWO), self.store.two[:1])
        self.assertTrue(said(str(self.place))[TWO]["verified"])

    def test_gateway_journal(self) -> None:
        """A damaged gateway journal is named; the sessions are held to what stands before the damage."""
        path = self.store.recordings.gateway_journal
        data = bytearray(path.read_bytes())
        data[-60] ^= 1
        path.write_bytes(data)
        found = said(str(self.place))
        self.assertEqual((found["gateway"]["verified"], found[ONE]["verified"]), (False, True))
        self.store.journal(session_bytes(ONE), self.store.one[:9])
        self.assertIn("cut", said(str(self.place))[ONE]["problem"])

    def test_bytes_that_are_no_chunk(self) -> None:
        """In a journal, and in a segment, of which nobody knows whose they were."""
        data = self.file.read_bytes()
        self.file.write_bytes(data + b"something else")
        self.bad(None, [], "14 bytes at offset")
        self.file.write_bytes(data)
        segment = self.place / "segments" / "00000001.hgs"
        segment.write_bytes(bytes(40) + self.store.two[0].stored())
        found = said(str(self.place))
        self.assertEqual([id for id, each in found.items() if not each["verified"]], ["segments/00000001.hgs"])

    def test_keys(self) -> None:
        """A file without a key, or with another kind of one, is wrong use."""
        path = self.place / "other.pub"
        for data in (b"", b"x", pem(KEY)[:-40]):
            path.write_bytes(data)
            self.assertEqual(verify(str(self.place), "--key", str(path)).exit_code, 2)

    def test_no_segments(self) -> None:
        """A copy by a tool that leaves out what is empty: nothing is missing."""
        place = Path(self.mktemp())
        shutil.copytree(self.place, place)
        (place / "segments").rmdir()
        ran = verify(str(place))
        self.assertEqual(ran.exit_code, 0, ran.output)

    def test_nothing_sealed(self) -> None:
        """A file of sound chunks that no key signed is anybody's; so is one cut before its first seal."""
        path = Path(self.mktemp())
        path.write_bytes(b"".join(chunk.stored() for chunk in self.store.one[:1]))
        ran = verify(str(path), "--key", str(self.place / "recording.pub"))
        self.assertEqual(ran.exit_code, 1, ran.output)
        self.assertIn("nothing of it is sealed", ran.stdout)

    def test_coverage(self) -> None:
        """What was seen of each session is said beside it."""
        lines = verify(str(self.file)).stdout.splitlines()
        (line,) = [line for line in lines if "operations are in the record" in line]
        self.assertIn("10 operations", line)
        self.assertEqual(said(str(self.file))[ONE]["coverage"]["operations"], 10)


class Exported(SynchronousTestCase):
    def test_byte_for_byte(self) -> None:
        """An exported journal is what is stored, its damage too; a replay of it goes past that."""
        place = Path(self.mktemp())
        file = Store(place).recordings.journal(session_bytes(ONE))
        data = bytearray(file.read_bytes())
        data[700:720] = bytes(20)
        file.write_bytes(data)
        ran = CliRunner().invoke(sessions, ["export", str(file), "--format", "journal"], obj={})
        self.assertEqual(ran.stdout_bytes, bytes(data))
        ran = CliRunner().invoke(sessions, ["replay", str(file)], obj={})
        self.assertEqual(ran.exit_code, 0)
        self.assertIn("DAMAGE", ran.stdout)
        self.assertIn("#10 ", ran.stdout)


class Live(SynchronousTestCase):
    def test_open_sessions(self) -> None:
        """must-survive 40: what a running gateway writes verifies, in segments and cut into journals."""
        place = Path(self.mktemp())
        place.mkdir()
        made = RecordingSettings(
            directory=str(place / "recordings"),
            spool_directory=str(place),
            spool=4 << 20,
            min_free=1,
            signing_key=SecretReference("file", "-"),
            seal_every=0.05,
        )
        recorder = Recorder(made, "test", KEY, lambda call, *arguments: call(*arguments))
        recorder.start()
        journals = [recorder.open(id, {"protocol": "postgresql"}, Mode.STRICT) for id in (ONE, TWO)]
        deadline = time.monotonic() + 60
        while verify(made.directory).exit_code and time.monotonic() < deadline:  # the writer's first chunks
            time.sleep(0.05)
        for _ in range(5):
            for journal in journals:
                journal.append(3, bytes(300_000))
            time.sleep(0.06)
            ran = verify(made.directory)
            self.assertEqual(ran.exit_code, 0, ran.output)
        journals[0].close({"reason": "done"})
        recorder.stop()
        ran = verify(made.directory)
        self.assertEqual(ran.exit_code, 0, ran.output)
        self.assertIn("closed and sealed", ran.stdout)
        self.assertIn("not closed", ran.stdout)
