"""Which columns and values are masked, and which statements cannot be let through because of it.  Pure.

A masked column may leave only as a plain output column of the statement; a statement that reads it in any other way, or
of which that cannot be known, is refused by name.  Patterns only mask; they refuse nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import re2
from zope.interface import implementer

from hoopgw.model.operation import Operation
from hoopgw.model.secret import Secret
from hoopgw.model.verdict import ALLOW, Refusal, Source, Verdict
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.facts import Copy, Facts, FunctionName, Statement
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.mask_table import BUILT_IN_PATTERNS, STATISTICS, MaskRule, MaskTable, Origin, resolve, stricter

__all__ = ("BUILT_IN_PATTERNS", "MaskGuardrail", "MaskRule", "MaskTable", "SqlMasks", "custom_pattern", "resolve")

# Functions of PostgreSQL's own that run SQL text, read tables or files that no statement names, or show statements.
_READERS = (
    "query_to_xml*", "table_to_xml*", "cursor_to_xml*", "schema_to_xml*", "database_to_xml*", "ts_stat", "ts_rewrite",
    "dblink*", "pg_read_file*", "pg_read_binary_file*", "pg_file_*", "pg_logdir_ls", "pg_ls_*", "lo_*", "loread",
    "currtid*", "xpath_table", "crosstab*", "connectby*", "pg_logical_slot_*", "get_raw_page*", "heap_page_item*",
    "bt_page_items*", "brin_page_items", "gist_page_items*", "hash_page_items", "pg_get_wal_*", "pg_stat_get_activity",
    "pg_stat_get_backend_activity", "pg_stat_statements", "pg_prepared_statement", "pg_cursor",
)  # fmt: skip
_UNAMBIGUOUS = (b"\\N", b"")  # NULL marks of COPY's text format that no value but the empty one looks like


def reads_by_text(function: FunctionName) -> bool:
    """Whether it is one of PostgreSQL's own that may read tables which the statement does not name."""
    return any(fnmatchcase(function.name, glob) for glob in _READERS)


@dataclass(frozen=True, slots=True)
class SqlMasks:
    """What of one statement's results is masked: columns by origin, output columns by name, values by pattern.

    `build` makes the compiled walkers (relay/postgres_masks.py); it is given in, because a policy knows no wire.
    """

    columns: Mapping[Origin, str]  # -> show
    names: tuple[tuple[str, str], ...]  # (glob over output names, show), for columns without an origin
    patterns: frozenset[str]
    custom: frozenset[str]
    errors: bool = False
    copy: Copy | None = None
    build: "Any" = field(default=None, compare=False, repr=False)
    copy_types: tuple[int, ...] = ()  # type OID of each of copy.fields; 0: not known

    def __and__(self, other: Any) -> "SqlMasks":
        columns = dict(self.columns)
        for origin, show in other.columns.items():
            columns[origin] = stricter(columns.get(origin), show)
        return SqlMasks(
            columns,
            tuple(dict.fromkeys(self.names + other.names)),
            self.patterns | other.patterns,
            self.custom | other.custom,
            self.errors or other.errors,
            self.copy or other.copy,
            self.build or other.build,
            self.copy_types or other.copy_types,
        )

    def row_mask(self, fields: Sequence[tuple[bytes, int, int, int, int]], max_row: int) -> Any:
        return self.build.row_mask(self, fields)

    def copy_mask(self, max_row: int) -> Any:
        return self.build.copy_mask(self, max_row)

    def text(self, data: bytes) -> bytes:
        masked: bytes = self.build.text(self, data)
        return masked


@implementer(IGuardrail)
class MaskGuardrail:
    """Says for one statement what is masked, or refuses it."""

    name = "mask"
    reads_text = False

    def __init__(self, table: MaskTable, catalogue: Catalogue | None, build: Any) -> None:
        self._table = table
        self._catalogue = catalogue
        self._build = build

    def judge(self, operation: Operation, facts: Facts) -> Verdict:
        table = self._table
        verdict = self._copies(facts)
        for statement in facts.statements:
            refusal = self._refused(statement) if table.named else None
            if refusal is not None:
                verdict &= Verdict(refusals=(refusal,))
            elif table.patterns or table.custom or self._shows(statement):
                verdict &= Verdict(masks=self._masks(statement))
        return verdict

    def _shows(self, statement: Statement) -> bool:
        """Whether something of its results is masked by column.  The relation decides, not what was traced in it:
        which columns of it come is what the target itself says of its result."""
        return self._touches(statement) or any(
            not output.relation and any(fnmatchcase(output.name.lower(), glob) for glob, _ in self._table.names)
            for output in statement.outputs
        )

    def _touches(self, statement: Statement) -> bool:
        """Whether it reads or writes a relation that has masked columns."""
        relations = self._table.relations
        return any(each.oid in relations for each in (*statement.reads, *statement.writes))

    def _masks(self, statement: Statement) -> SqlMasks:
        """Words about a write tell of whole rows ("Failing row contains …"), those about a read of what it reads."""
        table, copy = self._table, statement.copy
        errors = any(each.oid in table.relations for each in statement.writes)
        errors = errors or any(origin in table.columns for origin in statement.read)
        types = tuple(self._type((each.relation, each.attribute)) for each in copy.fields) if copy is not None else ()
        return SqlMasks(table.columns, table.names, table.patterns, table.custom, errors, copy, self._build, types)

    def _type(self, origin: Origin) -> int:
        relation = self._catalogue.by_oid.get(origin[0]) if self._catalogue is not None else None
        if relation is None:
            return 0
        return next((column.type_oid for column in relation.columns if column.number == origin[1]), 0)

    # ---- what cannot be let through

    def _copies(self, facts: Facts) -> Verdict:
        """Which of several COPYs a row belongs to is not told apart where their rows look different."""
        copies = {statement.copy for statement in facts.statements if statement.copy is not None}
        if len(copies) < 2 or not (self._table.named or self._table.patterns or self._table.custom):
            return ALLOW
        reason = "several COPY TO in one text cannot be masked"
        return Verdict(refusals=(self._refusal(reason, "one COPY in each text"),))

    def _refused(self, statement: Statement) -> Refusal | None:
        return (
            self._unknown(statement)
            or self._lost(statement)
            or self._shown_otherwise(statement)
            or self._renamed(statement)
            or self._copied(statement)
        )

    def _unknown(self, statement: Statement) -> Refusal | None:
        touches = bool(statement.reads or statement.writes or statement.functions or statement.opaque)
        if not self._table.known and (touches or statement.unknown):
            return self._refusal("what names mean is not known now, and columns are masked here")
        if statement.unknown:
            return self._refusal(f"whether it reads a masked column cannot be known: {statement.unknown[0]}")
        if statement.opaque or statement.inside:
            reason = f"{statement.opaque or statement.inside} may read a masked column: its body is not read"
            return self._refusal(reason, "the statements of its body, written out")
        return None

    def _lost(self, statement: Statement) -> Refusal | None:
        for origin in sorted(statement.lost):
            if origin in self._table.columns:
                reason = f"{self._column(origin)} is masked, and may leave only as a plain output column"
                rule = self._table.rules[origin]
                return self._refusal(reason, "name the column in the SELECT list and nowhere else", rule)
        return None

    def _shown_otherwise(self, statement: Statement) -> Refusal | None:
        """Views, statistics, and functions that read what they are told by text."""
        for relation in sorted((*statement.reads, *statement.writes), key=str):
            if relation.schema == "pg_catalog" and relation.name in STATISTICS and self._table.columns:
                return self._refusal(f"{relation} shows values of masked columns")
            if relation.oid in self._table.opaque:
                reason = f"{self._table.opaque[relation.oid]}, which has masked columns"
                return self._refusal(reason, "read the table itself")
        for function in sorted(statement.functions, key=str):
            if reads_by_text(function):
                return self._refusal(f"{function} may read a masked column")
        return None

    def _renamed(self, statement: Statement) -> Refusal | None:
        """Masks hang on names: who renames a column, or takes a partition out of its table, takes its mask away."""
        if not statement.effects & {"rename", "alter"}:
            return None
        if "rename" in statement.effects and not statement.writes:
            return self._refusal("a rename may take the mask from a column")
        for relation in sorted(statement.writes, key=str):
            if relation.oid in self._table.relations:
                return self._refusal(f"{relation} has masked columns: changing it may take their masks away")
        return None

    def _copied(self, statement: Statement) -> Refusal | None:
        """A COPY's fields have no origin of their own: they must be known from the text, one by one."""
        copy = statement.copy
        if copy is None or not self._touches(statement):
            return None
        masked = {origin for origin in statement.read if origin in self._table.columns}
        if not copy.fields or masked - {(each.relation, each.attribute) for each in copy.fields}:
            return self._refusal("which fields of this COPY are masked cannot be known", "name its columns one by one")
        if copy.format == "text" and masked and copy.null not in _UNAMBIGUOUS:
            return self._refusal("a NULL mark that is also a value would tell which masked value it is", r"NULL '\N'")
        return None

    def _column(self, origin: Origin) -> str:
        relation = self._catalogue.by_oid.get(origin[0]) if self._catalogue is not None else None
        if relation is None:
            return "a column"
        name = next((column.name for column in relation.columns if column.number == origin[1]), "?")
        return f"{relation.schema}.{relation.name}.{name}"

    def _refusal(self, reason: str, would_pass: str = "", rule: str = "") -> Refusal:
        source = self._table.sources.get(rule, Source())
        return Refusal(f"mask:{rule}" if rule else "mask", reason, would_pass, source)


def custom_pattern(expressions: frozenset[str]) -> Any:
    """One alternation of RE2 expressions over bytes, or None."""
    if not expressions:
        return None
    options = re2.Options()
    options.log_errors = False
    return re2.compile("|".join(f"(?:{each})" for each in sorted(expressions)).encode(), options)


def mask_key(key: Secret) -> bytes:
    """What `hash` is computed under; domain-separated, so that the key is good for nothing else."""
    import hmac

    return hmac.digest(key.reveal(), b"hoopgw mask", "sha256")
