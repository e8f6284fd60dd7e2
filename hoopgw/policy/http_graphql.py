"""What a GraphQL request asks for: its operations and the fields that they touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

MAX_DOCUMENT = 64 * 1024  # characters; what tools generate is below 20 000
MAX_OPERATIONS = 64  # of one document or batch
KEPT = 512


@dataclass(frozen=True, slots=True)
class GraphqlOperation:
    """`fields` are paths of field names from the root on, by the names of the schema: `user.email`."""

    type: str  # query | mutation | subscription
    name: str
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GraphqlFacts:
    operations: tuple[GraphqlOperation, ...] = ()
    doubt: str = ""

    def __and__(self, other: GraphqlFacts) -> GraphqlFacts:
        both = self.operations + other.operations
        doubt = self.doubt or other.doubt
        if len(both) > MAX_OPERATIONS:
            doubt = doubt or f"more than {MAX_OPERATIONS} operations"
        return GraphqlFacts(both[:MAX_OPERATIONS], doubt)


def read_document(text: str, name: str | None) -> GraphqlFacts:
    """Of the operation that `name` chooses; of all where there is none of that name, or no name."""
    if len(text) > MAX_DOCUMENT:
        return GraphqlFacts(doubt=f"a GraphQL document of more than {MAX_DOCUMENT} characters")
    return _read(text, name)


@lru_cache(maxsize=KEPT)
def _read(text: str, name: str | None) -> GraphqlFacts:
    from hoopgw.policy.http_graphql_walk import Doubtful, operations  # its grammar costs a start 80 ms

    try:
        return GraphqlFacts(operations(text, name))
    except Doubtful as error:
        return GraphqlFacts(doubt=str(error))
