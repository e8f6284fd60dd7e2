"""Temporary tables and sequences that one session has made: what their names may mean beside the catalogue's.

They only become more: what a rollback, ON COMMIT DROP or a DROP makes of one is then never in doubt, because a name
that was given to one counts as that and as every permanent relation of the name.  One that is made again with other
columns is another, in a schema of its own here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from typing import Any, Final, TypeVar

from hoopgw.policy.catalogue import Catalogue, Column, Relation
from hoopgw.policy.catalogue_memo import Memo
from hoopgw.policy.lineage import Traced

K = TypeVar("K")
V = TypeVar("V")

SCHEMA: Final = "pg_temp"
FIRST: Final = 1 << 32  # of their numbers in the place of OIDs, which have 32 bits
EVERY: Final = "*"
MAX_MADE: Final = 128  # of one session; with more, what names mean is unknown
MAX_ALIKE: Final = 8  # of one name
MAX_KEPT: Final = 1_000  # answers about a session's own catalogue: there are many of these


@dataclass(frozen=True, slots=True)
class Temporary:
    """`traced` is what each column was filled from; empty for a table that was made of a list of columns.

    The name of a column is "" where it is not followed, and its type 0; EVERY stands for any number of columns.
    """

    name: str
    kind: str = "r"  # or S
    columns: tuple[Column, ...] = ()
    traced: tuple[Traced, ...] = ()
    store_calls: frozenset[int] = frozenset()  # functions of one's own in its defaults and checks


class Temporaries:
    """All that a session has made, in its order.  Equal ones have the same `key`."""

    __slots__ = ("key", "made")

    def __init__(self, made: tuple[Temporary, ...] = ()) -> None:
        self.made = made
        self.key = sha256(repr(made).encode()).digest() if made else b""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Temporaries) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __bool__(self) -> bool:
        return bool(self.made)

    def __reduce__(self) -> tuple[type[Temporaries], tuple[tuple[Temporary, ...]]]:
        return Temporaries, (self.made,)

    def beside(self, other: Temporary) -> Temporaries | None:
        """With one more; None: too many to follow."""
        if other in self.made:
            return self
        if len(self.made) >= MAX_MADE or sum(each.name == other.name for each in self.made) >= MAX_ALIKE:
            return None
        return Temporaries((*self.made, other))

    def of(self, oid: int) -> Temporary:
        return self.made[oid - FIRST]

    def schemas(self) -> tuple[str, ...]:
        """Of the catalogue that `with_temporaries` gives."""
        alike = max((sum(each.name == other.name for each in self.made) for other in self.made), default=0)
        return tuple(_schema(index) for index in range(alike))


NONE: Final = Temporaries()


def _schema(index: int) -> str:
    return f"{SCHEMA}#{index}" if index else SCHEMA


def meant(schema: str, schemas: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `schemas` that a written schema means."""
    if schema != SCHEMA:
        return (schema,)
    return tuple(each for each in schemas if each.partition("#")[0] == SCHEMA)


def with_temporaries(catalogue: Catalogue | None, temporaries: Temporaries) -> Catalogue | None:
    """The catalogue as this session sees it.  `catalogue` may be one that an earlier call gave."""
    if catalogue is None or (catalogue.temporaries or NONE) == temporaries:
        return catalogue
    base = catalogue.base or catalogue
    if not temporaries:
        return base
    relations: dict[tuple[str, str], Relation] = {}
    alike: dict[str, int] = {}
    for number, made in enumerate(temporaries.made):
        index = alike.get(made.name, 0)
        alike[made.name] = index + 1
        relations[_schema(index), made.name] = _relation(FIRST + number, made)
    return replace(
        base,
        relations=Beside(relations, base.relations),
        by_oid=Beside({each.oid: each for each in relations.values()}, base.by_oid),
        memo=Memo(MAX_KEPT),
        base=base,
        temporaries=temporaries,
    )


class Beside(Mapping[K, V]):
    """Two mappings that share no key, as one: that of a whole catalogue is not copied for each session."""

    __slots__ = ("_base", "_own")

    def __init__(self, own: Mapping[K, V], base: Mapping[K, V]) -> None:
        self._own, self._base = own, base

    def __getitem__(self, key: K) -> V:
        found = self._own.get(key)
        return found if found is not None else self._base[key]

    def get(self, key: K, default: Any = None) -> Any:
        found = self._own.get(key)
        return found if found is not None else self._base.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._own or key in self._base

    def __iter__(self) -> Iterator[K]:
        return chain(self._own, self._base)

    def __len__(self) -> int:
        return len(self._own) + len(self._base)


def _relation(oid: int, made: Temporary) -> Relation:
    return Relation(oid, SCHEMA, made.name, made.kind, made.columns, store_calls=made.store_calls, row_type=oid)
