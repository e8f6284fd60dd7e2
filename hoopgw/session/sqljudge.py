"""The judge of one PostgreSQL session: text -> facts -> verdict, each judged once in its scope."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import classImplements

from hoopgw.auth.access import Access
from hoopgw.model.operation import BIND, EXECUTE, FUNCTION, PARSE, QUERY, Operation
from hoopgw.model.verdict import ALLOW, Sighting, Verdict
from hoopgw.policy.catalogue_types import FIRST_OWN
from hoopgw.policy.facts import Facts, FunctionName, Statement
from hoopgw.policy.guardrail import IGuardrail, judge
from hoopgw.policy.masks import SqlMasks
from hoopgw.policy.policyset import Selection
from hoopgw.policy.sql import MAX_IN_PROCESS, Unreadable, analyse, analyse_by
from hoopgw.policy.sql_calls import RUNS_TEXT, with_parameters
from hoopgw.policy.sql_folding import may_fold
from hoopgw.policy.sql_names import Meaning, SessionNames, context_of
from hoopgw.policy.touched import expanded
from hoopgw.relay import postgres_replication
from hoopgw.relay.postgres_parameters import UTF8
from hoopgw.relay.postgres_settings import encoding_name
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.interfaces import IJudge
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.sqlbuiltin import built_in, of_names, refused, unreadable
from hoopgw.session.sqlnaming import reading_of, with_names
from hoopgw.session.sqlscopes import Held, Scope, Scopes, Told
from hoopgw.session.sqlstatements import changes, for_others, loud, makes, own_types, quiet, with_values
from hoopgw.session.supervision import Judge

# Settings that change nothing of what a statement does; drivers set them as they please
NO_MEANING: Final = frozenset(("application_name", "statement_timeout", "lock_timeout", "client_min_messages"))
_USES: Final = re.compile(rb"(?i)execute|fetch|move")  # what names a prepared statement or a cursor
ENCODING: Final = "client_encoding"
NOT_UTF8: Final = "it cannot be judged: the text is not ASCII, and is or may be in another encoding than UTF-8"
FOLDED: Final = "it cannot be judged: this database may write a name of it in small letters that is not ASCII"
SET_CONFIG: Final = 2078  # the OID of pg_catalog.set_config (pg_proc.dat), also where no catalogue can be read
MAX_ROUNDS: Final = 64  # readings that one operation waits for: each ends within its deadline
MAX_TABLES: Final = 32  # names of one verdict, for the index
KINDS: Final = frozenset((QUERY, PARSE, BIND, EXECUTE, FUNCTION))


class SqlJudge(Judge):
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
        self._owner = access.identity.key
        self._named, self._settings = Told(), Told()
        self._place = access.target.name, access.database, access.role.name
        self._entry = catalogues.entry(access.target, access.role, access.database)
        self._state = self._entry.state
        self._context = context_of(self._entry.current)
        self.names = names or SessionNames()
        self._held = Held(None)
        self._refreshing: Deferred[None] | None = None
        self._for_others = False  # it may have changed what names mean to others, since that was last said
        self._quiet = False  # it has done what looks like a change of names since that was last said
        self._loud = False  # it may have changed names
        # a client_encoding of it was or may have been another than UTF-8
        self._recoded = encoding_name((started or {}).get(ENCODING, UTF8)) != UTF8
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
        after._started, after._named, after._settings = self._started, self._named, self._settings
        after._context = self._context
        after._for_others, after._loud = self._for_others, True
        after.replication, after._recoded = self.replication, self._recoded
        if self._refreshing is not None:
            after._refresh(ended=self._ended)
        return after

    # ---- IJudge

    def judge(self, operation: Operation) -> Verdict | Deferred[Verdict]:
        if operation.kind in (QUERY, PARSE) and not operation.text.isascii():
            if not self._is_utf8(operation):
                return refused("built-in:grammar", NOT_UTF8, "it with client_encoding UTF8, and nothing else under way")
            if operation.folds and may_fold(operation.text):
                return refused("built-in:grammar", FOLDED, "it with such names in double quotes")
        return self._judged(operation, MAX_ROUNDS)

    def _is_utf8(self, operation: Operation) -> bool:
        """Texts are read as UTF-8 here: to the target, names of another encoding would be others."""
        return operation.encoding == UTF8 or (not operation.encoding and not self._recoded)

    def _judged(self, operation: Operation, rounds: int) -> Verdict | Deferred[Verdict]:
        if self.replication and operation.kind == QUERY and postgres_replication.command(operation.text):
            return ALLOW  # by the grant's feature, which the login has looked at: no grammar of SQL has these
        if self._refreshing is None and self._state.behind:
            self._catch_up()
        if self._refreshing is not None:
            return self._doubted(operation) or self._later(operation, rounds)
        scope = self._held.scope
        if scope is None or scope.read is not self._state.current:
            scope = self._current_scope()
        kept = scope.known.get(operation.text) or scope.of_shape(operation.text)
        if kept is not None and operation.kind != FUNCTION and not (scope.casts and own_types(operation)):
            if operation.portal or (operation.kind == PARSE and operation.name):
                self._named_by(operation, kept[1], scope)
            return kept[0]
        if operation.kind == FUNCTION or operation.kind not in KINDS:
            return self._function(operation, scope)
        if len(operation.text) > MAX_IN_PROCESS:
            return self._in_child(operation, scope)
        facts = scope.facts.get(operation.text)
        if facts is None:
            try:
                facts = analyse(operation.text, scope.catalogue, self._context, scope.follows)
            except Unreadable as error:
                return unreadable(operation, error)
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
            context.temporaries.key,
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
        if changed and self._quiet and not self._loud:
            self._quiet = False
            return
        if settled:
            self._quiet = self._loud = False
        if changed or self._context.changing:  # what failed may have been to change it: then names are in doubt as well
            self._refresh(ended=settled)

    # ---- how

    def _doubted(self, operation: Operation) -> Verdict | None:
        """While the catalogue is read again: judged as in a transaction that has changed everything.  None where that
        does not let it through, or what it says of names must not be kept in doubt: then it waits."""
        if operation.portal:  # FETCH may use that name
            return None
        names_nothing = operation.kind == PARSE and not operation.name
        if not (self._ended or self._catching) or not (names_nothing or operation.kind in (QUERY, BIND, EXECUTE)):
            return None
        if len(operation.text) > MAX_IN_PROCESS or own_types(operation):
            return None
        scope = self._current_scope()
        context = replace(self._context, changing=True, calls_changing=True, moved=True)
        try:
            facts = analyse(operation.text, scope.catalogue, context, scope.follows)
        except Unreadable:
            return None
        if any(each.settings or each.defines or each.uses or makes(each) for each in facts.statements):
            return None
        verdict = judge(scope.guardrails, operation, facts) & built_in(facts)
        if verdict.refusals or verdict.holds:
            return None
        if operation.kind in (QUERY, EXECUTE):
            self._happens(facts, operation.text, scope, operation.number)
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
            return succeed(refused("built-in:names", "what names mean changes faster than it can be read", "it later"))
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
            return unreadable(operation, failure.value)

        reading: Deferred[Facts]
        if scope.catalogue is None:
            reading = self._parser.run(self._owner, analyse, operation.text, None, self._context, scope.follows)
        else:
            given = operation.text, self._context, scope.follows
            reading = self._parser.run(self._owner, analyse_by, *given, by=scope.catalogue)
        return reading.addCallbacks(read, unread)

    def _weighed(self, operation: Operation, facts: Facts, scope: Scope) -> Verdict | Deferred[Verdict]:
        said = with_values(facts, operation)
        meant = with_names(self.names, said, operation.text, scope, self._context, bound=operation.bound)
        if scope.casts:
            meant = with_parameters(meant, scope.catalogue, own_types(operation))
        if operation.kind == PARSE and [bool(each.uses) for each in meant.statements] == [True]:
            self._named_by(operation, facts, scope)
            return Verdict(keep=False)  # of a name that is not there yet: nothing is done before it is judged by it
        verdict = of_names(judge(self._guardrails(facts, scope), operation, meant) & built_in(meant), meant)
        missing = bool(verdict.refusals) and _missing(meant)
        if missing and self._catalogues.may_ask(self._entry):
            return self._again(operation)
        verdict = self._completed(verdict, meant)
        plain = meant is facts and not any(changes(statement) for statement in facts.statements)
        if plain and verdict.keep and not missing:  # it may be there at the next look
            scope.keep(operation.text, verdict, facts)
        else:
            scope.remember(operation.text, facts)
        self._named_by(operation, facts, scope)
        if not verdict.refusals and operation.kind in (QUERY, EXECUTE):
            values = operation.parameters if said is not facts else b""
            self._happens(meant, operation.text, scope, operation.number, values)
            if len(facts.statements) == 1 and facts.statements[0].defines and not facts.statements[0].uses:
                (only,) = facts.statements
                self.names.told(only.defines, "prepare" not in only.effects, operation.number)
        return verdict

    def _guardrails(self, facts: Facts, scope: Scope) -> tuple[IGuardrail, ...]:
        """A statement may read the temporary table that one before it in the text has made."""
        temporaries = self._context.having(facts.statements[:-1]).temporaries
        if temporaries == self._context.temporaries:
            return scope.guardrails
        return self._scopes.guardrails(self._selection, scope.read, temporaries)

    def _named_by(self, operation: Operation, facts: Facts, scope: Scope) -> None:
        """Parse gives a name that EXECUTE can use, and Bind one for FETCH."""
        if operation.kind == PARSE and operation.name:
            meaning = Meaning(facts.statements, reading_of(scope, self._context))
            self._define(operation.name.decode("utf-8", "replace"), operation.text, meaning, operation.number)
        elif operation.kind == BIND:
            # what its statement executes in its turn is looked up when that runs
            named = with_names(self.names, facts, operation.text, scope, self._context, within=True)
            if named is not facts:
                self.names.bind(operation.number, named.statements)
            if operation.portal:
                meaning = Meaning(named.statements)
                self._define(operation.portal.decode("utf-8", "replace"), operation.text, meaning, operation.number)

    def _define(self, name: str, text: bytes, meaning: Meaning, number: int) -> None:
        self.names.define(name, text, meaning, number)
        self._named.add(name, text)

    def defined(self, number: int) -> None:
        self.names.settle(number)

    def _happens(self, facts: Facts, text: bytes, scope: Scope, number: int = 0, values: bytes = b"") -> None:
        """What the session's names may mean from now on."""
        context = self._context
        reading = reading_of(scope, context)
        for statement in facts.statements:
            context = context.after(statement)
            self._for_others = self._for_others or for_others(statement)
            self._quiet = self._quiet or quiet(statement)
            self._loud = self._loud or loud(statement)
            if statement.ddl:
                self._ended = False  # a reading that has begun does not see what this will do
            if statement.defines:
                self._define(
                    statement.defines,
                    text,
                    Meaning(statement.body, reading if "prepare" in statement.effects else None),
                    number,
                )
            for name, value in statement.settings:
                if name == ENCODING and value is not None and encoding_name(value) != UTF8:
                    self._recoded = True
                if name not in NO_MEANING:
                    self._settings.add(name, text + values)
        if context != self._context:
            self._context = context
            self._held = Held(None)

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
            return refused("built-in:kind", f"{operation.kind} is not an operation that is known here")
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


def _missing(facts: Facts) -> bool:
    """Whether a name is not in the catalogue: it may have been made by somebody else since."""
    return any("catalogue" in why for statement in facts.statements for why in statement.unknown)


classImplements(SqlJudge, IJudge)  # not by a decorator: compiled classes take none
