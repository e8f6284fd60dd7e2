"""The judge of one PostgreSQL session: text -> facts -> verdict, each judged once in its scope."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import classImplements

from hoopgw.auth.access import Access
from hoopgw.model.grant import COPY_MASKED
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.model.verdict import ALLOW, Refusal, Sighting, Verdict
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.catalogue_types import FIRST_OWN
from hoopgw.policy.facts import Facts, FunctionName, Statement
from hoopgw.policy.guardrail import IGuardrail, judge
from hoopgw.policy.lineage import Lineage
from hoopgw.policy.masks import MaskGuardrail, SqlMasks, resolve
from hoopgw.policy.policyset import Selection
from hoopgw.policy.sql import MAX_IN_PROCESS, Unreadable, analyse
from hoopgw.policy.sql_calls import RUNS_TEXT, with_parameters
from hoopgw.policy.sql_names import NEW_ALONE, Meaning, NameContext, SessionNames, context_of
from hoopgw.policy.sql_shape import shape
from hoopgw.policy.touched import expanded
from hoopgw.relay import postgres_replication
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.relay.postgres_settings import encoding_name
from hoopgw.session.catalogues import CatalogueCache, Entry
from hoopgw.session.interfaces import IJudge
from hoopgw.session.parser_process import ParserProcess

MAX_TOLD = 1024  # names, of 64 bytes and the name each
# Settings that change nothing of what a statement does; drivers set them as they please
NO_MEANING = frozenset(("application_name", "statement_timeout", "lock_timeout", "client_min_messages"))
_USES = re.compile(rb"(?i)execute|fetch|move")  # what names a prepared statement or a cursor
MAX_SCOPES = 512  # sets of rules, names and catalogue that verdicts are kept for
MAX_VERDICTS = 4096  # texts of one scope
MAX_TEXTS = 8 << 20  # bytes of them
MAX_KEPT_TEXT = 64 * 1024  # bytes of one text that is kept: longer ones are rarely repeated
SET_CONFIG = 2078  # the OID of pg_catalog.set_config (pg_proc.dat), also where no catalogue can be read
NAMING = frozenset("create alter drop rename import".split())
MADE = NEW_ALONE | {"view", "insert", "execute", "transaction"}  # effects that, with temporary objects, change no other
MAX_ROUNDS = 64  # readings that one operation waits for: each ends within its deadline
MAX_TABLES = 32  # names of one verdict, for the index
KINDS = frozenset((QUERY, PARSE, BIND, EXECUTE, FUNCTION))
WRAPPERS = frozenset(("explain", "prepare"))  # effects of what holds another statement: alone, that one is not known


class Scope:
    """Everything that a verdict depends on besides the text; and the verdicts."""

    def __init__(self, guardrails: tuple[IGuardrail, ...], catalogue: Catalogue | None) -> None:
        self.guardrails = guardrails
        self.catalogue = catalogue
        self.follows = any(isinstance(each, MaskGuardrail) and each.follows for each in guardrails)
        # whether a parameter's type may bring calls that its text does not show
        self.casts = catalogue is not None and catalogue.types is not None and bool(catalogue.types.own_casts)
        self.known: dict[bytes, tuple[Verdict, Facts]] = {}
        self.shapes: dict[bytes, tuple[Verdict, Facts]] = {}
        self._size = 0
        self.by_shape = not any(guardrail.reads_text for guardrail in guardrails)

    def keep(self, text: bytes, verdict: Verdict, facts: Facts) -> None:
        if len(text) > MAX_KEPT_TEXT:
            return
        formed = shape(text) if self.by_shape and not _literal(facts) else None
        if formed is not None:
            if len(self.shapes) >= MAX_VERDICTS:
                self.shapes.clear()
            self.shapes[formed] = verdict, facts
            return
        self._size += len(text)
        if len(self.known) >= MAX_VERDICTS or self._size > MAX_TEXTS:
            self.known.clear()
            self._size = len(text)
        self.known[text] = verdict, facts

    def of_shape(self, text: bytes) -> tuple[Verdict, Facts] | None:
        """What was decided of a text that differs in literals only."""
        if not self.shapes or len(text) > MAX_KEPT_TEXT:
            return None
        formed = shape(text)
        return self.shapes.get(formed) if formed is not None else None


def _literal(facts: Facts) -> bool:
    """Whether a literal decides something: how COPY writes its rows, and what is kept out of the record."""
    return any(statement.copy is not None or statement.secret for statement in facts.statements)


class Held:
    """A session's hold on its scope, which ends when a later catalogue is judged by: an idle session must not keep all
    of an earlier one, several megabytes, until its next statement."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope


class Scopes:
    """Shared by all sessions of the gateway."""

    def __init__(self, build: MaskBuilder) -> None:
        self._build = build
        self._scopes: OrderedDict[tuple[Any, ...], Held] = OrderedDict()

    def of(self, selection: Selection, place: tuple[str, str, str], entry: Entry, context: NameContext) -> Held:
        """Holds a scope of the entry's catalogue, which is current."""
        catalogue = entry.current
        generation = catalogue.generation if catalogue is not None else -1
        key = (selection.key, place, generation, context)
        held = self._scopes.get(key)
        if held is None:
            self._forget_before(generation, place)
            guardrails = selection.guardrails
            if selection.masks:
                copies = COPY_MASKED in selection.features
                mask = MaskGuardrail(resolve(selection.masks, catalogue), catalogue, self._build, copies)
                guardrails = (*guardrails, mask)
            held = self._scopes[key] = Held(Scope(guardrails, catalogue))
            if len(self._scopes) > MAX_SCOPES:
                self._scopes.popitem(last=False)
        self._scopes.move_to_end(key)
        return held

    def _forget_before(self, generation: int, place: tuple[str, str, str]) -> None:
        """Nobody judges by these again: whoever finds an earlier catalogue in its scope asks for another."""
        for key in [key for key in self._scopes if key[1] == place and key[2] < generation]:
            self._scopes.pop(key).scope = None

    def ambient(self, selection: Selection) -> SqlMasks | None:
        """For notices and notifications of no statement: patterns only."""
        table = resolve(selection.masks, None)
        if not table.patterns and not table.custom:
            return None
        return SqlMasks({}, (), table.patterns, table.custom, build=self._build)


class Told:
    """By name, a digest of all the texts that gave it a meaning in this session, and of the last: what was approved is
    bound to them.  A text said again changes nothing."""

    def __init__(self) -> None:
        self._digests: dict[str, tuple[bytes, bytes]] = {}
        self._forgotten = b""

    def add(self, name: str, text: bytes) -> None:
        before, last = self._digests.get(name, (b"", b""))
        now = sha256(text).digest()
        if now == last:
            return
        if not before and len(self._digests) >= MAX_TOLD:  # one digest of them all stands for what is forgotten
            self._forgotten = sha256(repr((self._forgotten, self.all())).encode()).digest()
            self._digests.clear()
        self._digests[name] = sha256(before + now).digest(), now

    def all(self) -> tuple[object, ...]:
        return self._forgotten, *sorted(self._digests.items())


class SqlJudge:
    """One session's.  `selection` is what its identity has to pass on its target."""

    def __init__(
        self,
        selection: Selection,
        access: Access,
        catalogues: CatalogueCache,
        scopes: Scopes,
        parser: ParserProcess,
        names: SessionNames | None = None,
        started: Mapping[str, str] | None = None,
        replication: bool = False,
    ) -> None:
        """`started` are the settings that the client logged in with; `replication`: the target is a walsender."""
        self.replication = replication
        self._started = sorted((name, value) for name, value in (started or {}).items() if name not in NO_MEANING)
        self._selection = selection
        self._catalogues = catalogues
        self._scopes = scopes
        self._parser = parser
        self._named, self._settings = Told(), Told()
        self._place = access.target.name, access.database, access.role.name
        self._entry = catalogues.entry(access.target, access.role, access.database)
        self._context = context_of(self._entry.current)
        self.names = names or SessionNames()
        self._held = Held(None)
        self._refreshing: Deferred[None] | None = None
        self._for_others = False  # it may have changed what names mean to others, since that was last said
        self._catching = False  # another session has changed the schema, and that is being read
        self._ended = False  # a transaction that changed the schema has, since the last reading began

    @property
    def ambient_masks(self) -> SqlMasks | None:
        return self._scopes.ambient(self._selection)

    def ready(self) -> Deferred[None]:
        """Fires when there is a catalogue, or it is known that there is none."""
        return self._catalogues.fresh(self._entry).addCallback(self._begin)

    def _begin(self, _: None) -> None:
        self._context = context_of(self._entry.current)
        self._held = Held(None)

    def successor(self, selection: Selection, access: Access) -> SqlJudge:
        """After a reload: the same session's names, other rules."""
        after = SqlJudge(selection, access, self._catalogues, self._scopes, self._parser, self.names)
        after._context = self._context
        after.replication = self.replication
        if self._refreshing is not None:
            after._refresh(ended=self._ended)
        return after

    # ---- IJudge

    def judge(self, operation: Operation) -> Verdict | Deferred[Verdict]:
        return self._judged(operation, MAX_ROUNDS)

    def _judged(self, operation: Operation, rounds: int) -> Verdict | Deferred[Verdict]:
        if self.replication and operation.kind == QUERY and postgres_replication.command(operation.text):
            return ALLOW  # by the grant's feature, which the login has looked at: no grammar of SQL has these
        if self._refreshing is None and self._entry.behind:
            self._catch_up()
        if self._refreshing is not None:
            return self._doubted(operation) or self._later(operation, rounds)
        scope = self._held.scope
        if scope is None or scope.catalogue is not self._entry.current:
            scope = self._current_scope()
        kept = scope.known.get(operation.text) or scope.of_shape(operation.text)
        if kept is not None and operation.kind != FUNCTION and not (scope.casts and _own_types(operation)):
            if operation.kind == PARSE and operation.name:
                self._parsed(operation, kept[1], scope)
            return kept[0]
        if operation.kind == FUNCTION or operation.kind not in KINDS:
            return self._function(operation, scope)
        if len(operation.text) > MAX_IN_PROCESS:
            return self._in_child(operation, scope)
        try:
            facts = analyse(operation.text, scope.catalogue, self._context, scope.follows)
        except Unreadable as error:
            return _unreadable(operation, error)
        return self._weighed(operation, facts, scope)

    def sightings(self, operation: Operation) -> tuple[Sighting, ...]:
        """PostgreSQL has no terminal."""
        return ()

    def binding(self, operation: Operation) -> bytes:
        context = self._context
        named = self._named.all() if _USES.search(operation.text) else ()
        parts = (
            *self._place,
            context.schemas,
            context.path_unknown,
            context.temporary,
            self._settings.all(),
            named,
            self._started,
        )
        return repr(parts).encode()

    def catalogue_changed(self, changed: bool = True, settled: bool = True) -> None:
        """A transaction that may have `changed` it has ended.  `settled`: what is read now is what there is."""
        if changed and self._for_others:
            self._catalogues.changed(self._entry)
            self._for_others = not settled
        if changed or self._context.changing:  # what failed may have been to change it: then names are in doubt as well
            self._refresh(ended=settled)

    # ---- how

    def _doubted(self, operation: Operation) -> Verdict | None:
        """While the catalogue is read again: judged as in a transaction that has changed everything.  None where that
        does not let it through, or what it says of names must not be kept in doubt: then it waits."""
        names_nothing = operation.kind == PARSE and not operation.name
        if not (self._ended or self._catching) or not (names_nothing or operation.kind in (QUERY, BIND, EXECUTE)):
            return None
        if len(operation.text) > MAX_IN_PROCESS or _own_types(operation):
            return None
        scope = self._current_scope()
        context = replace(self._context, changing=True, calls_changing=True, moved=True)
        try:
            facts = analyse(operation.text, scope.catalogue, context, scope.follows)
        except Unreadable:
            return None
        if any(each.settings or each.defines or each.uses or each.temporary for each in facts.statements):
            return None
        verdict = judge(scope.guardrails, operation, facts) & built_in(facts)
        if verdict.refusals or verdict.holds:
            return None
        if operation.kind in (QUERY, EXECUTE):
            self._happens(facts, operation.text, scope)
        return replace(self._completed(verdict, facts), keep=False)

    def _current_scope(self) -> Scope:
        catalogue = self._entry.current
        if catalogue is not None and not set(catalogue.search_path) <= set(self._context.schemas):
            schemas = tuple(dict.fromkeys(self._context.schemas + catalogue.search_path))
            self._context = replace(self._context, schemas=schemas)
        self._catalogues.fresh(self._entry)
        self._held = self._scopes.of(self._selection, self._place, self._entry, self._context)
        assert self._held.scope is not None  # only a later catalogue ends it, and this one is current
        return self._held.scope

    def _refresh(self, ended: bool) -> None:
        refreshing = self._refreshing = self._catalogues.refresh(self._entry)
        self._ended = ended or self._ended
        refreshing.addCallback(self._refreshed, refreshing)

    def _catch_up(self) -> None:
        """Another session has changed the schema: until that is read, this one is in doubt as that one is."""
        refreshing = self._refreshing = self._catalogues.caught_up(self._entry)
        self._catching = True
        refreshing.addCallback(self._refreshed, refreshing)

    def _refreshed(self, _: None, refreshing: Deferred[None]) -> None:
        if self._refreshing is refreshing:
            self._refreshing = None
            self._catching = False
            if self._ended:  # else the gateway's own connection does not see what this transaction has changed
                self._context = replace(self._context, changing=False, calls_changing=False, moved=False)
                self._ended = False
            self._held = Held(None)

    # No generators here: inlineCallbacks refuses those of a compiled module
    def _later(self, operation: Operation, rounds: int) -> Deferred[Verdict]:
        if rounds == 0:
            return succeed(_refused("built-in:names", "what names mean changes faster than it can be read", "it later"))
        if self._refreshing is None:
            verdict = self._judged(operation, rounds)
            return verdict if isinstance(verdict, Deferred) else succeed(verdict)
        waiting: Deferred[None] = Deferred()
        self._refreshing.addCallback(waiting.callback)
        return waiting.addCallback(lambda _: self._later(operation, rounds - 1))

    def _in_child(self, operation: Operation, scope: Scope) -> Deferred[Verdict]:
        def read(facts: Facts) -> Verdict | Deferred[Verdict]:
            return self._weighed(operation, facts, scope)

        def unread(failure: Failure) -> Verdict:
            failure.trap(Unreadable)
            assert isinstance(failure.value, Unreadable)
            return _unreadable(operation, failure.value)

        return self._parser.analyse(operation.text, scope.catalogue, self._context, scope.follows).addCallbacks(
            read, unread
        )

    def _weighed(self, operation: Operation, facts: Facts, scope: Scope) -> Verdict | Deferred[Verdict]:
        meant = self._with_names(facts, operation.text, scope)
        if scope.casts:
            meant = with_parameters(meant, scope.catalogue, _own_types(operation))
        verdict = judge(scope.guardrails, operation, meant) & built_in(meant)
        if verdict.refusals and self._may_be_new(meant):
            return self._again(operation)
        verdict = self._completed(verdict, meant)
        plain = meant is facts and not any(_changes(statement) for statement in facts.statements)
        if plain and verdict.keep:
            scope.keep(operation.text, verdict, facts)
        if operation.kind == PARSE and operation.name:
            self._parsed(operation, facts, scope)
        if not verdict.refusals and operation.kind in (QUERY, EXECUTE):
            self._happens(meant, operation.text, scope)
        return verdict

    def _parsed(self, operation: Operation, facts: Facts, scope: Scope) -> None:
        meaning = Meaning(facts.statements, self._reading(scope, self._context))
        self._define(operation.name.decode("utf-8", "replace"), operation.text, meaning)

    def _define(self, name: str, text: bytes, meaning: Meaning) -> None:
        self.names.define(name, text, meaning)
        self._named.add(name, text)

    def _reading(self, scope: Scope, context: NameContext) -> tuple[int, NameContext]:
        return scope.catalogue.generation if scope.catalogue is not None else -1, context

    def _happens(self, facts: Facts, text: bytes, scope: Scope) -> None:
        """What the session's names may mean from now on."""
        context = self._context
        reading = self._reading(scope, context)
        for statement in facts.statements:
            context = context.after(statement)
            self._for_others = self._for_others or _for_others(statement)
            if statement.ddl:
                self._ended = False  # a reading that has begun does not see what this will do
            if statement.defines:
                self._define(
                    statement.defines,
                    text,
                    Meaning(statement.body, reading if "prepare" in statement.effects else None),
                )
            for name, _ in statement.settings:
                if name not in NO_MEANING:
                    self._settings.add(name, text)
        if context != self._context:
            self._context = context
            self._held = Held(None)

    def _meant(self, name: str, scope: Scope, context: NameContext, told: Mapping[bytes, Meaning]) -> list[Statement]:
        """What a name stands for in `context`: a prepared text is read again where its names may mean something else.
        `told`: what the text that uses it has made of it before."""
        found: list[Statement] = []
        for text, meaning in (*self.names.of(name), *told.items()):
            if meaning.reading is not None and meaning.reading != self._reading(scope, context):
                meaning = self._read_again(name, text, scope, context)
            found += meaning.statements
        return found

    def _read_again(self, name: str, text: bytes, scope: Scope, context: NameContext) -> Meaning:
        if len(text) > MAX_IN_PROCESS:
            return Meaning((Statement(frozenset(), unknown=(f"{name!r} was prepared before names changed",)),))
        read = analyse(text, scope.catalogue, context, scope.follows).statements
        held = tuple(body for each in read if each.defines == name for body in each.body)
        meaning = Meaning(held or read, self._reading(scope, context))
        if any(known == text for known, _ in self.names.of(name)):
            self.names.define(name, text, meaning)
        return meaning

    def _with_names(self, facts: Facts, text: bytes, scope: Scope) -> Facts:
        """EXECUTE and FETCH are judged by what the name stands for, here or earlier in the text; a name that was not
        seen keeps its `uses`, and is refused by `built_in`."""
        if not any(statement.uses for statement in facts.statements):
            return facts
        statements: list[Statement] = []
        context = self._context
        told: dict[str, dict[bytes, Meaning]] = {}
        for statement in facts.statements:
            meant = [statement]
            if statement.uses:
                bodies = self._meant(statement.uses, scope, context, told.get(statement.uses, {}))
                meant = [_both(statement, body) for body in bodies]
            if not meant:
                meant = [replace(statement, unknown=(*statement.unknown, _unseen(statement.uses)))]
            if statement.defines:
                reading = self._reading(scope, context) if "prepare" in statement.effects else None
                earlier = told.get(statement.defines, {}).get(text)
                held = statement.body if earlier is None else earlier.statements + statement.body
                told[statement.defines] = {text: Meaning(held, reading)}
            for each in meant:
                context = context.after(each)
            statements += meant
        return Facts(tuple(statements), facts.redacted)

    def _may_be_new(self, facts: Facts) -> bool:
        """A name that is not in the catalogue may have been made by somebody else since."""
        missing = any("catalogue" in why for statement in facts.statements for why in statement.unknown)
        return missing and self._catalogues.may_ask(self._entry)

    def _again(self, operation: Operation) -> Deferred[Verdict]:
        self._refresh(ended=False)
        return self._later(operation, MAX_ROUNDS)

    def _completed(self, verdict: Verdict, facts: Facts) -> Verdict:
        names = sorted({str(name) for statement in facts.statements for name in statement.reads | statement.writes})
        secret = any(statement.secret for statement in facts.statements)
        return replace(
            verdict,
            tables=frozenset(names[:MAX_TABLES]),
            redact=verdict.redact or ("built-in:secret" if secret else ""),
            recorded=verdict.recorded or (facts.redacted if secret else b""),
        )

    def _function(self, operation: Operation, scope: Scope) -> Verdict | Deferred[Verdict]:
        if operation.kind not in KINDS:
            return _refused("built-in:kind", f"{operation.kind} is not an operation that is known here")
        function = scope.catalogue.function_by_oid.get(int(operation.text)) if scope.catalogue is not None else None
        effects = {"function"}
        unknown: tuple[str, ...] = ()
        functions: frozenset[FunctionName] = frozenset()
        calls: frozenset[int] = frozenset()
        opaque = ""
        if function is None:
            unknown = (f"function {operation.text.decode()} is not in the gateway's catalogue",)
            opaque = f"function {operation.text.decode()}"
        else:
            functions = frozenset((FunctionName(function.schema, function.name),))
            if function.name.startswith("lo_"):
                effects.add("large-object")
            if function.name in RUNS_TEXT or (function.oid >= FIRST_OWN and function.definition is None):
                opaque = f"function {function.schema}.{function.name}"
            elif function.oid >= FIRST_OWN:
                calls = frozenset((function.oid,))
        # its arguments are not looked at: which setting it would change is not known
        sets = int(operation.text) == SET_CONFIG or (function is not None and function.name == "set_config")
        settings: tuple[tuple[str, str | None], ...] = (("*", None),) if sets else ()
        statement = Statement(
            frozenset(effects), functions=functions, unknown=unknown, opaque=opaque, calls=calls, settings=settings
        )
        facts = Facts((expanded(statement, scope.catalogue, self._context),))
        verdict = judge(scope.guardrails, operation, facts) & built_in(facts)
        if not verdict.refusals:
            self._happens(facts, operation.text, scope)
        return self._completed(verdict, facts)


classImplements(SqlJudge, IJudge)  # not by a decorator: compiled classes take none


def _own_types(operation: Operation) -> list[int]:
    """OIDs of the types that Parse declared for parameters, without PostgreSQL's own."""
    parameters = operation.parameters
    if operation.kind not in (PARSE, BIND, EXECUTE) or parameters[:2] in (b"", b"\0\0"):
        return []
    ends = range(2, 2 + 4 * int.from_bytes(parameters[:2], "big"), 4)
    return [oid for at in ends for oid in [int.from_bytes(parameters[at : at + 4], "big")] if oid >= FIRST_OWN]


def _both(using: Statement, body: Statement) -> Statement:
    """What EXECUTE does, or CREATE TABLE AS EXECUTE: what it says itself, and what the name stands for."""
    return replace(
        body,
        effects=body.effects | using.effects,
        unknown=body.unknown + using.unknown,
        opaque=body.opaque or using.opaque,
        lineage=_explained(using, body),
        place=using.place,
        writes=body.writes | using.writes,
        functions=body.functions | using.functions,
        temporary=body.temporary or using.temporary,
        ddl=body.ddl or using.ddl,
        writes_nothing=body.writes_nothing and using.writes_nothing,
    )


def _explained(using: Statement, body: Statement) -> Lineage | None:
    """EXPLAIN EXECUTE shows a plan in place of what the name's statement would show."""
    if body.lineage is None or using.lineage is None:
        return body.lineage
    return replace(body.lineage, outputs=using.lineage.outputs, lost=body.lineage.lost or using.lineage.lost)


def _for_others(statement: Statement) -> bool:
    """Whether what it does may change what names mean in other sessions: not so of temporary objects, made plainly."""
    if not statement.ddl or not statement.effects & NAMING:
        return bool(statement.ddl and statement.opaque)
    own = statement.temporary and statement.effects <= MADE and not (statement.calls or statement.opaque)
    return not own


def _changes(statement: Statement) -> bool:
    """Whether it changes what later texts mean, so that its verdict is not kept: it must be looked at each time."""
    return bool(statement.settings or statement.defines or statement.uses or statement.temporary or statement.ddl)


def _refused(guardrail: str, reason: str, would_pass: str = "") -> Verdict:
    return Verdict(refusals=(Refusal(guardrail, reason, would_pass),), keep=False)


def _unseen(name: str) -> str:
    return f"{name!r} names nothing that was prepared or declared in this session"


def _unreadable(operation: Operation, error: Unreadable) -> Verdict:
    if operation.text == b"\0":
        return _refused("built-in:names", "it names a prepared statement or portal that the gateway has not seen")
    if error.position:  # the words that PostgreSQL itself would say: whoever reads them knows what to do
        return Verdict(refusals=(Refusal("built-in:grammar", error.words, position=error.position),), keep=False)
    return _refused("built-in:grammar", f"it cannot be judged: {error.words}")


def built_in(facts: Facts) -> Verdict:
    """What holds without any rule: what text means must not shift under the judge, the grant's role stays the role, and
    what runs is known."""
    verdict = Verdict()
    for statement in facts.statements:
        reset = "reset" in statement.effects
        for name, value in statement.settings:
            reason = _pin(name, value, reset)
            if reason:
                verdict &= _refused("built-in:settings", reason)
        if statement.uses:
            # PostgreSQL itself refuses most of these.  What is left was prepared or declared where nobody looked (in
            # the body of a function): no rule, budget or record would know what runs.
            verdict &= _refused("built-in:names", _unseen(statement.uses), "PREPARE or DECLARE it in this session")
        if statement.unknown and statement.effects <= WRAPPERS:
            verdict &= _refused("built-in:grammar", statement.unknown[0])
    return verdict


def _pin(name: str, value: str | None, reset: bool) -> str:
    if name == "*":
        return "which setting is changed cannot be known"
    if name == "standard_conforming_strings" and (value or "").lower() not in ("on", "true", "1", "yes") and not reset:
        return "standard_conforming_strings stays on: what a text means must not change under the judge"
    if name == "client_encoding" and not reset and (value is None or not encoding_name(value)):
        return "client_encoding cannot be set to that: its texts cannot be judged safely"
    if name in ("role", "session_authorization", "session authorization") and not reset:
        return f"{name} stays as the grant says; ask for another role at login"
    if name == "session_replication_role" and not reset:
        return "session_replication_role would switch off triggers and rules"
    return ""
