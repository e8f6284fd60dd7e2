"""What `hoopgw reload` and `setup` make of a gateway that takes its time."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.setup import reloading


class Reloading(SynchronousTestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory(prefix="hoopgw-reload-")  # a socket's path is short
        self.addCleanup(place.cleanup)
        self.path = str(Path(place.name) / "admin.sock")
        self.server = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.server.close)
        self.server.bind(self.path)
        self.server.listen()

    def answering(self, *answers: dict[str, int] | None) -> None:
        """One connection each; None: it gets no answer."""
        thread = threading.Thread(target=self._answer, args=(answers,), daemon=True)
        thread.start()
        self.addCleanup(thread.join, 20)

    def _answer(self, answers: tuple[dict[str, int] | None, ...]) -> None:
        for answer in answers:
            client, _ = self.server.accept()
            with client:
                while b"\r\n\r\n" not in (asked := client.recv(4096)) and asked:
                    pass
                if answer is None:
                    client.recv(1)  # until it is no longer waited for
                    continue
                body = json.dumps(answer).encode()
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def test_an_answer_that_does_not_come_is_asked_for_again(self) -> None:
        """A busy machine: the gateway takes its files up meanwhile, and the command must not say that it failed."""
        self.patch(reloading, "PATIENCE", 2.0)
        self.answering(None, {"loaded": 1, "kept": 0}, {"loaded": 2, "kept": 0})
        found = reloading._taken(self.path, {"loaded": 1, "kept": 0})
        self.assertEqual((found.fix, "has taken it up" in found.said), ("", True), found)

    def test_one_that_never_answers(self) -> None:
        self.patch(reloading, "PATIENCE", 0.1)
        self.patch(reloading, "TAKEN", 0.3)
        self.answering(None)
        found = reloading._taken(self.path, {"loaded": 1, "kept": 0})
        self.assertIn("did not take it up", found.said)
