"""What a column reference means inside one query: the items of its FROM, and those of the queries around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from hoopgw.policy.lineage import NOTHING, Sources, Traced, union

# Columns that every table has (documentation, 5.6); they show no value of another column
SYSTEM = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))


@dataclass(frozen=True, slots=True)
class Item:
    """One alias of a FROM.

    known     these are all its columns, in their order
    named     these are all their names; else a column of another name may be one of them, and depends on `rest`
    """

    alias: str
    columns: tuple[Traced, ...] = ()
    known: bool = True
    named: bool = True
    rest: Sources = NOTHING

    @property
    def sources(self) -> Sources:
        return union(each.sources for each in self.columns) | self.rest

    @property
    def lazy(self) -> bool:
        return any(each.lazy for each in self.columns)

    def renamed(self, alias: str, names: list[str]) -> Item:
        """AS alias (names)."""
        columns = tuple(
            replace(column, name=names[index]) if index < len(names) else column
            for index, column in enumerate(self.columns)
        )
        named = self.named or (self.known and len(names) >= len(columns))
        return Item(alias or self.alias, columns, self.known, named, self.rest)

    def star(self) -> tuple[Traced, ...]:
        return self.columns if self.known else (*self.columns, Traced("", self.rest, many=True))


@dataclass(frozen=True, slots=True)
class Space:
    """What a FROM, or a part of it, gives: items by alias; the columns of `*` in order; those that USING merged."""

    items: tuple[Item, ...] = ()
    star: tuple[Traced, ...] = ()
    merged: Mapping[str, Traced] = field(default_factory=dict)

    def beside(self, other: Space) -> Space:
        return Space(self.items + other.items, self.star + other.star, {**self.merged, **other.merged})


NOWHERE = Space()


@dataclass(frozen=True, slots=True)
class Scope:
    """A query's FROM inside the queries around it."""

    space: Space = NOWHERE
    outer: Scope | None = None
    windows: Sources = NOTHING  # of its WINDOW clause

    def levels(self) -> Iterator[Space]:
        here: Scope | None = self
        while here is not None:
            yield here.space
            here = here.outer

    # ---- references

    def column(self, names: list[str]) -> Traced:
        """`x` or `a.x`.  What cannot be told apart counts together; what is not found may be anything here."""
        found = self._qualified(names[-2], names[-1]) if len(names) > 1 else self._bare(names[0])
        if found is None:
            found = self._everything()
        return replace(found, name=names[-1])

    def star(self, names: list[str]) -> tuple[Traced, ...]:
        """`*` or `a.*`."""
        if not names:
            return self.space.star
        items = self._items(names[-1])
        if len(items) == 1:
            return items[0].star()
        every = _whole("", items) if items else self._everything()
        return (replace(every, many=True),)

    def has(self, name: str) -> bool:
        """Whether a column of this query's own FROM may be meant by it."""
        return bool(_named(self.space, name)) or any(not item.named for item in self.space.items)

    def row(self, names: list[str]) -> Item | None:
        """The item that a reference to a whole row means."""
        items = self._items(names[-1])
        return items[0] if len(items) == 1 and not any(self._columns(names[-1])) else None

    def _items(self, alias: str) -> list[Item]:
        for space in self.levels():
            found = [item for item in space.items if item.alias == alias]
            if found:
                return found
        return []

    def _columns(self, name: str) -> Iterator[list[Traced]]:
        for space in self.levels():
            found = _named(space, name)
            if found:
                yield found

    def _qualified(self, alias: str, name: str) -> Traced | None:
        items = self._items(alias)
        if not items:
            return None
        found = [column for item in items for column in item.columns if column.name == name]
        if len(found) == 1 and len(items) == 1:
            return found[0]
        if not found and name in SYSTEM:
            return Traced(name)
        if not found and not any(item.named for item in items):
            return Traced(name, union(item.rest for item in items))
        # x.f is f(x) where x has no column f (documentation, 8.16.5)
        return _whole(name, items)

    def _bare(self, name: str) -> Traced | None:
        """PostgreSQL looks for a column in all queries around, and then for a whole row of that name."""
        doubtful = NOTHING
        seen = False
        for space in self.levels():
            found = _named(space, name)
            if found:
                both = _together(found, name)
                return replace(both, sources=both.sources | doubtful, plain=False) if seen else both
            for item in space.items:
                if not item.named:
                    seen, doubtful = True, doubtful | item.rest
        items = self._items(name)
        if items:
            whole = _whole(name, items)
            return replace(whole, sources=whole.sources | doubtful)
        return Traced(name, doubtful) if seen or name in SYSTEM else None

    def _everything(self) -> Traced:
        return _whole("", [item for space in self.levels() for item in space.items])


def _whole(name: str, items: list[Item]) -> Traced:
    """All columns of these."""
    return Traced(name, union(item.sources for item in items), lazy=any(item.lazy for item in items))


def _named(space: Space, name: str) -> list[Traced]:
    if name in space.merged:
        return [space.merged[name]]
    return [column for item in space.items for column in item.columns if column.name == name]


def _together(found: list[Traced], name: str) -> Traced:
    if len(found) == 1:
        return found[0]
    return Traced(name, union(each.sources for each in found), lazy=any(each.lazy for each in found))


def single(item: Item) -> Space:
    return Space((item,), item.star())


def both(one: Traced, other: Traced) -> Traced:
    """Values of either: a column of a UNION, or one that USING merged."""
    types = {one.type_oid, other.type_oid}
    return Traced(
        one.name,
        one.sources | other.sources,
        plain=(one.plain or not one.sources) and (other.plain or not other.sources),
        type_oid=types.pop() if len(types) == 1 else 0,
        many=one.many or other.many,
        lazy=one.lazy or other.lazy,
    )


def joined(left: Space, right: Space, names: list[str] | None) -> Space:
    """JOIN; `names` are those of USING, None: NATURAL.  The merged columns come first (documentation, 7.2.1.1)."""
    if names is None and not all(each.name for each in left.star + right.star):
        every = Traced("", union(each.sources for each in left.star + right.star), many=True)
        return Space(left.beside(right).items, (every,))
    if names is None:
        names = [each.name for each in left.star if each.name and any(each.name == other.name for other in right.star)]
    beside = left.beside(right)
    if not names:
        return beside
    merged = {name: both(_of(left.star, name), _of(right.star, name)) for name in names}
    rest = tuple(each for part in (left.star, right.star) for each in part if each.many or each.name not in merged)
    return Space(beside.items, (*merged.values(), *rest), {**beside.merged, **merged})


def _of(star: Iterable[Traced], name: str) -> Traced:
    """A column by its name; where its item's columns are not known, all that they may depend on."""
    star = tuple(star)
    for each in star:
        if each.name == name and not each.many:
            return each
    return Traced(name, union(each.sources for each in star if each.many))
