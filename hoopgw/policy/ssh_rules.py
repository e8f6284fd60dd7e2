"""Guardrails on SSH: what a `[guardrail.NAME]` with `protocol = "ssh"` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from zope.interface import implementer

from hoopgw.model.operation import ENV, EXEC, FORWARD, PTY, SHELL, SUBSYSTEM, Operation
from hoopgw.model.verdict import ALLOW, HoldTerms, Refusal, Source, Verdict
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.guardrails import Action, Match
from hoopgw.policy.shell import ShellFacts

OPERATIONS = (EXEC, SHELL, SUBSYSTEM, PTY, ENV, FORWARD)
MAX_SHOWN = 60  # characters of a command in a reason


@dataclass(frozen=True, slots=True)
class SshConditions:
    """All that are given must hold.  Conditions on a text are about commands, unless `operations` says about what."""

    operations: frozenset[str] = frozenset()
    commands: frozenset[bytes] = frozenset()
    commands_not: frozenset[bytes] = frozenset()
    pattern: Any = None  # a compiled re2 pattern over the text

    @property
    def reads_text(self) -> bool:
        return bool(self.commands or self.commands_not or self.pattern is not None)

    def match(self, operation: Operation, facts: ShellFacts) -> Match:
        if self.operations and operation.kind not in self.operations:
            return Match.NO
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
        return Match.YES if all(found) else Match.NO


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
                return self._doubted(facts)
        return ALLOW

    def _doubted(self, facts: ShellFacts) -> Verdict:
        """Refused.  A rule that only asks for a stricter recording gets it: that takes nothing from anybody."""
        if self.action.controls == frozenset(("record",)):
            return Verdict(mode=self.action.mode)
        reason = f"it cannot be known whether this is what {self.name} is about: {facts.doubt}"
        return Verdict(refusals=(Refusal(self.name, reason, "", self.source),), mode=self.action.mode)

    def _verdict(self, operation: Operation) -> Verdict:
        action, reason = self.action, self.reason or described(operation)
        holds: tuple[HoldTerms, ...] = ()
        if action.hold is not None:
            named = replace(action.hold, guardrail=self.name, reason=reason)
            holds = (replace(named, would_pass=self.would_pass, source=self.source),)
        return Verdict(
            refusals=(Refusal(self.name, reason, self.would_pass, self.source),) if action.refuse else (),
            holds=holds,
            redact=self.name if action.redact else "",
            recorded=b"(redacted)" if action.redact else b"",
            mode=action.mode,
        )


def described(operation: Operation) -> str:
    """An operation in a few words: `exec uptime`."""
    what = operation.name if operation.kind == FORWARD else operation.text
    text = what.decode("utf-8", "backslashreplace")
    short = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return f"{operation.kind} {short}".rstrip()
