"""What names mean in one database of one target: a frozen value, read by the gateway's own connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hoopgw.policy.catalogue_memo import Memo
from hoopgw.policy.catalogue_types import TypeSystem
from hoopgw.policy.lineage import Traced

if TYPE_CHECKING:
    from hoopgw.policy.temporaries import Temporaries


@dataclass(frozen=True, slots=True)
class Column:
    number: int  # attribute number (pg_attribute.attnum), from 1
    name: str
    type_oid: int
    not_null: bool = False
    generated: bool = False  # a COPY of the table leaves it out


@dataclass(frozen=True, slots=True)
class Trigger:
    name: str
    function: int  # OID
    events: frozenset[str]  # insert, update, delete, truncate


@dataclass(frozen=True, slots=True)
class Rule:
    """Of CREATE RULE, without the one that makes a view a view."""

    event: str  # insert, update, delete
    instead: bool
    definition: str | None  # the whole CREATE RULE, every name with its schema; None: it could not be read


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One that refers to the relation that has it."""

    referencing: int  # OID of the relation whose rows follow
    on_delete: str  # pg_constraint.confdeltype: a no action, r restrict, c cascade, n set null, d set default
    on_update: str


@dataclass(frozen=True, slots=True)
class Relation:
    oid: int
    schema: str
    name: str
    kind: str  # pg_class.relkind: r table, p partitioned, v view, m materialised view, f foreign, S sequence
    columns: tuple[Column, ...] = ()
    depends: frozenset[int] = frozenset()  # OIDs that a view's rule reads, directly
    parents: frozenset[int] = frozenset()  # inheritance and partitioning
    generated: tuple[tuple[int, int], ...] = ()  # (attribute number, that of a column which it is computed from)
    calls: frozenset[int] = frozenset()  # OIDs of functions of one's own that a view calls, directly
    definition: str | None = None  # a view's SELECT, every name with its schema; None: none, or it could not be read
    rules: tuple[Rule, ...] = ()
    triggers: tuple[Trigger, ...] = ()  # those that are enabled
    referenced: tuple[ForeignKey, ...] = ()
    store_calls: frozenset[int] = frozenset()  # functions of one's own in defaults, checks, indexes, WHEN of triggers
    policy_calls: frozenset[int] = frozenset()  # the same in policies, where row security is on
    policy_reads: frozenset[int] = frozenset()  # OIDs of relations that those read, its own where they look at a column
    row_type: int = 0  # OID of the type of its rows


@dataclass(frozen=True, slots=True)
class Function:
    oid: int
    schema: str
    name: str
    kind: str  # pg_proc.prokind: f function, p procedure, a aggregate, w window
    language: str
    volatile: str  # pg_proc.provolatile: i, s, v
    security_definer: bool = False
    result: int = 0  # OID of a type
    arguments: tuple[int, ...] | None = None  # OIDs of types; None: not read
    defaults: int = 0  # how many of the last arguments may be left out
    variadic: bool = False  # the last one is an array of all that are left
    definition: str | None = None  # the whole CREATE FUNCTION, of SQL and PL/pgSQL; None: it cannot be read
    owner: str = ""  # of those that have a definition
    calls: frozenset[int] = frozenset()  # functions of one's own that PostgreSQL knows it to call: of an aggregate
    trusted: bool = False  # of an extension that the operator trusts, and not volatile: it only computes


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Catalogue:
    """`generation` grows with each reading.  A catalogue that could not be read is None wherever one is expected."""

    generation: int
    relations: Mapping[tuple[str, str], Relation]
    by_oid: Mapping[int, Relation]
    functions: Mapping[tuple[str, str], tuple[Function, ...]]  # overloads together
    function_by_oid: Mapping[int, Function]
    search_path: tuple[str, ...]  # of the role, "$user" resolved, pg_catalog first unless it is named
    types: TypeSystem | None = None  # None: not read, and operators and casts are not looked at
    event_triggers: frozenset[int] = frozenset()  # OIDs of the functions that DDL calls
    composites: Mapping[int, tuple[Column, ...]] = field(default_factory=dict)  # by OID of CREATE TYPE … AS (…)
    memo: Memo = field(default_factory=Memo, compare=False, repr=False)
    indexes: Mapping[tuple[str, str], int] = field(default_factory=dict)  # of one's own -> OIDs of their tables
    # by OID of a view: what its columns depend on, once somebody asked (policy/lineage_views.py)
    followed: dict[int, tuple[Traced, ...] | None] = field(default_factory=dict, compare=False, repr=False)
    base: Catalogue | None = None  # of one with a session's temporary objects (policy/temporaries.py): that without
    temporaries: Temporaries | None = None
