"""The options that all commands share."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.main import DEFAULT_SOCKET, admin_socket


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
