"""A word of a shell's grammar -> the text that a program gets, where that is known before the shell runs."""

from __future__ import annotations

import re

from tree_sitter import Node

from hoopgw.policy.shell_facts import Pattern

_PATTERN = re.compile(r"[*?\[{~]")  # what a shell makes other words of, outside quotes
_FILES = re.compile(r"[*?\[]")
_BRACES = re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}")
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{1,2})|u(?P<u>[0-9a-fA-F]{1,4})|U(?P<U>[0-9a-fA-F]{1,8})|(?P<octal>[0-7]{1,3})"
    r"|c(?P<control>.)|(?P<one>.))",
    re.DOTALL,
)
_ONES = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def text_of(node: Node) -> str:
    """As it was written."""
    return (node.text or b"").decode("utf-8", "surrogateescape")


def word(node: Node) -> str | None:
    """The word without its quotes; None where it is not known, or may become several words.

    A pattern of file names stays as it was written, and is a Pattern.
    """
    holes = "".join(_bare_with_holes(node))
    found = None if _BRACES.search(holes) else _word(node)
    return found if found is None or not _FILES.search(holes) else Pattern(found)


def name(node: Node) -> str | None:
    """The word as the name of a program: None also where a pattern or a tilde stands for it."""
    found = word(node)
    return None if found is None or any(_PATTERN.search(part) for part in _bare(node)) else found


def _word(node: Node) -> str | None:
    kind = node.type
    if kind in ("word", "number", "variable_name", "file_descriptor", "special_variable_name", "test_operator"):
        return None if node.named_child_count else re.sub(r"\\(.)", r"\1", text_of(node), flags=re.DOTALL)
    if kind == "raw_string":
        return text_of(node)[1:-1]
    if kind == "ansi_c_string":
        return _decoded(text_of(node)[2:-1])
    if kind == "string":
        if any(child.type != "string_content" for child in node.named_children):
            return None
        return re.sub(r'\\([$`"\\])', r"\1", text_of(node)[1:-1])
    if kind in ("concatenation", "command_name"):
        parts = [_word(child) for child in node.children]
        return None if None in parts else "".join(part for part in parts if part is not None)
    if kind == "string_content":
        return text_of(node)
    if not node.is_named and kind in ("{", "}", "[", "]", "=", ",", "!", ":", "+", "-", "."):
        return text_of(node)
    return None


def _bare(node: Node) -> list[str]:
    """What stands outside quotes, without what a backslash takes its meaning from."""
    if node.type in ("string", "raw_string", "ansi_c_string"):
        return []
    if node.child_count == 0:
        return [re.sub(r"\\.", "", text_of(node), flags=re.DOTALL)]
    return [part for child in node.children for part in _bare(child)]


def _bare_with_holes(node: Node) -> list[str]:
    """As `_bare`, with a letter where something quoted stands: `{r'm',x}` is a list as well."""
    if node.type in ("string", "raw_string", "ansi_c_string", "simple_expansion", "expansion", "command_substitution"):
        return ["q"]
    if node.child_count == 0:
        return [re.sub(r"\\.", "q", text_of(node), flags=re.DOTALL)]
    return [part for child in node.children for part in _bare_with_holes(child)]


def _decoded(text: str) -> str | None:
    """The inside of $'…' (bash manual, ANSI-C Quoting); None for bytes that make no text of their own."""

    def one(found: re.Match[str]) -> str:
        for group in ("hex", "u", "U"):
            if found[group]:
                return chr(int(found[group], 16))
        if found["octal"]:
            return chr(int(found["octal"], 8) & 0xFF)
        if found["control"]:
            return chr(ord(found["control"]) & 0x1F)
        return _ONES.get(found["one"], found["one"] if found["one"] in "\\'\"?" else "\\" + found["one"])

    try:
        decoded = _ESCAPE.sub(one, text)
    except (ValueError, OverflowError):
        return None
    return None if "\0" in decoded or any(0x80 <= ord(each) <= 0xFF for each in decoded) else decoded
