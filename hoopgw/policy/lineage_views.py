"""What each column of a view depends on, by its definition in the catalogue."""

from __future__ import annotations

import pgparse

from hoopgw.policy.catalogue import Catalogue, Relation
from hoopgw.policy.lineage import Traced
from hoopgw.policy.lineage_trace import trace

_OWN = ("pg_catalog",)  # in a definition as PostgreSQL gives it every other name has its schema


def view_columns(catalogue: Catalogue, view: Relation) -> tuple[Traced, ...] | None:
    """One for each column, in the columns' order; None where they cannot be followed.  Kept with the catalogue."""
    if view.oid not in catalogue.followed:
        catalogue.followed[view.oid] = _followed(catalogue, view)
    return catalogue.followed[view.oid]


def _followed(catalogue: Catalogue, view: Relation) -> tuple[Traced, ...] | None:
    if view.definition is None:
        return None
    try:
        trees = pgparse.parse(view.definition)
    except (pgparse.PGQueryError, RecursionError):  # of a newer PostgreSQL, or nested too deeply
        return None
    lineage = trace(trees[0]["stmt"], catalogue, _OWN) if len(trees) == 1 else None
    if lineage is None or lineage.lost or len(lineage.outputs) != len(view.columns):
        return None
    return None if any(each.many for each in lineage.outputs) else lineage.outputs
