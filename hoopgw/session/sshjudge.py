"""The judge of one SSH session: forwards by its grant, variables by its target, all of it by the rules.

A command that takes long to read is read in a child process, and its channel waits; what cannot be read is in doubt.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgw.auth.access import Access
from hoopgw.model.operation import ENV, EXEC, FILE, FORWARD, SHELL, SUBSYSTEM, TERMINAL, Operation
from hoopgw.model.verdict import ALLOW, Refusal, Sighting, Verdict
from hoopgw.policy.guardrail import judge
from hoopgw.policy.masks import SqlMasks, resolve
from hoopgw.policy.policyset import Selection
from hoopgw.policy.shell import ShellFacts, among, facts_at_once, facts_of, facts_of_text, keep
from hoopgw.policy.sql import Unreadable
from hoopgw.policy.ssh_bounds import bounded
from hoopgw.policy.ssh_forwards import feature
from hoopgw.policy.ssh_rules import OPERATIONS, SshRule
from hoopgw.policy.ssh_servers import gets_server, is_server, names_server, starts_server
from hoopgw.session.interfaces import IJudge
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.supervision import Judge

STARTS = frozenset((EXEC, SHELL, SUBSYSTEM))
_TEXTS = frozenset((EXEC, SUBSYSTEM, ENV))
WAITS = STARTS | {FILE}  # what can be held: the rest is allowed or refused at once


@implementer(IJudge)
class SshJudge(Judge):
    """`selection` is what its identity has to pass on its target."""

    ambient_masks = None

    def __init__(self, selection: Selection, access: Access, build: Any, parser: ParserProcess | None) -> None:
        """`build` makes what masks a stream (relay.postgres_masks.MaskBuilder).  Without a `parser` all is read here,
        however long that takes."""
        self._parser = parser
        self._owner = access.identity.key
        self._guardrails = selection.guardrails
        self._masks = selection.masks
        self._build = build
        table = resolve(selection.masks, None)
        masks = SqlMasks({}, (), table.patterns, table.custom, build=build)
        self._masked = Verdict(masks=masks) if table.patterns or table.custom else ALLOW
        self._features = access.grant.features
        self._environment = access.target.environment
        self._bounds = access.identity.bounds
        self.used: frozenset[str] = frozenset()  # features of the grant that something was let through by

    def successor(self, selection: Selection, access: Access) -> SshJudge:
        """After a reload."""
        judge = SshJudge(selection, access, self._build, self._parser)
        judge.used = self.used
        return judge

    def ready(self) -> Deferred[None]:
        return succeed(None)

    # ---- IJudge

    def judge(self, operation: Operation) -> Verdict | Deferred[Verdict]:
        if operation.protocol != "ssh" or operation.kind not in OPERATIONS:
            return _refused("ssh:unknown", f"{operation.kind} is nothing that SSH can be asked for")
        if self._parser is None:
            return self._judged(operation, facts_of(operation))
        facts, whole = facts_at_once(operation)
        return self._judged(operation, facts) if whole else self._in_child(operation, self._parser)

    def _in_child(self, operation: Operation, parser: ParserProcess) -> Deferred[Verdict]:
        terminal = operation.name == TERMINAL

        def read(found: tuple[ShellFacts, bool]) -> Verdict:
            keep(found[0], terminal)
            return self._judged(operation, among(found[0], operation.parameters))

        def unread(failure: Failure) -> Verdict:
            failure.trap(Unreadable)
            return self._judged(operation, ShellFacts(operation.text, str(failure.value)))

        return parser.run(self._owner, facts_of_text, operation.text, terminal).addCallbacks(read, unread)

    def _judged(self, operation: Operation, facts: ShellFacts) -> Verdict:
        verdict = self._granted(operation)
        if self._bounds is not None:
            verdict &= bounded(self._bounds, operation)
        if operation.kind == EXEC and not is_server(operation.text) and _may_serve(operation.text, facts):
            verdict &= _SERVER
        verdict &= judge(self._guardrails, operation, facts)
        if verdict.holds and operation.kind not in WAITS:
            names = ", ".join(term.guardrail for term in verdict.holds)
            why = f"{names}: a {operation.kind} is allowed or refused at once, no approval can be waited for"
            verdict = replace(verdict, holds=()) & _refused(verdict.holds[0].guardrail, why)
        if operation.kind == FORWARD and not verdict.refusals:
            self.used |= {feature(operation.name)}
        return verdict

    def sightings(self, operation: Operation) -> tuple[Sighting, ...]:
        facts, _ = facts_at_once(operation)  # of a longer line the rest is in doubt
        seen = [each.sees(operation, facts) for each in self._guardrails if isinstance(each, SshRule)]
        return tuple(each for each in seen if each is not None)

    def binding(self, operation: Operation) -> bytes:
        """The environment is part of the operation.  What was approved without a terminal is not what runs on one, and
        a command of some name is not the subsystem of that name."""
        return operation.kind.encode() + b" " + operation.name

    def defined(self, number: int) -> None:
        """SSH has no names of statements."""

    def catalogue_changed(self, changed: bool = True, settled: bool = True) -> None:
        """SSH has none."""

    def _granted(self, operation: Operation) -> Verdict:
        if operation.kind == FORWARD:
            needed = feature(operation.name)
            if needed and needed in self._features:
                return ALLOW
            words = f"grant the feature {needed}" if needed else ""
            what = operation.name.decode("ascii", "backslashreplace")
            return _refused("ssh:forward", f"{what} is not granted", words)
        if operation.kind in _TEXTS and b"\0" in operation.text:
            return _refused("ssh:text", "a NUL stands in it, at which some servers end what they read")
        if operation.kind == FILE and not operation.name:
            return _refused("ssh:file", "a request of SFTP that is not known here")
        if operation.kind == FILE and self._masks and b"read" in operation.name:
            return self._unread()
        if operation.kind == ENV:
            name = operation.name.decode("utf-8", "backslashreplace")
            if not any(fnmatchcase(name, glob) for glob in self._environment):
                return _refused("ssh:environment", f"the variable {name} is not let through to this target")
        return self._masked if operation.kind in STARTS else ALLOW

    def _unread(self) -> Verdict:
        """SFTP reads pieces of files in any order: what a pattern would find may never be in one place."""
        mask = self._masks[0]
        words = "read it by a command, as `scp -O` does: a command's output is masked"
        reason = "what a file holds cannot be masked over SFTP"
        return Verdict(refusals=(Refusal(f"mask:{mask.name}", reason, words, mask.source),))


def _may_serve(text: bytes, facts: ShellFacts) -> bool:
    if starts_server(facts.commands):
        return True
    return bool(facts.doubt or facts.unknown) and (names_server(text) or gets_server(facts.commands))


def _refused(rule: str, reason: str, would_pass: str = "") -> Verdict:
    return Verdict(refusals=(Refusal(rule, reason, would_pass),))


_SERVER = _refused(
    "ssh:sftp-server",
    "it starts a server of SFTP among other things, and nobody would be asked about its files",
    "the subsystem sftp, or the server's command alone",
)
