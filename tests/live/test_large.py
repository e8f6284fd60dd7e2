"""What is large: COPY in both directions, values and statements; and the gateway's memory beside it.

HOOPGW_SOAK_MB is the size: 1024 before a release (values and statements then have 100 MB); CONTRIBUTING.md.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.live.owning import OwnerCase

COPIED = int(os.environ.get("HOOPGW_SOAK_MB", "24")) << 20
VALUE = min(100_000_000, COPIED // 4)
PIECE = 1 << 20
HEADROOM = 320 << 20  # bytes that the gateway may hold above where it was: some copies of one value, and the spool


class Memory:
    """The gateway's largest resident size while this is entered."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/statm")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.most = self._now()

    def _now(self) -> int:
        return int(self._path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.most = max(self.most, self._now())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def grown(self) -> int:
        return self.most - self.before


def pieces(size: int) -> Iterator[bytes]:
    """Lines of one text column, `size` bytes of them."""
    line = b"0123456789abcdef" * 63 + b"0123456789abcde\n"
    block = line * (PIECE // len(line))
    for _ in range(size // PIECE):
        yield block


def cpu(pid: int) -> float:
    """Seconds that all its threads have had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Large(OwnerCase):
    def test_both_ways(self) -> None:
        """COPY FROM STDIN and TO STDOUT: every byte arrives, and the gateway's memory does not grow with them."""
        self.stage.cluster.run("CREATE UNLOGGED TABLE large (line text)", database="shop")
        self.addCleanup(self.stage.cluster.run, "DROP TABLE large", database="shop")
        connection = self.connect("writer")
        sent, came = hashlib.sha256(), hashlib.sha256()
        with Memory(self.stage.gateway.pid) as memory:
            with connection.cursor().copy("copy large from stdin") as copy:
                for piece in pieces(COPIED):
                    sent.update(piece)
                    copy.write(piece)
            with connection.cursor().copy("copy large to stdout") as copy:
                for data in copy:
                    came.update(data)
        self.assertEqual(came.hexdigest(), sent.hexdigest())
        self.assertLess(memory.grown, HEADROOM)

    def test_text_and_bytea(self) -> None:
        """In and out, by simple and extended statements, in text and binary."""
        self.stage.cluster.run("CREATE TABLE wide (id int, t text, b bytea)", database="shop")
        self.addCleanup(self.stage.cluster.run, "DROP TABLE wide", database="shop")
        connection = self.connect("writer")
        text, data = "a" * VALUE, os.urandom(VALUE // 2)
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            kind = "%b" if binary else "%t"
            cursor.execute(f"insert into wide values (1, {kind}, {kind})".encode(), (text, data))
            ((shown, came),) = cursor.execute("select t, b from wide where id = 1").fetchall()
            self.assertTrue(shown == text and came == data, f"binary {binary}")
            cursor.execute("delete from wide where id = 1")
        connection.execute(f"insert into wide values (2, '{text}')".encode())
        connection.execute(f"update wide set b = '\\x{data.hex()}' where id = 2".encode())
        ((size, digest),) = connection.execute("select length(t), sha256(b) from wide").fetchall()
        self.assertEqual((size, digest), (VALUE, hashlib.sha256(data).digest()))

    def until(self, session: ssl.SSLSocket, tag: bytes) -> list[bytes]:
        """Tags of the messages up to this one."""
        seen: list[bytes] = []
        while not seen or seen[-1] != tag:
            head = self.exactly(session, 5)
            seen.append(head[:1])
            self.exactly(session, int.from_bytes(head[1:], "big") - 4)
        return seen

    def exactly(self, session: ssl.SSLSocket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = session.recv(size - len(data))
            self.assertTrue(more, "the gateway closed")
            data += more
        return data

    def seconds(self, size: int, piece: int) -> float:
        """Of the CPU, that the gateway needs for a statement of this size that comes in such pieces."""
        session = self.by_hand()
        text = b"select length('" + b"a" * size + b"')\0"
        message = memoryview(b"Q" + (len(text) + 4).to_bytes(4, "big") + text)
        before = cpu(self.stage.gateway.pid)
        for here in range(0, len(message), piece):
            session.sendall(message[here : here + piece])
        self.assertEqual(self.until(session, b"Z"), [b"T", b"D", b"C", b"Z"])
        return cpu(self.stage.gateway.pid) - before

    def test_a_statement_in_small_pieces(self) -> None:
        """must-survive 78: pieces of 1 KB and of 64 KB: joined once, so time and memory grow with the size alone."""
        for piece in (1024, 64 * 1024):
            with Memory(self.stage.gateway.pid) as memory:
                small = min(self.seconds(VALUE // 8, piece) for _ in range(2))
                large = self.seconds(VALUE, piece)
            # eight times the size: joining at every piece would take sixty-four times as long
            self.assertLess(large, 24 * small + 1.0, f"pieces of {piece}: {small:.2f} s, then {large:.2f} s")
            self.assertLess(memory.grown, HEADROOM + 6 * VALUE)

    def test_a_parameter_of_a_refused_statement(self) -> None:
        """A large Bind of a statement that is refused, and the connection goes on."""
        connection: psycopg.Connection[Any] = self.connect("writer")
        error = self.assertRaises(
            psycopg.Error, connection.execute, "select set_config('role', %s, false)", ("a" * VALUE,)
        )
        assert isinstance(error, psycopg.Error)
        self.assertEqual(error.sqlstate, "ZG001")
        self.assertEqual(connection.execute("select 1").fetchone(), (1,))
