"""What has been found of one statement while its tree is read."""

from __future__ import annotations

from hoopgw.policy.catalogue import Catalogue, Function, Relation
from hoopgw.policy.facts import Copy, FunctionName, Output, RelationName, Statement, Where
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_nodes import DDL, QUIET
from hoopgw.policy.sql_tree import Node


class Draft:
    """Filled by the modules that read a part of the tree each; `finished` gives the facts."""

    def __init__(self, catalogue: Catalogue | None, context: NameContext) -> None:
        self.catalogue = catalogue
        self.context = context
        self.effects: set[str] = set()
        self.reads: dict[str, RelationName] = {}
        self.writes: dict[str, RelationName] = {}
        self.read_below: set[RelationName] = set()
        self.written_below: set[RelationName] = set()
        self.functions: set[FunctionName] = set()
        self.overloads: list[tuple[str, str, Node]] = []  # calls of a name that PostgreSQL has too
        self.unknown: list[str] = []
        self.opaque = ""
        self.where = Where.NONE
        self.ctes: set[str] = set()
        self.relations: dict[int, Relation] = {}  # by OID: every relation that is touched
        self.aliases: dict[str, set[int]] = {}
        self.references: list[tuple[list[str], bool]] = []  # column references that are no plain output
        self.stars: list[list[str]] = []  # x.* and * that are no plain output
        self.dotted: list[list[str]] = []  # every column reference, as written
        self.plain: set[int] = set()  # ids of nodes that are plain outputs
        self.read: set[tuple[int, int]] = set()
        self.lost: set[tuple[int, int]] = set()
        self.outputs: tuple[Output, ...] = ()
        self.settings: list[tuple[str, str | None]] = []
        self.by_parameter: list[tuple[int, str | int, str | int | None]] = []
        self.by_name = ""  # the setting that set_config(name, …) sets
        self.runs: set[tuple[int, str]] = set()
        self.named: list[tuple[Function, Node]] = []  # functions of one's own that may be called by name
        self.calls: dict[int, str] = {}  # OIDs of functions of one's own -> how they are called
        self.nodes: list[tuple[str, Node]] = []  # the whole tree
        self.events: dict[int, frozenset[str]] = {}  # by id of the RangeVar: what is done with it
        self.written: set[int] = set()  # ids of RangeVar nodes that are written
        self.settable: set[int] = set()  # ids of RangeVar nodes that what is made here shows, and lets write
        self.copy: Copy | None = None
        self.secret = self.temporary = False
        self.defines = self.uses = ""
        self.body: tuple[Statement, ...] = ()
        self.renamed: set[int] = set()  # OIDs of relations whose columns an alias gives other names
        self.any_column = False  # the same of a join, or NATURAL: any column may be meant, or compared
        self.join_aliases: set[str] = set()  # (a JOIN b) AS j: j means the rows of both, or of more
        self.new: set[int] = set()  # ids of RangeVar nodes that this statement makes
        self.top_targets: list[Node] = []
        self.sorted_by_output = self.alone = False

    def finished(self) -> Statement:
        effects = frozenset(self.effects)
        return Statement(
            effects=effects,
            reads=frozenset(self.reads.values()),
            writes=frozenset(self.writes.values()),
            read_below=frozenset(self.read_below),
            written_below=frozenset(self.written_below),
            functions=frozenset(self.functions),
            where=self.where,
            unknown=tuple(dict.fromkeys(self.unknown)),
            outputs=self.outputs,
            read=frozenset(self.read | self.lost),
            lost=frozenset(self.lost),
            copy=self.copy,
            opaque=self.opaque,
            runs=frozenset(self.runs),
            calls=frozenset(self.calls),
            secret=self.secret,
            settings=tuple(self.settings),
            by_parameter=tuple(self.by_parameter),
            defines=self.defines,
            uses=self.uses,
            body=self.body,
            temporary=self.temporary,
            ddl=bool(effects & DDL),
            writes_nothing=effects <= QUIET,
        )
