"""Walks parse trees as pgparse gives them: dicts with one key, the node's type, over its fields."""

from __future__ import annotations

from typing import Any, Final

MAX_NODES: Final = 2_000_000  # of one text: more is refused

Node = dict[str, Any]


NOWHERE: Final = -1  # of a mistake in the text that the grammar finds in no one place


class Unreadable(Exception):
    """The text cannot be read.  `position` where PostgreSQL's grammar does not accept it, and the words are the
    parser's: its character, from 1, or NOWHERE; 0 for any other reason."""

    def __init__(self, words: str, position: int = 0) -> None:
        super().__init__(words, position)  # both: it travels between processes
        self.words, self.position = words, position

    def __str__(self) -> str:
        return self.words


def nodes(tree: Any) -> list[tuple[str, Node]]:
    """Every (key, dict) of the tree; the key is the node's type where the tree names it.

    Iterative: no depth of nesting exhausts anything.  Raises Unreadable for more than MAX_NODES.
    """
    found: list[tuple[str, Node]] = []
    stack: list[tuple[str, Any]] = [("", tree)]
    while stack:
        here = stack.pop()
        key, value = here
        if isinstance(value, dict):
            found.append(here)
            if len(found) > MAX_NODES:
                raise Unreadable(f"a text of more than {MAX_NODES} nodes")
            for name, inner in value.items():
                kind = type(inner)
                if kind is list:
                    for each in inner:
                        stack.append((name, each))
                elif kind is dict:  # most are leaves
                    stack.append((name, inner))
        elif isinstance(value, list):
            for inner in value:
                stack.append((key, inner))
    return found


def words(found: Any) -> list[str]:
    """The strings of a list of String nodes."""
    return [each["String"]["sval"] for each in found or [] if isinstance(each, dict) and "String" in each]


def literal(node: Any) -> str | None:
    """The text of a constant; None for anything else, also for a cast of one: `'rolex'::varchar(4)` is `role`."""
    if not isinstance(node, dict):
        return None
    constant = node.get("A_Const")
    if constant is None or constant.get("isnull"):
        return None
    for kind, field in (("sval", "sval"), ("ival", "ival"), ("fval", "fval"), ("boolval", "boolval")):
        if kind in constant:
            value = constant[kind].get(field, 0 if kind == "ival" else "")
            return str(value)
    return None
