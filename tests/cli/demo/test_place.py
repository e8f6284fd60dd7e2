"""Where the demo's secrets lie."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.demo import place as places
from hoopgw.cli.demo.place import GIVEN_OUT, free_port, private_directory, write_secret


class Directories(SynchronousTestCase):
    def test_too_long_for_a_socket(self) -> None:
        """Says so at once, in one line, and leaves nothing."""
        place = Path(self.mktemp()).resolve() / ("x" * 90)
        place.mkdir(parents=True)
        self.patch(tempfile, "tempdir", str(place))
        error = self.assertRaises(OSError, private_directory().__enter__)
        self.assertIn("TMPDIR", str(error))
        self.assertEqual(list(place.iterdir()), [])


class Secrets(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).resolve()
        self.place.mkdir()

    def test_only_its_owner_reads_it(self) -> None:
        """Under any umask."""
        self.addCleanup(os.umask, os.umask(0))
        path = write_secret(self.place / "token", "secret")
        self.assertEqual((path.stat().st_mode & 0o777, path.read_text()), (0o600, "secret"))

    def test_what_was_put_there_before_learns_nothing(self) -> None:
        """Neither who holds an open file of that name, nor where a link of that name leads."""
        waiting, elsewhere = self.place / "waiting", self.place / "elsewhere"
        waiting.touch(0o666)
        (self.place / "link").symlink_to(elsewhere)
        with waiting.open() as held:
            write_secret(waiting, "secret")
            self.assertEqual(held.read(), "")
        write_secret(self.place / "link", "secret")
        self.assertFalse(elsewhere.exists())
        self.assertEqual(waiting.stat().st_mode & 0o777, 0o600)


class Ports(SynchronousTestCase):
    def below(self, given_out: str) -> set[int]:
        path = Path(self.mktemp())
        path.write_text(given_out)
        self.patch(places, "GIVEN_OUT", path)
        return {free_port() for _ in range(50)}

    def test_nobody_is_given_it_by_chance(self) -> None:
        """A port that is listened on later is none of those that connections of other programs get meanwhile."""
        first = int(GIVEN_OUT.read_text().split()[0])
        self.assertTrue(all(1024 <= port < 40_000 for port in self.below("40000\t60999\n")))
        if first > 2100:
            self.assertTrue(all(port < first for port in self.below(GIVEN_OUT.read_text())))

    def test_where_all_are_given_out(self) -> None:
        """There is no better one then than the system's own."""
        self.assertTrue(all(self.below("1024\t65535\n")))

    def test_nobody_else_has_it(self) -> None:
        """Two servers that begin to listen later have two ports, however many were asked for before."""
        for given_out in (GIVEN_OUT.read_text(), "1024\t65535\n"):
            self.assertEqual(len(self.below(given_out)), 50)
