"""Which setting a `set_config` changes whose name is no literal: the one form of it that pg_dump sends, and parameters
whose values are known once they are bound."""

from __future__ import annotations

from typing import Any, Final

from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_names import NameContext
from hoopgw.policy.sql_tree import words

Node = dict[str, Any]
# It narrows what a session can be made to read (CVE-2024-7348); pg_dump sets it only where the server knows it, so by
#   SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_…'
RESTRICTING: Final = "restrict_nonsystem_relation_kind"
_KINDS: Final = frozenset(("view", "foreign-table"))


def setting_by_name(select: Node, context: NameContext) -> str:
    """`RESTRICTING` if this SELECT is that and its names mean what PostgreSQL's own mean; "" for any other.

    Temporary objects could hide pg_settings, and a path that names pg_catalog could put an operator before its own.
    """
    if context.doubt() or context.temporaries or "pg_catalog" in context.schemas:
        return ""
    if set(select) - {"targetList", "fromClause", "whereClause", "limitOption", "op"} or "fromClause" not in select:
        return ""
    condition = select.get("whereClause", {}).get("A_Expr", {})
    compared = condition.get("kind"), condition.get("name"), _column(condition.get("lexpr"))
    if compared != ("AEXPR_OP", [{"String": {"sval": "="}}], ["name"]) or _text(condition.get("rexpr")) != RESTRICTING:
        return ""
    tables = [each.get("RangeVar", {}) for each in select["fromClause"]]
    if [(each.get("schemaname", "pg_catalog"), each.get("relname")) for each in tables] != [
        ("pg_catalog", "pg_settings")
    ]:
        return ""
    return RESTRICTING if _sets_by_name(select.get("targetList", [])) else ""


def _sets_by_name(outputs: list[Node]) -> bool:
    calls = [each.get("ResTarget", {}).get("val", {}).get("FuncCall", {}) for each in outputs]
    arguments: list[Any] = calls[0].get("args", []) if len(calls) == 1 else []
    if len(arguments) != 3 or _column(arguments[0]) != ["name"]:
        return False
    kinds = {word.strip() for word in _text(arguments[1]).split(",")}
    return kinds <= _KINDS


def _column(node: Any) -> list[str]:
    fields = node.get("ColumnRef", {}).get("fields", []) if isinstance(node, dict) else []
    return [field.get("String", {}).get("sval", "*") for field in fields]


def _text(node: Any) -> str:
    constant = node.get("A_Const", {}) if isinstance(node, dict) else {}
    return str(constant.get("sval", {}).get("sval", ""))


def text_parameter(draft: Draft, node: Any) -> int:
    """The number of the parameter that this argument of a `set_config` is, also with a cast to text; 0: it is none.

    It has no type but text, unless Parse declares one: so it may stand nowhere else, as `$1::bpchar` it would lose its
    blanks on its way here.
    """
    if isinstance(node, dict) and "TypeCast" in node and _is_text(draft, node["TypeCast"].get("typeName", {})):
        node = node["TypeCast"].get("arg")
    number = int(node.get("ParamRef", {}).get("number", 0)) if isinstance(node, dict) else 0
    same = [each for key, each in draft.nodes if key == "ParamRef" and each.get("number", 0) == number]
    return number if len(same) == 1 else 0


def _is_text(draft: Draft, type_name: Node) -> bool:
    """PostgreSQL's own type, whatever else has that name."""
    if "typmods" in type_name or "arrayBounds" in type_name:
        return False
    names = words(type_name.get("names"))
    if names in (["pg_catalog", "varchar"], ["pg_catalog", "text"]):
        return True
    catalogue, context = draft.catalogue, draft.context
    if names != ["text"] or catalogue is None or catalogue.types is None or context.path_unknown or context.types:
        return False
    hidden = any((schema, "text") in catalogue.types.by_name for schema in context.schemas if schema != "pg_catalog")
    return not (hidden or context.calls_changing)
