"""Kinds of statements with more to them than their effects: COPY, SET, EXECUTE, CREATE, ALTER, DROP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from hoopgw.policy import search_path, sql_reach
from hoopgw.policy.facts import Output, RelationName
from hoopgw.policy.sql_columns import note_inferred
from hoopgw.policy.sql_copy import copy_shape
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_outputs import top_select
from hoopgw.policy.sql_relations import relation_created, resolve
from hoopgw.policy.sql_tree import Node, literal, words
from hoopgw.policy.temporaries import EVERY, FIRST


def _copy(draft: Draft, body: Node) -> None:
    options = {option["DefElem"]["defname"]: option["DefElem"].get("arg") for option in body.get("options", [])}
    reading = bool(body.get("is_from"))
    draft.effects.add("copy-from" if reading else "copy-to")
    if body.get("is_program"):
        draft.effects.add("copy-program")
    elif body.get("filename"):
        draft.effects.add("copy-file")
    if reading:
        draft.written.add(id(body.get("relation")))
        draft.events[id(body.get("relation"))] = frozenset(("insert",))
        return
    draft.copy = copy_shape(options)
    if body.get("query"):
        kind, query = next(iter(body["query"].items()))
        if kind == "SelectStmt":
            top_select(draft, query)
            draft.alone = [next(iter(each), "") for each in query.get("fromClause", [])] == ["RangeVar"]
        return
    relation = body.get("relation", {})
    found = resolve(draft, relation.get("schemaname", ""), relation.get("relname", ""))
    if len(found) != 1 or (found[0].oid >= FIRST and any(column.name == EVERY for column in found[0].columns)):
        return
    wanted = [item["String"]["sval"] for item in body.get("attlist", [])]
    columns = {column.name: column for column in found[0].columns}
    fields = (
        [columns[name] for name in wanted if name in columns]
        if wanted
        else [each for each in found[0].columns if not each.generated]
    )
    oid = found[0].oid
    outputs = tuple(Output(column.name, oid, column.number, column.type_oid) for column in fields)
    draft.read |= {(output.relation, output.attribute) for output in outputs}
    draft.copy = replace(draft.copy, fields=outputs)


def _execute(draft: Draft, body: Node) -> None:
    draft.uses = body.get("name", "")


def _fetch(draft: Draft, body: Node) -> None:
    draft.uses = body.get("portalname", "")


def _do(draft: Draft, body: Node) -> None:
    draft.opaque = "DO"


def _variable_set(draft: Draft, body: Node) -> None:
    kind, name = body.get("kind", ""), body.get("name", "").lower()
    if kind in ("VAR_RESET", "VAR_RESET_ALL", "VAR_SET_DEFAULT"):  # SET … TO DEFAULT is another name of RESET
        draft.effects.add("reset")
    if kind == "VAR_RESET_ALL":
        draft.settings.append(("all", None))
        return
    values = [literal(argument) for argument in body.get("args", [])]
    known = kind == "VAR_SET_VALUE" and values and all(value is not None for value in values)
    if name == "search_path" and kind in ("VAR_RESET", "VAR_SET_DEFAULT"):
        draft.settings.append((name, ""))  # the default is among what names may mean anyway
        return
    join = search_path.quoted if name == "search_path" else ", ".join
    draft.settings.append((name, join(map(str, values)) if known else None))


def _alter_system(draft: Draft, body: Node) -> None:
    name = body.get("setstmt", {}).get("name", "").lower()
    draft.secret = any(word in name for word in ("conninfo", "passphrase", "command"))


def _create_role(draft: Draft, body: Node) -> None:
    _alter_role(draft, body)


def _alter_role(draft: Draft, body: Node) -> None:
    for option in body.get("options", []):
        if "password" in option.get("DefElem", {}).get("defname", "").lower():
            draft.secret = True


def _create_user_mapping(draft: Draft, body: Node) -> None:
    draft.secret = True


def _drop(draft: Draft, body: Node) -> None:
    for each in body.get("objects", []):
        sql_reach.object_touched(draft, body.get("removeType", ""), each)


def _vacuum(draft: Draft, body: Node) -> None:
    options = {each.get("DefElem", {}).get("defname", "").lower() for each in body.get("options", [])}
    if body.get("is_vacuumcmd"):
        draft.effects.add("vacuum")
    if not body.get("is_vacuumcmd") or "analyze" in options:
        draft.effects.add("analyze")
    if not body.get("rels"):
        sql_reach.all_touched(draft, "what names no table")


def _alter_default_privileges(draft: Draft, body: Node) -> None:
    if not body.get("action", {}).get("is_grant"):
        draft.effects.add("revoke")
    for option in body.get("options", []):
        if option.get("DefElem", {}).get("defname") == "schemas":
            for schema in words(option["DefElem"].get("arg", {}).get("List", {}).get("items")):
                draft.written_below.add(RelationName(schema, ""))  # what is made there


def _truncate(draft: Draft, body: Node) -> None:
    event = "cascade" if body.get("behavior") == "DROP_CASCADE" else "truncate"
    for each in body.get("relations", []):
        draft.written.add(id(each.get("RangeVar")))
        draft.events[id(each.get("RangeVar"))] = frozenset((event,))


def _index(draft: Draft, body: Node) -> None:
    """Rows come in the order of an index that has all of their columns; a unique one tells what is there twice."""
    _alter_table(draft, body)
    for clause in ("indexParams", "indexIncludingParams"):
        note_inferred(draft, {"indexElems": body.get(clause, [])})


def _refresh_mat_view(draft: Draft, body: Node) -> None:
    draft.written.add(id(body.get("relation")))
    draft.events[id(body.get("relation"))] = frozenset(("select",))


def _alter_table(draft: Draft, body: Node) -> None:
    draft.written.add(id(body.get("relation")))


def _create(draft: Draft, body: Node) -> None:
    relation_created(draft, body.get("relation", {}))


def _create_foreign_table(draft: Draft, body: Node) -> None:
    relation_created(draft, body.get("base", {}).get("relation", {}))


def _composite_type(draft: Draft, body: Node) -> None:
    relation_created(draft, body.get("typevar", {}))


def _create_seq(draft: Draft, body: Node) -> None:
    relation_created(draft, body.get("sequence", {}))
    sql_reach.sequence(draft, body)


def _view(draft: Draft, body: Node) -> None:
    relation_created(draft, body.get("view", {}))
    sql_reach.updatable_view(draft, body)


def _create_table_as(draft: Draft, body: Node) -> None:
    relation_created(draft, (body.get("into") or {}).get("rel", {}))
    if "ExecuteStmt" in body.get("query", {}):
        draft.uses = body["query"]["ExecuteStmt"].get("name", "")
        draft.unknown.append("where the columns of CREATE TABLE AS EXECUTE come from is not followed")


def _create_function(draft: Draft, body: Node) -> None:
    draft.temporary = draft.temporary or "pg_temp" in json.dumps(body.get("funcname", []))


def _create_type(draft: Draft, body: Node) -> None:
    names = [body.get(field, []) for field in ("domainname", "typeName", "defnames")]
    draft.temporary = draft.temporary or "pg_temp" in json.dumps(names)


def _rename(draft: Draft, body: Node) -> None:
    _alter_table(draft, body)
    if body.get("renameType") == "OBJECT_SCHEMA":
        sql_reach.schema_touched(draft, body.get("subname", ""))


def _object_schema(draft: Draft, body: Node) -> None:
    _alter_table(draft, body)
    if body.get("objectType") == "OBJECT_EXTENSION":
        sql_reach.all_touched(draft, "an extension")


def _create_trig(draft: Draft, body: Node) -> None:
    draft.written.add(id(body.get("relation")))


READERS: dict[str, Callable[[Draft, Node], None]] = {
    "CopyStmt": _copy,
    "ExecuteStmt": _execute,
    "FetchStmt": _fetch,
    "DoStmt": _do,
    "VariableSetStmt": _variable_set,
    "AlterSystemStmt": _alter_system,
    "CreateRoleStmt": _create_role,
    "AlterRoleStmt": _alter_role,
    "CreateUserMappingStmt": _create_user_mapping,
    "DropStmt": _drop,
    "VacuumStmt": _vacuum,
    "AlterDefaultPrivilegesStmt": _alter_default_privileges,
    "TruncateStmt": _truncate,
    "RefreshMatViewStmt": _refresh_mat_view,
    "AlterTableStmt": _alter_table,
    "CreateStmt": _create,
    "CreateForeignTableStmt": _create_foreign_table,
    "CompositeTypeStmt": _composite_type,
    "CreateSeqStmt": _create_seq,
    "ViewStmt": _view,
    "CreateTableAsStmt": _create_table_as,
    "CreateFunctionStmt": _create_function,
    "CreateDomainStmt": _create_type,
    "CreateEnumStmt": _create_type,
    "CreateRangeStmt": _create_type,
    "DefineStmt": _create_type,
    "CreateTrigStmt": _create_trig,
    "AlterUserMappingStmt": _create_user_mapping,
    "CreateSubscriptionStmt": _create_user_mapping,
    "AlterSubscriptionStmt": _create_user_mapping,
    "CreateForeignServerStmt": _create_user_mapping,
    "AlterForeignServerStmt": _create_user_mapping,
    "CreateFdwStmt": _create_user_mapping,
    "AlterFdwStmt": _create_user_mapping,
    "RenameStmt": _rename,
    "IndexStmt": _index,
    "AlterObjectSchemaStmt": _object_schema,
    "RuleStmt": _create_trig,
    "GrantStmt": sql_reach.grant,
    "CreatePublicationStmt": sql_reach.publication,
    "AlterPublicationStmt": sql_reach.publication,
    "CommentStmt": sql_reach.comment,
    "SecLabelStmt": sql_reach.comment,
    "AlterExtensionContentsStmt": sql_reach.comment,
    "AlterOwnerStmt": sql_reach.owner,
    "DropOwnedStmt": sql_reach.owned,
    "ReassignOwnedStmt": sql_reach.owned,
    "AlterTableMoveAllStmt": sql_reach.move_all,
    "ClusterStmt": sql_reach.every_table,
    "ReindexStmt": sql_reach.reindex,
    "AlterSeqStmt": sql_reach.sequence,
    "AlterRoleSetStmt": sql_reach.at_login,
    "AlterDatabaseSetStmt": sql_reach.at_login,
}
