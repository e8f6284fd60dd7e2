"""A backup is believed when every byte of it is as it was made, and no path of it leads elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.backup import archive, sealing
from hoopgw.cli.backup.contents import Item
from hoopgw.cli.backup.restoring import InTheWay, Restoring
from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret

PASSPHRASE = Secret(b"correct horse battery staple")
SALT_FOR_TESTS = 1 << 10  # scrypt's real cost would be most of the time of this module


class Archive(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(sealing, "COST", SALT_FOR_TESTS)
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()

    def made(self, path: str = "a.toml", secret: str = "secrets/x", root: str = "config") -> Path:
        contents = {f"{root}/{path.lstrip('/')}": b"public", f"config/{secret}": b"hidden"}
        items = [
            Item(root, path, 6, hashlib.sha256(b"public").hexdigest(), 0o644, "", "", False),
            Item("config", secret, 6, hashlib.sha256(b"hidden").hexdigest(), 0o600, "", "", True),
        ]
        state, recordings = str(self.place / "state"), str(self.place / "recordings")
        manifest = archive.Manifest("gw", "0", 0.0, "/etc/hoopgw", state, recordings, "", tuple(items)).stored()
        (public, _), (hidden, content) = contents.items()
        plain = archive.packed({hidden: content})
        stored = sealing.sealed(plain, archive.bound(manifest), PASSPHRASE, os.urandom)
        file = self.place / "backup"
        with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
            for name, content in ((public, b"public"), (archive.SECRETS, stored), (archive.MANIFEST, manifest)):
                archive.add(tar, name, len(content), io.BytesIO(content))
        return file

    def test_restored(self) -> None:
        """Content and mode; files that are there stay without force, and a link is replaced, not followed."""
        found = archive.checked(self.made(), PASSPHRASE)
        directory = self.place / "etc"
        Restoring(found, directory, 0.0).restore(False)
        self.assertEqual((directory / "a.toml").read_bytes(), b"public")
        self.assertEqual((directory / "secrets/x").stat().st_mode & 0o777, 0o600)
        self.assertEqual(Restoring(found, directory, 0.0).restore(False).written, ())
        outside = self.place / "outside"
        outside.write_bytes(b"theirs")
        (directory / "a.toml").unlink()
        (directory / "a.toml").symlink_to(outside)
        self.assertRaises(InTheWay, Restoring(found, directory, 0.0).restore, False)
        Restoring(found, directory, 0.0).restore(True)
        self.assertEqual((outside.read_bytes(), (directory / "a.toml").read_bytes()), (b"theirs", b"public"))

    def test_another_passphrase(self) -> None:
        """Is refused, and so is a short one."""
        file = self.made()
        self.assertRaises(sealing.NotOpened, archive.checked, file, Secret(b"correct horse battery stable"))
        self.assertRaises(OperatorError, archive.checked, file, Secret(b"short"))

    def test_each_byte_counts(self) -> None:
        """Whatever is changed of what it holds, it is refused; so is one that ends early."""
        good = self.made().read_bytes()
        changed = self.place / "changed"
        with tarfile.open(self.place / "backup") as tar:
            spans = [(member.offset_data, member.size) for member in tar]
        for start, size in spans:
            for here in range(start, start + size, max(1, size // 12)):
                changed.write_bytes(good[:here] + bytes([good[here] ^ 1]) + good[here + 1 :])
                self.assertRaises(OperatorError, archive.checked, changed, PASSPHRASE)
        changed.write_bytes(good + b"x")
        self.assertRaises(archive.NotABackup, archive.checked, changed, PASSPHRASE)
        for end in range(0, spans[-1][0] + spans[-1][1], 700):
            changed.write_bytes(good[:end])
            self.assertRaises(OperatorError, archive.checked, changed, PASSPHRASE)

    def test_paths_lead_nowhere_else(self) -> None:
        """Even who knows the passphrase cannot write outside of a backup's places by a path."""
        for root, path in (("config", "../x"), ("state", "/etc/passwd"), ("elsewhere", "x"), ("other", "x")):
            self.assertRaises(archive.NotABackup, archive.checked, self.made(path, root=root), PASSPHRASE)

    def test_not_a_backup(self) -> None:
        """Another tar, another file, nothing at all."""
        file = self.place / "file"
        for content in (b"", b"x" * 2000, json.dumps({}).encode()):
            file.write_bytes(content)
            self.assertRaises(OperatorError, archive.checked, file, PASSPHRASE)
