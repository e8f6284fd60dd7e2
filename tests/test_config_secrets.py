"""Secrets: where they are read from, and what is not read."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.config_secrets import AT_START, MAX_SECRET, read_or_make, read_secret, signing_key
from hoopgw.model.errors import OperatorError, SecretUnavailable
from hoopgw.model.target import SecretReference


def file_of(path: Path) -> SecretReference:
    return SecretReference("file", str(path))


class Read(SynchronousTestCase):
    def file(self, content: bytes, mode: int = 0o600) -> Path:
        path = Path(self.mktemp())
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def refused(self, path: Path) -> str:
        return str(self.assertRaises(SecretUnavailable, read_secret, file_of(path)))

    def test_file(self) -> None:
        """The content without the newline at its end; nothing else is taken away."""
        for content, wanted in ((b"s3cret\n", b"s3cret"), (b" a b \r\n", b" a b "), (b"\xff\n\n", b"\xff")):
            self.assertEqual(read_secret(file_of(self.file(content))).reveal(), wanted)

    def test_file_must_be_private(self) -> None:
        """A secret that group or others may read, write or run is not used, and not shown."""
        for mode in (0o640, 0o604, 0o620, 0o610, 0o666):
            words = self.refused(self.file(b"s3cret\n", mode))
            self.assertIn("chmod 600", words)
            self.assertNotIn("s3cret", words)

    def test_file_of_somebody_else(self) -> None:
        """A file that another user can change is no secret of the gateway's."""
        if os.geteuid() != 0:
            raise SkipTest("only root can give a file away")
        path = self.file(b"s3cret\n")
        os.chown(path, 65534, 65534)
        self.assertIn("another user", self.refused(path))

    def test_what_is_not_a_secret(self) -> None:
        """Missing, empty, huge, a directory, a FIFO: refused at once."""
        place = Path(self.mktemp())
        place.mkdir(mode=0o700)
        os.mkfifo(place / "fifo", 0o600)
        for path in (place / "missing", place, place / "fifo", self.file(b"\n"), self.file(b"x" * (MAX_SECRET + 1))):
            self.refused(path)

    def test_credential(self) -> None:
        """credential:NAME is a file of the directory that systemd names; without systemd there is none."""
        place = Path(self.mktemp())
        place.mkdir()
        (place / "db").write_text("x\n")
        (place / "db").chmod(0o444)  # systemd's own mode; its directory keeps others out
        there = {"CREDENTIALS_DIRECTORY": str(place)}
        self.assertEqual(read_secret(SecretReference("credential", "db"), there).reveal(), b"x")
        error = self.assertRaises(SecretUnavailable, read_secret, SecretReference("credential", "other"), there)
        self.assertIn(AT_START, str(error))
        self.assertNotIn(AT_START, self.refused(place / "other"))
        self.assertRaises(SecretUnavailable, read_secret, SecretReference("credential", "db"), {})

    def test_environment(self) -> None:
        """env:NAME; missing and empty are the same."""
        self.assertEqual(read_secret(SecretReference("env", "PAY"), {"PAY": "p w"}).reveal(), b"p w")
        for environment in ({}, {"PAY": ""}):
            self.assertRaises(SecretUnavailable, read_secret, SecretReference("env", "PAY"), environment)


class Make(SynchronousTestCase):
    def test_made_once(self) -> None:
        """A key that is missing is made with mode 0600 in a directory of 0700, and is the same the next time."""
        path = Path(self.mktemp()) / "keys/mask.key"
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        first = read_or_make(file_of(path))
        self.assertEqual(first, read_or_make(file_of(path)))
        self.assertEqual((path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777), (0o600, 0o700))
        self.assertEqual(os.listdir(path.parent), ["mask.key"])
        self.assertEqual(len(first.reveal()), 64)

    def test_only_files_are_made(self) -> None:
        """A credential or variable that is missing is an error: the operator said it would be there."""
        for kind in ("env", "credential"):
            self.assertRaises(SecretUnavailable, read_or_make, SecretReference(kind, "HOOPGW_NOT_THERE"))


class SigningKey(SynchronousTestCase):
    def test_any_reference(self) -> None:
        """The key of the seals may be a file, which is made, or a credential or variable, which has to be a key."""
        path = Path(self.mktemp()) / "keys/recording.key"
        made = signing_key(file_of(path))
        pem = path.read_text()
        self.patch(os, "environ", {**os.environ, "HOOPGW_KEY": pem, "HOOPGW_OTHER": "no key"})
        again = signing_key(SecretReference("env", "HOOPGW_KEY"))
        self.assertEqual(again.public_key(), made.public_key())
        self.assertRaises(OperatorError, signing_key, SecretReference("env", "HOOPGW_OTHER"))
        self.assertRaises(SecretUnavailable, signing_key, SecretReference("env", "HOOPGW_NOT_THERE"))
