"""The options that all commands share."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.main import DEFAULT_SOCKET, admin_socket, running_socket
from hoopgw.store.admin_place import note


class Options(SynchronousTestCase):
    def test_the_socket_is_that_of_the_configuration(self) -> None:
        """`systemctl reload` looks there whether the gateway took its files up; files with mistakes are no reason to
        look nowhere."""
        path = Path(self.mktemp())
        self.assertEqual(admin_socket(str(path)), DEFAULT_SOCKET)
        for text, wanted in (
            ('[admin]\nsocket = "/run/hoopgw/other.sock"\n[grant.wrong]\ngroup = 1\n', "/run/hoopgw/other.sock"),
            ("[admin]\nsocket = 'near.sock'\n", str(path.resolve().parent / "near.sock")),
            ("[listen]\n", DEFAULT_SOCKET),
            ("admin = 1\n", DEFAULT_SOCKET),
            ("[admin]\nsocket = 7\n", DEFAULT_SOCKET),
            ("[admin\n", DEFAULT_SOCKET),
        ):
            path.write_text(text)
            self.assertEqual(admin_socket(str(path)), wanted, text)

    def test_a_gateway_that_answers_elsewhere_is_found_there(self) -> None:
        """What the running one has noted counts where nobody answers at the file's place, and as long as it lives."""
        place = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="hoopgw-main-")))  # a socket's path is short
        config, named, elsewhere = place / "hoopgw.toml", str(place / "new.sock"), str(place / "old.sock")
        config.write_text(f"state = 'state'\n[admin]\nsocket = '{named}'\n")
        self.assertEqual(running_socket(str(config), named), named, "nothing is noted")
        (place / "state").mkdir()
        note(place / "state", elsewhere)
        self.assertEqual((place / "state/admin.place").stat().st_mode & 0o777, 0o600)
        self.assertEqual(running_socket(str(config), named), named, "nobody is there")
        self._listens(elsewhere)
        self.assertEqual(running_socket(str(config), named), elsewhere)
        self._listens(named)
        self.assertEqual(running_socket(str(config), named), named, "another start took it up")

    def _listens(self, path: str) -> None:
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(path)
        server.listen()
