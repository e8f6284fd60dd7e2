"""Clients that send more than the gateway takes, and read nothing before they have: they read why all the same."""

from __future__ import annotations

import ssl
import time

from hoopgw.cli.demo.stage import Options
from tests.live.harness import LiveCase

SENT = 48 << 20


class TooLong(LiveCase):
    options = Options(more={"hoopgw.toml": '[limits]\nmax_statement = "1 MiB"\n'})

    def told(self, session: ssl.SSLSocket) -> bytes:
        """All that comes up to the end; an end without a word of TLS is none."""
        seen = b""
        while data := session.recv(65536):
            seen += data
        return seen

    def test_a_statement(self) -> None:
        """must-survive 5, 78: one message beyond max_statement, all of it sent first, and others behind it."""
        for behind in (b"", b"Q\0\0\0\x0dselect 1\0" * 100_000):
            session = self.by_hand()
            session.sendall(b"Q" + (SENT + 5).to_bytes(4, "big") + b" " * SENT + b"\0" + behind)
            said = self.told(session)
            self.assertIn(b"C08P01", said)
            self.assertIn(b"is longer than the 1048576 allowed here", said)

    def test_killed_in_a_copy(self) -> None:
        """must-survive 77: who is killed while it sends, and reads later, reads why."""
        session = self.by_hand()
        text = b"copy products (id, name, price) from stdin\0"
        session.sendall(b"Q" + (len(text) + 4).to_bytes(4, "big") + text)
        self.assertEqual(session.recv(1), b"G")
        id = self.newest()
        row = b"d" + (65540).to_bytes(4, "big") + b"1\t" + b"x" * 65531 + b"\t1\n"
        sent, end = 0, time.monotonic() + 3
        with self.meanwhile(lambda: self.hoopgw("sessions", "kill", id, "--reason", "enough")):
            while time.monotonic() < end:
                session.sendall(row)
                sent += 1
                time.sleep(0.01)  # one that sends tens of MiB meanwhile is not heard out
        self.assertIn(b"C57P01", self.told(session))
