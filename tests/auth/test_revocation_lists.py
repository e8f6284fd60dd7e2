"""hoopgw.auth.revocation_lists: each login knows what the files say by then, or is refused."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults, inlineCallbacks
from twisted.trial.unittest import TestCase

from hoopgw.auth.revocation_files import read_list
from hoopgw.auth.revocation_lists import RevocationLists
from hoopgw.model.errors import RevocationsUnavailable
from hoopgw.model.events import Code
from hoopgw.model.settings import SshAuthority, SshSettings
from tests.session.fakes import Emitted

LATER = 60.0  # seconds that the clock is ahead: files that were written just now look as if they had lain there


class Lists(TestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.events = Emitted()
        self.changes: list[SshSettings] = []
        self.now, self.asked = LATER, 0
        self.lists = RevocationLists(self.events, self.changes.append, self.time)
        self.path.write_text("serial: 1\n")
        self.lists.configure(SshSettings(authorities=(self.authority("a"), self.authority("b"))))

    def time(self) -> float:
        """How often it is asked for is how many files were read."""
        self.asked += 1
        return time.time() + self.now

    def authority(self, name: str) -> SshAuthority:
        keys = (name.encode(),)
        return SshAuthority(name, "corp", keys, lists=(read_list(str(self.path), keys, time.time() + LATER),))

    def revoked(self, serial: int) -> list[bool]:
        """By each of the two authorities: a text is about the one that names it."""
        return [
            each.lists[0].revocations.has_certificate(each.name.encode(), serial, b"")
            for each in self.lists.settings.authorities
        ]

    @inlineCallbacks
    def test_changed(self) -> Generator[Deferred[Any], Any, None]:
        """What stays is not read again; what changes counts at once, for each that names the file, and is told once."""
        yield self.lists.look()
        self.assertEqual((self.asked, self.changes), (0, []))
        self.path.write_text("serial: 1\nserial: 22\n")
        yield self.lists.look()
        self.assertEqual((self.revoked(22), self.revoked(1)), ([True, True], [True, True]))
        self.assertEqual(self.changes, [self.lists.settings])
        self.assertEqual(self.events.codes(), [Code.REVOCATIONS_CHANGED])
        asked = self.asked
        yield self.lists.look()
        self.assertEqual(self.asked, asked)

    @inlineCallbacks
    def test_same_tick(self) -> Generator[Deferred[Any], Any, None]:
        """A second change in the same tick of the clock, of the same size, is seen: nothing is settled then."""
        self.now = 0.0
        for serial in (2, 3, 4):
            self.path.write_text(f"serial: {serial}\n")
            yield self.lists.look()
            self.assertEqual(self.revoked(serial), [True, True])

    @inlineCallbacks
    def test_broken(self) -> Generator[Deferred[Any], Any, None]:
        """A list that cannot be read refuses, with one event, and is not read again until it changes; it goes on when
        it is whole, and that is told, though it says the same."""
        for broken in ("serial: x\n", None):
            self.path.unlink() if broken is None else self.path.write_text(broken)
            for _ in range(3):
                yield self.assertFailure(self.lists.look(), RevocationsUnavailable)
            self.assertEqual(self.revoked(1), [True, True])
        self.assertLess(self.asked, 9)
        self.assertEqual(self.events.codes(), [Code.REVOCATIONS_UNAVAILABLE] * 4)  # two authorities, two faults
        self.assertEqual(self.changes, [])
        self.path.write_text("serial: 1\n")
        yield self.lists.look()
        self.assertEqual(self.events.codes()[4:], [Code.REVOCATIONS_CHANGED])

    @inlineCallbacks
    def test_together(self) -> Generator[Deferred[Any], Any, None]:
        """Of many that look at once none is let go on by the old list, and the file is read a few times only; one that
        goes away takes nothing from the others."""
        self.path.write_text("serial: 5\n")
        seen: list[list[bool]] = []
        waiting = [self.lists.look().addCallback(lambda _: seen.append(self.revoked(5))) for _ in range(50)]
        waiting[0].addErrback(lambda failure: failure.trap(CancelledError))
        waiting[0].cancel()
        self.path.write_text("serial: 55\nserial: 5\n")
        later = self.lists.look().addCallback(lambda _: self.assertEqual(self.revoked(55), [True, True]))
        yield gatherResults([*waiting, later])
        self.assertEqual(seen, [[True, True]] * 49)
        self.assertLessEqual(self.asked, 6)

    @inlineCallbacks
    def test_reload_meanwhile(self) -> Generator[Deferred[Any], Any, None]:
        """A reload that comes while a file is read: what it brought counts, and is looked at as well."""
        self.path.write_text("serial: 5\n")
        waiting = self.lists.look()
        other = Path(self.mktemp())
        other.write_text("serial: 6\n")
        named = read_list(str(other), (b"c",), time.time() + LATER)
        self.lists.configure(SshSettings(authorities=(replace(self.authority("c"), lists=(named,)),)))
        other.write_text("serial: 66\n")
        yield waiting
        self.assertEqual((self.revoked(66), self.changes), ([True], [self.lists.settings]))
