"""The WITH queries that a query sees, each read once and when it is first needed."""

from __future__ import annotations

from collections.abc import Callable

from hoopgw.policy.lineage import Traced
from hoopgw.policy.sql_tree import Node

Columns = tuple[Traced, ...]


class Ctes:
    """By name; those of the queries around count where this one has none of that name."""

    def __init__(self, outer: Ctes | None = None) -> None:
        self._outer = outer
        self._found: dict[str, Columns] = {}
        self._waiting: dict[str, tuple[Node, Callable[[Node, Ctes], Columns]]] = {}

    def get(self, name: str) -> Columns | None:
        if name in self._waiting:
            node, read = self._waiting.pop(name)
            self._found[name] = read(node, self)
        found = self._found.get(name)
        if found is not None:
            return found
        return self._outer.get(name) if self._outer is not None else None

    def add(self, name: str, columns: Columns) -> None:
        self._found[name] = columns

    def wait(self, name: str, node: Node, read: Callable[[Node, Ctes], Columns]) -> None:
        """To be read when it is asked for: WITH RECURSIVE may name what comes later."""
        self._waiting[name] = node, read

    def settle(self) -> None:
        for name in list(self._waiting):
            self.get(name)
