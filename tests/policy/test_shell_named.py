"""A program that nobody knows, and the names that it gets."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.policy.shell_facts import Command
from hoopgw.policy.shell_named import MAX_PIECES, gets_named, may_start

RM = re.compile(r"rm\Z").match


class Named(SynchronousTestCase):
    def test_unknown_programs(self) -> None:
        """Each of these may start `rm`, by whatever stands around its name."""
        for words in (("rm",), ("-x", "rm", "-rf"), ("--", "/bin/rm"), ("-xrm",), ("--exec=rm",), ("ls; rm x",),
                      ("-c", "shell rm x"), ("!rm",), ("$(rm)",), ("--run=/usr/bin/rm",), ("'rm'",),
                      (None, "rm")):  # fmt: skip
            self.assertTrue(may_start(Command("frob", words), RM), words)
        for words in ((), ("rmdir",), ("x/rm/y",), ("farm",), ("rm.txt",), ("--rm-x",), (None,)):
            self.assertFalse(may_start(Command("frob", words), RM), words)

    def test_known_programs(self) -> None:
        """What is known to leave its words alone may get any name; so may what is read word by word."""
        for program in ("grep", "echo", "man", "which", "ggrep", "git", "make", "find"):
            self.assertFalse(may_start(Command(program, ("rm",)), RM), program)

    def test_many_words(self) -> None:
        """More than can be looked at are in doubt."""
        self.assertFalse(may_start(Command("frob", ("a",) * MAX_PIECES), RM))
        self.assertTrue(may_start(Command("frob", ("a",) * (MAX_PIECES + 1)), RM))

    @given(st.lists(st.none() | st.text()), st.text())
    def test_junk(self, words: list[str | None], program: str) -> None:
        """Any words are looked at, and an empty name is nobody's."""
        gets_named(Command(program, tuple(words)), lambda name: self.assertTrue(name) and False)
