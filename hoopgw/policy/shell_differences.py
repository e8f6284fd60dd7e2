"""Where the grammar, bash and a POSIX shell read different things: why a node is in doubt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tree_sitter import Node

from hoopgw.policy.shell_words import text_of

_EXPANDED = re.compile(r"`|\$[({\[]")
_QUOTED = frozenset(("raw_string", "comment", "heredoc_body", "heredoc_content", "heredoc_start", "heredoc_end"))
_JOINED = frozenset(("concatenation", "string", "expansion", "subscript", "heredoc_body", "translated_string"))
_WORDS = frozenset(
    (
        "word", "command_name", "concatenation", "string", "raw_string", "ansi_c_string", "translated_string", "number",
        "expansion", "simple_expansion", "command_substitution", "process_substitution", "variable_assignment", "regex",
        "arithmetic_expansion", "extglob_pattern", "brace_expression", "variable_name", "special_variable_name",
    )
)  # fmt: skip
_REDIRECTS = frozenset(("file_redirect", "herestring_redirect"))
_PLAIN_FILE = re.compile(r"&>>?[ \t]*[\w./-]+\Z")
_DIFFERENT = "a text of which shells make different things"


def differences(node: Node) -> Iterator[str]:
    """Of this node, without what stands in its children."""
    kind = node.type
    if kind == "heredoc_redirect" and _computed_document(node):
        yield "a heredoc in which something is computed"
    if kind in ("heredoc_redirect", "file_redirect") and _words_behind(node):
        yield "words stand behind a redirection: write it at the end"
    if kind == "file_redirect" and _starts_anew(node):
        yield _DIFFERENT
    if kind == "ansi_c_string" and "\\'" in text_of(node):  # to dash, which knows no `$'…'`, that is its end
        yield _DIFFERENT
    if node.is_named and not node.child_count and kind not in _QUOTED and _swallows(node):
        yield "something is computed where it is not read"
    if kind not in _JOINED and any(_one_word(before, after) for before, after in pairwise(node.children)):
        yield "a word that is read as two"


def _computed_document(node: Node) -> bool:
    """In a heredoc's body the grammar finds no backquotes, nothing where tabs are taken away, and not all behind blanks
    at its beginning."""
    body = next((child for child in node.children if child.type == "heredoc_body"), None)
    begin = next((text_of(child) for child in node.children if child.type == "heredoc_start"), "")
    if body is None or begin[:1] in ("'", '"', "\\"):
        return False
    if "`" in text_of(body) or (any(child.type == "<<-" for child in node.children) and "$" in text_of(body)):
        return True
    found = b"".join(child.text or b"" for child in body.named_children if child.type != "heredoc_content")
    return _begun(text_of(body)) > _begun(found.decode("utf-8", "surrogateescape"))


def _begun(text: str) -> int:
    """How many expansions begin in it."""
    return len(_EXPANDED.findall(re.sub(r"\\.", "", text, flags=re.DOTALL)))


def _words_behind(node: Node) -> bool:
    """`env >x rm`: the grammar takes words behind a redirection for its own, and the shell for the command's."""
    places = node.children_by_field_name("destination")
    closes = any(child.type in (">&-", "<&-") for child in node.children)
    return len(places) > (0 if closes else 1) or bool(node.children_by_field_name("argument"))


def _starts_anew(node: Node) -> bool:
    """dash ends a command at the `&` of `&>`."""
    text = text_of(node)
    return text.startswith("&>") and (not _PLAIN_FILE.match(text) or not _last(node))


def _swallows(node: Node) -> bool:
    """The grammar takes the pattern of `${x#$(rm)}`, and the word of ${x:-`rm`}, for text."""
    text = re.sub(r"\\.", "", text_of(node), flags=re.DOTALL)
    return bool(_EXPANDED.search(text) or (node.type != "string_content" and re.search(r"[<>]\(", text)))


def _one_word(before: Node, after: Node) -> bool:
    """Of nothing between: the grammar begins a new word at the backquote of r`:`m."""
    words = after.type in _WORDS and (before.type in _WORDS or before.type in _REDIRECTS)
    return words and before.end_byte == after.start_byte


def _last(node: Node) -> bool:
    """Behind it, the command is at its end."""
    top = node
    while top.parent is not None:
        top = top.parent
    return re.match(rb"[ \t]*(\Z|[;&|)\n])", (top.text or b"")[node.end_byte - top.start_byte :]) is not None
