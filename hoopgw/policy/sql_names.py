"""What names mean in one session now: search path, temporary objects, prepared statements, cursors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from hoopgw.policy import search_path
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.facts import Statement
from hoopgw.policy.temporaries import NONE, SCHEMA, Temporaries, Temporary

MAX_NAMED = 4096  # prepared statements and cursors of one session
MAX_TEXTS = 16  # that gave one name a meaning
MAX_STATEMENTS = 256  # that one text may stand for
MAX_BOUND = 256  # portals whose statements are known by name alone
MAX_TOLD = 10_000  # operations under way: beyond what a relay lets wait
MAX_BYTES = 8 << 20  # of all of these: drivers prepare some hundreds of texts of some KB
# Effects after which an operator or a cast may call something else; `schema`: a rename puts another one in the path
CHANGE_CALLS = frozenset("routine operator cast type extension language schema do call".split())
# What only makes something new: no name that was there before means something else after it
NEW_ALONE = frozenset("create table index sequence statistics select comment".split())


@dataclass(frozen=True, slots=True)
class NameContext:
    """`schemas` are all that an unqualified name could mean: the default path, and every literal SET of the session.

    It only grows: what a rollback or an unfinished pipeline makes of a SET is then never in doubt.
    """

    schemas: tuple[str, ...] = ()
    path_unknown: bool = False
    temporary: bool = False  # it has temporary objects that are not known
    types: bool = False  # types are among these: they come before PostgreSQL's own
    changing: bool = False  # DDL since the catalogue was read
    calls_changing: bool = False  # the same, of what operators and casts mean
    moved: bool = False  # the same, of what names with a schema mean, and of what bodies and triggers do
    temporaries: Temporaries = NONE  # those that are known; `schemas` has theirs

    def doubt(self) -> str:
        """Why an unqualified name's meaning cannot be known; "" where it can."""
        if self.path_unknown:
            return "search_path was set to something that is not a literal"
        if self.temporary:
            return _HIDDEN
        if self.changing:
            return "the schema is being changed in this transaction"
        return ""

    def doubt_of_qualified(self, schema: str) -> str:
        """The same of a name with a schema: it may have been given to something else."""
        if schema in ("pg_catalog", "information_schema"):
            return ""
        if schema.startswith(SCHEMA):
            return "it is a temporary object"
        return self.doubt_of_bodies()

    def doubt_of_relation(self, schema: str) -> str:
        """The same of a table's name.  In `pg_temp` is what this session made, and nothing else."""
        if schema == SCHEMA:
            return _HIDDEN if self.temporary else ""
        return self.doubt_of_qualified(schema) if schema else self.doubt()

    def doubt_of_bodies(self) -> str:
        """Why what a function, a trigger or a rule does cannot be known; "" where it can."""
        return "what is there is being changed in this transaction" if self.moved else ""

    def doubt_of_calls(self) -> str:
        """Why what operators and casts call cannot be known; "" where it can.  An unknown path is no doubt here:
        every schema counts then, and none of a session's own, because operators are not looked for there."""
        if self.types:
            return "this session has temporary types, which hide others"
        return "functions, operators or types were changed in this transaction" if self.calls_changing else ""

    def after(self, statement: Statement) -> NameContext:
        """What may be so once the statement has run."""
        context = self
        for name, value in statement.settings:
            if name in ("search_path", "*"):
                if value is None:
                    context = replace(context, path_unknown=True)
                else:
                    added = search_path.schemas(value)
                    schemas = tuple(dict.fromkeys(context.schemas + added))
                    unknown = "$user" in added or any(each.startswith(SCHEMA) for each in added) or len(schemas) > 64
                    context = replace(context, schemas=schemas, path_unknown=context.path_unknown or unknown)
        if statement.temporary:
            context = replace(context, temporary=True, types=context.types or "type" in statement.effects)
        context = context.having((statement,)) if statement.makes else context
        if statement.ddl:
            changes = bool(statement.effects & CHANGE_CALLS)
            moved = context.moved or not statement.effects <= NEW_ALONE
            context = replace(context, changing=True, calls_changing=context.calls_changing or changes, moved=moved)
        return context

    def having(self, statements: Iterable[Statement]) -> NameContext:
        """With the temporary tables that these make."""
        context = self
        for made in (made for each in statements for made in each.makes):
            context = context.beside(made)
        return context

    def beside(self, made: Temporary) -> NameContext:
        """With one more temporary table."""
        temporaries = self.temporaries.beside(made)
        if temporaries is None:
            return replace(self, temporary=True)
        schemas = tuple(dict.fromkeys((*temporaries.schemas(), *self.schemas)))
        return replace(self, schemas=schemas, temporaries=temporaries)


_HIDDEN: Final = "this session has temporary objects, which hide others: write its schema"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name stands for by one text.

    PostgreSQL looks up the names in a prepared statement anew once the path or what they mean has changed.  `reading`
    is what they were read by, the catalogue's generation and the context; None: a cursor, whose plan stays what it was.
    """

    statements: tuple[Statement, ...]
    reading: tuple[int, NameContext] | None = None


@dataclass(slots=True)
class _Name:
    """`texts`: what may have given it a meaning, each with the number of the last operation that did; `lost`: those
    up to that one are not all there (0: they are)."""

    lost: int
    texts: dict[bytes, tuple[int, Meaning]] = field(default_factory=dict)


class _Names:
    """Prepared statements, or cursors.

    What was sent to give a name its meaning may fail at the target, where it then stands for what it did: no text is
    forgotten before a later one is known to have been carried out.  Where there are too many, nothing is known.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Name] = {}
        self._size = 0
        self._latest = self._forgot = 0

    def define(self, name: str, text: bytes, meaning: Meaning, number: int) -> None:
        known = self._known.get(name)
        if known is not None and text in known.texts:  # read again; or several of one name in one text
            last, earlier = known.texts[text]
            if earlier.reading == meaning.reading and earlier.statements is not meaning.statements:
                meaning = replace(meaning, statements=tuple(dict.fromkeys(earlier.statements + meaning.statements)))
            self._latest = max(self._latest, number)
            if len(meaning.statements) > MAX_STATEMENTS:
                known.lost = self._latest
                meaning = replace(meaning, statements=())
            known.texts[text] = max(last, number), meaning
            return
        if self._size + len(text) > MAX_BYTES or (known is None and len(self._known) >= MAX_NAMED):
            self._known.clear()
            self._size, self._forgot, known = 0, self._latest, None
        if known is None:
            known = self._known[name] = _Name(self._forgot)
        if len(known.texts) >= MAX_TEXTS:
            self._drop(known, list(known.texts))
            known.lost = self._latest
        self._latest = max(self._latest, number)
        known.texts[text] = number, meaning
        self._size += len(text)

    def settle(self, name: str, number: int) -> None:
        """The target has carried out that operation's PREPARE or DECLARE: it had nothing of that name before."""
        known = self._known.get(name)
        if known is not None:
            self._drop(known, [text for text, (last, _) in known.texts.items() if last < number])
            if number > known.lost:
                known.lost = 0

    def _drop(self, known: _Name, texts: list[bytes]) -> None:
        for text in texts:
            del known.texts[text]
            self._size -= len(text)

    def of(self, name: str) -> list[tuple[bytes, Meaning]]:
        """Each text that may have given it a meaning; none where some are not known."""
        known = self._known.get(name)
        if known is None or known.lost:
            return []
        return [(text, meaning) for text, (_, meaning) in known.texts.items()]


class SessionNames:
    """Prepared statements and cursors of one session, by name: all that a name may stand for."""

    def __init__(self) -> None:
        self._prepared, self._cursors = _Names(), _Names()
        self._told: OrderedDict[int, tuple[bool, str]] = OrderedDict()  # by number of the operation, until it ends
        self._bound: OrderedDict[int, tuple[Statement, ...]] = OrderedDict()  # by number of the Bind

    def define(self, name: str, text: bytes, meaning: Meaning, number: int = 0) -> None:
        """A name that is defined again may still mean what it did: both count."""
        self._names(meaning.reading is None).define(name, text, meaning, number)

    def told(self, name: str, cursor: bool, number: int) -> None:
        """The operation is a PREPARE or DECLARE of `name` and nothing else."""
        self._told[number] = cursor, name
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)

    def settle(self, number: int) -> None:
        """The target has carried out what was `told`."""
        cursor, name = self._told.pop(number, (False, ""))
        self._names(cursor).settle(name, number)

    def bind(self, number: int, statements: tuple[Statement, ...]) -> None:
        """What a portal runs whose statement was named, and may be called otherwise by then."""
        self._bound[number] = statements
        if len(self._bound) > MAX_BOUND:
            self._bound.popitem(last=False)

    def bound(self, number: int) -> tuple[Statement, ...]:
        """None where that is not known any more."""
        return self._bound.get(number, ())

    def of(self, name: str, cursor: bool) -> list[tuple[bytes, Meaning]]:
        """Each text that may have given it a meaning; none where some are not known."""
        return self._names(cursor).of(name)

    def _names(self, cursors: bool) -> _Names:
        return self._cursors if cursors else self._prepared


def context_of(catalogue: Catalogue | None) -> NameContext:
    """At the start of a session."""
    return NameContext(schemas=catalogue.search_path if catalogue is not None else ())
