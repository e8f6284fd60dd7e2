"""What is known of a command line before a shell reads it: the facts that guardrails of SSH match on."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from hoopgw.model.operation import EXEC, FILE, SHELL, TERMINAL, TYPED, Operation
from hoopgw.policy.shell_facts import Command
from hoopgw.policy.shell_programs import DANGEROUS, PAGED
from hoopgw.policy.shell_reading import AT_ONCE, MAX_UNKNOWN, UNREAD, WHOLE, Limits, read

MAX_KEPT = 4096  # bytes of a text whose facts are kept
KEPT = 1024  # of them
KEPT_WORDS = 512  # of the commands of one: behind `eval eval eval …` there are many more words than were written


@dataclass(frozen=True, slots=True)
class ShellFacts:
    """`doubt` says why nothing is known, not even a text; "" where there is one.

    commands   every program that the text may start, with its words: in pipelines, lists, substitutions, functions,
               and behind what starts other programs (`sudo`, `env`, `xargs`, `find -exec`, `sh -c` …)
    unknown    why there may be others, in words
    action     of a request of SFTP; `paths` are what it is about
    """

    text: bytes
    doubt: str = ""
    commands: tuple[Command, ...] = ()
    unknown: tuple[str, ...] = ()
    action: str = ""
    paths: tuple[str, ...] = ()

    @property
    def unread(self) -> bool:
        """Some of the text was not looked at: it may start by name what `commands` does not have."""
        return bool(self.doubt) or len(self.unknown) >= MAX_UNKNOWN or not UNREAD.isdisjoint(self.unknown)


def facts_of(operation: Operation) -> ShellFacts:
    """All that can be known.  Of a hostile text of 64 KiB that takes some 0.5 s."""
    return _facts(operation, WHOLE)[0]


def facts_at_once(operation: Operation) -> tuple[ShellFacts, bool]:
    """What is known of it in 2 ms, and whether that is all that `facts_of` would tell."""
    return _facts(operation, AT_ONCE)


def _facts(operation: Operation, limits: Limits) -> tuple[ShellFacts, bool]:
    if operation.kind == FILE:
        words = shlex.split(operation.text.decode("utf-8", "surrogateescape"))
        return ShellFacts(operation.text, action=words[0], paths=tuple(words[1:])), True
    if operation.kind == SHELL:
        return ShellFacts(b"", "what a shell reads from its input is not known before it runs"), True
    if operation.kind not in (EXEC, TYPED):
        return ShellFacts(operation.text), True
    if not operation.text.strip():
        return ShellFacts(operation.text, "an empty command is a shell"), True
    terminal = operation.name == TERMINAL
    facts = _kept.get((operation.text, terminal))
    whole = True
    if facts is None:
        facts, whole = facts_of_text(operation.text, terminal, limits)
        if whole:
            keep(facts, terminal)
    return among(facts, operation.parameters), whole


def facts_of_text(text: bytes, terminal: bool, limits: Limits = WHOLE) -> tuple[ShellFacts, bool]:
    """Of a command, whatever was sent before; with `terminal` it runs on one."""
    try:
        commands, unknown, whole = read(text, limits)
    except Exception as error:  # what is broken here refuses, as in a guardrail
        return ShellFacts(text, f"the text could not be read ({type(error).__name__})"), True
    if terminal:
        unknown += tuple(
            f"{each.program} shows page by page on a terminal, and that may start others"
            for each in commands
            if each.program in PAGED and each.arguments[:1] != ("--no-pager",)
        )
    return ShellFacts(text, "", commands, unknown[:MAX_UNKNOWN]), whole or limits is WHOLE


def among(facts: ShellFacts, environment: bytes) -> ShellFacts:
    """The same where variables were sent before, as SSH strings in turn: some change what names mean."""
    if facts.doubt or not environment:
        return facts
    sent = tuple(f"{name} was sent: names may mean something else" for name in _dangerous(environment))
    return replace(facts, unknown=(*sent, *facts.unknown)[:MAX_UNKNOWN]) if sent else facts


def _dangerous(environment: bytes) -> list[str]:
    """Of the variables that the command gets those that change what it does."""
    found: list[bytes] = []
    here = 0
    while here + 4 <= len(environment):
        end = here + 4 + int.from_bytes(environment[here : here + 4], "big")
        found.append(environment[here + 4 : end])
        here = end
    names = (name.decode("utf-8", "backslashreplace") for name in found[::2])
    return [name for name in names if DANGEROUS.match(name)]


# ---- facts about texts, for all sessions: clients repeat themselves

_kept: dict[tuple[bytes, bool], ShellFacts] = {}  # the oldest first


def keep(facts: ShellFacts, terminal: bool) -> None:
    """Of a text that was read whole."""
    if len(facts.text) > MAX_KEPT or sum(len(each.arguments) for each in facts.commands) > KEPT_WORDS:
        return
    while len(_kept) >= KEPT:
        del _kept[next(iter(_kept))]
    _kept[facts.text, terminal] = facts
