"""Which columns and values are masked, and which statements cannot be let through because of it.  Pure.

What an output column depends on is followed through the statement (`policy/lineage_trace.py`): a masked column's own
values are shown as its rule says, and what is computed with them is not shown at all.  A statement in which masked
columns decide which rows come, that copies them, or that cannot be followed, is refused by name.  Patterns only mask;
they refuse nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import re2
from zope.interface import implementer

from hoopgw.model.operation import Operation
from hoopgw.model.secret import Secret
from hoopgw.model.verdict import ALLOW, Refusal, Source, Verdict
from hoopgw.policy.bodies import BOUND
from hoopgw.policy.catalogue import Catalogue, Function
from hoopgw.policy.facts import Copy, Facts, FunctionName, Output, RelationName, Statement
from hoopgw.policy.guardrail import IGuardrail
from hoopgw.policy.layouts import Layouts
from hoopgw.policy.mask_table import (
    BUILT_IN_PATTERNS,
    OWN,
    STATISTICS,
    MaskRule,
    MaskTable,
    Origin,
    both_keys,
    resolve,
    stricter,
)
from hoopgw.policy.mask_traces import KNOWN, Shown, column_name, refused, shown
from hoopgw.policy.sql_calls import COMPILED
from hoopgw.policy.touched_steps import step

__all__ = ("BUILT_IN_PATTERNS", "MaskGuardrail", "MaskRule", "MaskTable", "SqlMasks", "custom_pattern", "resolve")

# Functions of PostgreSQL's own that run SQL text, read tables or files that no statement names, or show statements.
_READERS = (
    "query_to_xml*", "table_to_xml*", "cursor_to_xml*", "schema_to_xml*", "database_to_xml*", "ts_stat", "ts_rewrite",
    "dblink*", "pg_read_file*", "pg_read_binary_file*", "pg_file_*", "pg_logdir_ls", "pg_ls_dir", "lo_*", "loread",
    "currtid*", "xpath_table", "crosstab*", "connectby*", "st_estimatedextent", "_postgis_index_extent",
    "pg_logical_slot_*", "get_raw_page*", "heap_page_item*",
    "bt_page_items*", "brin_page_items", "gist_page_items*", "hash_page_items", "pg_get_wal_*", "pg_stat_get_activity",
    "pg_stat_get_backend_activity", "pg_stat_statements", "pg_prepared_statement", "pg_cursor",
)  # fmt: skip
_WRITE = frozenset("insert update delete merge copy-from".split())
_COMPUTE = frozenset("analyze cluster reindex vacuum".split())  # expressions of statistics and indexes
_SHOW = frozenset("select insert update delete merge copy-to".split())
_ALL = Shown("", "")
_UNAMBIGUOUS = (b"\\N", b"")  # NULL marks of COPY's text format that no value but the empty one looks like


def shows_others(relation: RelationName) -> bool:
    """Whether it is one of PostgreSQL's own that holds values of columns which the statement does not name."""
    return relation.schema == "pg_catalog" and relation.name in STATISTICS


def reads_by_text(function: FunctionName) -> bool:
    """Whether it is one of PostgreSQL's own that may read tables which the statement does not name."""
    return any(fnmatchcase(function.name, glob) for glob in _READERS)


def _touches_nothing(statement: Statement) -> bool:
    """No relation, and nothing that was prepared or declared before."""
    return not (statement.reads or statement.writes or statement.body or statement.uses or statement.unknown)


@dataclass(frozen=True, slots=True)
class SqlMasks:
    """What of one statement's results is masked: columns by origin, output columns by name, values by pattern; of a
    command's output, what patterns find.

    `build` makes the compiled walkers (relay/postgres_masks.py); it is given in, because a policy knows no wire.
    """

    columns: Mapping[Origin, str]  # -> show
    names: tuple[tuple[str, str], ...]  # (glob over output names, show), for columns without an origin
    patterns: frozenset[str]
    custom: frozenset[str]
    errors: bool = False
    copy: Copy | None = None
    build: "Any" = field(default=None, compare=False, repr=False)
    copy_shown: tuple[Shown, ...] = ()  # of each of copy.fields
    places: Mapping[int, tuple[Shown, ...]] = field(default_factory=dict)  # by statement of the text: output columns
    keys: Mapping[Origin, frozenset[str]] = field(default_factory=dict)  # of columns that are masked in parts
    layouts: Layouts | None = field(default=None, compare=False, repr=False)  # of types; None: PostgreSQL's own only

    def __and__(self, other: Any) -> "SqlMasks":
        columns, keys = dict(self.columns), dict(self.keys)
        for origin, show in other.columns.items():
            found = other.keys.get(origin, frozenset())
            keys[origin] = both_keys(keys.get(origin, frozenset()), found) if origin in columns else found
            columns[origin] = stricter(columns.get(origin), show)
        places = dict(self.places)
        for place, found in other.places.items():
            places[place] = _both(places[place], found) if place in places else found
        return SqlMasks(
            columns,
            tuple(dict.fromkeys(self.names + other.names)),
            self.patterns | other.patterns,
            self.custom | other.custom,
            self.errors or other.errors,
            self.copy or other.copy,
            self.build or other.build,
            self.copy_shown or other.copy_shown,
            places,
            keys,
            self.layouts or other.layouts,
        )

    def row_mask(self, fields: Sequence[tuple[bytes, int, int, int, int]], max_row: int, place: int = 0) -> Any:
        return self.build.row_mask(self, fields, self.places.get(place))

    def copy_mask(self, max_row: int, fields: int) -> Any:
        return self.build.copy_mask(self, max_row, fields)

    def stream(self) -> Any:
        return self.build.stream(self)

    def text(self, data: bytes) -> bytes:
        masked: bytes = self.build.text(self, data)
        return masked


def _both(one: tuple[Shown, ...], other: tuple[Shown, ...]) -> tuple[Shown, ...]:
    """Of two statements that a name may stand for.  Where their columns differ: nothing that any result agrees with."""
    if len(one) != len(other):
        return ()
    return tuple(
        Shown(
            stricter(a.show, b.show) if a.show and b.show else a.show or b.show,
            a.name if a.name == b.name else "",
            both_keys(a.keys, b.keys) if a.show and b.show else a.keys | b.keys,
            a.known and b.known,
        )
        for a, b in zip(one, other, strict=True)
    )


@implementer(IGuardrail)
class MaskGuardrail:
    """Says for one statement what is masked, or refuses it.  `copies`: the grant lets masked values be copied."""

    name = "mask"
    reads_text = False

    def __init__(self, table: MaskTable, catalogue: Catalogue | None, build: Any, copies: bool = False) -> None:
        self._table = table
        self._catalogue = catalogue
        self._build = build
        self._copies_allowed = copies
        self._layouts = Layouts(catalogue)

    @property
    def follows(self) -> bool:
        """Whether it looks at lineage at all: a rule names columns."""
        return self._table.named

    def judge(self, operation: Operation, facts: Facts) -> Verdict:
        table = self._table
        verdict = self._copies(facts)
        for statement in facts.statements:
            refusal = self._refused(statement) if table.named else None
            if refusal is not None:
                verdict &= Verdict(refusals=(refusal,))
            elif table.patterns or table.custom or self._shows(statement) or self._tells(statement):
                verdict &= Verdict(masks=self._masks(statement))
        return verdict

    def _shows(self, statement: Statement) -> bool:
        """Whether something of its results is masked by column.  The relation decides, not what was traced in it:
        which columns of it come is what the target itself says of its result."""
        return self._touches(statement) or any(
            not output.relation and self._table.by_name(output.name) for output in statement.outputs
        )

    def _touches(self, statement: Statement) -> bool:
        """Whether it reads or writes a relation that has masked columns."""
        relations = self._table.relations
        return any(each.oid in relations for each in (*statement.reads, *statement.writes))

    def _tells(self, statement: Statement) -> bool:
        """Whether the target's words about it may quote a masked column.

        Those about a write tell of whole rows ("Failing row contains …"), those about a read of what it reads.  What a
        view, a policy, a trigger or a cascade computes fails, or speaks, in the statement that led there: such a body
        counts as a whole, and one that cannot be read may read anything.
        """
        table = self._table
        if any(origin in table.columns for origin in statement.read) or (statement.beside and table.relations):
            return True
        if any(self._policed(each.oid) for each in statement.reads) or statement.effects & _COMPUTE:
            return self._touches(statement) or self._leads(statement)
        return self._leads(statement) or any(each.oid in table.relations for each in statement.writes)

    def _leads(self, statement: Statement) -> bool:
        """Whether it leads to a relation that has masked columns."""
        relations = self._table.relations
        return any(each.oid in relations for each in (*statement.read_below, *statement.written_below))

    def _policed(self, oid: int) -> bool:
        """Whether row security computes with the relation's own columns for whoever reads it."""
        relation = self._catalogue.by_oid.get(oid) if self._catalogue is not None else None
        return relation is not None and oid in relation.policy_reads

    def _masks(self, statement: Statement) -> SqlMasks:
        table = self._table
        copy, copied = self._copy(statement)
        knows = self._knows(statement)
        alone = (KNOWN,) if knows and _touches_nothing(statement) else ()
        places = shown(table, statement.lineage, knows) or alone
        return SqlMasks(
            table.columns,
            table.names,
            table.patterns,
            table.custom,
            self._tells(statement),
            copy,
            self._build,
            copied,
            {statement.place: places} if places else {},
            table.keys,
            self._layouts,
        )

    def _knows(self, statement: Statement) -> bool:
        """Whether all that its values are made of is followed: nothing computes with what it was not given."""
        return not statement.opaque and not any(each.schema not in OWN for each in statement.functions)

    def _copy(self, statement: Statement) -> tuple[Copy | None, tuple[Shown, ...]]:
        """A COPY's fields have no origin of their own: they are those that were followed."""
        copy, lineage = statement.copy, statement.lineage
        if copy is None or lineage is None or lineage.lost or any(each.many for each in lineage.outputs):
            return copy, (_ALL,) * len(copy.fields) if copy is not None else ()
        fields = tuple(Output(each.name, *each.origin, each.type_oid) for each in lineage.outputs)
        shows = shown(self._table, lineage)
        return replace(copy, fields=fields), shows or (_ALL,) * len(fields)

    # ---- what cannot be let through

    def _copies(self, facts: Facts) -> Verdict:
        """Which of several COPYs a row belongs to is not told apart where their rows look different."""
        copies = {self._copy(statement) for statement in facts.statements if statement.copy is not None}
        if len(copies) < 2 or not (self._table.named or self._table.patterns or self._table.custom):
            return ALLOW
        reason = "several COPY TO in one text cannot be masked"
        return Verdict(refusals=(self._refusal(reason, "one COPY in each text"),))

    def _refused(self, statement: Statement) -> Refusal | None:
        return (
            self._unknown(statement)
            or self._followed(statement)
            or self._shown_otherwise(statement)
            or self._renamed(statement)
            or self._from_outside(statement)
            or self._copied(statement)
        )

    def _unknown(self, statement: Statement) -> Refusal | None:
        touches = bool(statement.reads or statement.writes or statement.functions or statement.opaque)
        if not self._table.known and (touches or statement.unknown):
            return self._refusal("what names mean is not known now, and columns are masked here")
        if statement.unknown:
            return self._refusal(f"whether it reads a masked column cannot be known: {statement.unknown[0]}")
        unread = statement.opaque or statement.inside or self._unread(statement)
        if unread:
            reason = f"{unread} may read a masked column: its body is not read"
            return self._refusal(reason, "the statements of its body, written out")
        return None

    def _unread(self, statement: Statement) -> str:
        """A function of somebody's own: what its result depends on is not followed.  Compiled code was a superuser's
        choice, and depends on what it is given; so does that of a trusted extension."""
        known = self._catalogue.functions if self._catalogue is not None else {}
        for function in sorted(statement.functions, key=str):
            found = known.get((function.schema, function.name), ())
            if function.schema not in OWN and not all(self._computes(each, statement) for each in found):
                return f"function {function}"
        return ""

    def _computes(self, function: Function, statement: Statement) -> bool:
        """With what it is given, and with tables that have no masked column."""
        if function.language in COMPILED or not function.trusted or self._catalogue is None:
            return function.language in COMPILED
        if not self._leads(statement):
            return True
        found = step((function.oid, ""), self._catalogue, BOUND)  # something else may lead there: a view
        return not found.unknown and not any(each.reads or each.opaque for each in found.statements)

    def _followed(self, statement: Statement) -> Refusal | None:
        lineage = statement.lineage
        if lineage is None or lineage.lost:
            return self._not_followed(statement)
        found = refused(self._table, lineage, self._copies_allowed, bool(statement.makes))
        if found is None:
            return None
        reason = f"{self._column(found.origin)} {found.reason}"
        return self._refusal(reason, found.would_pass, self._table.masked[found.origin].rule)

    def _not_followed(self, statement: Statement) -> Refusal | None:
        """A statement without outputs that are followed: ALTER, CREATE INDEX, a rule; or one that cannot be."""
        why = statement.lineage.lost if statement.lineage is not None else ""
        for origin in sorted(statement.read if why else statement.lost):
            if origin in self._table.columns:
                reason = f"{self._column(origin)} is masked, and may leave only as an output column"
                if why:
                    reason = f"{self._column(origin)} is masked, and where it goes cannot be known: {why}"
                rule = self._table.masked[origin].rule
                return self._refusal(reason, "name the column in the SELECT list and nowhere else", rule)
        if not why and statement.effects & _SHOW and self._touches(statement):
            # prepared or declared before a reload brought this rule
            return self._refusal("where it shows a masked column was not followed", "PREPARE or DECLARE it again")
        if why and self._touches(statement):
            return self._refusal(f"which columns of a masked table it shows cannot be known: {why}")
        return None

    def _shown_otherwise(self, statement: Statement) -> Refusal | None:
        """Views, statistics, and functions that read what they are told by text."""
        for relation in sorted((*statement.reads, *statement.writes), key=str):
            if shows_others(relation) and self._table.columns:
                return self._refusal(f"{relation} shows values of masked columns")
            if relation.oid in self._table.opaque:
                reason = f"{self._table.opaque[relation.oid]}, which has masked columns"
                return self._refusal(reason, "read the table itself")
        for relation in sorted(statement.writes, key=str):
            if relation.oid in self._table.diverted and statement.effects & _WRITE:
                reason = f"{relation} shows a masked table, and what its rules or triggers do is not followed"
                return self._refusal(reason, "write to the table itself")
        for function in sorted(statement.functions, key=str):
            if reads_by_text(function):
                return self._refusal(f"{function} may read a masked column")
        return None

    def _renamed(self, statement: Statement) -> Refusal | None:
        """Masks hang on names: who renames a column, or takes a partition out of its table, takes its mask away."""
        if "cluster" in statement.effects and (not statement.reads or self._touches(statement)):
            return self._refusal("CLUSTER would put rows in the order of a masked column")
        if not statement.effects & {"rename", "alter"}:
            return None
        if "rename" in statement.effects and not statement.writes:
            return self._refusal("a rename may take the mask from a column")
        moved = statement.written_below if "extension" in statement.effects else frozenset()  # SET SCHEMA
        for relation in sorted(statement.writes | moved, key=str):
            if relation.oid in self._table.relations:
                return self._refusal(f"{relation} has masked columns: changing it may take their masks away")
        return None

    def _from_outside(self, statement: Statement) -> Refusal | None:
        """What is read past the database may be its own tables, by names that no rule knows."""
        effects = statement.effects
        if self._copies_allowed or not self._table.columns:
            return None
        if "foreign-table" in effects and effects & {"create", "alter"}:
            return self._refusal("a foreign table may show a masked column under another name")
        if "copy-from" in effects and effects & {"copy-file", "copy-program"}:
            what = "program" if "copy-program" in effects else "file"
            return self._refusal(f"a {what} of the server may hold values of a masked column", "COPY … FROM STDIN")
        return None

    def _copied(self, statement: Statement) -> Refusal | None:
        """Each field of a COPY must be known, one by one."""
        if statement.copy is None or not self._touches(statement):
            return None
        copy, shows = self._copy(statement)
        lineage = statement.lineage
        if copy is None or lineage is None or any(each.many for each in lineage.outputs):
            return self._refusal("which fields of this COPY are masked cannot be known", "name its columns one by one")
        if copy.format == "text" and any(each.show for each in shows) and copy.null not in _UNAMBIGUOUS:
            return self._refusal("a NULL mark that is also a value would tell which masked value it is", r"NULL '\N'")
        return None

    def _column(self, origin: Origin) -> str:
        return column_name(self._catalogue, origin)

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
