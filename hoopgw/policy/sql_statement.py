"""One statement's tree -> its facts.  The walk is iterative: no depth of nesting exhausts anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hoopgw.policy.catalogue import Catalogue
from hoopgw.policy.facts import Statement, Where
from hoopgw.policy.sql_columns import note_inferred, note_join, note_reference, settle_columns
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_functions import function_call, implicit_calls
from hoopgw.policy.sql_kinds import READERS
from hoopgw.policy.sql_lookalikes import called_as_a_field, called_as_a_form
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_nodes import EFFECTS_OF
from hoopgw.policy.sql_objects import objects, stored_code
from hoopgw.policy.sql_outputs import mark_plain, settle_outputs, top_select
from hoopgw.policy.sql_relations import relation_created, relation_named, resolve
from hoopgw.policy.sql_settings import setting_by_name
from hoopgw.policy.sql_temporary import note_temporaries
from hoopgw.policy.sql_tree import Node, Unreadable, nodes
from hoopgw.policy.sql_where import Written, where, worse

_MERGED: Final = {"CMD_INSERT": "insert", "CMD_UPDATE": "update", "CMD_DELETE": "delete"}


def read_statement(tree: Node, catalogue: Catalogue | None, context: NameContext) -> Statement:
    draft = Draft(catalogue, context)
    kind, body = next(iter(tree.items()))
    draft.nodes = nodes(tree)
    _collect_ctes(draft)
    if kind == "SelectStmt":
        draft.by_name = setting_by_name(body, context)
    _special(draft, kind, body)
    if kind in ("PrepareStmt", "DeclareCursorStmt"):
        inner = read_statement(body["query"], catalogue, context)
        draft.body = (inner,)
        draft.effects |= EFFECTS_OF[kind]
        draft.defines = body.get("name") or body.get("portalname", "")
        if kind == "DeclareCursorStmt":
            return _declared(draft, inner)
    else:
        _walk(draft)
        settle_columns(draft)
        settle_outputs(draft)
        implicit_calls(draft)
        note_temporaries(draft, kind)
    return draft.finished()


def _declared(draft: Draft, inner: Statement) -> Statement:
    """A cursor's query is planned at once and runs with FETCH: all of it counts here as well."""
    return replace(inner, effects=inner.effects | draft.effects, defines=draft.defines, body=(inner,), outputs=())


def _collect_ctes(draft: Draft) -> None:
    for key, node in draft.nodes:
        if key == "CommonTableExpr":
            draft.ctes.add(node["ctename"])


def _walk(draft: Draft) -> None:
    for key, node in draft.nodes:
        if key.endswith("Stmt") and key not in ("selectStmt", "RawStmt"):
            _statement_node(draft, key, node)
        if "relname" in node and isinstance(node["relname"], str):
            relation_named(draft, node)
        if key in ("FuncCall", "funccall"):  # the other is CALL's
            function_call(draft, node)
        if key.startswith("Json") or key in ("FuncCall", "MergeSupportFunc"):
            called_as_a_form(draft, key, node)
        elif key == "ColumnRef":
            draft.dotted.append([field["String"]["sval"] for field in node.get("fields", []) if "String" in field])
            if id(node) not in draft.plain:
                note_reference(draft, node)
        elif key == "JoinExpr":
            note_join(draft, node)
        elif key in ("infer", "inferClause", "InferClause"):
            note_inferred(draft, node)
        elif key == "A_Indirection":
            called_as_a_field(draft, node)
        elif key == "intoClause":  # also of the first part of a UNION
            draft.effects |= {"create", "table"}
            relation_created(draft, node.get("rel", {}))


def _statement_node(draft: Draft, key: str, node: Node) -> None:
    effects = EFFECTS_OF.get(key)
    if effects is None:
        draft.unknown.append(f"{key} is not a statement that is known here")
        return
    about = objects(key, node)
    if about is None:
        raise Unreadable(f"{key} of an object that is not known here")
    draft.effects |= effects | about
    draft.opaque = draft.opaque or stored_code(key, node)
    if key in ("GrantStmt", "GrantRoleStmt") and not node.get("is_grant"):
        draft.effects |= {"revoke"}
    if key in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
        draft.written.add(id(node.get("relation")))
        draft.events[id(node.get("relation"))] = _events(key, node)
    if key in ("UpdateStmt", "DeleteStmt"):
        draft.where = worse(draft.where, where(node.get("whereClause"), _written(draft, node)))
    if key == "MergeStmt":
        _merged(draft, node)
    if key == "InsertStmt" and (node.get("onConflictClause") or {}).get("action") == "ONCONFLICT_UPDATE":
        draft.effects.add("update")


def _written(draft: Draft, node: Node) -> Written:
    """By its alias alone where it has one."""
    relation: Node = node.get("relation", {})
    name = relation.get("relname", "")
    found = resolve(draft, relation.get("schemaname", ""), name)
    never = [{column.name for column in each.columns if column.not_null} for each in found]
    alias = str((relation.get("alias") or {}).get("aliasname", name))
    others = "fromClause" in node or "usingClause" in node  # else a name that is not known is a new column
    columns = frozenset(column.name for each in found for column in each.columns) if found and others else None
    return Written((alias,), frozenset(set.intersection(*never)) if never else frozenset(), columns)


def _events(key: str, node: Node) -> frozenset[str]:
    """What is done with the rows of the relation that is written."""
    found = {_MERGED.get(each.get("MergeWhenClause", {}).get("commandType", ""), "") for each in _clauses(node)}
    found.add({"InsertStmt": "insert", "UpdateStmt": "update", "DeleteStmt": "delete"}.get(key, ""))
    if (node.get("onConflictClause") or {}).get("action") == "ONCONFLICT_UPDATE":
        found.add("update")
    return frozenset(found - {""})


def _clauses(node: Node) -> list[Node]:
    clauses: list[Node] = node.get("mergeWhenClauses", [])
    return clauses


def _merged(draft: Draft, node: Node) -> None:
    """MERGE inserts, updates and deletes as its WHEN clauses say; the rows are decided by ON and by each clause."""
    joined = where(node.get("joinCondition"))
    for each in node.get("mergeWhenClauses", []):
        clause = each.get("MergeWhenClause", {})
        effect = _MERGED.get(clause.get("commandType", ""), "")
        if effect:
            draft.effects.add(effect)
        if effect in ("update", "delete"):
            condition = clause.get("condition")
            decided = joined is Where.PRESENT or where(condition) is Where.PRESENT
            draft.where = worse(draft.where, Where.PRESENT if decided else Where.CONSTANT)


def _special(draft: Draft, kind: str, body: Node) -> None:
    top = body
    if kind == "ExplainStmt":
        query = body.get("query", {})
        kind, top = next(iter(query.items())) if query else ("", {})
    if kind == "SelectStmt":
        top_select(draft, top)
    elif kind in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
        mark_plain(draft, top.get("returningList", []))
    if kind in READERS:
        READERS[kind](draft, top)
