"""What each output column of one statement depends on, and what else its columns decide: the values of a trace.

`policy/lineage_trace.py` makes them of a parse tree and a catalogue.  They know no mask: which of these columns are
masked, and what is let through because of it, is for `policy/mask_traces.py` to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# (relation OID, attribute number, aggregate): the aggregate through which alone the column was seen, "" for its values
Source = tuple[int, int, str]
Sources = frozenset[Source]

NOTHING: Sources = frozenset()

# What a column decides, besides the values of outputs
EQUAL = "equal"  # which rows come, by equality alone: =, IN, IS NULL, USING, DISTINCT, GROUP BY, UNION, ON CONFLICT
CHOSEN = "chosen"  # which rows come, or in which order, in any other way
COMPUTED = "computed"  # whether something fails, or how long it takes: functions that are not known to be quiet


@dataclass(frozen=True, slots=True)
class Traced:
    """One output column.

    name      that PostgreSQL gives it; "" where that is not followed
    plain     it shows values of `sources` unchanged, and nothing else; else they are computed with
    origin    (relation OID, attribute number) where it is one column of one table or view of this query's FROM
    many      any number of columns: a star over something whose columns are not known
    lazy      computing it may fail or wait, and is put off until the query around asks for it: subqueries are pulled up
    """

    name: str
    sources: Sources = NOTHING
    plain: bool = False
    origin: tuple[int, int] = (0, 0)
    type_oid: int = 0
    many: bool = False
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """Of one statement.  `lost` says why it could not be followed, and then nothing else is known."""

    outputs: tuple[Traced, ...] = ()
    equal: Sources = NOTHING
    chosen: Sources = NOTHING
    computed: Sources = NOTHING
    stored: Sources = NOTHING  # written into a relation or a file
    made: tuple[Traced, ...] = ()  # columns of the table or view that it makes; written into it
    lost: str = ""

    @property
    def sources(self) -> Sources:
        """All of them."""
        return (
            union(each.sources for each in (*self.outputs, *self.made))
            | self.equal
            | self.chosen
            | self.computed
            | self.stored
        )


def union(parts: Iterable[Sources]) -> Sources:
    return NOTHING.union(*parts)
