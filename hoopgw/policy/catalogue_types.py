"""Types of one database, and the operators and casts between them: which of them are not PostgreSQL's own, and call
what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FIRST_OWN = 16384  # FirstNormalObjectId (access/transam.h): what initdb makes has a lower OID
UNKNOWN = 705  # of a string literal, before it gets a type
TEXT = 25


@dataclass(frozen=True, slots=True)
class Type:
    oid: int
    schema: str
    name: str
    kind: str  # pg_type.typtype: b base, c composite, d domain, e enum, p pseudo, r range, m multirange
    base: int = 0  # of a domain
    element: int = 0  # of an array
    input: int = 0  # OID of its input function
    calls: frozenset[int] = frozenset()  # OIDs of functions of one's own that a domain's checks call
    delimiter: str = ","  # between such values in an array as text


@dataclass(frozen=True, slots=True)
class Operator:
    oid: int
    schema: str
    name: str
    left: int  # OID of a type; 0: a prefix operator
    right: int
    result: int
    function: int


@dataclass(frozen=True, slots=True)
class Cast:
    oid: int
    source: int
    target: int
    function: int  # 0: none is called
    context: str  # pg_cast.castcontext: i implicit, a in assignments, e explicit


@dataclass(frozen=True, slots=True)
class TypeSystem:
    """`exact` are PostgreSQL's own operators: where one fits exactly, PostgreSQL looks no further (func_select_*,
    documentation 10.2).  `own_casts` are those of one's own that call a function."""

    types: Mapping[int, Type]
    by_name: Mapping[tuple[str, str], int]
    operators: Mapping[str, tuple[Operator, ...]]
    exact: frozenset[tuple[str, int, int]]
    own_names: frozenset[str]  # of operators of one's own: every other name means PostgreSQL's own
    implicit: frozenset[tuple[int, int]]  # (source, target)
    own_casts: tuple[Cast, ...]

    def base(self, oid: int) -> int:
        """A domain's underlying type; any other type itself."""
        for _ in range(32):  # domains over domains: the database has no circles, a reading of it might
            found = self.types.get(oid)
            if found is None or found.kind != "d":
                break
            oid = found.base
        return oid

    def element(self, oid: int) -> int:
        """Of an array; 0 for anything else."""
        found = self.types.get(self.base(oid))
        return found.element if found is not None else 0

    def accepts(self, wanted: int, given: int) -> bool:
        """Whether an operand of type `given` may stand where `wanted` is declared, as far as can be told."""
        if given in (wanted, UNKNOWN):
            return True
        declared, held = self.types.get(wanted), self.types.get(given)
        if declared is None or held is None:
            return True
        if declared.kind == "p":
            return _any(declared.name, held)
        base = self.base(given)
        if base == self.base(wanted) or (base, wanted) in self.implicit or (given, wanted) in self.implicit:
            return True
        if declared.kind == held.kind == "c":  # a child's row is a parent's row
            return True
        return bool(declared.element and held.element) and self.accepts(declared.element, held.element)

    def may_be(self, operator: Operator, left: int, right: int, qualified: bool = False) -> bool:
        """Whether this operator may be chosen for operands of these types; `left` 0: a prefix operator is looked for.

        Where one of PostgreSQL's own fits exactly, only what fits exactly can be chosen (documentation, 10.2)."""
        if not left or not operator.left:
            if left or operator.left:
                return False
            exact = 0, (TEXT if right == UNKNOWN else right)
        elif left == right == UNKNOWN:
            exact = TEXT, TEXT
        else:  # a literal is first taken for what stands on the other side
            exact = (right if left == UNKNOWN else left), (left if right == UNKNOWN else right)
        bases = self.base(exact[0]), self.base(exact[1])
        if not qualified and ((operator.name, *exact) in self.exact or (operator.name, *bases) in self.exact):
            return (operator.left, operator.right) in (exact, bases)
        return (not left or self.accepts(operator.left, left)) and self.accepts(operator.right, right)


def _any(pseudo: str, held: Type) -> bool:
    """Whether a type may stand where any, or any of its kind, may."""
    if pseudo in ("anyarray", "anycompatiblearray"):
        return bool(held.element) or held.kind == "d"
    kinds = {"anyenum": "e", "anyrange": "r", "anycompatiblerange": "r", "anymultirange": "m", "record": "c"}
    return held.kind in (kinds.get(pseudo, held.kind), "d", "p")


def type_system(types: Iterable[Type], operators: Iterable[Operator], casts: Iterable[Cast]) -> TypeSystem:
    by_oid = {each.oid: each for each in types}
    by_operator: dict[str, list[Operator]] = defaultdict(list)
    exact: set[tuple[str, int, int]] = set()
    for operator in operators:
        by_operator[operator.name].append(operator)
        if operator.oid < FIRST_OWN:
            exact.add((operator.name, operator.left, operator.right))
    every = tuple(casts)
    return TypeSystem(
        types=by_oid,
        by_name={(each.schema, each.name): each.oid for each in by_oid.values()},
        operators={name: tuple(found) for name, found in by_operator.items()},
        exact=frozenset(exact),
        own_names=frozenset(
            name for name, found in by_operator.items() if any(each.oid >= FIRST_OWN for each in found)
        ),
        implicit=frozenset((cast.source, cast.target) for cast in every if cast.context == "i"),
        own_casts=tuple(cast for cast in every if cast.oid >= FIRST_OWN and cast.function),
    )
