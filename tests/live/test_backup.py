"""A gateway that is backed up while it works, lost, and restored: it runs, and its recordings verify."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

from hoopgw.cli.demo.place import write_secret
from hoopgw.store import sqlite, statements
from hoopgw.store.rows import session_values
from tests.live.harness import LiveCase, environment
from tests.store.test_contract import ROW
from tests.store.test_migrations import FIRST

AS_VERSION = "import hoopgw; hoopgw.__version__ = {!r}; from hoopgw.cli.main import main; main()"


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
        self.assertTrue(self.listed())
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

    def as_version(self, version: str, file: Path) -> None:
        """A backup that another hoopgw than this one makes."""
        words = ["--config", str(self.stage.gateway.config), "backup", str(file), "--passphrase", self.where]
        command = [sys.executable, "-c", AS_VERSION.format(version), *words]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def index(self, version: int = 1) -> Path:
        """In the place of the gateway's, one as the first hoopgw made it, with one session in it."""
        path = self.stage.state / "hoopgw.db"
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as made:
            for statement in FIRST:
                made.execute(sqlite._sql(statement))
            made.execute(sqlite._sql(statements.PUT_SESSION), session_values(ROW))
            made.execute(f"PRAGMA user_version = {version}")
            made.commit()
        return path

    def files(self) -> dict[str, bytes]:
        places = (self.directory, self.stage.state)
        return {str(path): path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}

    def test_of_another_version(self) -> None:
        """An older one is restored, and brought up to date by the next start.  A newer one, or one with a newer index,
        is refused with a clear word, and nothing is changed."""
        self.stage.gateway.stop()
        self.addCleanup(self.stage.gateway.start)
        path = self.index()
        self.as_version("0.0.9", self.file)
        path.unlink()
        ran = self.hoopgw("restore", str(self.file), "--passphrase", self.where, "--force")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("Made by hoopgw 0.0.9; its index has schema version 1: the next start brings it", ran.stdout)
        self.stage.gateway.start()
        self.assertIn(ROW.id, [each["id"] for each in json.loads(self.hoopgw("sessions", "list", "--json").stdout)])
        self.stage.gateway.stop()
        with closing(sqlite3.connect(path)) as index:
            self.assertEqual(index.execute("PRAGMA user_version").fetchone()[0], statements.VERSION)

        newer, inside = self.place / "newer", self.place / "inside"
        self.as_version("99.0.0", newer)
        kept = path.read_bytes()
        self.index(statements.VERSION + 1)
        self.as_version("0.0.9", inside)
        path.write_bytes(kept)
        before = self.files()
        for file, words in ((newer, "was made by hoopgw 99.0.0, and this is"), (inside, "of a newer hoopgw")):
            ran = self.hoopgw("restore", str(file), "--passphrase", self.where, "--force")
            self.assertEqual((ran.returncode, words in ran.stderr), (1, True), ran.stderr)
            self.assertEqual(self.files(), before)

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
