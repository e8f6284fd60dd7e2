"""The judge of one HTTP session: requests by the rules, what is masked of their answers, tunnels by the grant.

A large body is read in a child process, and its request waits; what cannot be read is in doubt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import classImplements

from hoopgw.auth.access import Access
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import MESSAGE, REQUEST, TUNNEL, Operation
from hoopgw.model.verdict import Refusal, Sighting, Verdict
from hoopgw.policy.guardrail import judge
from hoopgw.policy.http_elsewhere import MAX_HERE, Reader, Reading, names, read, sent, shared
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_masks import HttpMaskGuardrail
from hoopgw.policy.http_openapi import NO_API, Api
from hoopgw.policy.http_rules import HttpRule, needed, needed_of_messages
from hoopgw.policy.policyset import Selection
from hoopgw.policy.sql import Unreadable
from hoopgw.relay.http_masks import HttpMaskBuilder
from hoopgw.session.interfaces import IJudge
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.supervision import Judge

MAX_KNOWN: Final = 256  # requests of one session whose verdicts are remembered
MAX_KNOWN_BYTES: Final = 4096  # of one of them
PATIENT: Final = b"respond-async"  # the name of an operation whose client does not want to wait for an approval
MAX_HOLD: Final = 64  # characters of a hold's id that a client names: real ones have 24


class HttpJudge(Judge):
    """`selection` is what its identity has to pass on its target."""

    def __init__(
        self, selection: Selection, access: Access, builder: HttpMaskBuilder, parser: ParserProcess | None = None
    ) -> None:
        """Without a `parser` all is read here, however long that takes."""
        self._parser = parser
        self._elsewhere = tuple(each for each in selection.guardrails if isinstance(each, HttpRule))
        self._owner = access.identity.key
        self._builder = builder
        self._rules = selection.guardrails
        masks = tuple(rule.http for rule in selection.masks if rule.http is not None)
        self._masking = HttpMaskGuardrail(masks, builder.build) if masks else None
        self._guardrails = self._rules if self._masking is None else (*self._rules, self._masking)
        self._destination = access.destination
        self._egress = access.target.egress
        self._folds = access.target.folds_case
        self._cased = access.target.cased
        api: Api = access.target.api or NO_API
        self._api = api.folded() if self._folds else api
        self._holds = tuple(rule for rule in self._rules if isinstance(rule, HttpRule) and rule.action.hold is not None)
        self._read_by: Reader | None = None  # what the child has of it, once it is needed
        self._known: dict[tuple[bytes, bytes, int | None, bool], Verdict] = {}
        self._unruled_ones: dict[bytes, Verdict] = {}  # by method and path
        self._last: tuple[bytes, Verdict | None] = b"", None  # of these: what was asked last, with its query

    def successor(self, selection: Selection, access: Access) -> HttpJudge:
        """After a reload."""
        return HttpJudge(selection, access, self._builder, self._parser)

    @property
    def ambient_masks(self) -> None:
        """HTTP has none."""
        return None

    @property
    def masks(self) -> bool:
        """Answers may be masked: `relay.http_masks` has what is then asked of the target in the client's place."""
        return self._guardrails is not self._rules

    def ready(self) -> Deferred[None]:
        return succeed(None)

    def needs(self, request: HttpRequest) -> int:
        """How many bytes of this request's body must be there before it is judged; 0: none."""
        if not self._guardrails or request.size == 0:
            return 0
        facts = self._facts(request)
        wanted = needed(self._rules, facts)
        if self._masking is not None:
            wanted = max(wanted, self._masking.needs(facts))
        if not self._holds:
            return wanted
        kept = self._kept(Operation("http", REQUEST, b"", request=request), facts)
        return max(wanted, kept if request.size is None else request.size if request.size <= kept else 0)

    def _kept(self, operation: Operation, facts: HttpFacts) -> int:
        """How many bytes of a body an approval may be for."""
        return max((rule.conditions.buffer for rule in self._holds if rule.judge(operation, facts).holds), default=0)

    def messages(self, request: HttpRequest) -> int:
        """How many bytes of each message of a client must be there before it is judged, in a WebSocket that this
        request opens; 0: none."""
        if not self._guardrails:
            return 0
        facts = self._facts(request)
        of_masks = 0 if self._masking is None else self._masking.needs_of_messages(facts)
        return max(of_masks, needed_of_messages(self._rules, facts))

    # ---- IJudge

    def judge(self, operation: Operation) -> Verdict | Deferred[Verdict]:
        request = operation.request
        if operation.protocol != "http" or request is None:
            return _refused("http:unknown", f"{operation.kind} is nothing that HTTP can be asked for")
        if operation.kind == TUNNEL:
            return self._tunnel(operation)
        if self._egress:
            return _refused("http:connect", "only tunnels go through this target")
        if operation.kind == MESSAGE:
            kind = operation.name.decode("ascii", "replace")
            if self._is_large(request):
                return self._in_child(operation, request, kind)
            return self._here(operation, HttpFacts(request, self._folds, self._api, kind, self._cased))
        if operation.kind != REQUEST:
            return _refused("http:unknown", f"{operation.kind} is nothing that HTTP can be asked for")
        # the same fields may come with a body that is empty, and with one that is too long to be seen
        if not self._guardrails and not request.resumes:
            last, verdict = self._last
            if verdict is None or last != operation.text:
                verdict = self._unruled(request)
                self._last = operation.text, verdict
            return verdict
        if self._is_large(request):
            return self._in_child(operation, request, "").addCallback(lambda verdict: _asked(operation, verdict))
        known = operation.text, operation.parameters, request.size, request.body is None
        verdict = self._known.get(known)
        if verdict is None:
            facts = self._facts(request)
            verdict = self._here(operation, facts)
            if verdict.holds and request.body is None and request.size != 0:
                kept = self._kept(operation, facts)
                why = f"an approval is for a whole body, and only {kept} bytes of one are kept for it"
                verdict &= _refused(verdict.holds[0].guardrail, why, "send less at a time")
            if len(known[0]) + len(known[1]) <= MAX_KNOWN_BYTES and verdict.keep:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[known] = verdict
        return _asked(operation, verdict)

    # ---- what is read elsewhere

    def _is_large(self, request: HttpRequest) -> bool:
        body = request.body
        if self._parser is None or body is None or len(body) <= MAX_HERE:
            return False
        return bool(self._guardrails) and len(self._elsewhere) == len(self._rules)

    def _in_child(self, operation: Operation, request: HttpRequest, message: str) -> Deferred[Verdict]:
        """`message`: "text" or "binary" of a WebSocket's, "" of a request."""
        parser, body = self._parser, request.body
        assert parser is not None
        assert body is not None

        def unread(failure: Failure) -> Verdict:
            failure.trap(Unreadable)
            return self._unread(operation, request, message, str(failure.value))

        given = sent(request), message
        reading = parser.run(self._owner, read, *given, by=self._reader(), size=len(body))
        return reading.addCallbacks(lambda found: self._found(found, message), unread)

    def _reader(self) -> Reader:
        if self._read_by is None:
            rules = tuple(each.conditions for each in self._elsewhere)
            masks = () if self._masking is None else self._masking.masks
            self._read_by = shared(Reader(rules, masks, self._folds, self._cased, self._api))
        return self._read_by

    def _found(self, found: Reading, message: str) -> Verdict:
        """As `judge` of what is read here has it."""
        verdict = Verdict()
        for rule, (word, why) in zip(self._elsewhere, found.words, strict=True):
            verdict &= rule.said(word, why)
        if self._masking is not None:
            verdict &= self._masking.said(*found.renames)
            verdict = verdict if message else verdict & self._masking.bodies(found.masks)
        return verdict if message else verdict & Verdict(tables=found.names)

    def _unread(self, operation: Operation, request: HttpRequest, message: str, why: str) -> Verdict:
        """Rules and masks that had to see the body are in doubt; the head is known."""
        head, size = (request.method, request.target, request.authority, request.fields), len(request.body or b"")
        known = HttpRequest(*head, None, size, line=request.line)
        return self._here(operation, HttpFacts(known, self._folds, self._api, message, self._cased, unread=why))

    def _here(self, operation: Operation, facts: HttpFacts) -> Verdict:
        """What rules and masks say of a request, or of a message."""
        if not facts.message:
            return judge(self._guardrails, operation, facts) & Verdict(tables=names(facts))
        said = judge(self._rules, operation, facts)
        return said if self._masking is None else said & self._masking.names(facts)

    def _unruled(self, request: HttpRequest) -> Verdict:
        """Where there is nothing to judge by: allowed, and found by its method and path."""
        named = request.method + b" " + request.target.partition(b"?")[0]
        verdict = self._unruled_ones.get(named)
        if verdict is None:
            verdict = Verdict(tables=names(self._facts(request)))
            if len(named) <= MAX_KNOWN_BYTES:
                if len(self._unruled_ones) >= MAX_KNOWN:
                    self._unruled_ones.clear()
                self._unruled_ones[named] = verdict
        return verdict

    def sightings(self, operation: Operation) -> tuple[Sighting, ...]:
        """HTTP has no terminal."""
        return ()

    def binding(self, operation: Operation) -> bytes:
        """Fields and body are part of the operation; nothing else changes what a request means."""
        return b""

    def defined(self, number: int) -> None:
        """HTTP has no names of statements."""

    def catalogue_changed(self, changed: bool = True, settled: bool = True) -> None:
        """HTTP has none."""

    def _facts(self, request: HttpRequest) -> HttpFacts:
        return HttpFacts(request, self._folds, self._api, cased=self._cased)

    def _tunnel(self, operation: Operation) -> Verdict:
        """What goes through it is opaque: no rule can be kept there but on whether it is opened."""
        if self._destination is None or operation.text != f"CONNECT {self._destination}".encode():
            return _refused("http:connect", "this tunnel is not granted")
        opening = [each for each in self._rules if isinstance(each, HttpRule) and each.conditions.of_tunnels]
        if self.masks or len(opening) < len(self._rules):
            return _refused("http:connect", "rules or masks apply here, and a tunnel would go around them")
        assert operation.request is not None
        text = operation.text.decode()
        request, named = operation.request, Verdict(tables=frozenset((text,)))
        verdict = judge(self._rules, operation, self._facts(request)) & named
        return _resuming(verdict, request) if request.resumes else verdict


classImplements(HttpJudge, IJudge)


def _asked(operation: Operation, verdict: Verdict) -> Verdict:
    """With what its sender says of a hold."""
    if operation.name == PATIENT and verdict.holds:
        verdict = replace(verdict, holds=tuple(replace(term, wait=0.0) for term in verdict.holds), keep=False)
    request = operation.request
    return _resuming(verdict, request) if request is not None and request.resumes else verdict


def _resuming(verdict: Verdict, request: HttpRequest) -> Verdict:
    return replace(verdict, resumes=request.resumes.decode("ascii", "backslashreplace")[:MAX_HOLD], keep=False)


def _refused(rule: str, reason: str, would_pass: str = "") -> Verdict:
    return Verdict(refusals=(Refusal(rule, reason, would_pass),))
