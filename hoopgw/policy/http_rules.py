"""Guardrails on HTTP: what a `[guardrail.NAME]` with `protocol = "http"` does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import re2
from zope.interface import implementer

from hoopgw.model.operation import Operation
from hoopgw.model.verdict import ALLOW, Source, Verdict
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.guardrails import Action, Match, doubted, taken
from hoopgw.policy.http_facts import HttpFacts
from hoopgw.policy.http_graphql import GraphqlOperation
from hoopgw.policy.http_json import Pointer
from hoopgw.policy.http_members import member
from hoopgw.policy.http_path import matches
from hoopgw.policy.http_query import Pairs
from hoopgw.policy.http_values import ValueTest

MAX_SHOWN = 80  # characters of a path in a reason
TUNNELS = frozenset(("CONNECT",))
BUFFER = 1 << 20  # bytes of a body that a rule reads, where it does not say how many
MAX_BUFFER = 16 << 20  # bytes that it may say


@dataclass(frozen=True, slots=True)
class GraphqlTest:
    """Of one operation all that are given must hold.  `fields` are globs over paths of field names (`user.email`);
    one without a dot is about that name at any depth."""

    types: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def of(self, operation: GraphqlOperation) -> bool:
        if self.types and operation.type not in self.types:
            return False
        if self.names and not any(fnmatchcase(operation.name, glob) for glob in self.names):
            return False
        return not self.fields or any(_field(path, glob) for path in operation.fields for glob in self.fields)


def _one_of(name: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _field(path: str, glob: str) -> bool:
    return fnmatchcase(path if "." in glob else path.rpartition(".")[2], glob)


@dataclass(frozen=True, slots=True)
class HttpConditions:
    """All that are given must hold.

    methods          as they are sent; those that a target could take instead (X-HTTP-Method-Override) are in doubt
    paths, paths_not globs over canonical paths; `*` goes over slashes as well
    operations, operations_not
                     operationIds of the target's OpenAPI documents
    services, calls  globs over what gRPC calls service and method
    queries, headers, forms
                     (name, what one of its values must be)
    json             (pointer, what one of the values there must be)
    size             the body is longer
    pattern          a compiled re2 pattern over METHOD and canonical path
    buffer           bytes of the body that are read; a longer one is in doubt
    """

    methods: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    paths_not: tuple[str, ...] = ()
    operations: frozenset[str] = frozenset()
    operations_not: frozenset[str] = frozenset()
    services: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    queries: tuple[tuple[str, ValueTest], ...] = ()
    headers: tuple[tuple[bytes, ValueTest], ...] = ()
    forms: tuple[tuple[str, ValueTest], ...] = ()
    json: tuple[tuple[Pointer, ValueTest], ...] = ()
    graphql: GraphqlTest | None = None
    size: int | None = None
    pattern: Any = None
    buffer: int = BUFFER

    @property
    def of_tunnels(self) -> bool:
        """They are about opening a tunnel and nothing else."""
        return self == HttpConditions(methods=TUNNELS)

    @property
    def reads_body(self) -> bool:
        return bool(self.forms or self.json or self.graphql is not None)

    @property
    def of_messages(self) -> bool:
        """They are about messages of a WebSocket as well."""
        return bool(self.json or self.graphql is not None)

    @property
    def _of_methods(self) -> bool:
        return bool(self.methods or self.operations or self.operations_not or self.pattern is not None)

    @property
    def _of_paths(self) -> bool:
        paths = self.paths or self.paths_not or self.operations or self.operations_not
        return bool(paths or self.services or self.calls)

    def needs(self, facts: HttpFacts) -> int:
        """How many bytes of this request's body must be there before it is judged; 0: none."""
        size, head = facts.request.size, self.of_head(facts)
        over = facts.form_waits and self._of_methods
        unknown = self.size is not None and size is None
        if head is Match.NO or size == 0 or not (self.reads_body or over or unknown):
            return 0
        if self.json and facts.media.unread:  # in doubt whatever it is; and a gRPC stream would never be whole
            return 0
        if size is not None:
            return size if size <= self.buffer else 0
        return self.buffer if self.reads_body or over else min(self.buffer, (self.size or 0) + 1)

    def match(self, facts: HttpFacts) -> Match:
        if facts.message and not self.of_messages:  # what is not about its content was said when it was opened
            return Match.NO
        return _all((self.of_head(facts), self._longer(facts)) if not self.reads_body else self._words(facts))

    def read(self, facts: HttpFacts) -> tuple[Match, str]:
        """Whether they hold; and the request in a few words, or why that cannot be known."""
        word = self.match(facts)
        return word, described(facts) if word is Match.YES else self.doubt(facts) if word is Match.DOUBT else ""

    def _words(self, facts: HttpFacts) -> Iterable[Match]:
        yield self.of_head(facts)
        yield self._longer(facts)
        if facts.request.body is None and facts.request.size != 0:
            yield Match.DOUBT
            return
        for pointer, test in self.json:
            yield self._inside(member(facts, pointer, test), facts)
        for name, test in self.forms:
            yield self._inside(_named(test, facts.form, name, facts), facts)
        if self.graphql is not None:
            yield self._inside(self._asks(facts, self.graphql), facts)

    def of_head(self, facts: HttpFacts) -> Match:
        """What is known before the body comes."""
        found = _all(self._head(facts))
        return self._inside(found, facts) if self._of_head else found

    def _inside(self, found: Match, facts: HttpFacts) -> Match:
        """What does not hold for a request may hold for those in it, which are not read."""
        return Match.DOUBT if found is Match.NO and facts.batch else found

    @property
    def _of_head(self) -> bool:
        return bool(self._of_methods or self._of_paths or self.queries or self.headers)

    def _head(self, facts: HttpFacts) -> Iterable[Match]:
        if self.methods:
            yield self._does(facts)
        if self.paths or self.paths_not or self.pattern is not None:
            yield self._is_at(facts)
        if self.operations or self.operations_not:
            yield self._means(facts)
        if self.services or self.calls:
            yield self._procedure(facts)
        for name, test in self.queries:
            yield _named(test, facts.query, name, facts)
        for field, test in self.headers:
            yield test.of(_elements(facts.fields(field)), False)

    def _does(self, facts: HttpFacts) -> Match:
        if facts.method in self.methods:
            return Match.YES
        return Match.NO if self.methods.isdisjoint(facts.overrides) and not facts.form_waits else Match.DOUBT

    def _is_at(self, facts: HttpFacts) -> Match:
        paths, pattern = (self.paths, self.paths_not), self.pattern
        if facts.folds:
            paths = tuple(map(str.casefold, self.paths)), tuple(map(str.casefold, self.paths_not))
            pattern = None if pattern is None else _folded(pattern)
        methods = (facts.method,) if pattern is None else sorted(facts.methods)
        words = set()
        for path in (facts.path, *facts.others):
            found = {self._reads(method, each, *paths, pattern) for each in path.readings for method in methods}
            if found == {False} and self.paths and not facts.cased:
                found.update(self._reads_alike(method, each) for each in path.readings for method in methods)
            words.add(Match.DOUBT if path.doubt or len(found) > 1 else Match.YES if found.pop() else Match.NO)
        return next((each for each in (Match.YES, Match.DOUBT) if each in words), Match.NO)

    def _reads(self, method: str, text: str, paths: Iterable[str], paths_not: Iterable[str], pattern: Any) -> bool:
        if self.paths and not any(matches(text, glob) for glob in paths):
            return False
        if any(matches(text, glob) for glob in paths_not):
            return False
        return pattern is None or bool(pattern.search(f"{method} {text}".encode("utf-8", "replace")))

    def _reads_alike(self, method: str, text: str) -> bool:
        """The same where upper and lower case are one: to Express and ASP.NET they are."""
        pattern = None if self.pattern is None else _folded(self.pattern)
        paths, paths_not = ([glob.casefold() for glob in each] for each in (self.paths, self.paths_not))
        return self._reads(method, text.casefold(), paths, paths_not, pattern)

    def _means(self, facts: HttpFacts) -> Match:
        found = {self._is_one(each) for each in (*facts.possible_operations, *facts.other_operations)}
        return Match.DOUBT if facts.path.doubt or len(found) > 1 else Match.YES if found.pop() else Match.NO

    def _is_one(self, operations: frozenset[str]) -> bool:
        if self.operations and self.operations.isdisjoint(operations):
            return False
        return not self.operations_not or not operations or bool(operations - self.operations_not)

    def _procedure(self, facts: HttpFacts) -> Match:
        services, calls = self.services, self.calls
        if facts.folds:
            services, calls = tuple(map(str.casefold, services)), tuple(map(str.casefold, calls))
        found = {_one_of(service, services) and _one_of(call, calls) for service, call in facts.procedures}
        return Match.DOUBT if facts.path.doubt or len(found) > 1 else Match.YES if found.pop() else Match.NO

    def _longer(self, facts: HttpFacts) -> Match:
        if self.size is None:
            return Match.YES
        body, size = facts.request.body, facts.request.size
        known = size if size is not None else len(body) if body is not None else None
        return Match.DOUBT if known is None else Match.YES if known > self.size else Match.NO

    def _asks(self, facts: HttpFacts, test: GraphqlTest) -> Match:
        found = facts.graphql
        if found.doubt:
            return Match.DOUBT
        return Match.YES if any(map(test.of, found.operations)) else Match.NO

    def doubt(self, facts: HttpFacts) -> str:
        """Why it cannot be known whether they hold."""
        asked = self.reads_body or self.size is not None or (self._of_methods and facts.form_waits)
        unread = asked and facts.request.body is None and facts.request.size != 0
        return (
            (next((each.doubt for each in (facts.path, *facts.others) if each.doubt), "") if self._of_paths else "")
            or (facts.media.unread if self.json else "")
            or ("a batch: the requests in it are not read" if facts.batch else "")
            or (
                facts.unread or f"a body of more than {self.buffer} bytes, or of unknown length, is not read"
                if unread
                else ""
            )
            or (facts.query.doubt if self.queries else "")
            or (facts.json.doubt if self.json and not unread else "")
            or (facts.form.doubt if (self.forms or (self.json and facts.has_form)) and not unread else "")
            or (facts.graphql.doubt if self.graphql is not None and not unread else "")
            or (f"the method could be taken for {', '.join(sorted(facts.overrides))}" if facts.overrides else "")
            or ("targets read this path in different ways" if facts.ambiguous else "")
            or "parsers read this value in different ways"
        )


def _all(words: Iterable[Match]) -> Match:
    """NO as soon as one says so: what else there is to read is then not read."""
    doubt = False
    for word in words:
        if word is Match.NO:
            return Match.NO
        doubt = doubt or word is Match.DOUBT
    return Match.DOUBT if doubt else Match.YES


@lru_cache(maxsize=256)  # rules have one each
def _folded(pattern: Any) -> Any:
    """The same for a path whose letters are all small ones."""
    options = re2.Options()
    options.log_errors, options.case_sensitive = False, False
    return re2.compile(pattern.pattern, options)


def _named(test: ValueTest, pairs: Pairs, name: str, facts: HttpFacts) -> Match:
    """Of the values of a name; of those of one in other letters too, where the target may take it for the same."""
    word = test.of(pairs.values(name.casefold() if facts.folds else name), bool(pairs.doubt))
    alike = () if facts.cased or word is Match.YES else pairs.alike(name)
    return Match.DOUBT if alike and test.of(alike, False) is not Match.NO else word


def _elements(values: list[bytes]) -> list[str]:
    """Of a field as it stands, and of the list that it may be (RFC 9110, 5.6.1): fields of one name may be joined."""
    texts = [value.decode("utf-8", "backslashreplace") for value in values]
    return [*texts, *(part.strip(' \t"') for text in texts if "," in text for part in text.split(","))]


@implementer(IGuardrail)
@dataclass(frozen=True, slots=True)
class HttpRule:
    """One rule."""

    name: str
    conditions: HttpConditions
    action: Action
    reason: str = ""
    would_pass: str = ""
    source: Source = Source()

    @property
    def reads_text(self) -> bool:
        return True

    def needs(self, facts: HttpFacts) -> int:
        return self.conditions.needs(facts)

    def judge(self, operation: Operation, facts: HttpFacts) -> Verdict:
        return self.said(*self.conditions.read(facts))

    def said(self, word: Match, why: str) -> Verdict:
        """By what was read, here or elsewhere."""
        match word:
            case Match.YES:
                reason = self.reason or why
                return taken(self.action, self.name, reason, self.would_pass, self.source, self.reason, b"(redacted)")
            case Match.DOUBT:
                return doubted(self.action, self.name, why, self.source)
        return ALLOW


def needed(guardrails: Iterable[IGuardrail], facts: HttpFacts) -> int:
    """How many bytes of the body must be there before `judge`; it is given up where there are more."""
    return max((each.needs(facts) for each in guardrails if isinstance(each, HttpRule)), default=0)


def needed_of_messages(guardrails: Iterable[IGuardrail], facts: HttpFacts) -> int:
    """The same of each message of a WebSocket that the request opens."""
    rules = (each.conditions for each in guardrails if isinstance(each, HttpRule))
    return max((each.buffer for each in rules if each.of_messages and each.of_head(facts) is not Match.NO), default=0)


def described(facts: HttpFacts) -> str:
    """A request in a few words: `DELETE /users/42`."""
    path = facts.shown_path
    return f"{facts.method} {path if len(path) <= MAX_SHOWN else path[: MAX_SHOWN - 1] + '…'}"
