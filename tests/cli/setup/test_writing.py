"""What setup writes is whole, or as it was before."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.setup.writing import write_all, write_secret


class Writing(SynchronousTestCase):
    def test_all_or_none(self) -> None:
        """Where the last file cannot be written, the first one is as it was, and a new one is gone."""
        place = Path(self.mktemp())
        place.mkdir()
        (place / "old").write_bytes(b"old")
        (place / "file").write_bytes(b"")
        files = {place / "old": b"new", place / "d/new": b"new", place / "file/x": b"new"}
        self.assertRaises(OSError, write_all, files)
        self.assertEqual((place / "old").read_bytes(), b"old")
        self.assertFalse((place / "d/new").exists())
        write_all({place / "old": b"new"})
        self.assertEqual(((place / "old").read_bytes(), (place / "old").stat().st_mode & 0o777), (b"new", 0o644))
        self.assertEqual(sorted(path.name for path in place.iterdir()), ["d", "file", "old"])

    def test_secret_is_private_and_never_replaced(self) -> None:
        """Mode 0600 from the first moment; one that is there stays, a link is not followed."""
        place = Path(self.mktemp())
        path = place / "secrets/a"
        write_secret(path, b"one", place)
        self.assertEqual((path.read_bytes(), path.stat().st_mode & 0o777), (b"one", 0o600))
        self.assertRaises(FileExistsError, write_secret, path, b"two", place)
        (place / "secrets/link").symlink_to(place / "elsewhere")
        self.assertRaises(OSError, write_secret, place / "secrets/link", b"two", place)
        self.assertFalse((place / "elsewhere").exists())
