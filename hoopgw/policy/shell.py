"""What is known of a command line before a shell reads it: the facts that guardrails of SSH match on."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from functools import lru_cache

from hoopgw.model.operation import EXEC, FILE, SHELL, TERMINAL, TYPED, Operation
from hoopgw.policy.shell_facts import Command
from hoopgw.policy.shell_programs import DANGEROUS, PAGED
from hoopgw.policy.shell_reading import MAX_UNKNOWN, read

MAX_KEPT = 4096  # bytes of a text whose facts are kept
KEPT = 1024  # of them


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


def facts_of(operation: Operation) -> ShellFacts:
    """A shell reads what it runs from its input: nobody knows that before."""
    if operation.kind == SHELL:
        return ShellFacts(b"", "what a shell reads from its input is not known before it runs")
    if operation.kind == FILE:
        words = shlex.split(operation.text.decode("utf-8", "surrogateescape"))
        return ShellFacts(operation.text, action=words[0], paths=tuple(words[1:]))
    if operation.kind not in (EXEC, TYPED):
        return ShellFacts(operation.text)
    if not operation.text.strip():
        return ShellFacts(operation.text, "an empty command is a shell")
    terminal = operation.name == TERMINAL
    facts = (_kept if len(operation.text) <= MAX_KEPT else _facts)(operation.text, terminal)
    sent = tuple(f"{name} was sent: names may mean something else" for name in _dangerous(operation.parameters))
    return replace(facts, unknown=(*sent, *facts.unknown)[:MAX_UNKNOWN]) if sent else facts


def _dangerous(environment: bytes) -> list[str]:
    """Of the variables that the command gets, as SSH strings in turn, those that change what it does."""
    found: list[bytes] = []
    here = 0
    while here + 4 <= len(environment):
        end = here + 4 + int.from_bytes(environment[here : here + 4], "big")
        found.append(environment[here + 4 : end])
        here = end
    names = (name.decode("utf-8", "backslashreplace") for name in found[::2])
    return [name for name in names if DANGEROUS.match(name)]


def _facts(text: bytes, terminal: bool) -> ShellFacts:
    try:
        commands, unknown = read(text)
    except Exception as error:  # what is broken here refuses, as in a guardrail
        return ShellFacts(text, f"the text could not be read ({type(error).__name__})")
    if terminal:
        unknown += tuple(
            f"{each.program} shows page by page on a terminal, and that may start others"
            for each in commands
            if each.program in PAGED and each.arguments[:1] != ("--no-pager",)
        )
    return ShellFacts(text, "", commands, unknown[:MAX_UNKNOWN])


_kept = lru_cache(maxsize=KEPT)(_facts)  # a fact about a text, so one for all sessions
