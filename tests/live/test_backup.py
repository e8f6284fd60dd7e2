"""A gateway that is backed up while it works, lost, and restored: it runs, and its recordings verify."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from hoopgw.cli.demo.place import write_secret
from tests.live.harness import LiveCase


class Backup(LiveCase):
    def setUp(self) -> None:
        super().setUp()
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()
        self.file = self.place / "backup"
        write_secret(self.place / "passphrase", "correct horse battery staple")
        self.where = f"file:{self.place}/passphrase"
        self.directory = self.stage.gateway.config.parent

    def work(self, count: int) -> None:
        with self.connect("writer") as connection:
            for number in range(count):
                connection.execute("select %s::int, repeat('x', 2000) from generate_series(1, 50)", (number,))

    def busy(self) -> tuple[threading.Event, threading.Thread]:
        done = threading.Event()

        def run() -> None:
            while not done.is_set():
                self.work(20)

        thread = threading.Thread(target=run)
        thread.start()
        return done, thread

    def test_lost_and_restored(self) -> None:
        """Taken under load, with recordings.  Configuration, keys, index and recordings are gone; afterwards the
        gateway runs on the same keys, knows its sessions, and every recording verifies."""
        self.work(20)
        deadline = time.monotonic() + 10
        while json.loads(self.hoopgw("sessions", "list", "--json").stdout) == []:  # the index is written once a second
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        done, thread = self.busy()
        try:
            ran = self.hoopgw("backup", str(self.file), "--passphrase", self.where, "--recordings", "--json")
        finally:
            done.set()
            thread.join()
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(json.loads(ran.stdout)["notes"], [])
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        stored = self.file.read_bytes()
        password = (self.directory / "secrets/reader").read_bytes().strip()
        self.assertNotIn(password, stored)
        self.assertNotIn(b"PRIVATE KEY", stored)
        state = self.stage.state
        keys = {path.name: path.read_bytes() for path in (state / "keys").iterdir()}
        self.assertIn("recording.key", keys)

        ran = self.hoopgw("restore", str(self.file), "--passphrase", self.where, "--force")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("a gateway runs", ran.stderr)
        self.stage.gateway.stop()
        self.addCleanup(self.stage.gateway.stop)
        for path in (*self.directory.iterdir(), *state.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        ran = self.hoopgw("restore", str(self.file), "--passphrase", self.where)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual({path.name: path.read_bytes() for path in (state / "keys").iterdir()}, keys)
        self.assertEqual((state / "keys/recording.key").stat().st_mode & 0o777, 0o600)
        self.verified()
        with closing(sqlite3.connect(state / "hoopgw.db")) as index:
            self.assertGreater(index.execute("select count(*) from sessions").fetchone()[0], 0)
        self.stage.gateway.start()
        self.work(5)
        self.stage.gateway.stop()
        self.verified()

        ran = self.hoopgw("restore", str(self.file), "--passphrase", self.where)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("Nothing was changed", ran.stderr)
        (state / "keys/recording.key").chmod(0o644)  # with the content that it had: its mode comes back as well
        ran = self.hoopgw("restore", str(self.file), "--passphrase", self.where, "--force", "--json")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual((state / "keys/recording.key").stat().st_mode & 0o777, 0o600)
        self.verified()
        aside = Path(json.loads(ran.stdout)["aside"])
        self.assertEqual(self.hoopgw("sessions", "verify", str(aside)).returncode, 0)
        self.stage.gateway.start()

    def verified(self) -> None:
        ran = self.hoopgw("sessions", "verify", str(self.stage.state / "recordings"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_refused(self) -> None:
        """A file that is there, a passphrase that is short, and one on the command line: nothing is made."""
        ran = self.hoopgw("backup", str(self.file), "--passphrase", self.where)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("is there already", self.hoopgw("backup", str(self.file), "--passphrase", self.where).stderr)
        nowhere = self.hoopgw("backup", str(self.place / "none/b"), "--passphrase", self.where)
        self.assertIn(f"{self.place}/none is no directory", nowhere.stderr)
        write_secret(self.place / "short", "hunter2")
        ran = self.hoopgw("backup", str(self.place / "b"), "--passphrase", f"file:{self.place}/short")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(sorted(path.name for path in self.place.iterdir()), ["backup", "passphrase", "short"])
        self.assertEqual(self.hoopgw("backup", str(self.place / "b"), "--passphrase", "hunter2").returncode, 2)
