"""PostgreSQL's statement nodes -> the kind of object that they create, alter, rename or drop.  Closed tables.

The names are those of the parse tree of PostgreSQL 17 (src/include/nodes/parsenodes.h: ObjectType).
"""

from __future__ import annotations

from typing import Any

# Statements that are about one kind of object; "" where the action says all, or where it stands in another statement.
OBJECT_OF: dict[str, str] = {
    "AlterCollationStmt": "collation",
    "AlterDatabaseRefreshCollStmt": "database",
    "AlterDatabaseSetStmt": "database",
    "AlterDatabaseStmt": "database",
    "AlterDomainStmt": "type",
    "AlterEnumStmt": "type",
    "AlterEventTrigStmt": "event-trigger",
    "AlterExtensionContentsStmt": "extension",
    "AlterExtensionStmt": "extension",
    "AlterFdwStmt": "foreign-data-wrapper",
    "AlterForeignServerStmt": "server",
    "AlterFunctionStmt": "routine",
    "AlterOpFamilyStmt": "operator",
    "AlterOperatorStmt": "operator",
    "AlterPolicyStmt": "policy",
    "AlterPublicationStmt": "publication",
    "AlterSeqStmt": "sequence",
    "AlterStatsStmt": "statistics",
    "AlterSubscriptionStmt": "subscription",
    "AlterTSConfigurationStmt": "text-search",
    "AlterTSDictionaryStmt": "text-search",
    "AlterTableSpaceOptionsStmt": "tablespace",
    "AlterTypeStmt": "type",
    "AlterUserMappingStmt": "user-mapping",
    "CompositeTypeStmt": "type",
    "CreateAmStmt": "access-method",
    "CreateCastStmt": "cast",
    "CreateConversionStmt": "conversion",
    "CreateDomainStmt": "type",
    "CreateEnumStmt": "type",
    "CreateEventTrigStmt": "event-trigger",
    "CreateExtensionStmt": "extension",
    "CreateFdwStmt": "foreign-data-wrapper",
    "CreateForeignServerStmt": "server",
    "CreateForeignTableStmt": "foreign-table",
    "CreateFunctionStmt": "routine",
    "CreateOpClassStmt": "operator",
    "CreateOpFamilyStmt": "operator",
    "CreatePLangStmt": "language",
    "CreatePolicyStmt": "policy",
    "CreatePublicationStmt": "publication",
    "CreateRangeStmt": "type",
    "CreateSchemaStmt": "schema",
    "CreateSeqStmt": "sequence",
    "CreateStatsStmt": "statistics",
    "CreateStmt": "table",
    "CreateSubscriptionStmt": "subscription",
    "CreateTableSpaceStmt": "tablespace",
    "CreateTransformStmt": "transform",
    "CreateTrigStmt": "trigger",
    "CreateUserMappingStmt": "user-mapping",
    "CreatedbStmt": "database",
    "DropSubscriptionStmt": "subscription",
    "DropTableSpaceStmt": "tablespace",
    "DropUserMappingStmt": "user-mapping",
    "DropdbStmt": "database",
    "ImportForeignSchemaStmt": "foreign-table",
    "IndexStmt": "index",
    "ReplicaIdentityStmt": "table",
    "RuleStmt": "rule",
    "ViewStmt": "view",
}

# Statements that are about any kind of object, and the field that says which
FIELD_OF: dict[str, str] = {
    "AlterObjectDependsStmt": "objectType",
    "AlterObjectSchemaStmt": "objectType",
    "AlterOwnerStmt": "objectType",
    "AlterTableMoveAllStmt": "objtype",
    "AlterTableStmt": "objtype",
    "CreateTableAsStmt": "objtype",
    "DefineStmt": "kind",
    "DropStmt": "removeType",
    "RenameStmt": "renameType",
}

# The values of that field.  A constraint or a column is its table's.
KIND_OF: dict[str, str] = {
    "OBJECT_ACCESS_METHOD": "access-method",
    "OBJECT_AGGREGATE": "routine",
    "OBJECT_AMOP": "operator",
    "OBJECT_AMPROC": "operator",
    "OBJECT_ATTRIBUTE": "type",
    "OBJECT_CAST": "cast",
    "OBJECT_COLLATION": "collation",
    "OBJECT_COLUMN": "table",
    "OBJECT_CONVERSION": "conversion",
    "OBJECT_DATABASE": "database",
    "OBJECT_DEFACL": "grant",  # never of a statement of FIELD_OF: a change of rights, if it were
    "OBJECT_DEFAULT": "table",
    "OBJECT_DOMAIN": "type",
    "OBJECT_DOMCONSTRAINT": "type",
    "OBJECT_EVENT_TRIGGER": "event-trigger",
    "OBJECT_EXTENSION": "extension",
    "OBJECT_FDW": "foreign-data-wrapper",
    "OBJECT_FOREIGN_SERVER": "server",
    "OBJECT_FOREIGN_TABLE": "foreign-table",
    "OBJECT_FUNCTION": "routine",
    "OBJECT_INDEX": "index",
    "OBJECT_LANGUAGE": "language",
    "OBJECT_LARGEOBJECT": "large-object",
    "OBJECT_MATVIEW": "view",
    "OBJECT_OPCLASS": "operator",
    "OBJECT_OPERATOR": "operator",
    "OBJECT_OPFAMILY": "operator",
    "OBJECT_PARAMETER_ACL": "grant",
    "OBJECT_POLICY": "policy",
    "OBJECT_PROCEDURE": "routine",
    "OBJECT_PUBLICATION": "publication",
    "OBJECT_PUBLICATION_NAMESPACE": "publication",
    "OBJECT_PUBLICATION_REL": "publication",
    "OBJECT_ROLE": "alter-role",
    "OBJECT_ROUTINE": "routine",
    "OBJECT_RULE": "rule",
    "OBJECT_SCHEMA": "schema",
    "OBJECT_SEQUENCE": "sequence",
    "OBJECT_STATISTIC_EXT": "statistics",
    "OBJECT_SUBSCRIPTION": "subscription",
    "OBJECT_TABCONSTRAINT": "table",
    "OBJECT_TABLE": "table",
    "OBJECT_TABLESPACE": "tablespace",
    "OBJECT_TRANSFORM": "transform",
    "OBJECT_TRIGGER": "trigger",
    "OBJECT_TSCONFIGURATION": "text-search",
    "OBJECT_TSDICTIONARY": "text-search",
    "OBJECT_TSPARSER": "text-search",
    "OBJECT_TSTEMPLATE": "text-search",
    "OBJECT_TYPE": "type",
    "OBJECT_USER_MAPPING": "user-mapping",
    "OBJECT_VIEW": "view",
}

# What ALTER TABLE changes beside the table: who sees which rows, and what runs when it is written
_ALTERS: dict[str, str] = {
    **dict.fromkeys(
        ("AT_EnableRowSecurity", "AT_DisableRowSecurity", "AT_ForceRowSecurity", "AT_NoForceRowSecurity"), "policy"
    ),
    **{
        f"AT_{change}{which}": "trigger"
        for change in ("Enable", "Disable")
        for which in ("Trig", "TrigAll", "TrigUser")
    },
    "AT_EnableAlwaysTrig": "trigger",
    "AT_EnableReplicaTrig": "trigger",
    **{f"AT_{change}Rule": "rule" for change in ("Enable", "EnableAlways", "EnableReplica", "Disable")},
}

# Objects that keep code, or names of functions, to run later for whoever uses them; in words of `Statement.opaque`
STORES_CODE: dict[str, str] = {
    "CreateAmStmt": "the function of an access method",
    "CreateCastStmt": "the function of a cast",
    "CreateConversionStmt": "the function of a conversion",
    "CreateEventTrigStmt": "what an event trigger calls",
    "CreateExtensionStmt": "the script of an extension",
    "AlterExtensionStmt": "the script of an extension",
    "CreateFdwStmt": "the functions of a foreign-data wrapper",
    "AlterFdwStmt": "the functions of a foreign-data wrapper",
    "CreateFunctionStmt": "the body of a function",
    "CreateOpClassStmt": "the functions of an operator class",
    "AlterOpFamilyStmt": "the functions of an operator family",
    "CreatePLangStmt": "the functions of a language",
    "CreateTransformStmt": "the functions of a transform",
    "CreateTrigStmt": "what a trigger calls",
    "RuleStmt": "what a rule does when others use its table",
    "LoadStmt": "a library of the server's machine",
}
_DEFINES_CODE: dict[str, str] = {
    "OBJECT_AGGREGATE": "the functions of an aggregate",
    "OBJECT_OPERATOR": "the function of an operator",
    "OBJECT_TYPE": "the functions of a type",
    "OBJECT_TSPARSER": "the functions of a text search parser",
    "OBJECT_TSTEMPLATE": "the functions of a text search template",
}

_CALLED = ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE")


def objects(kind: str, body: dict[str, Any]) -> set[str] | None:
    """What statement node `kind` is about; empty for what is about no object.  None: an object that is not known."""
    found = {OBJECT_OF[kind]} if kind in OBJECT_OF else set()
    if kind in FIELD_OF:
        word = KIND_OF.get(body.get(FIELD_OF[kind], ""))
        if word is None:
            return None
        found.add(word)
    if kind == "AlterTableStmt":
        subtypes = (each.get("AlterTableCmd", {}).get("subtype", "") for each in body.get("cmds", []))
        found |= {_ALTERS[subtype] for subtype in subtypes if subtype in _ALTERS}
    return found


def stored_code(kind: str, body: dict[str, Any]) -> str:
    """What of this statement is code to run later; "" where nothing is."""
    if kind == "DefineStmt":
        defined = bool(body.get("definition"))  # else a shell, or CREATE TYPE as a promise
        return _DEFINES_CODE.get(body.get("kind", ""), "") if defined else ""
    if kind == "CreateRangeStmt":
        named = {each.get("DefElem", {}).get("defname", "").lower() for each in body.get("params", [])}
        return "the functions of a range type" if named & {"canonical", "subtype_diff"} else ""
    if kind == "AlterExtensionContentsStmt" and body.get("objtype") in _CALLED:
        return "what an extension is trusted with"
    return STORES_CODE.get(kind, "")
