"""Mask rules and a catalogue -> which columns are masked, and which relations show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from hoopgw.model.grant import Who
from hoopgw.model.target import Selector
from hoopgw.model.verdict import Source
from hoopgw.policy.catalogue import Catalogue, Relation
from hoopgw.policy.lineage import Sources, Traced
from hoopgw.policy.lineage_views import view_columns
from hoopgw.policy.temporaries import FIRST

if TYPE_CHECKING:
    from hoopgw.policy.http_masks import HttpMask  # which reads GraphQL's grammar: not for every gateway

BUILT_IN_PATTERNS = ("email", "payment-card", "us-ssn", "iban", "uk-nino")

Origin = tuple[int, int]  # relation OID, attribute number

# What is computed with a masked column is NULL: the length of a text, or that there is a value, could be an answer
WHOLE = "whole"
_STRICTNESS = {WHOLE: 3, "none": 2, "hash": 1, "last4": 0}
# What a masked column may decide besides the values that are shown, from the strictest on
PREDICATES = ("refuse", "equal", "allow")
OWN = ("pg_catalog", "information_schema")  # rules are about other schemas

# What PostgreSQL keeps of columns' values, and what columns of OIDs stand for: views on these are as closed as these
STATISTICS = frozenset(
    ("pg_stats", "pg_statistic", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic_ext_data", "pg_largeobject")
)
# Columns that show other sessions' statements, and so values that somebody looks for; by name in whatever schema
STATEMENTS = {
    "pg_stat_activity": "query",
    "pg_prepared_statements": "statement",
    "pg_cursors": "statement",
    "pg_stat_statements": "query",
}


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
    predicates: str = "refuse"  # refuse | equal | allow
    aggregates: frozenset[str] = frozenset()  # whose results over a masked column are shown
    http: HttpMask | None = None  # what it says of HTTP
    json: tuple[str, ...] = ()  # of JSON and hstore: names and pointers of what is masked; none: all of it


@dataclass(frozen=True, slots=True)
class Masked:
    """What holds for one masked column.  Of several rules the strictest counts in each respect."""

    show: str  # none | last4 | hash | whole
    rule: str  # the first that names it, for refusals
    predicates: str = "refuse"
    aggregates: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()  # of JSON and hstore; none: all of it

    def __and__(self, other: Masked) -> Masked:
        return Masked(
            stricter(self.show, other.show),
            self.rule,
            min(self.predicates, other.predicates, key=PREDICATES.index),
            self.aggregates & other.aggregates,
            both_keys(self.keys, other.keys),
        )


@dataclass(frozen=True, slots=True)
class MaskTable:
    """Rules, resolved by a catalogue: which columns of which relations."""

    columns: Mapping[Origin, str] = field(default_factory=dict)  # -> show
    keys: Mapping[Origin, frozenset[str]] = field(default_factory=dict)  # of those that are masked in parts
    masked: Mapping[Origin, Masked] = field(default_factory=dict)
    relations: frozenset[int] = frozenset()  # OIDs of relations that have masked columns
    opaque: Mapping[int, str] = field(default_factory=dict)  # relations whose own rules read masked ones -> why
    diverted: frozenset[int] = frozenset()  # OIDs of views of masked relations, where rules or triggers do the writing
    names: tuple[tuple[str, str], ...] = ()  # (glob over output names, show)
    patterns: frozenset[str] = frozenset()
    custom: frozenset[str] = frozenset()
    named: bool = False  # some rule names columns
    known: bool = True  # there was a catalogue to resolve them by
    sources: Mapping[str, Source] = field(default_factory=dict)

    def by_name(self, name: str) -> str:
        """What is shown of an output column of which nothing but its name is known; "" for all of it."""
        return next((show for glob, show in self.names if fnmatchcase(name.lower(), glob)), "")


def stricter(one: str | None, other: str) -> str:
    return other if one is None or _STRICTNESS[other] > _STRICTNESS[one] else one


def both_keys(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """None masks everything."""
    return one | other if one and other else frozenset()


def _add(masked: dict[Origin, Masked], origin: Origin, found: Masked) -> bool:
    """Whether that changed something."""
    before = masked.get(origin)
    masked[origin] = found if before is None else before & found
    return masked[origin] != before


def resolve(rules: Sequence[MaskRule], catalogue: Catalogue | None) -> MaskTable:
    """Closed over inheritance and partitions, both ways: a parent's rows are its children's, and a child can be read
    itself; and over generated columns.  A view's columns are masked by what they depend on; views that cannot be
    followed, and tables with rules, that depend on a masked relation are opaque."""
    if catalogue is not None and catalogue.base is not None:
        return with_temporaries(resolve(rules, catalogue.base), rules, catalogue)
    masked: dict[Origin, Masked] = {}
    opaque: dict[int, str] = {}
    diverted: frozenset[int] = frozenset()
    if catalogue is not None:
        _add_named(masked, rules, catalogue.by_oid.values())
        _close_inheritance(masked, catalogue)
        if _close_generated(masked, catalogue):
            _close_inheritance(masked, catalogue)
        views = _Views(masked, catalogue)
        views.close()
        opaque = views.opaque
        diverted = frozenset(oid for oid in views.followed if _diverts(catalogue.by_oid[oid]))
    return MaskTable(
        **_by_origin(masked),
        opaque=opaque,
        diverted=diverted,
        names=_output_names(rules),
        patterns=frozenset(pattern for rule in rules for pattern in rule.patterns),
        custom=frozenset(pattern for rule in rules for pattern in rule.custom),
        named=any(rule.columns for rule in rules),
        known=catalogue is not None,
        sources={rule.name: rule.source for rule in rules},
    )


def with_temporaries(table: MaskTable, rules: Sequence[MaskRule], catalogue: Catalogue) -> MaskTable:
    """`table`, of the catalogue without them, and the columns of a session's temporary tables."""
    masked = dict(table.masked)
    own = range(FIRST, FIRST + len(catalogue.temporaries.made if catalogue.temporaries is not None else ()))
    _add_named(masked, rules, [catalogue.by_oid[number] for number in own])
    _fill_temporaries(masked, catalogue)
    return replace(table, **_by_origin(masked))


def _by_origin(masked: Mapping[Origin, Masked]) -> dict[str, Any]:
    return {
        "columns": {origin: each.show for origin, each in masked.items()},
        "keys": {origin: each.keys for origin, each in masked.items() if each.keys},
        "masked": masked,
        "relations": frozenset(relation for relation, _ in masked),
    }


def _output_names(rules: Sequence[MaskRule]) -> tuple[tuple[str, str], ...]:
    """An output column without an origin is masked by its name; "every column of a table" says nothing of names."""
    globs = ((glob.rpartition(".")[2].lower(), rule.show) for rule in rules for glob in rule.columns)
    return tuple(dict.fromkeys((name, show) for name, show in globs if name.strip("*?")))


# ---- by name


def _add_named(masked: dict[Origin, Masked], rules: Sequence[MaskRule], relations: Iterable[Relation]) -> None:
    for origin, rule in _named_columns(rules, relations):
        found = Masked(rule.show, rule.name, rule.predicates, rule.aggregates, frozenset(rule.json))
        _add(masked, origin, found)


def _named_columns(rules: Sequence[MaskRule], relations: Iterable[Relation]) -> Iterator[tuple[Origin, MaskRule]]:
    written = [(*_split(glob), rule) for rule in rules for glob in rule.columns]
    for relation in relations if written else ():
        name = relation.name.lower()
        asked = [(column, rule) for schema, table, column, rule in written if _about(relation, name, schema, table)]
        for column in relation.columns if asked else ():
            lowered = column.name.lower()
            for matches, rule in asked:
                if matches(lowered):
                    yield (relation.oid, column.number), rule
        if written and relation.name in STATEMENTS:
            for column in relation.columns:
                if column.name == STATEMENTS[relation.name]:
                    yield (relation.oid, column.number), _WITHHELD


_WITHHELD = MaskRule("statements-of-others", "postgresql", Selector(), None, (), (), (), "none")

Matches = Callable[[str], bool]


def _split(glob: str) -> tuple[Matches, Matches, Matches]:
    """schema, table and column of "schema.table.column", "table.column" or "*.column".

    Letters match in either case: a column that was made with a quoted name is the same column to a person.
    """
    *before, column = glob.lower().split(".")
    table = before[-1] if before else "*"
    schema = before[-2] if len(before) > 1 else "*"
    return _matcher(schema), _matcher(table), _matcher(column)


def _matcher(glob: str) -> Matches:
    if glob == "*":
        return lambda name: True
    if not any(each in glob for each in "*?["):
        return glob.__eq__
    return lambda name: fnmatchcase(name, glob)


def _about(relation: Relation, name: str, schema: Matches, table: Matches) -> bool:
    return relation.schema not in OWN and table(name) and schema(relation.schema.lower())


# ---- by descent


def _close_inheritance(masked: dict[Origin, Masked], catalogue: Catalogue) -> None:
    """Columns of one name in a family of relations are masked alike."""
    pairs = [
        (child, catalogue.by_oid[oid])
        for child in catalogue.by_oid.values()
        for oid in child.parents
        if oid in catalogue.by_oid
    ]
    changed = True
    while changed:
        changed = False
        for child, parent in pairs:
            changed |= _spread(masked, child, parent)
            changed |= _spread(masked, parent, child)


def _spread(masked: dict[Origin, Masked], one: Relation, other: Relation) -> bool:
    """What is masked in `one` is in `other`; whether that changed something."""
    theirs = {column.name: column.number for column in other.columns}
    changed = False
    for column in one.columns:
        found = masked.get((one.oid, column.number))
        if found is not None and column.name in theirs:
            changed |= _add(masked, (other.oid, theirs[column.name]), found)
    return changed


def _close_generated(masked: dict[Origin, Masked], catalogue: Catalogue) -> bool:
    """What the table computes with a masked column is not shown.  None of these is computed from another of them."""
    changed = False
    for relation in catalogue.by_oid.values():
        for column, source in relation.generated:
            found = masked.get((relation.oid, source))
            if found is not None:
                changed |= _add(masked, (relation.oid, column), replace(found, show=WHOLE))
    return changed


def _diverts(view: Relation) -> bool:
    return bool(view.rules or view.triggers)


# ---- by what was copied into temporary tables


def _fill_temporaries(masked: dict[Origin, Masked], catalogue: Catalogue) -> None:
    """Their columns are masked like what they were made of.  What is no longer there may have been masked."""
    for number, made in enumerate(catalogue.temporaries.made if catalogue.temporaries is not None else ()):
        for column, traced in zip(made.columns, made.traced, strict=False):
            found = masked_by(masked, traced)
            if any(not _there(catalogue, *source[:2]) for source in traced.sources):
                found = Masked(WHOLE, "") if found is None else replace(found, show=WHOLE)
            if found is not None:
                _add(masked, (FIRST + number, column.number), found)


def _there(catalogue: Catalogue, oid: int, attribute: int) -> bool:
    relation = catalogue.by_oid.get(oid)
    return relation is not None and any(column.number == attribute for column in relation.columns)


# ---- by views


@dataclass
class _Views:
    """What depends on masked relations: views whose columns are followed, and what is not."""

    masked: dict[Origin, Masked]
    catalogue: Catalogue
    opaque: dict[int, str] = field(default_factory=dict)  # OID -> what it may show, in words
    followed: set[int] = field(default_factory=set)  # OIDs of views that show a masked relation

    def close(self) -> None:
        """Views of views, until nothing is new."""
        known = self.catalogue.by_oid.values()
        closed = {each.oid for each in known if each.schema == "pg_catalog" and each.name in STATISTICS}
        if not self.masked:
            return
        showing = closed | {relation for relation, _ in self.masked}
        ruled = [relation for relation in known if relation.depends]
        changed = True
        while changed:
            changed = False
            for relation in ruled:
                below = relation.depends & showing
                if below and relation.oid not in self.opaque and self._shows(relation, min(below), closed):
                    showing.add(relation.oid)
                    changed = True

    def _shows(self, relation: Relation, below: int, closed: set[int]) -> bool:
        """Whether something new is known of what it shows."""
        columns = None
        if relation.kind in ("v", "m") and not relation.depends & closed:
            columns = view_columns(self.catalogue, relation)
        if columns is None:
            shown = self.catalogue.by_oid[below]
            self.opaque[relation.oid] = f"{relation.schema}.{relation.name} shows {shown.schema}.{shown.name}"
            closed.add(relation.oid)
            return True
        self.followed.add(relation.oid)
        changed = False
        for column, traced in zip(relation.columns, columns, strict=True):
            found = masked_by(self.masked, traced)
            if found is not None:
                changed |= _add(self.masked, (relation.oid, column.number), found)
        return changed


def masked_of(masked: Mapping[Origin, Masked], sources: Sources) -> list[Origin]:
    """Those that are masked, and were not seen through an aggregate alone whose result may be shown."""
    found = set()
    for relation, attribute, aggregate in sources:
        each = masked.get((relation, attribute))
        if each is not None and aggregate not in each.aggregates:
            found.add((relation, attribute))
    return sorted(found)


def masked_by(masked: Mapping[Origin, Masked], column: Traced) -> Masked | None:
    """What holds for an output column that depends on masked ones."""
    found: Masked | None = None
    for origin in masked_of(masked, column.sources):
        found = masked[origin] if found is None else found & masked[origin]
    return found if found is None or column.plain else replace(found, show=WHOLE)
