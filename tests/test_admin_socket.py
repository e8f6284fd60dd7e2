"""The admin socket's file: what a killed gateway left does not keep the next one from starting."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from hoopgw.config_files import Document
from hoopgw.config_reader import Reader
from hoopgw.config_settings import settings
from hoopgw.model.errors import OperatorError
from hoopgw.servers.admin import remove_stale_socket
from hoopgw.service_drain import stopped


class AdminSocket(TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()  # short: a socket's path has a bound
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "run/admin.sock"
        made = settings(Reader(Document("hoopgw.toml", {"admin": {"socket": str(self.path)}}, {}), []))
        self.endpoint = made.listen.admin

    def listen(self) -> Any:
        remove_stale_socket(self.endpoint)
        return serverFromString(reactor, self.endpoint).listen(Factory())

    @inlineCallbacks
    def test_after_a_crash(self) -> Any:
        """The file is there, and a lock beside it whose number another process has by now, or this one itself."""
        self.path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(self.path))
        os.symlink(str(os.getpid()), f"{self.path}.lock")
        port = yield self.listen()
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o660)
        yield stopped(port)
        self.assertFalse(self.path.exists())

    @inlineCallbacks
    def test_of_another_gateway(self) -> Any:
        """One that somebody listens on is not taken away."""
        port = yield self.listen()
        self.assertRaises(OperatorError, remove_stale_socket, self.endpoint)
        self.assertTrue(self.path.exists())
        yield stopped(port)
