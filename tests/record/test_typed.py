"""Lines that are typed on a terminal, read as its screen showed them: by a real bash, and by hand."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import termios
import time
from fcntl import ioctl
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.record.screen import MAX_ROWS, Screen
from hoopgw.record.typed import Confidence, Line, line
from hoopgw.relay.effects import Typed
from hoopgw.relay.ssh_typing import MAX_OUT, Typing, hidden

ECHOED, READ, UNSEEN = Confidence.ECHOED, Confidence.READ, Confidence.UNSEEN
OVER = b"\r\n\x1b[?2004l\r"  # what bash sends for Enter
PROMPT = b"\x1b[?2004h\x1b]0;a@h: ~\x07\x1b[1ma@h:~$ \x1b[0m"
WIDTH = 60
UNTIL = 60.0  # seconds that a slow machine may take
LARGE = (b"\x1b[9999@", b"\x1b[65000B", b"\n" * 300)


_KEYS = (
    b"a",
    b"\r",
    b"\n",
    b"\x03",
    b"\x1b[A",
    b"\x7f",
    b"ls\r",
    b"\x1b",
    b"pw\r",
    b"x" * 10,
    b"",
    b"\x1b[200~",
    b"\x1b[201~",
    b"\x0c",
)
_OUTPUT = (
    b"$ ", b"a", b"\r\n", b"\n", b"\r", b"\x1b[?2004h", b"\x1b[?2004l", b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?47h",
    b"\x1b[?1047l", b"\x1b", b"[", b"?", b"\x1b[K", b"\x08", b"x" * 79, b"\xe4\xbd\xa0", b"\xe4", b"\x1b[?2004", b"h",
    b"l", b"\x1b[?1", b"\x1b[2J$ ",
)  # fmt: skip
STEPS = st.lists(st.tuples(st.sampled_from(_KEYS), st.lists(st.sampled_from(_OUTPUT), max_size=6)), max_size=12)


def read(found: list[Typed]) -> list[Line]:
    return [line(each.before, each.after, each.columns, each.keys, each.text) for each in found]


def _found(wanted: bytes | re.Pattern[bytes], seen: bytes) -> bool:
    return wanted in seen if isinstance(wanted, bytes) else wanted.search(seen) is not None


class Bash:
    """A real one on a terminal of its own; `lines` is what was read.  Keys wait for what those before them show."""

    def __init__(self, prompt: str = "me:/") -> None:
        self.typing, self.screen, self.lines = Typing(WIDTH), Screen(WIDTH), list[Line]()
        self.wide = (len(prompt) + len("$ ")) % WIDTH == 0
        self.pid, self.fd = pty.fork()
        if not self.pid:
            ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))  # before bash asks: later it draws anew
            shown = rf"\[\e[1m\]{prompt}$ \[\e[0m\]"
            env = {"TERM": "xterm", "PS1": shown, "HISTFILE": "/dev/null", "PATH": "/usr/bin:/bin", "HOME": "/"}
            os.execve("/bin/bash", ["bash", "--norc", "-i"], env)
        self.until("$")

    def until(self, wanted: str | bytes | re.Pattern[bytes]) -> None:
        """The screen has changed and ends with the text; or the bytes are among what is written."""
        deadline, seen, before = time.monotonic() + UNTIL, b"", self.shown()
        while not (self.shows(wanted, before) if isinstance(wanted, str) else _found(wanted, seen)):
            assert time.monotonic() < deadline, (wanted, seen)
            if select.select([self.fd], [], [], 0.2)[0]:
                data = os.read(self.fd, 4096)
                seen += data
                self.screen.feed(data.decode(errors="replace"))
                self.lines += read(self.typing.shown(data))

    def shown(self) -> str:
        return self.screen.text((0, 0))

    def shows(self, wanted: str, before: str) -> bool:
        shown = self.shown()
        return shown != before and shown.endswith(wanted)

    def types(self, keys: bytes, until: str | bytes | re.Pattern[bytes] = "$") -> None:
        self.typing.typed(keys)
        os.write(self.fd, keys)
        self.until(until)

    def enters(self, keys: bytes) -> None:
        """Up to the next prompt, with all that is drawn of it: the old one may be drawn once more before."""
        row = rb"\r\n\r" if self.wide else b""
        self.types(keys, re.compile(re.escape(b"\x1b[?2004l") + rb".*\$ \x1b\[0m" + row, re.DOTALL))

    def close(self) -> None:
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Real(SynchronousTestCase):
    def setUp(self) -> None:
        self.bash = Bash()
        self.addCleanup(self.bash.close)

    def test_shell(self) -> None:
        """Typed, out of history, edited, completed, longer than the screen is wide, and found by a search."""
        long = b"echo " + b"abcdefghij " * 9 + b"end"
        self.bash.enters(b"echo one\r")
        self.bash.types(b"\x1b[A", "$ echo one")
        self.bash.enters(b"\r")
        self.bash.types(b"ecxo\x7f\x7f", "$ ec")
        self.bash.enters(b"ho two\r")
        self.bash.types(b"ls -d /usr/lo\t", "$ ls -d /usr/local/")
        self.bash.enters(b"\r")
        self.bash.enters(long + b"\r")
        self.bash.types(b"\x12", "search)`':")
        self.bash.types(b"tw", "`tw': echo two")
        self.bash.enters(b"\r")
        wanted = [
            Line("echo one", ECHOED, 8),
            Line("echo one", READ, 0),
            Line("echo two", READ, 10),
            Line("ls -d /usr/local/", READ, 13),
            Line(long.decode(), ECHOED, len(long)),
            Line("echo two", READ, 2),
        ]
        self.assertEqual(self.bash.lines, wanted)

    def test_prompts_as_wide_as_the_screen(self) -> None:
        """A line that wraps is drawn anew when it is entered, with ends of rows that are none of the line."""
        for width in (47, 50, 55, 58, 60, 75):
            bash = Bash("x" * (width - len("$ ")))
            try:
                bash.enters(b"echo one\r")
                bash.types(b"\x12", "search)`':")
                bash.types(b"ne", "`ne': echo one")
                bash.enters(b"\r")
                bash.enters(b"echo two\r")
            finally:
                bash.close()
            wanted = [Line("echo one", ECHOED, 8), Line("echo one", READ, 2), Line("echo two", ECHOED, 8)]
            self.assertEqual(bash.lines, wanted, width)

    def test_password(self) -> None:
        """What is not shown is told by its length, whether or not a line ends behind it; what follows is read again."""
        for ending in ("", "; echo"):
            self.bash.lines.clear()
            asked = f"read -s -p 'Password: ' P{ending}".encode()
            self.bash.types(asked + b"\r", "Password:")
            self.bash.types(b"s3cret\x7fT\r")
            self.bash.enters(b"echo after\r")
            wanted = [Line(asked.decode(), ECHOED, len(asked)), Line("", UNSEEN, 7)]
            self.assertEqual(self.bash.lines[:2], wanted)
            after = self.bash.lines[2:]
            if ending:
                self.assertEqual(after, [Line("echo after", ECHOED, 10)])
            else:  # bash thinks that its prompt begins the row: where it draws the line anew, something else is shown
                self.assertEqual([(each.keys, each.confidence is UNSEEN) for each in after], [(10, False)])

    def test_whole_screen(self) -> None:
        """What is typed into vim is not read; what started it is, and what is typed behind it."""
        if not os.path.exists("/usr/bin/vim"):
            self.skipTest("no vim")
        self.bash.types(b"vim -u NONE -n\r", b"\x1b[?25h")
        self.bash.types(b"isome text\r more\x1b", b"more")
        self.bash.types(b":q!\r", b"$ ")
        self.bash.enters(b"echo after\r")
        self.assertEqual([each.text for each in self.bash.lines], ["vim -u NONE -n", "echo after"])


class Typists(SynchronousTestCase):
    def played(self, *steps: tuple[bytes, bytes]) -> list[Line]:
        """Keys and what is shown then, in turn; the same for every cut of the output."""
        found = []
        for size in (1, 3, 1000):
            typing, lines = Typing(80), list[Line]()
            for keys, shown in steps:
                typing.typed(keys)
                for at in range(0, len(shown), size):
                    lines += read(typing.shown(shown[at : at + size]))
            lines += read(typing.ended())
            found.append(lines)
        self.assertEqual(found[0], found[2])
        self.assertEqual(found[1], found[2])
        return found[2]

    def test_prompts(self) -> None:
        """Titles and colours of a prompt are no part of the line; a line given up is none; an empty one is none."""
        found = self.played(
            (b"", PROMPT),
            (b"ls", b"ls"),
            (b"\r", OVER + b"x\r\n" + PROMPT),
            (b"rm\x03", b"rm^C" + OVER + PROMPT),
            (b"\r", OVER + PROMPT),
            (b"id\r", b"id" + OVER),
        )
        self.assertEqual(found, [Line("ls", ECHOED, 2), Line("id", ECHOED, 2)])

    def test_ahead(self) -> None:
        """Typed before the prompt is there: shown twice, read once."""
        steps = ((b"", PROMPT), (b"sleep 9\r", b"sleep 9" + OVER), (b"ls\r", b"ls\r\n"), (b"", PROMPT + b"ls" + OVER))
        found = self.played(*steps)
        self.assertEqual(found, [Line("sleep 9", ECHOED, 7), Line("ls", ECHOED, 2)])

    def test_pasted(self) -> None:
        """Several lines at once: each has a line's end of its own."""
        found = self.played((b"", PROMPT), (b"one\rtwo\r", b"one" + OVER + b"out\r\n" + PROMPT + b"two" + OVER))
        self.assertEqual([each.confidence for each in found], [ECHOED, READ])
        self.assertEqual(found[0], Line("one", ECHOED, 3))

    def test_line_editors(self) -> None:
        """bash gives back the marks of a paste behind the line's end, zsh before it; a row's end is no line's."""
        full = b"\x1b[?2004h" + b"x" * 76 + b"$ "
        again = b"\r" + full[8:] + b"ec\r\n\rho 1"
        for over in (OVER, b"\r\n\r\x1b[?2004l\r", b"\x1b[?2004l\r\r\n"):
            found = self.played((b"", full), (b"\x12o", b"\rsearch: o"), (b"\r", again + over + b"1\r\n"))
            self.assertEqual(found, [Line("echo 1", READ, 1)])

    def test_an_editor_that_goes_on(self) -> None:
        """Enter was answered to within the editor: the line is what stood there then."""
        found = self.played((b"", PROMPT), (b"id", b"id"), (b"\r", b"\r\n> "), (b"x", b"x"))
        self.assertEqual(found, [Line("id", ECHOED, 2)])

    def test_the_prompt_comes_again(self) -> None:
        """It is no part of the line behind a job that was stopped, an input that was ended, a list of completions or a
        screen that was cleared, with or without a line begun: who reads `$ su` sees no `su`."""
        drawn = PROMPT[8:]  # the editor was there before
        for keys, shown in (
            (b"\x1a", b"^Z\r\nStopped\r\n" + PROMPT),
            (b"\x04", b"\r\n" + PROMPT),
            (b"\x0c", b"\x1b[H\x1b[2J" + drawn),
        ):
            found = self.played((b"", PROMPT), (keys, shown), (b"su\r", b"su" + OVER))
            self.assertEqual(found, [Line("su", ECHOED, 2)], keys)
        for keys, shown in (
            (b"\x0c", b"\x1b[H\x1b[2J" + drawn + b"s"),
            (b"\t\t", b"\x07\r\nsu sudo\r\n" + drawn + b"s"),
        ):
            found = self.played((b"", PROMPT), (b"s", b"s"), (keys, shown), (b"u\r", b"u" + OVER))
            self.assertEqual(found, [Line("su", READ, 2)], keys)

    def test_paste(self) -> None:
        """Into a line editor several lines are pasted as one; who reads without one gets the marks, and lines."""
        pasted, shown = b"\x1b[200~ls\rid\x1b[201~", b"ls\r\nid"
        found = self.played((b"", PROMPT), (pasted, shown), (b"\r", OVER), (b"", PROMPT), (b"id\r", b"id" + OVER))
        self.assertEqual(found, [Line("ls\nid", READ, 4), Line("id", ECHOED, 2)])
        found = self.played((b"", b"$ "), (pasted + b"\r", b"^[[200~ls\r\n$ id^[[201~\r\n"))
        self.assertEqual([each.keys for each in found], [2, 2])
        found = self.played((b"", PROMPT), (b"\x1b[200~ls", b"ls" + OVER), (b"", b"pw: "), (b"x\r", b"\r\n"))
        self.assertEqual(len(found), 1)  # the editor went, and its paste with it

    def test_characters(self) -> None:
        """Not bytes."""
        self.assertEqual(self.played((b"", b"pw: "), ("pä你\r".encode(), b"\r\n")), [Line("", UNSEEN, 3)])

    def test_screens_that_come_and_go(self) -> None:
        """A screen that is given back and was never asked for changes nothing; what was entered ahead of a program with
        the whole screen is told by its length, and what stands behind it in one piece of output is read."""
        for mode in (b"\x1b[?1049", b"\x1b[?47"):
            given = ((b"tput rmcup\rid\r", b"tput rmcup\r\n" + mode + b"l$ id\r\n"),)
            self.assertEqual([each.text for each in self.played((b"", b"$ "), *given)], ["tput rmcup", "id"])
            found = self.played(
                (b"", b"$ "), (b"vi\r:q\r", b"vi\r\n" + mode + b"h~" + mode + b"l$ "), (b"id\r", b"id\r\n")
            )
            self.assertEqual(found, [Line("vi", ECHOED, 2), Line("", UNSEEN, 2), Line("id", ECHOED, 2)])

    @given(STEPS, st.randoms(use_true_random=False))
    @settings(deadline=None, max_examples=200)
    def test_cuts(self, steps: list[tuple[bytes, list[bytes]]], chance: Random) -> None:
        """Any cut of the output gives the same lines, whatever it does between the keys."""
        wanted, found = list[Line](), list[Line]()
        whole, cut = Typing(80), Typing(80)
        for keys, pieces in steps:
            data = b"".join(pieces)
            whole.typed(keys)
            wanted += read(whole.shown(data))
            cut.typed(keys)
            while data:
                size = chance.randint(1, len(data))
                found += read(cut.shown(data[:size]))
                data = data[size:]
        self.assertEqual(found + read(cut.ended()), wanted + read(whole.ended()))

    def test_masked(self) -> None:
        """Where output is masked it is the masked line that is read."""
        found = self.played((b"", PROMPT), (b"pay 4000001234567899\r", b"pay ****************" + OVER))
        self.assertEqual(found, [Line("pay ****************", READ, 20)])

    def test_never_echoed(self) -> None:
        """Output without an end of line is searched up to a bound."""
        typing = Typing(80)
        typing.typed(b"secret\r")
        found = read([each for _ in range(MAX_OUT // 100 + 2) for each in typing.shown(b"\x1b[1;1H" + b"x" * 94)])
        self.assertEqual(len(found), 1)
        self.assertNotIn("secret", found[0].text)


class Hidden(SynchronousTestCase):
    def test_length(self) -> None:
        """Keys are recorded by their number; Enter, controls, cursor keys and the marks of a paste stay."""
        for keys, recorded in (
            (b"s3cret\r", b"******\r"),
            (b"\x1b[A\x1bOB\x03\x7f", b"\x1b[A\x1bOB\x03\x7f"),
            (b"\x1b[200~pass\x1b[201~", b"\x1b[200~****\x1b[201~"),
            ("ß\x1bx".encode(), b"**\x1b*"),
        ):
            self.assertEqual(hidden(keys), recorded)

    @given(st.binary())
    def test_any(self, keys: bytes) -> None:
        self.assertEqual(len(hidden(keys)), len(keys))


class Screens(SynchronousTestCase):
    def shown(self, text: str, columns: int = 10) -> str:
        screen = Screen(columns)
        screen.feed(text)
        return screen.text((0, 0))

    def test_editing(self) -> None:
        """What line editors send."""
        for text, wanted in (
            ("abc\b\bX", "aXc"), ("abc\rX", "Xbc"), ("abcd\x1b[2D\x1b[P", "abd"), ("abcd\x1b[2D\x1b[@X", "abXcd"),
            ("abcd\x1b[2D\x1b[K", "ab"), ("abc\x1b[2K", ""), ("ab\x1b[3Gx\x1b[1Gy", "ybx"), ("a\tb", "a       b"),
            ("0123456789ab", "0123456789ab"), ("012345678X \rab", "012345678Xab"),
            ("0123456789ab\x1b[A\rX", "X123456789ab"),
            ("e\u0301x", "e\u0301x"), ("012345678\u4e16x", "012345678\n\u4e16x"), ("ab\x1b[1;1Hx\x1b[0mcd", "abxcd"),
            ("0123456789\r\nb\x1b[A\x1b[J", "0"),
        ):  # fmt: skip
            self.assertEqual(self.shown(text), wanted, text)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=400), st.integers(0, 300), st.lists(st.sampled_from(LARGE), max_size=4))
    def test_junk(self, junk: bytes, columns: int, more: list[bytes]) -> None:
        """must-survive 63: whatever a target sends, a line is read, and no more than a screen is kept."""
        data = b"".join([junk, *more])
        found = line(data, data, columns, 3, b"abc")
        self.assertLessEqual(len(found.text), 4096)
        screen = Screen(columns)
        screen.feed(data.decode("utf-8", "replace"))
        self.assertLessEqual(len(screen._rows), MAX_ROWS)
        self.assertTrue(all(len(each) <= max(2, columns) for each in screen._rows))
