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

from hoopgw.model.grant import Who
from hoopgw.model.operation import Operation
from hoopgw.model.secret import Secret
from hoopgw.model.target import Selector
from hoopgw.model.verdict import ALLOW, Refusal, Source, Verdict
from hoopgw.policy.catalogue import Catalogue, Relation
from hoopgw.policy.facts import Copy, Facts, FunctionName, Statement
from hoopgw.policy.guardrail import IGuardrail

BUILT_IN_PATTERNS = ("email", "payment-card", "us-ssn", "iban", "uk-nino")
_STRICTNESS = {"none": 2, "hash": 1, "last4": 0}

# Relations and functions of PostgreSQL's own that show what columns hold, or read tables that no statement names.
_STATISTICS = frozenset(("pg_stats", "pg_statistic", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic_ext_data"))
_READERS = (
    "query_to_xml*", "table_to_xml*", "cursor_to_xml*", "schema_to_xml*", "database_to_xml*", "ts_stat", "dblink*",
    "pg_read_file*", "pg_read_binary_file*", "lo_*", "currtid*", "pg_get_*_data", "pg_ls_*", "xpath_table", "crosstab*",
    "pg_logical_slot_*", "pageinspect*", "get_raw_page", "heap_page_items", "bt_page_items",
)  # fmt: skip


def reads_by_text(function: FunctionName) -> bool:
    """Whether it is one of PostgreSQL's own that may read tables which the statement does not name."""
    return any(fnmatchcase(function.name, glob) for glob in _READERS)


@dataclass(frozen=True, slots=True)
class MaskRule:
    """One `[mask.NAME]`.  `custom` are RE2 expressions."""

    name: str
    protocol: str
    target: Selector
    exempt: Who | None
    columns: tuple[str, ...]
    patterns: tuple[str, ...]
    custom: tuple[str, ...]
    show: str  # none | last4 | hash
    source: Source = Source()


@dataclass(frozen=True, slots=True)
class SqlMasks:
    """What of one statement's results is masked: columns by origin, output columns by name, values by pattern.

    `build` makes the compiled walkers (relay/postgres_masks.py); it is given in, because a policy knows no wire.
    """

    columns: Mapping[tuple[int, int], str]  # (relation OID, attribute number) -> show
    names: tuple[tuple[str, str], ...]  # (glob over output names, show), for columns without an origin
    patterns: frozenset[str]
    custom: frozenset[str]
    errors: bool = False
    copy: Copy | None = None
    build: "Any" = field(default=None, compare=False, repr=False)

    def __and__(self, other: Any) -> "SqlMasks":
        columns = dict(self.columns)
        for origin, show in other.columns.items():
            columns[origin] = _stricter(columns.get(origin), show)
        return SqlMasks(
            columns,
            tuple(dict.fromkeys(self.names + other.names)),
            self.patterns | other.patterns,
            self.custom | other.custom,
            self.errors or other.errors,
            self.copy or other.copy,
            self.build or other.build,
        )

    def row_mask(self, fields: Sequence[tuple[bytes, int, int, int, int]], max_row: int) -> Any:
        return self.build.row_mask(self, fields)

    def copy_mask(self, max_row: int) -> Any:
        return self.build.copy_mask(self, max_row)

    def text(self, data: bytes) -> bytes:
        masked: bytes = self.build.text(self, data)
        return masked


def _stricter(one: str | None, other: str) -> str:
    return other if one is None or _STRICTNESS[other] > _STRICTNESS[one] else one


@dataclass(frozen=True, slots=True)
class MaskTable:
    """Rules, resolved by a catalogue: which columns of which relations."""

    columns: Mapping[tuple[int, int], str] = field(default_factory=dict)
    rules: Mapping[tuple[int, int], str] = field(default_factory=dict)  # the rule that names it, for refusals
    opaque: Mapping[int, str] = field(default_factory=dict)  # views over masked relations -> why
    names: tuple[tuple[str, str], ...] = ()
    patterns: frozenset[str] = frozenset()
    custom: frozenset[str] = frozenset()
    named: bool = False  # some rule names columns
    known: bool = True  # there was a catalogue to resolve them by
    sources: Mapping[str, Source] = field(default_factory=dict)


def resolve(rules: Sequence[MaskRule], catalogue: Catalogue | None) -> MaskTable:
    """Closed over inheritance and partitions, both ways: a parent's rows are its children's, and a child can be read
    itself.  Views, materialised views and foreign tables that depend on a masked relation are opaque."""
    columns: dict[tuple[int, int], str] = {}
    named: dict[tuple[int, int], str] = {}
    for rule in rules:
        for relation in catalogue.by_oid.values() if catalogue is not None else ():
            for column in relation.columns:
                if any(_matches(glob, relation, column.name) for glob in rule.columns):
                    origin = relation.oid, column.number
                    columns[origin] = _stricter(columns.get(origin), rule.show)
                    named.setdefault(origin, rule.name)
    if catalogue is not None:
        _close_inheritance(columns, named, catalogue)
    return MaskTable(
        columns=columns,
        rules=named,
        opaque=_opaque(columns, catalogue) if catalogue is not None else {},
        names=tuple((glob.rpartition(".")[2], rule.show) for rule in rules for glob in rule.columns),
        patterns=frozenset(pattern for rule in rules for pattern in rule.patterns),
        custom=frozenset(pattern for rule in rules for pattern in rule.custom),
        named=any(rule.columns for rule in rules),
        known=catalogue is not None,
        sources={rule.name: rule.source for rule in rules},
    )


def _matches(glob: str, relation: Relation, column: str) -> bool:
    table, _, name = glob.rpartition(".")
    if relation.schema in ("pg_catalog", "information_schema") or not fnmatchcase(column, name):
        return False
    return fnmatchcase(f"{relation.schema}.{relation.name}" if "." in table else relation.name, table)


def _close_inheritance(
    columns: dict[tuple[int, int], str], named: dict[tuple[int, int], str], catalogue: Catalogue
) -> None:
    """Columns of one name in a family of relations are masked alike."""
    changed = True
    while changed:
        changed = False
        for child in catalogue.by_oid.values():
            for parent in filter(None, map(catalogue.by_oid.get, child.parents)):
                for one, other in ((child, parent), (parent, child)):
                    theirs = {column.name: column.number for column in other.columns}
                    for column in one.columns:
                        origin, copy = (one.oid, column.number), (other.oid, theirs.get(column.name, 0))
                        if origin in columns and copy[1]:
                            show = _stricter(columns.get(copy), columns[origin])
                            if columns.get(copy) != show:
                                columns[copy] = show
                                named.setdefault(copy, named[origin])
                                changed = True


def _opaque(columns: Mapping[tuple[int, int], str], catalogue: Catalogue) -> dict[int, str]:
    masked = {relation for relation, _ in columns}
    found: dict[int, str] = {}
    changed = True
    while changed:
        changed = False
        for relation in catalogue.by_oid.values():
            reached = relation.depends & (masked | found.keys())
            if relation.kind in ("v", "m") and relation.oid not in found and reached:
                below = catalogue.by_oid[min(reached)]
                found[relation.oid] = f"{relation.schema}.{relation.name} shows {below.schema}.{below.name}"
                changed = True
    return found


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
        verdict = ALLOW
        for statement in facts.statements:
            verdict &= self._one(statement)
        if not verdict.refusals and (self._table.patterns or self._table.custom or verdict.masks is not None):
            verdict &= Verdict(masks=self._masks(None, False))
        return verdict

    def _one(self, statement: Statement) -> Verdict:
        if not self._table.named:
            return self._patterned(statement)
        refusal = self._refused(statement)
        if refusal is not None:
            return Verdict(refusals=(refusal,))
        reads = any(origin in self._table.columns for origin in statement.read)
        if not reads and not self._outputs_named(statement):
            return self._patterned(statement)
        return Verdict(masks=self._masks(statement.copy, reads))

    def _patterned(self, statement: Statement) -> Verdict:
        if self._table.patterns or self._table.custom:
            return Verdict(masks=self._masks(statement.copy, False))
        return ALLOW

    def _outputs_named(self, statement: Statement) -> bool:
        from_names = [glob for glob, _ in self._table.names]
        return any(
            not output.relation and any(fnmatchcase(output.name, glob) for glob in from_names)
            for output in statement.outputs
        )

    def _masks(self, copy: Copy | None, reads: bool) -> SqlMasks:
        table = self._table
        return SqlMasks(table.columns, table.names, table.patterns, table.custom, reads, copy, self._build)

    def _refused(self, statement: Statement) -> Refusal | None:
        table = self._table
        touches = bool(statement.reads or statement.writes or statement.functions or statement.opaque)
        if not table.known and (touches or statement.unknown):
            return self._refusal("what names mean is not known now, and columns are masked here", "")
        if statement.unknown:
            return self._refusal(f"whether it reads a masked column cannot be known: {statement.unknown[0]}", "")
        if statement.opaque:
            reason = f"{statement.opaque} may read a masked column: its body is not read"
            return self._refusal(reason, "the statements of its body, written out")
        for origin in sorted(statement.lost):
            if origin in table.columns:
                reason = f"{self._column(origin)} is masked, and may leave only as a plain output column"
                return self._refusal(reason, "name the column in the SELECT list and nowhere else", table.rules[origin])
        for relation in statement.reads:
            if relation.oid in table.opaque:
                return self._refusal(f"{table.opaque[relation.oid]}, which has masked columns", "read the table itself")
            if relation.schema == "pg_catalog" and relation.name in _STATISTICS:
                return self._refusal(f"{relation} shows values of masked columns", "")
        for function in statement.functions:
            if reads_by_text(function):
                return self._refusal(f"{function} may read a masked column", "")
        return None

    def _column(self, origin: tuple[int, int]) -> str:
        relation = self._catalogue.by_oid.get(origin[0]) if self._catalogue is not None else None
        if relation is None:
            return "a column"
        name = next((column.name for column in relation.columns if column.number == origin[1]), "?")
        return f"{relation.schema}.{relation.name}.{name}"

    def _refusal(self, reason: str, would_pass: str, rule: str = "") -> Refusal:
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
