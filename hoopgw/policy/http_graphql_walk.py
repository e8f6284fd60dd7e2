"""A GraphQL document -> what its operations are and touch.  Aliases hide nothing, fragments are followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

from hoopgw.policy.http_graphql import MAX_OPERATIONS, GraphqlOperation

MAX_TOKENS = 5000
MAX_FIELDS = 5000  # of one operation, with fragments followed: they can double at every step
MAX_DEPTH = 50  # fields in one another


class Doubtful(ValueError):
    """What a document does cannot be known."""


def operations(text: str, name: str | None) -> tuple[GraphqlOperation, ...]:
    """Of the operation that `name` chooses; of all where there is none of that name, or no name.  Raises Doubtful."""
    try:
        return tuple(_operations(parse(text, no_location=True, max_tokens=MAX_TOKENS), name))
    except (GraphQLSyntaxError, RecursionError):
        raise Doubtful("a GraphQL document that its grammar does not accept, or too large a one") from None


def aliases(text: str) -> tuple[tuple[str, str], ...]:
    """(a field, what the answer calls it) wherever these differ; nothing for what is no GraphQL.  Raises Doubtful for
    what is too large to be read."""
    try:
        waiting: list[Any] = list(parse(text, no_location=True, max_tokens=MAX_TOKENS).definitions)
    except GraphQLSyntaxError as error:
        if "aborted" in error.message:  # a bound of tokens or levels: the rest of it was not read
            raise Doubtful("a GraphQL document that is too large to be read") from None
        return ()
    except RecursionError:
        raise Doubtful("a GraphQL document of too many levels") from None
    found: dict[tuple[str, str], None] = {}
    while waiting:
        each = waiting.pop()
        if isinstance(each, FieldNode) and each.alias is not None and each.alias.value != each.name.value:
            found[each.name.value, each.alias.value] = None
        chosen = getattr(each, "selection_set", None)
        waiting += chosen.selections if chosen is not None else ()
    return tuple(found)


def _operations(document: DocumentNode, name: str | None) -> Iterator[GraphqlOperation]:
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    others = len(document.definitions) - len(found)
    if not found or others != len(fragments) or len(found) > MAX_OPERATIONS:
        raise Doubtful("a GraphQL document with no operation, too many, or definitions that are none")
    chosen = [each for each in found if each.name is not None and each.name.value == name]
    for each in chosen if name and len(chosen) == 1 else found:
        walk = _Walk(fragments)
        walk.selections(each.selection_set, "", 1, ())
        yield GraphqlOperation(each.operation.value, each.name.value if each.name else "", frozenset(walk.fields))


@dataclass
class _Walk:
    """Collects the fields of one operation."""

    fragments: Mapping[str, FragmentDefinitionNode]
    fields: set[str] = field(default_factory=set)
    steps: int = 0

    def selections(self, chosen: SelectionSetNode | None, path: str, depth: int, inside: tuple[str, ...]) -> None:
        """`inside`: the fragments that led here; one that leads to itself is no document (specification, 5.5.2.2)."""
        if depth > MAX_DEPTH:
            raise Doubtful(f"a GraphQL document of more than {MAX_DEPTH} levels")
        for each in chosen.selections if chosen is not None else ():
            self.steps += 1
            if self.steps > MAX_FIELDS:
                raise Doubtful(f"a GraphQL operation of more than {MAX_FIELDS} fields")
            if isinstance(each, FieldNode):
                here = f"{path}.{each.name.value}" if path else each.name.value
                self.fields.add(here)
                self.selections(each.selection_set, here, depth + 1, inside)
            elif isinstance(each, FragmentSpreadNode):
                self._spread(each.name.value, path, depth, inside)
            else:  # an inline fragment: its fields are those of the object it stands in
                self.selections(getattr(each, "selection_set", None), path, depth + 1, inside)

    def _spread(self, name: str, path: str, depth: int, inside: tuple[str, ...]) -> None:
        fragment = self.fragments.get(name)
        if fragment is None or name in inside:
            raise Doubtful("a GraphQL fragment that is not there, or leads to itself")
        self.selections(fragment.selection_set, path, depth + 1, (*inside, name))
