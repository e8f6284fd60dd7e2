"""What is known of a command line before a shell reads it: the facts that guardrails of SSH match on."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import lru_cache

from hoopgw.model.operation import EXEC, FILE, SHELL, TYPED, Operation
from hoopgw.policy.shell_facts import Command
from hoopgw.policy.shell_reading import read

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
    return _kept(operation.text) if len(operation.text) <= MAX_KEPT else _facts(operation.text)


def _facts(text: bytes) -> ShellFacts:
    commands, unknown = read(text)
    return ShellFacts(text, "", commands, unknown)


_kept = lru_cache(maxsize=KEPT)(_facts)  # a fact about a text, so one for all sessions
