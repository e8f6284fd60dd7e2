"""Statements that change temporary tables in a way that is not followed: after them, nobody knows what these are."""

from __future__ import annotations

from typing import Final

from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_nodes import DDL
from hoopgw.policy.temporaries import FIRST

# They take nothing but names away, or make what lasts; an index that calls nothing of one's own is none of them either
_KEEPS: Final = frozenset(("DropStmt", "CreateStmt", "CreateTableAsStmt", "SelectStmt", "AlterSeqStmt", "DoStmt"))


def note_temporaries(draft: Draft, kind: str) -> None:
    """A view that reads one is temporary without saying so; a trigger, a rule, a default or a rename changes what its
    name does."""
    if draft.temporary or not draft.context.temporaries or kind in _KEEPS or not draft.effects & DDL:
        return
    if kind == "IndexStmt" and not (draft.calls or draft.opaque):
        return
    draft.temporary = any(each.oid >= FIRST for named in (draft.reads, draft.writes) for each in named.values())
