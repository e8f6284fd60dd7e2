"""The certificate that the gateway has before anybody gives it one."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.own_certificate import CERTIFICATE, KEY, ensure
from hoopgw.model.secret import Secret
from hoopgw.servers.tls import server_context


class Own(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir()
        self.certificate, self.key = self.place / CERTIFICATE, self.place / KEY

    def ensure(self) -> bool:
        return ensure(self.place, ("gw.example.com", "localhost", "127.0.0.1"), datetime.now(UTC))

    def test_clients_that_trust_it_verify_it(self) -> None:
        """The file itself is what a client names as its authority; host name and address are checked."""
        self.assertTrue(self.ensure())
        for name in ("gw.example.com", "127.0.0.1"):
            self.assertEqual(self._connected(name), "TLSv1.3")
        self.assertRaises(ssl.SSLCertVerificationError, self._connected, "other.example.com")

    def _connected(self, name: str) -> str | None:
        ours, theirs = socket.socketpair()
        server = server_context(str(self.certificate), Secret(self.key.read_bytes()))

        def serve() -> None:
            try:
                server.wrap_socket(theirs, server_side=True).close()
            except OSError:
                theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with ssl.create_default_context(cafile=str(self.certificate)).wrap_socket(
                ours, server_hostname=name
            ) as client:
                return client.version()
        finally:
            ours.close()
            thread.join()

    def test_the_key_is_its_owners_alone(self) -> None:
        """Whatever the umask says."""
        self.addCleanup(os.umask, os.umask(0))
        self.ensure()
        self.assertEqual(self.key.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.certificate.stat().st_mode & 0o777, 0o644)

    def test_what_is_there_stays(self) -> None:
        """An operator's certificate and key outlive every upgrade."""
        self.certificate.write_text("theirs")
        self.key.write_text("theirs too")
        self.assertFalse(self.ensure())
        self.assertEqual((self.certificate.read_text(), self.key.read_text()), ("theirs", "theirs too"))

    def test_half_of_it_is_no_reason_to_make_the_other(self) -> None:
        for path in (self.certificate, self.key):
            path.write_text("theirs")
            self.assertIn(str(path), str(self.assertRaises(FileExistsError, self.ensure)))
            path.unlink()

    def test_a_link_is_not_written_through(self) -> None:
        """A link that points nowhere is something that is there, not a place to write a key to."""
        self.key.symlink_to(self.place / "elsewhere")
        self.assertRaises(FileExistsError, self.ensure)
        self.assertFalse((self.place / "elsewhere").exists())
