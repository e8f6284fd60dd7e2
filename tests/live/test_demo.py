"""`hoopgw demo` as people and programs start it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import tempfile
import termios
import time
from pathlib import Path

import psycopg
from twisted.trial.unittest import SynchronousTestCase

from tests.live.harness import command, command_lines, environment

WHOLE = 280.0  # seconds for the demo on a loaded machine
READY = 180.0


def processes_of(place: str) -> list[bytes]:
    """Command lines that name `place`."""
    return [line for line in command_lines() if os.fsencode(place) in line]


def take_terminal() -> None:
    """The child's terminal becomes its controlling one, so that Ctrl-C is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Demo(SynchronousTestCase):
    def setUp(self) -> None:
        """A temporary directory of its own: other demos of this machine leave nothing in it."""
        temporary = tempfile.mkdtemp(prefix="hoopgw-test-")
        os.chmod(temporary, 0o711)  # root's servers pass through
        self.addCleanup(shutil.rmtree, temporary, ignore_errors=True)
        self.temporary, self.environment = temporary, environment() | {"TMPDIR": temporary}

    def left_behind(self) -> list[str]:
        return os.listdir(self.temporary)

    def test_not_on_a_terminal_it_ends_with_0(self) -> None:
        """Every step goes right, the status is 0, and no directory is left."""
        done = subprocess.run(
            command("demo"),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WHOLE,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("WRONG", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self.assertEqual(self.left_behind(), [])

    def test_on_a_terminal_it_stays_until_ctrl_c(self) -> None:
        """With a terminal it says how to connect by hand, stays up, and Ctrl-C ends it with 0 and nothing left."""
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            command("demo"),
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=take_terminal,  # noqa: PLW1509 -- no thread runs here
            start_new_session=True,
        )
        os.close(theirs)
        self.addCleanup(os.close, ours)
        self.addCleanup(child.kill)
        seen, deadline = b"", time.monotonic() + WHOLE
        while b"Ctrl-C ends it" not in seen:
            self.assertLess(time.monotonic(), deadline, seen)
            seen += os.read(ours, 65536)
        for title, more in (("The agent:", "-c 'SELECT current_user::text'"), ("The approver:", "")):
            self.type_by_hand(title, more, seen.decode())
        self.assertIsNone(child.poll())
        os.write(ours, b"\x03")
        self.assertEqual(child.wait(READY), 0)
        self.assertEqual(self.left_behind(), [])

    def type_by_hand(self, title: str, more: str, seen: str) -> None:
        """What the demo tells people to type works in a shell that knows nothing."""
        line = next(line for line in seen.splitlines() if title in line).partition(title)[2]
        bare = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["/bin/sh", "-c", f"{line} {more}"], env=bare, capture_output=True, text=True, timeout=READY, check=False
        )
        self.assertEqual(done.returncode, 0, f"{line}: {done.stderr}")

    def test_a_program_gets_what_it_needs_until_sigterm(self) -> None:
        """--json: the file is whole and private, its addresses answer, and SIGTERM ends all with 0."""
        file = Path(self.mktemp()).absolute()
        child = subprocess.Popen(command("demo", "--json", str(file)), env=self.environment, stdin=subprocess.DEVNULL)
        self.addCleanup(child.kill)
        deadline = time.monotonic() + READY
        while not file.exists():
            self.assertIsNone(child.poll(), "it ended by itself")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        facts = json.loads(file.read_text())
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        for name in ("config", "state", "admin"):
            self.assertTrue(Path(facts[name]).exists(), name)
        token = facts["identities"]["agent"]["token"]
        with psycopg.connect(facts["postgresql"]["gateway"], password=token) as connection:
            self.assertEqual(connection.execute("SELECT current_user::text").fetchone(), ("shop_ro",))
        with psycopg.connect(facts["postgresql"]["gateway_writer"], password=token) as connection:
            self.assertEqual(connection.execute("SELECT current_user::text").fetchone(), ("shop_rw",))
        with psycopg.connect(facts["postgresql"]["direct"]) as connection:
            self.assertEqual(connection.execute("SELECT current_user::text").fetchone(), ("postgres",))
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(READY), 0)
        place = str(Path(facts["admin"]).parent.parent)
        self.assertFalse(Path(place).exists())
        self.assertEqual(processes_of(place), [])

    def test_told_to_end_while_it_starts(self) -> None:
        """SIGTERM before anything listens: status 0, and nothing is left."""
        file = Path(self.mktemp()).absolute()
        child = subprocess.Popen(command("demo", "--json", str(file)), env=self.environment, stdin=subprocess.DEVNULL)
        self.addCleanup(child.kill)
        deadline = time.monotonic() + READY
        while not self.left_behind():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(READY), 0)
        self.assertFalse(file.exists())
        self.assertEqual(self.left_behind(), [])
