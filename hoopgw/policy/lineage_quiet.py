"""Which functions, operators and casts of PostgreSQL's own tell nothing of their arguments but by their result.

A value that is computed with a masked column is not shown.  But `1 / (salary - 100)` fails for one value only, and
`pg_sleep(salary)` takes its time: who may compute anything can ask one question after another.  What is named here
neither fails nor waits depending on the values that a column can have.  A closed table: anything else is loud.
"""

from __future__ import annotations

from hoopgw.policy.sql_tree import Node, words

# replace() and quote_*() are none of them: in one another they make a text of gigabytes of one letter, and of another
# letter none, and that fails.
_QUIET = frozenset(
    (
        "upper lower initcap length char_length character_length octet_length bit_length btrim ltrim rtrim reverse "
        "concat concat_ws md5 to_json to_jsonb row_to_json array_to_json "
        "json_build_array jsonb_build_array num_nulls num_nonnulls isfinite position strpos starts_with ascii left "
        "right translate floor ceil ceiling sign array_to_string cardinality array_length "
        "count min max sum avg bool_and bool_or every array_agg string_agg json_agg jsonb_agg xmlagg any_value "
        "row_number rank dense_rank percent_rank cume_dist lag lead first_value last_value"
    ).split()
)
# Quiet where only one argument is no constant: the others are a length, a field's name, a format
_ONE = frozenset("substring substr date_part date_trunc extract to_char lpad rpad split_part".split())
# LIKE is loud: a pattern that ends with its escape character fails for the values that get so far
_OPERATORS = frozenset("= <> != < <= > >= || -> ->> #> #>> @> <@ && IN".split())
_KINDS = frozenset(
    (
        "AEXPR_OP AEXPR_OP_ANY AEXPR_OP_ALL AEXPR_DISTINCT AEXPR_NOT_DISTINCT AEXPR_NULLIF AEXPR_IN AEXPR_BETWEEN "
        "AEXPR_NOT_BETWEEN AEXPR_BETWEEN_SYM AEXPR_NOT_BETWEEN_SYM"
    ).split()
)
_TEXTS = frozenset(("text", "varchar", "bpchar", "name"))

# Volatile, and they keep nothing
WAITS = frozenset(("pg_sleep", "pg_sleep_for", "pg_sleep_until"))
# Nodes that decide by a value whether another part is computed at all
FORKS = frozenset(("CaseExpr", "CoalesceExpr", "BoolExpr", "agg_filter"))
# Comparisons of parts, that end at the first one that decides (so do those of rows)
_ENDING = ("BETWEEN", "IN")
# Nodes that may fail by what a value is
_LOUD = frozenset(
    (
        "XmlExpr XmlSerialize JsonFuncExpr JsonParseExpr JsonScalarExpr JsonSerializeExpr JsonObjectConstructor "
        "JsonArrayConstructor JsonArrayQueryConstructor JsonObjectAgg JsonArrayAgg JsonIsPredicate"
    ).split()
)


def loud(kind: str, node: Node) -> bool:
    """Whether this node by itself may tell of its arguments by failing or by its time."""
    if kind == "FuncCall":
        return _call(node)
    if kind == "A_Expr":
        name = (words(node.get("name")) or [""])[-1]
        return node.get("kind") not in _KINDS or ("BETWEEN" not in node.get("kind", "") and name not in _OPERATORS)
    if kind == "TypeCast":
        return constant(node.get("arg")) is False and (
            (words(node.get("typeName", {}).get("names")) or [""])[-1] not in _TEXTS
            or "arrayBounds" in node.get("typeName", {})
        )
    return kind in _LOUD


def forks(kind: str, node: object) -> bool:
    """Whether a value in it decides what else of it is computed at all."""
    if kind in FORKS:
        return True
    if kind == "SubLink" and isinstance(node, dict):
        return "testexpr" in node  # ANY and ALL end at the first row that decides
    if kind != "A_Expr" or not isinstance(node, dict):
        return False
    rows = any("RowExpr" in (node.get(side) or {}) for side in ("lexpr", "rexpr") if isinstance(node.get(side), dict))
    return rows or any(each in node.get("kind", "") for each in _ENDING)


def _call(node: Node) -> bool:
    names = words(node.get("funcname"))
    name = names[-1] if names else ""
    if len(names) > 1 and names[-2] != "pg_catalog":
        return True
    if name in _ONE:
        return sum(not constant(each) for each in node.get("args", [])) > 1
    return name not in _QUIET


def constant(node: object) -> bool:
    """A literal or a parameter, cast or not."""
    while isinstance(node, dict) and "TypeCast" in node:
        node = node["TypeCast"].get("arg")
    return isinstance(node, dict) and ("A_Const" in node or "ParamRef" in node)
