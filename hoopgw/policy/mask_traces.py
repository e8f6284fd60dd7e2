"""A statement's lineage and the masked columns -> what is refused of it, and what is shown of each output column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hoopgw.model.grant import COPY_MASKED
from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.lineage import Lineage, Sources, Traced, union
from hoopgw.policy.mask_table import WHOLE, Masked, MaskTable, Origin, masked_by, masked_of
from hoopgw.policy.temporaries import FIRST


@dataclass(frozen=True, slots=True)
class Refused:
    """`origin` is a masked column; `reason` goes behind its name."""

    origin: Origin
    reason: str
    would_pass: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of one output column: "" all of it, else none, last4, hash or whole; the name that PostgreSQL gives
    it, "" where that is not known; and what of JSON or hstore that is about, nothing being all of it.  `known`: what it
    is made of is, and then its name says nothing."""

    show: str
    name: str
    keys: frozenset[str] = frozenset()
    known: bool = False


KNOWN = Shown("", "", known=True)  # alone: every column of a result, however many, is made of nothing that is masked


def refused(table: MaskTable, lineage: Lineage, copies: bool, inherited: bool = False) -> Refused | None:
    """`copies`: masked values may be copied.  `inherited`: what is made is masked like what it is made of."""
    made = frozenset() if inherited else union(each.sources for each in lineage.made)
    return (
        _decides(table, lineage)
        or _stored(table, lineage.stored | made if not copies else frozenset())
        or _not_told_apart(table, lineage.outputs)
    )


_DECIDES = (
    ("chosen", 2, "is masked, and may not decide which rows come, or their order"),
    ("equal", 1, "is masked, and may not decide which rows come"),
    ("computed", 2, "is masked, and an error, or the time that it takes, could tell of its values"),
)
_ALLOWED = {"refuse": 0, "equal": 1, "allow": 2}


def _decides(table: MaskTable, lineage: Lineage) -> Refused | None:
    used: tuple[Sources, ...] = (lineage.chosen, lineage.equal, lineage.computed)
    for (how, needed, reason), sources in zip(_DECIDES, used, strict=True):
        for origin in masked_of(table.masked, sources):
            if _ALLOWED[table.masked[origin].predicates] < needed:
                return Refused(origin, reason, _instead(how, table.masked[origin]))
    return None


def _instead(how: str, masked: Masked) -> str:
    if how == "computed":
        return "name the column in the SELECT list as it is"
    if how == "chosen" and masked.predicates == "equal":
        return "compare the whole column by =, IN or IS NULL; or choose rows by another column"
    return "choose and sort rows by another column"


def _stored(table: MaskTable, sources: Sources) -> Refused | None:
    for origin in masked_of(table.masked, sources):
        reason = "is masked, and may not be copied into a table, a column, a file or a setting"
        return Refused(origin, reason, f'leave the column out, or ask for a grant with features = ["{COPY_MASKED}"]')
    return None


def _not_told_apart(table: MaskTable, outputs: tuple[Traced, ...]) -> Refused | None:
    """Where a star stands for columns that are not known, positions are not either: then only columns that the target
    itself names can be masked.  Those of temporary tables it names by numbers that nobody else knows."""
    if not any(output.many for output in outputs):
        return None
    for output in outputs:
        found = masked_of(table.masked, output.sources)
        if found and (output.many or output.origin == (0, 0) or output.origin[0] >= FIRST):
            reason = "is masked, and which columns of the result show it cannot be known"
            return Refused(found[0], reason, "name the columns one by one, with no * over a function")
    return None


def shown(table: MaskTable, lineage: Lineage | None, known: bool = False) -> tuple[Shown, ...]:
    """By position; empty where no output column depends on a masked one or is called like one, or where the target's
    own words tell.  `known`: all that it is made of is followed."""
    if lineage is None or any(output.many for output in lineage.outputs):
        return ()
    known = known and not lineage.lost
    found = tuple(_shown(table, output, known) for output in lineage.outputs)
    said = any(each.show for each in found) or (known and any(table.by_name(each.name) for each in lineage.outputs))
    return found if said else ()


def _shown(table: MaskTable, output: Traced, known: bool = False) -> Shown:
    found = masked_by(table.masked, output)
    if found is None:
        return Shown("", output.name, known=known)
    return Shown(found.show, output.name, found.keys, known)


_SHOWN = {WHOLE: "NULL", "none": "none of it", "last4": "its last 4 characters", "hash": "its hash"}


def told(table: MaskTable, catalogue: Catalogue, lineage: Lineage | None) -> Iterable[str]:
    """In words: of each masked output column, which columns it depends on, and what is shown of it."""
    for place, output in enumerate(lineage.outputs if lineage is not None else (), 1):
        how = _shown(table, output)
        if how.show:
            names = ", ".join(column_name(catalogue, origin) for origin in masked_of(table.masked, output.sources))
            made = "from" if output.plain else "computed with"
            under = f", of {' '.join(sorted(how.keys))} in it" if how.keys and how.show != WHOLE else ""
            yield f"{place} {output.name or '?'}: {made} {names}; shown: {_SHOWN[how.show]}{under}"


def column_name(catalogue: Catalogue | None, origin: Origin) -> str:
    relation = catalogue.by_oid.get(origin[0]) if catalogue is not None else None
    if relation is None:
        return "a column"
    name = next((column.name for column in relation.columns if column.number == origin[1]), "?")
    return f"{relation.schema}.{relation.name}.{name}"
