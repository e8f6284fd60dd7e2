"""What is known of one SQL statement before it runs: the facts that guardrails match on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hoopgw.policy.lineage import Lineage
from hoopgw.policy.temporaries import FIRST, SCHEMA, Temporary

# The closed list of effects.  `policy/sql_nodes.py` maps every statement node of PostgreSQL's grammar to one or more of
# them; a node it does not know gives an `unknown`.  configuration: `statement = ["drop", "truncate", ...]`.
ACTIONS = frozenset(
    (
        "select insert update delete merge truncate copy-from copy-to copy-program copy-file create alter drop rename "
        "comment grant revoke alter-role alter-system alter-settings security-label reassign set reset show "
        "transaction lock prepare execute deallocate declare fetch close listen notify unlisten vacuum analyze reindex "
        "cluster checkpoint refresh discard explain do call load import function large-object "
    ).split()
)
# What CREATE, ALTER, DROP and RENAME are about, beside the action: CREATE SERVER is `create` and `server`
OBJECTS = frozenset(
    (
        "table view index sequence schema statistics type collation conversion text-search routine cast operator "
        "transform language trigger event-trigger rule policy extension access-method server foreign-data-wrapper "
        "user-mapping foreign-table publication subscription database tablespace"
    ).split()
)
EFFECTS = ACTIONS | OBJECTS
# What a statement may do to a session's own temporary tables that touches nothing else
_OF_TABLES = frozenset(
    (
        "select insert update delete merge truncate copy-from create alter drop comment lock vacuum analyze reindex "
        "cluster explain execute table index sequence"
    ).split()
)


class Where(Enum):
    """Of the UPDATEs and DELETEs of a statement, the worst."""

    NONE = "none"  # no UPDATE, no DELETE
    PRESENT = "present"
    CONSTANT = "constant"  # a condition that no row decides: WHERE true, WHERE 1 = 1
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class RelationName:
    """A relation that a statement names, as the catalogue knows it.  `oid` 0: not in the catalogue (then unknown)."""

    schema: str
    name: str
    oid: int = 0

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class FunctionName:
    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


# Something is called, and nobody can say what: rules that name functions refuse
SOME_FUNCTION = FunctionName("?", "?")


@dataclass(frozen=True, slots=True)
class Output:
    """One output column, or one field of a COPY row.

    A plain column names its relation and attribute number; anything else has neither, and `reads` says which columns
    it is computed from.
    """

    name: str
    relation: int = 0  # OID
    attribute: int = 0
    type_oid: int = 0  # of a plain column; 0 where it is not known


@dataclass(frozen=True, slots=True)
class Copy:
    """How the rows of a COPY look (documentation, COPY).  Bytes are in the client's encoding, one byte each."""

    format: str = "text"  # text | csv | binary
    delimiter: bytes = b"\t"
    quote: bytes = b'"'
    escape: bytes = b'"'
    null: bytes = b"\\N"
    header: bool = False
    fields: tuple[Output, ...] = ()  # COPY TO STDOUT: one for each field, in order


@dataclass(frozen=True, slots=True)
class Statement:
    """The facts of one statement of a text.  Effects are a set: EXPLAIN ANALYZE DELETE has `explain` and `delete`.

    unknown     why something about it cannot be known, in words; not empty: rules and masks that name tables refuse
    lost        (relation OID, attribute number) of columns that are read in another way than as a plain output column
    read        all (relation OID, attribute number) that are read at all, plain output included
    read_below, written_below
                what the relations of `reads` and `writes` stand for besides themselves: what views show, partitions,
                parents, and all that bodies, triggers, rules and cascades touch (policy/touched.py); a rule that names
                a table is about its rows, by whatever name they are reached
    functions   that it calls by name, or by operators and casts that are not PostgreSQL's own
    names       statement and cursor names: what PREPARE, DECLARE define and EXECUTE, FETCH use
    """

    effects: frozenset[str]
    reads: frozenset[RelationName] = frozenset()
    writes: frozenset[RelationName] = frozenset()
    read_below: frozenset[RelationName] = frozenset()
    written_below: frozenset[RelationName] = frozenset()
    functions: frozenset[FunctionName] = frozenset()
    where: Where = Where.NONE
    unknown: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    read: frozenset[tuple[int, int]] = frozenset()
    lost: frozenset[tuple[int, int]] = frozenset()
    copy: Copy | None = None
    opaque: str = ""  # a body that cannot be read: "DO", "CALL x()", "function x()"
    inside: str = ""  # the same behind a view that it reads: "view y -> function x()"
    beside: str = ""  # the same of what PostgreSQL runs by itself: triggers, rules, defaults, policies
    runs: frozenset[tuple[int, str]] = frozenset()  # (relation OID, select | insert | update | delete | truncate …)
    calls: frozenset[int] = frozenset()  # OIDs of functions of one's own
    functions_beside: frozenset[FunctionName] = frozenset()  # called by what PostgreSQL runs by itself
    ways: tuple[str, ...] = ()  # what leads where: "view public.v -> table public.t"
    secret: bool = False  # the text carries a password
    settings: tuple[tuple[str, str | None], ...] = ()  # (name, literal value; None: not a literal)
    # of `settings` those that are said by parameters: (index, name or number, value or number)
    by_parameter: tuple[tuple[int, str | int, str | int | None], ...] = ()
    defines: str = ""  # name of PREPARE or DECLARE
    uses: str = ""  # name of EXECUTE, FETCH
    body: "tuple[Statement, ...]" = ()  # of PREPARE and DECLARE: what the name will stand for
    temporary: bool = False  # makes temporary objects, or may change them, and nobody knows which
    makes: tuple[Temporary, ...] = ()  # temporary tables and sequences that are known
    ddl: bool = False  # may change what names mean
    lineage: Lineage | None = None  # None: a kind of statement that has none, or names whose meaning was not known
    place: int = 0  # of the statement in its text, from 0
    writes_nothing: bool = False  # transaction control, SHOW, SET …: costs no budget of rows

    @property
    def understood(self) -> bool:
        """Whether `effects` are all that it does: not so for a statement that is not known here, an EXECUTE or FETCH
        of a name under which nothing was seen (`uses` is still there), and a call of an OID that is not in the
        catalogue.  `unknown` says why."""
        if not self.unknown:
            return True
        return bool(self.effects) and not self.uses and ("function" not in self.effects or bool(self.functions))

    @property
    def writes_own(self) -> bool:
        """Whether all that it writes, makes, changes or drops are temporary tables of its session.  Not so of what
        calls functions of one's own, or reads through views: these may do anything that is in its effects."""
        if not self.writes or self.unknown or self.opaque or self.inside or self.beside or self.calls or self.ways:
            return False
        own = (each.schema == SCHEMA and (each.oid >= FIRST or not each.oid) for each in self.writes)
        below = (each.oid >= FIRST for each in self.written_below)
        return self.effects <= _OF_TABLES and not self.temporary and all(own) and all(below)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a whole text.  `redacted` is the text with its secrets replaced, for `redact-in-record`."""

    statements: tuple[Statement, ...]
    redacted: bytes = b""

    @property
    def effects(self) -> frozenset[str]:
        return frozenset().union(*(statement.effects for statement in self.statements))
