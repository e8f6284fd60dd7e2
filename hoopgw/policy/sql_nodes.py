"""PostgreSQL's statement nodes -> effects.  A closed table: a statement node that is not here is unknown.

The names are those of the parse tree of PostgreSQL 17 (src/include/nodes/parsenodes.h).
"""

from __future__ import annotations


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# EXPLAIN, COPY, PREPARE, EXECUTE, DECLARE, FETCH and the like have more to them: see policy/sql_kinds.py
EFFECTS_OF: dict[str, frozenset[str]] = {
    "SelectStmt": _words("select"),
    "InsertStmt": _words("insert"),
    "UpdateStmt": _words("update"),
    "DeleteStmt": _words("delete"),
    "MergeStmt": _words("merge"),
    "TruncateStmt": _words("truncate"),
    "CopyStmt": _words(""),
    "ExplainStmt": _words("explain"),
    "PrepareStmt": _words("prepare"),
    "ExecuteStmt": _words("execute"),
    "DeallocateStmt": _words("deallocate"),
    "DeclareCursorStmt": _words("declare"),
    "FetchStmt": _words("fetch"),
    "ClosePortalStmt": _words("close"),
    "TransactionStmt": _words("transaction"),
    "VariableSetStmt": _words("set"),
    "VariableShowStmt": _words("show"),
    "ConstraintsSetStmt": _words("set"),
    "LockStmt": _words("lock"),
    "DoStmt": _words("do"),
    "CallStmt": _words("call"),
    "ReturnStmt": _words("select"),
    "PLAssignStmt": _words("select"),
    "ListenStmt": _words("listen"),
    "NotifyStmt": _words("notify"),
    "UnlistenStmt": _words("unlisten"),
    "VacuumStmt": _words(""),  # or ANALYZE
    "ReindexStmt": _words("reindex"),
    "ClusterStmt": _words("cluster"),
    "CheckPointStmt": _words("checkpoint"),
    "RefreshMatViewStmt": _words("refresh"),
    "DiscardStmt": _words("discard"),
    "LoadStmt": _words("load"),
    "CommentStmt": _words("comment"),
    "SecLabelStmt": _words("security-label"),
    "GrantStmt": _words("grant"),
    "GrantRoleStmt": _words("grant"),
    "AlterDefaultPrivilegesStmt": _words("grant"),
    "ReassignOwnedStmt": _words("reassign alter"),
    "DropOwnedStmt": _words("drop"),
    "DropStmt": _words("drop"),
    "DropdbStmt": _words("drop"),
    "DropRoleStmt": _words("drop alter-role"),
    "DropTableSpaceStmt": _words("drop"),
    "DropSubscriptionStmt": _words("drop"),
    "DropUserMappingStmt": _words("drop"),
    "RenameStmt": _words("rename alter"),
    "CreateRoleStmt": _words("create alter-role"),
    "AlterRoleStmt": _words("alter alter-role"),
    "AlterRoleSetStmt": _words("alter alter-role alter-settings set"),
    "AlterDatabaseSetStmt": _words("alter alter-settings set"),
    "AlterSystemStmt": _words("alter alter-system"),
    "ReplicaIdentityStmt": _words("alter"),
    "ImportForeignSchemaStmt": _words("import create"),
    **{
        f"Create{name}Stmt": _words("create")
        for name in (
            "", "TableAs", "Schema", "Seq", "Extension", "Fdw", "ForeignServer", "ForeignTable", "UserMapping",
            "Am", "Trig", "EventTrig", "PLang", "OpClass", "OpFamily", "Domain", "Enum", "Range", "Stats",
            "Cast", "Transform", "Publication", "Subscription", "Policy", "Conversion", "Function",
            "TableSpace",
        )
    },
    "CreatedbStmt": _words("create"),
    "IndexStmt": _words("create"),
    "ViewStmt": _words("create"),
    "RuleStmt": _words("create"),
    "DefineStmt": _words("create"),
    "CompositeTypeStmt": _words("create"),
    **{
        f"Alter{name}Stmt": _words("alter")
        for name in (
            "Table", "Domain", "Enum", "Extension", "ExtensionContents", "Fdw", "ForeignServer", "UserMapping",
            "Function", "ObjectDepends", "ObjectSchema", "Owner", "Operator", "Type", "OpFamily", "Policy",
            "Publication", "Subscription", "Seq", "TableMoveAll", "TableSpaceOptions",
            "TSConfiguration", "TSDictionary", "Collation", "Database", "DatabaseRefreshColl",
            "EventTrig", "Stats",
        )
    },
}  # fmt: skip

# Statements that may change what names mean; the catalogue is read again after them
DDL = _words("create alter drop rename import refresh load do call")
QUIET = _words("transaction set reset show listen unlisten notify deallocate close discard checkpoint")
