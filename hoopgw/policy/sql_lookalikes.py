"""Calls that look like something else: x.f and (x).f are f(x), and what is grammar in one version is a function's name
in another."""

from __future__ import annotations

from typing import Final

from hoopgw.policy.catalogue import Function
from hoopgw.policy.facts import FunctionName
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_functions import called_by_name, schemas_with
from hoopgw.policy.sql_tree import Node, words

# Any arguments may be meant (policy/sql_types.py, may_call)
_ANY: Final[Node] = {"func_variadic": True}
_OF_A_ROW: Final = frozenset("cpd")  # pg_type.typtype of what takes rows: composite, pseudo, domain
# Forms of PostgreSQL 16 and 17 that an older server takes for calls, by node of the tree: names of one's own functions
_FORMS: Final[dict[str, tuple[str, ...]]] = {
    "JsonScalarExpr": ("json_scalar",),
    "JsonSerializeExpr": ("json_serialize",),
    "JsonParseExpr": ("json",),
    "JsonFuncExpr": ("json_exists", "json_value", "json_query"),
    "JsonObjectConstructor": ("json_object",),
    "JsonArrayConstructor": ("json_array",),
    "JsonArrayQueryConstructor": ("json_array",),
    "JsonArrayAgg": ("json_arrayagg",),
    "MergeSupportFunc": ("merge_action",),
}
_JSON_OBJECT: Final = ["pg_catalog", "json_object"]  # what the grammar makes of json_object(…)


def called_as_a_form(draft: Draft, key: str, node: Node) -> None:
    names = _FORMS.get(key, ())
    if key == "FuncCall" and words(node.get("funcname")) == _JSON_OBJECT:
        names = ("json_object",)
    for name in names:
        if draft.catalogue is None:
            draft.unknown.append(f"whether {name} is a function is not known: there is no catalogue")
            continue
        for schema in schemas_with(draft, "", name):
            if schema != "pg_catalog":
                called_by_name(draft, schema, name, _ANY)
        _note_doubt(draft, name)


def called_as_a_field(draft: Draft, node: Node) -> None:
    """(x).f is f(x) where x has no field f (documentation, 8.16.5): any function of one argument can hide there."""
    for part in node.get("indirection", []):
        if "String" in part:
            field_or_function(draft, part["String"]["sval"])


def field_or_function(draft: Draft, name: str) -> None:
    if draft.catalogue is None:
        draft.functions.add(FunctionName("pg_catalog", name))
        draft.unknown.append(f"whether .{name} is a field or a function is not known: there is no catalogue")
        return
    for schema in schemas_with(draft, "", name):
        if any(_takes_a_row(draft, each) for each in draft.catalogue.functions[schema, name]):
            called_by_name(draft, schema, name, _ANY)
    _note_doubt(draft, name)


def _takes_a_row(draft: Draft, function: Function) -> bool:
    """And nothing else.  With an implicit cast of one's own a row may become anything."""
    wanted = function.arguments
    types = draft.catalogue.types if draft.catalogue is not None else None
    if wanted is None or types is None:
        return True
    if not wanted or len(wanted) - function.defaults > 1 + function.variadic:
        return False
    declared = types.types.get(wanted[0])
    cast = any(each.context == "i" for each in types.own_casts)
    return declared is None or declared.kind in _OF_A_ROW or cast


def _note_doubt(draft: Draft, name: str) -> None:
    doubt = draft.context.doubt_of_calls()
    if doubt:
        draft.unknown.append(f"whether {name} is a function is not known: {doubt}")
