"""hoopgw.cli.socket_client: what is sent to a running gateway, and what is said where that cannot be."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from pathlib import Path
from unittest import mock

import click
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.socket_client import Gateway, Refused, read_token, segment


class Token(SynchronousTestCase):
    def read(self, value: str) -> str:
        with mock.patch.dict(os.environ, HOOPGW_TOKEN=value):
            return read_token()

    def file_with(self, content: bytes) -> str:
        path = Path(self.mktemp())
        path.write_bytes(content)
        path.chmod(0o600)
        return f"file:{path}"

    def test_itself_or_of_a_file(self) -> None:
        self.assertEqual(self.read("a.b.c\n"), "a.b.c")
        self.assertEqual(self.read(self.file_with(b"a.b.c\n")), "a.b.c")

    def test_what_is_no_token_is_not_shown(self) -> None:
        """The file that was named by mistake may hold another secret: it reaches no error text."""
        for content in (b"password = 'hunter2'\nmore\n", b"hunter2\nhunter2", "h\u00fcnter2".encode(), b"hunter2\0"):
            for value in (self.file_with(content), content.decode()):
                if "\0" in value:
                    continue
                error = self.assertRaises(click.UsageError, self.read, value)
                self.assertIn("is not a token", str(error))
                self.assertNotIn("nter2", str(error))


class Names(SynchronousTestCase):
    def test_a_name_stays_one_part_of_the_path(self) -> None:
        """must-survive 36: what was typed names nothing else, and is no second request."""
        self.assertEqual(segment("s_x-1"), "s_x-1")
        self.assertEqual(segment("../a b?c\r\n\u00e9"), "..%2Fa%20b%3Fc%0D%0A%C3%A9")


class Answers(SynchronousTestCase):
    def answering(self, answer: bytes) -> Gateway:
        """A gateway that says this to one request and goes away."""
        directory = tempfile.TemporaryDirectory()  # short: a socket's path has a bound
        self.addCleanup(directory.cleanup)
        path = f"{directory.name}/socket"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            peer, _ = listening.accept()
            peer.recv(65536)
            peer.sendall(answer)
            peer.close()
            listening.close()

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        return Gateway(path)

    def test_an_answer_that_ends_early_is_not_taken_for_whole(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        with mock.patch.dict(os.environ, HOOPGW_TOKEN="a.b.c"):
            gateway = self.answering(head + b"5\r\nhello\r\n")
            self.assertRaises(Refused, lambda: list(gateway.stream("/v1/sessions/s_x/recording")))

    def test_what_speaks_no_http_is_an_error_in_words(self) -> None:
        with mock.patch.dict(os.environ, HOOPGW_TOKEN="a.b.c"):
            error = self.assertRaises(Refused, self.answering(b"N").get, "/v1/sessions")
        self.assertIn("does not answer", error.message)
