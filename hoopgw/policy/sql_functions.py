"""Functions that a statement calls: by name, and by its operators and casts."""

from __future__ import annotations

from functools import partial

from hoopgw.policy.catalogue_types import FIRST_OWN
from hoopgw.policy.facts import SOME_FUNCTION, FunctionName
from hoopgw.policy.sql_calls import RUNS_TEXT, unread
from hoopgw.policy.sql_draft import Draft
from hoopgw.policy.sql_implicit import Implicit
from hoopgw.policy.sql_relations import resolve
from hoopgw.policy.sql_settings import text_parameter
from hoopgw.policy.sql_tree import Node, literal


def function_call(draft: Draft, node: Node) -> None:
    parts = [part["String"]["sval"] for part in node.get("funcname", []) if "String" in part]
    schema, name = (parts[-2] if len(parts) > 1 else ""), parts[-1]
    if name == "set_config":
        set_config_call(draft, node)
    if name.startswith("lo_") and schema in ("", "pg_catalog"):
        draft.effects.add("large-object")
    if draft.catalogue is None:
        draft.functions.add(FunctionName(schema or "pg_catalog", name))
        draft.unknown.append(f"what function {name} is, is not known: there is no catalogue")
        draft.opaque = draft.opaque or f"function {name}"
        return
    found = schemas_with(draft, schema, name)
    # An extension may have its own max() or replace(), for its own types: which is meant is seen once all is read
    several = not schema and "pg_catalog" in found and "args" in node and draft.catalogue.types is not None
    for each in found:
        if several and each != "pg_catalog":
            draft.overloads.append((each, name, node))
        else:
            called_by_name(draft, each, name, node)
    if not found:
        draft.functions.add(FunctionName(schema or "?", name))
        if schema or not is_grammar_function(draft, name):
            draft.unknown.append(f"function {name} is not in the gateway's catalogue")
            draft.opaque = draft.opaque or f"function {name}"
    if not schema and not several and draft.context.doubt() and any(each != "pg_catalog" for each in found):
        draft.unknown.append(f"what function {name} means is not known: {draft.context.doubt()}")


def called_by_name(draft: Draft, schema: str, name: str, call: Node) -> None:
    """What the bodies do is seen later (policy/touched.py).  Compiled code and aggregates have
    none that can be read."""
    assert draft.catalogue is not None
    draft.functions.add(FunctionName(schema, name))
    if name in RUNS_TEXT:
        draft.opaque = draft.opaque or f"function {schema}.{name}"
    for function in draft.catalogue.functions[schema, name]:
        if schema in ("pg_catalog", "information_schema") and function.oid < FIRST_OWN:
            continue
        if function.definition is None and not function.trusted:
            draft.opaque = draft.opaque or f"function {schema}.{name}"
        draft.named.append((function, call))
    doubt = draft.context.doubt_of_qualified(schema)
    if doubt:
        draft.unknown.append(f"what function {name} does is not known: {doubt}")


def schemas_with(draft: Draft, schema: str, name: str) -> list[str]:
    """Schemas in which the function may be meant.  A path that nobody knows may put any before pg_catalog."""
    assert draft.catalogue is not None
    functions = draft.catalogue.functions
    if draft.context.path_unknown and not schema:
        return sorted(each for each, known in functions if known == name)
    schemas = (schema,) if schema else tuple(dict.fromkeys(("pg_catalog", *draft.context.schemas)))
    return [each for each in schemas if (each, name) in functions]


def is_grammar_function(draft: Draft, name: str) -> bool:
    return name in ("coalesce", "greatest", "least", "nullif", "grouping", "xmlconcat")


def implicit_calls(draft: Draft) -> None:
    """What operators and casts call."""
    catalogue = draft.catalogue
    if catalogue is None or catalogue.types is None:
        draft.calls |= {function.oid: "" for function, _ in draft.named}
        if catalogue is None and any(key in ("A_Expr", "TypeCast") for key, _ in draft.nodes):
            some_function(draft, "what operators and casts call is not known: there is no catalogue")
        return
    found = Implicit(
        catalogue,
        catalogue.types,
        None if draft.context.path_unknown else draft.context.schemas,
        draft.context.doubt_of_calls(),
        draft.relations,
        draft.aliases,
        draft.plain,
        partial(resolve, draft),
    )
    found.read(draft.nodes)
    for schema, name, call in draft.overloads:
        if any(found.may_call(each, call) for each in catalogue.functions[schema, name]):
            called_by_name(draft, schema, name, call)
            if draft.context.doubt():
                draft.unknown.append(f"what function {name} means is not known: {draft.context.doubt()}")
    for function, call in draft.named:
        alone = len(catalogue.functions[function.schema, function.name]) == 1
        if alone or found.may_call(function, call):
            draft.calls[function.oid] = ""
    for oid, how in found.functions.items():
        called_implicitly(draft, oid, how)
    if found.unknown:
        some_function(draft, *found.unknown)


def some_function(draft: Draft, *why: str) -> None:
    """Called by an operator or a cast, and nobody knows which."""
    draft.functions.add(SOME_FUNCTION)
    draft.opaque = draft.opaque or "what an operator or a cast calls"
    draft.unknown += why


def called_implicitly(draft: Draft, oid: int, how: str) -> None:
    """By an operator or a cast."""
    assert draft.catalogue is not None
    function = draft.catalogue.function_by_oid.get(oid)
    if function is None:
        some_function(draft, f"what {how} calls is not in the gateway's catalogue")
        return
    draft.functions.add(FunctionName(function.schema, function.name))
    if function.name.startswith("lo_") and function.schema == "pg_catalog":
        draft.effects.add("large-object")
    if unread(function):
        draft.calls.setdefault(oid, how)
        if function.definition is None:
            draft.opaque = draft.opaque or f"function {function.schema}.{function.name} ({how})"


def set_config_call(draft: Draft, node: Node) -> None:
    arguments = node.get("args", [])
    name = (literal(arguments[0]) if arguments else None) or draft.by_name or None
    value = literal(arguments[1]) if len(arguments) > 1 else None
    if name is None or value is None:
        _note_parameters(draft, name, value, arguments)
    draft.settings.append((name.lower() if name is not None else "*", value if name is not None else None))


def _note_parameters(draft: Draft, name: str | None, value: str | None, arguments: list[Node]) -> None:
    """Where these are parameters: what is bound to them tells."""
    first, second = [*(text_parameter(draft, each) for each in arguments[:2]), 0, 0][:2]
    if (name is not None or first) and (first or second):
        said = value if value is not None else second or None
        draft.by_parameter.append((len(draft.settings), name if name is not None else first, said))
