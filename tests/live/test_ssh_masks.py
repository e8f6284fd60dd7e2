"""What OpenSSH's clients see of a host whose output is masked."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from typing import ClassVar

from hoopgw.cli.demo.stage import Options
from tests.live.harness import UNTIL
from tests.live.ssh_clients import SshCase

CARD = "4000 0012 3456 7899"
RULES = """
[mask.test-badge]
protocol = "ssh"
target = { name = "till" }
patterns = ["badge"]

[pattern.badge]
regex = 'B-[0-9]{6}'
"""


class Masked(SshCase):
    """The demo's `till`: cards, accounts and US numbers are masked there."""

    options: ClassVar[Options] = Options()

    def till(self, *words: str, options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[bytes]":
        done: subprocess.CompletedProcess[bytes] = self.ssh(*words, user="till", options=options)
        return done

    def test_pieces(self) -> None:
        """However a value is cut, and however slowly it comes, it is never whole; on the other target it is."""
        for gap in ("0", "0.02", "0.3"):
            words = f"for p in '4000 00' '12 34' '56 7' 899 ' and' ' on'; do printf \"$p\"; sleep {gap}; done"
            done = self.till(words)
            self.assertTrue(done.stdout.endswith(b"* and on"), done.stdout)
            self.assertEqual(len(done.stdout), 26)
            self.assertNotIn(b"7899", done.stdout)
            self.assertNotIn(b"6 7", done.stdout)
        self.assertIn(CARD.encode(), self.ssh(f"echo {CARD}").stdout)

    def test_errors_and_status(self) -> None:
        """stderr is masked as well; status and other output stay."""
        done = self.till(f"echo one; echo {CARD} >&2; echo two; exit 7")
        self.assertEqual((done.returncode, done.stdout), (7, b"one\ntwo\n"))
        self.assertEqual(done.stderr, b"*" * 19 + b"\n")

    def test_much(self) -> None:
        """Megabytes with values everywhere, across windows and packets: the length stays, and no value does.

        Where the target stands still in the middle of one, for longer than output may wait, its beginning is shown.
        """
        count = 60_000
        done = self.till(f"yes 'x {CARD} and DE89370400440532013000 .' | head -{count}")
        line = f"x {'*' * 19} and {'*' * 22} .\n".encode()
        self.assertEqual(len(done.stdout), len(line) * count)
        begun = [each for each in done.stdout.splitlines(keepends=True) if each != line]
        self.assertLess(len(begun), count // 50)  # one for each packet of a target that is held up at every one
        for each in begun:
            self.assertRegex(each, rb"\*{7}.* and .*\*{7}", "more of a value is shown than its beginning")

    def test_coloured(self) -> None:
        """grep's colours inside a number do not help it."""
        done = self.till(f"echo '{CARD}!' | grep --color=always 0012")
        self.assertIn(b"\x1b[", done.stdout)
        self.assertNotRegex(done.stdout, rb"[0-9]{4} |3456|7899")

    def test_recorded(self) -> None:
        """What was shown is what is recorded, with how much was masked."""
        session = self.ids("session.opened")
        self.till(f"echo {CARD}; echo end")
        (id,) = self.ids("session.opened") - session
        text = self.recorded(id, "\nend\n", "text")
        self.assertIn("*" * 19, text)
        self.assertNotIn("3456 7899\n", text.replace(f"echo {CARD}", ""))
        self.told("session.closed", id)
        (line,) = [line for line in self.events("session.closed") if id in line]
        self.assertIn('"masked":1', line)

    def ids(self, code: str) -> set[str]:
        return {json.loads(line)["session"] for line in self.events(code)}

    def test_files(self) -> None:
        """A file is not read over SFTP; it is written, and read by the old scp, masked."""
        (self.scratch / "one").write_text(f"card {CARD}\n")
        port = ["-P", str(self.stage.ssh_port)]
        up = [*self.openssh("scp"), *port, str(self.scratch / "one"), "till@127.0.0.1:card"]
        self.assertEqual(self.ran(up).returncode, 0)
        self.assertEqual((self.home / "card").read_text(), f"card {CARD}\n")
        back = [*port, "till@127.0.0.1:card", str(self.scratch / "two")]
        refused = self.ran([*self.openssh("scp"), *back])
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b'"guardrails": ["mask:till"]', refused.stderr)
        self.assertFalse((self.scratch / "two").exists() and (self.scratch / "two").stat().st_size)
        self.assertEqual(self.ran([*self.openssh("scp"), "-O", *back]).returncode, 0)
        self.assertEqual((self.scratch / "two").read_text(), f"card {'*' * 19}\n")

    def test_terminal(self) -> None:
        """On a terminal a prompt comes at once, a typed number is never whole, and the shell goes on."""
        main, its = pty.openpty()
        self.addCleanup(os.close, main)
        command = [*self.openssh("ssh"), "-tt", "-p", str(self.stage.ssh_port), "till@127.0.0.1", "cat"]
        running = subprocess.Popen(command, env=self.env(), stdin=its, stdout=its, stderr=its, start_new_session=True)
        os.close(its)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        os.write(main, b"hello\n")
        shown = self.shown(main, b"hello\r\nhello\r\n")
        for key in CARD:
            os.write(main, key.encode())
            time.sleep(0.08)
        os.write(main, b" end\n")
        shown += self.shown(main, b"* end\r\n" + b"*" * 19 + b" end\r\n")
        self.assertNotIn(b"7899", shown)
        os.write(main, b"\x04")
        self.assertEqual(running.wait(UNTIL), 0)


class Own(SshCase):
    options: ClassVar[Options] = Options(more={"guardrails.d/90-test.toml": RULES})

    def test_pattern(self) -> None:
        """An operator's own pattern, in one piece, and in one whose rest comes when the first part was shown."""
        self.assertEqual(self.ssh("printf 'id B-123456.\\n'", user="till").stdout, b"id ********.\n")
        command = ["-p", str(self.stage.ssh_port), "till@127.0.0.1", "printf 'id B-12'; read go; printf '3456.\\n'"]
        with subprocess.Popen(
            [*self.openssh("ssh"), *command], env=self.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as running:
            self.addCleanup(running.kill)
            assert running.stdin is not None and running.stdout is not None
            self.assertEqual(running.stdout.read(7), b"id B-12")
            self.assertEqual(running.communicate(b"go\n", timeout=UNTIL)[0], b"****.\n")
