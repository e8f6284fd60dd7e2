"""A recording that grows, read as it does."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.chunks import DATA, GATEWAY, NO_DIGEST, Chunk, Header
from hoopgw.store.ages import Ages
from hoopgw.store.cutting import Cutter
from hoopgw.store.following import LAST_LOOKS, Following, followed
from hoopgw.store.recordings import Recordings, session_id

SESSION = b"s" * 16


def chunk(number: int, session: bytes = SESSION) -> bytes:
    body = b"body of %d" % number
    return Chunk(Header(DATA, session, number, NO_DIGEST, 1, 1, 0, 0, 1, 1, 4, len(body)), body).stored()


class Growing(SynchronousTestCase):
    def setUp(self) -> None:
        self.recordings = Recordings(Path(self.mktemp()))
        (self.recordings.directory / "segments").mkdir(parents=True)
        self.following = Following(self.recordings, session_id(SESSION))

    def segment(self, name: str, *chunks: bytes) -> Path:
        path = self.recordings.directory / f"segments/{name}.hgs"
        with path.open("ab") as file:
            file.write(b"".join(chunks))
        return path

    def cut(self, *paths: Path) -> None:
        cutter = Cutter(self.recordings, Ages(self.recordings.directory / "ages"))
        cutter.add(list(paths))
        cutter.cut()
        self.assertEqual(cutter.failure, "")

    def new(self) -> list[bytes]:
        return list(self.following.pieces())

    def test_once_each(self) -> None:
        """Every chunk once and in order, from segments and the journal, whenever they are cut; none of another's."""
        self.assertEqual(self.new(), [])
        first = self.segment("00000001", chunk(0), chunk(0, GATEWAY), chunk(1)[:40])
        self.assertEqual(self.new(), [chunk(0)])
        self.segment("00000001", chunk(1)[40:])
        self.assertEqual(self.new(), [chunk(1)])
        second = self.segment("00000002", chunk(2))
        self.cut(first)
        self.assertEqual(self.new(), [chunk(2)])
        self.segment("00000003", chunk(4))
        self.segment("00000002", chunk(3))
        self.assertEqual(self.new(), [chunk(3), chunk(4)])
        self.cut(second)
        self.assertEqual(self.new(), [])

    def test_end(self) -> None:
        """After the session's end it is looked some times for what the writer still had; then it is over."""
        self.segment("00000001", chunk(0))
        live = iter([True, True])
        found = list(followed(self.following, lambda: next(live, False)))
        self.assertEqual(found, [chunk(0)] + [b""] * (LAST_LOOKS + 2))
