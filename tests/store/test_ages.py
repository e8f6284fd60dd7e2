"""The clock of the ages of recordings: what a machine's clock that is wrong does not do to it."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.store.ages import DAY, Ages

NOW = 1_800_000_000.0
YEAR = 365 * DAY


class Clocks(SynchronousTestCase):
    def setUp(self) -> None:
        self.wall, self.passed = NOW, 50.0
        self.mark = Path(self.mktemp())
        self.ages = self.start()

    def start(self) -> Ages:
        return Ages(self.mark, lambda: self.wall, lambda: self.passed)

    def goes(self, days: float) -> None:
        """Both clocks, with a look each hour."""
        for _ in range(round(days * 24)):
            self.wall, self.passed = self.wall + 3600, self.passed + 3600
            self.ages.now()

    def test_right(self) -> None:
        """It is the machine's, and what is older than the age goes."""
        self.goes(30)
        self.assertEqual(self.ages.before(400 * DAY), NOW + 30 * DAY - 400 * DAY)
        self.assertEqual(self.ages.doubt, "")

    def test_far_ahead_for_days(self) -> None:
        """A clock that jumps by years, and is right again within a week, makes nothing old; it is said meanwhile."""
        self.wall += 3 * YEAR
        self.goes(6)
        self.assertLessEqual(self.ages.before(400 * DAY), NOW + 6 * DAY - 400 * DAY)
        self.assertIn("days ahead of", self.ages.doubt)
        self.wall -= 3 * YEAR
        self.assertLessEqual(self.ages.before(400 * DAY), NOW + 6 * DAY - 400 * DAY)
        self.goes(20)
        self.assertEqual(self.ages.doubt, "")
        self.assertEqual(self.ages.before(400 * DAY), NOW + 26 * DAY - 400 * DAY)

    def test_wrong_at_a_start(self) -> None:
        """The same where the machine begins with a wrong clock, and where it is restarted again and again meanwhile."""
        self.goes(1)
        self.wall += 3 * YEAR
        for _ in range(50):
            self.ages = self.start()
            self.assertLessEqual(self.ages.before(0), NOW + DAY)
            self.passed = 0.0  # the machine, too
        self.wall -= 3 * YEAR
        self.ages = self.start()
        self.assertEqual(self.ages.apart, 0)

    def test_off_for_a_month(self) -> None:
        """A gateway that was not there for a month has caught up a month later; until then all stays a while longer."""
        self.wall += 30 * DAY
        self.ages = self.start()
        self.assertLess(self.ages.before(400 * DAY), NOW - 400 * DAY)
        self.assertIn("30 days ahead of", self.ages.doubt)
        self.goes(31)
        self.assertEqual(self.ages.before(400 * DAY), NOW + 61 * DAY - 400 * DAY)

    def test_set_back(self) -> None:
        """What is written while the clock is years behind is not old when it is right again."""
        self.wall -= 40 * YEAR
        self.goes(3)
        self.assertIn("days behind", self.ages.doubt)
        written = Path(self.mktemp())
        with written.open("wb") as file:
            os.utime(written, (self.wall, self.wall))
            self.ages.date(file.fileno())
        self.wall += 40 * YEAR
        self.goes(1)
        self.assertLess(self.ages.before(9 * DAY), written.stat().st_mtime)

    def test_what_is_right_is_not_dated(self) -> None:
        written = Path(self.mktemp())
        with written.open("wb") as file:
            os.utime(written, (NOW - 60, NOW - 60))
            self.ages.date(file.fileno())
        self.assertEqual(written.stat().st_mtime, NOW - 60)

    def test_no_disk(self) -> None:
        """Where the mark cannot be written time passes all the same."""
        self.ages = Ages(Path("/proc/none/ages"), lambda: self.wall, lambda: self.passed)
        self.goes(1)
        self.assertEqual(self.ages.now(), NOW + DAY)

    def test_mark_that_cannot_be_kept(self) -> None:
        """It is said for as long as it is so."""
        self.mark.unlink()
        self.ages.now()
        self.assertIn("cannot be written (No such file or directory)", self.ages.doubt)
        self.mark.touch()
        self.ages.now()
        self.assertEqual(self.ages.doubt, "")
