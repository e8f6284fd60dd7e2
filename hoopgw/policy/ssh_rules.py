"""Guardrails on SSH: what a `[guardrail.NAME]` with `protocol = "ssh"` does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Any

from zope.interface import implementer

from hoopgw.model.operation import ENV, EXEC, FILE, FORWARD, PTY, SHELL, SUBSYSTEM, Operation
from hoopgw.model.verdict import ALLOW, Sighting, Source, Verdict
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.guardrails import Action, Match, doubted, taken
from hoopgw.policy.shell import ShellFacts
from hoopgw.policy.shell_facts import Command
from hoopgw.policy.shell_named import may_start
from hoopgw.policy.ssh_copies import copies
from hoopgw.policy.ssh_paths import touched, why

# What is asked for; what is seen, TYPED, is about no rule that does not name it
OPERATIONS = (EXEC, SHELL, SUBSYSTEM, PTY, ENV, FORWARD, FILE)
ACTIONS = ("read", "write", "list", "remove", "rename", "mkdir", "rmdir", "link", "setstat")  # of FILE
# Where a host keeps its own programs: nobody else writes there
SYSTEM = frozenset(("", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"))
MAX_SHOWN = 60  # characters of a command in a reason


@dataclass(frozen=True, slots=True)
class SshConditions:
    """All that are given must hold.  Conditions on a text are about commands, unless `operations` says about what.

    `programs`, `programs_not` and `arguments` are globs, and about every command that the text starts: one of these
    programs (in any case: the file systems of some hosts make no difference), one of no others, one that gets such a
    word.  A glob with a `/` is about the name as it was written; for `programs_not` a name that was written with a
    directory is another program than one that PATH finds, unless the directory is one of the system's.  `files` are
    actions of SFTP, `paths` globs over its canonical paths.
    """

    operations: frozenset[str] = frozenset()
    commands: frozenset[bytes] = frozenset()
    commands_not: frozenset[bytes] = frozenset()
    programs: tuple[str, ...] = ()
    programs_not: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    pattern: Any = None  # a compiled re2 pattern over the text

    @property
    def reads_text(self) -> bool:
        return bool(self.commands or self.commands_not or self.pattern is not None or self._reads_programs)

    @property
    def _reads_programs(self) -> bool:
        return bool(self.programs or self.programs_not or self.arguments)

    def match(self, operation: Operation, facts: ShellFacts) -> Match:
        if operation.kind == EXEC and self.is_about_files:
            return self._copied(facts)
        if operation.kind not in (self.operations or OPERATIONS):
            return Match.NO
        if self.files or self.paths:
            return self._touches(facts) if operation.kind == FILE else Match.NO
        if not self.reads_text:
            return Match.YES
        if not self.operations and operation.kind not in (EXEC, SHELL):
            return Match.NO
        if facts.doubt:
            return Match.DOUBT
        text = facts.text
        found = (
            not self.commands or text in self.commands,
            not self.commands_not or text not in self.commands_not,
            self.pattern is None or bool(self.pattern.search(text)),
        )
        if not all(found):
            return Match.NO
        return self._started(facts) if self._reads_programs else Match.YES

    @property
    def is_about_files(self) -> bool:
        return bool(self.files or self.paths) and (not self.operations or FILE in self.operations)

    def _copied(self, facts: ShellFacts) -> Match:
        """By scp's own protocol, which only the command tells of."""
        found = [copy.match(self.files, self.paths) for copy in copies(facts.commands)]
        return Match.YES if Match.YES in found else Match.DOUBT if Match.DOUBT in found else Match.NO

    def _touches(self, facts: ShellFacts) -> Match:
        if facts.action == "unknown":  # an extension that nobody knows may do any of them
            return Match.DOUBT
        if self.files and self.files.isdisjoint(facts.action.split("-")):  # `read-write` is both
            return Match.NO
        return touched(facts.action, facts.paths, self.paths) if self.paths else Match.YES

    def may_start(self, facts: ShellFacts) -> str:
        """A program that gets one of these by name, where nobody knows what it does with it; "" where none does."""
        if not self.programs:
            return ""
        match = _any_of(self.programs, re.IGNORECASE)
        return next((each.program for each in facts.commands if may_start(each, match)), "")

    def _started(self, facts: ShellFacts) -> Match:
        found = [self._starts(command) for command in facts.commands]
        if Match.YES in found:
            return Match.YES
        return Match.DOUBT if facts.unknown or Match.DOUBT in found else Match.NO

    def _starts(self, command: Command) -> Match:
        written = f"{command.place.rstrip('/')}/{command.program}" if command.place else command.program
        if self.programs:
            match = _any_of(self.programs, re.IGNORECASE)
            if not (match(command.program) or match(written)):
                return Match.DOUBT if may_start(command, match) else Match.NO
        if self.programs_not:
            known = written if command.place not in SYSTEM else command.program
            if _any_of(self.programs_not)(known):
                return Match.NO
        if not self.arguments:
            return Match.YES
        match = _any_of(self.arguments)
        if any(word is not None and match(word) for word in command.arguments):
            return Match.YES
        return Match.DOUBT if None in command.arguments else Match.NO


@lru_cache(maxsize=1024)
def _any_of(globs: tuple[str, ...], flags: int = 0) -> Callable[[str], object]:
    """Whether one of them matches a word: there may be thousands of words."""
    return re.compile("|".join(translate(glob) for glob in globs), flags).match


@implementer(IGuardrail)
@dataclass(frozen=True, slots=True)
class SshRule:
    """One rule."""

    name: str
    conditions: SshConditions
    action: Action
    reason: str = ""
    would_pass: str = ""
    source: Source = Source()

    @property
    def reads_text(self) -> bool:
        return self.conditions.reads_text

    def judge(self, operation: Operation, facts: ShellFacts) -> Verdict:
        match self.conditions.match(operation, facts):
            case Match.YES:
                return self._verdict(operation)
            case Match.DOUBT:
                return doubted(self.action, self.name, self._doubt(facts), self.source)
        return ALLOW

    def sees(self, operation: Operation, facts: ShellFacts) -> Sighting | None:
        """Of a line that was typed.  In doubt nothing ends: it is no promise, and a guess should take no session."""
        match self.conditions.match(operation, facts):
            case Match.YES:
                return Sighting(self.name, self.reason or described(operation), self.action.end)
            case Match.DOUBT:
                return Sighting(self.name, f"it may be what {self.name} is about: {self._doubt(facts)}")
        return None

    def _doubt(self, facts: ShellFacts) -> str:
        if facts.action == "unknown":
            return "a request of SFTP that is not known"
        if self.conditions.is_about_files and facts.commands:
            return "which files scp copies is known only when it runs (without -O it asks for each by SFTP)"
        found = facts.doubt or "; ".join(facts.unknown) or (why(facts.paths) if facts.paths else "")
        if not found and (starter := self.conditions.may_start(facts)):
            return f"what {starter} starts is not known"
        return found or "an argument is computed"

    def _verdict(self, operation: Operation) -> Verdict:
        reason = self.reason or described(operation)
        return taken(self.action, self.name, reason, self.would_pass, self.source, self.reason, b"(redacted)")


def described(operation: Operation) -> str:
    """An operation in a few words: `exec uptime`."""
    what = operation.name if operation.kind == FORWARD else operation.text
    text = what.decode("utf-8", "backslashreplace")
    short = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return f"{operation.kind} {short}".rstrip()
