"""A shell's text -> the commands that stand in it, by tree-sitter's grammar of bash.

The grammar is not the shell's own, so doubt is on the safe side: what is not understood, what is computed, and what may
change what names mean makes the text `unknown`.  tests/policy/test_shell.py holds it to bash itself.
"""

from __future__ import annotations

import re

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from hoopgw.policy.shell_facts import Command, Pattern
from hoopgw.policy.shell_programs import DANGEROUS, SHELLS
from hoopgw.policy.shell_starters import starts
from hoopgw.policy.shell_words import name, text_of, word

MAX_TEXT = 64 * 1024  # bytes: what a person or a program writes in one line is far below
MAX_DEPTH = 60  # of the tree, and of texts inside texts
MAX_COMMANDS = 1000
MAX_UNKNOWN = 8  # reasons that are kept
# None of them belongs into a command line
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_ARITHMETIC = frozenset(("arithmetic_expansion", "c_style_for_statement"))
_DOCUMENT = frozenset(("<<", "<<-", "heredoc_start", "heredoc_body", "heredoc_end", "\n"))
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
_BASH = Language(tree_sitter_bash.language())


def read(text: bytes) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    """(every command that may run, why there may be others)."""
    reader = _Reader()
    reader.script(text, 0)
    return tuple(reader.commands), tuple(reader.unknown)


class _Reader:
    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.unknown: list[str] = []
        self._parser = Parser(_BASH)

    def doubt(self, why: str) -> None:
        if why not in self.unknown and len(self.unknown) < MAX_UNKNOWN:
            self.unknown.append(why)

    # ---- texts

    def script(self, text: bytes, depth: int) -> None:
        """A text that a shell reads."""
        if len(text) > MAX_TEXT or depth > MAX_DEPTH:
            self.doubt("the text is too long, or too deep, to be read")
            return
        if _CONTROL.search(text):
            self.doubt("a control character stands in the text")
            return
        try:
            text.decode()
        except UnicodeDecodeError:
            self.doubt("the text is not UTF-8")
            return
        for variable in re.findall(rb"\{(\w+)(?:\[[^\]]*\])?\}[<>]", text):  # `{PATH}>x` writes a number into PATH
            self._set(variable.decode())
        if re.search(rb"\{\w+\[[^\]]*\]\}[<>]", text):
            self.doubt("a variable of a kind that is computed when it is read")
        if re.search(rb"[^\s]\\\n[^\s]", text):
            self.doubt("a word goes on in the next line")
        if b"`" in text and re.search(rb"\\[`\\$]", text):
            self.doubt("a backslash where backquotes take its meaning")
        root = self._parser.parse(text).root_node
        if root.has_error:
            self.doubt("the text is not understood as a shell's")
        self._walk(root, depth)

    def _walk(self, node: Node, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.doubt("the text is too long, or too deep, to be read")
            return
        kind = node.type
        if kind == "command":
            self._command(node, depth)
        elif kind == "declaration_command":
            self._declared(node)
        elif kind == "variable_assignment":
            self._assigned(node)
        elif kind == "for_statement":
            self._set(text_of(node.children[1]) if node.child_count > 1 else "")
        elif kind in _ARITHMETIC or (kind == "compound_statement" and text_of(node).startswith("((")):
            self._computed(text_of(node))
        elif kind == "subscript":
            self._computed(re.sub(r"\A\w+\[[@*]?|\]\Z", "", text_of(node)))
        elif kind == "test_command":
            self._tested(node)
        elif kind == "test_operator":
            if text_of(node) in ("-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"):
                self._computed("x")
        elif kind == "simple_expansion" or kind == "expansion":
            self._expanded(node)
        elif kind == "unset_command":
            if "[" in text_of(node):
                self.doubt("unset of what stands in a subscript")
        elif kind == "heredoc_redirect":
            self._document(node)
            self._behind(node)
        elif kind in ("file_redirect", "ansi_c_string"):
            self._posix(node)
            self._behind(node)
        elif node.is_named and not node.child_count and kind not in _QUOTED:
            self._leaf(node)
        before: Node | None = None
        for child in node.children:
            if before is not None and before.end_byte == child.start_byte and _split(node, before, child):
                self.doubt("a word that is read as two")
            before = child
            self._walk(child, depth + 1)

    # ---- what may change what names mean

    def _set(self, variable: str) -> None:
        if DANGEROUS.match(variable.split("[", maxsplit=1)[0].rstrip("+")):
            self.doubt(f"{variable} is set: names may mean something else")

    def _assigned(self, node: Node) -> None:
        variable, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if value is not None and value.type == "array" and re.search(r"\[[^]]*[A-Za-z_$`][^]]*\]\+?=", text_of(value)):
            self._computed("x")
        self._set(text_of(variable) if variable is not None else text_of(node).partition("=")[0])

    def _declared(self, node: Node) -> None:
        """export, declare, local, readonly, typeset."""
        for child in node.named_children:
            if child.type in ("variable_assignment", "variable_name"):
                self._set(text_of(child).partition("=")[0])
                continue
            given = word(child)
            if given is None or isinstance(given, Pattern):
                self.doubt("what is declared is not known")
            elif (given.startswith(("-", "+")) and re.search(r"[inaA]", given)) or "[" in given:
                self.doubt("a variable of a kind that is computed when it is read")
            else:
                self._set(given.partition("=")[0])

    def _computed(self, text: str) -> None:
        """A variable in an expression is read as an expression again, and may run what stands in a subscript."""
        if re.search(r"[A-Za-z_$`]", text):
            self.doubt("an expression that is computed from variables")

    def _tested(self, node: Node) -> None:
        """`[ … ]` is a program: what is computed may be an operator that runs what stands in a subscript."""
        text = text_of(node)
        if not text.startswith("[[") and _loose(node):
            self.doubt("a test of what is not known may run what stands in it")
        quoted = re.sub(r'"(\\.|[^"\\])*"', "q", text)
        if text.startswith("[["):
            if "|" in text:  # to a shell that has no `[[` it is the name of a program, and `||` ends the command
                self.doubt("a text of which shells make different things")
            return
        if re.search(r"[$`]", quoted) or re.search(r"\s-[ao]\s", quoted):
            if re.search(r"[$`]", text):
                self.doubt("a test of what is not known may run what stands in it")
        elif re.search(r"[$`]", text) and not re.search(r"\s(!?=|==|-[a-zA-Z]{1,2})\s", quoted):
            self.doubt("a test of what is not known may run what stands in it")

    def _expanded(self, node: Node) -> None:
        """`${x@P}` runs what stands in a value, `${x:=…}` sets a variable."""
        text = text_of(node)
        if re.search(r"@[A-Za-z]\}", text) or "${!" in text or _computes(text):
            self.doubt("a variable is read in a way that may run what stands in it")
        if "'" in text:
            self.doubt("a quote in an expansion, of which shells make different things")
        found = re.match(r"\$\{(\w+):?=", text)
        if found:
            self._set(found[1])

    def _behind(self, node: Node) -> None:
        """`env >x rm`: the grammar takes words behind a redirection for its own, and the shell for the command's."""
        places = node.children_by_field_name("destination")
        closes = any(child.type in (">&-", "<&-") for child in node.children)
        if len(places) > (0 if closes else 1) or node.children_by_field_name("argument"):
            self.doubt("words stand behind a redirection: write it at the end")

    def _leaf(self, node: Node) -> None:
        """The grammar takes the pattern of `${x#$(rm)}`, and the word of ${x:-`rm`}, for text."""
        text = re.sub(r"\\.", "", text_of(node), flags=re.DOTALL)
        if _EXPANDED.search(text) or (node.type != "string_content" and re.search(r"[<>]\(", text)):
            self.doubt("something is computed where it is not read")

    # ---- where the grammar, bash and a POSIX shell read different things

    def _document(self, node: Node) -> None:
        """In a heredoc's body the grammar finds no backquotes, and nothing where tabs are taken away."""
        body = next((text_of(child) for child in node.children if child.type == "heredoc_body"), "")
        begin = next((text_of(child) for child in node.children if child.type == "heredoc_start"), "")
        tabs = any(child.type == "<<-" for child in node.children)
        if begin[:1] not in ("'", '"', "\\") and ("`" in body or (tabs and "$" in body)):
            self.doubt("a heredoc in which something is computed")

    def _posix(self, node: Node) -> None:
        """dash ends a command at the `&` of `&>`, and knows no `$'…'`, where `\\'` would be the end of a string."""
        text = text_of(node)
        if node.type == "ansi_c_string":
            differs = "\\'" in text
        else:
            differs = text.startswith("&>") and (not _PLAIN_FILE.match(text) or not _last(node))
        if differs:
            self.doubt("a text of which shells make different things")

    # ---- commands

    def _command(self, node: Node, depth: int) -> None:
        called = node.child_by_field_name("name")
        if called is None:
            return  # assignments or redirections alone
        program = name(called)
        if program is None:
            self.doubt("the name of a program is computed")
            return
        arguments = tuple(word(child) for child in node.children_by_field_name("argument"))
        self._started((program, *arguments), depth, self._input(node))

    def _started(self, words: tuple[str | None, ...], depth: int, text: str | None = None) -> None:
        """A command of these words; `text` is what it reads from its input, where that stands in the script."""
        if not words:
            return
        if len(self.commands) >= MAX_COMMANDS or depth > MAX_DEPTH:
            self.doubt("there are too many commands to be read")
            return
        path = words[0]
        if path is None:
            self.doubt("the name of a program is not known")
            return
        if re.search(r"[*?\[~]", path) and path != "[":
            self.doubt("the name of a program is a pattern")
        if path[:1] == "=":  # zsh looks it up in PATH
            self.doubt("a name of which shells make different things")
        place, _, program = path.rpartition("/")
        self.commands.append(Command(program, words[1:], place or path[: -len(program)]))
        if program in SHELLS and text is not None and all(given in ("-s", "-") for given in words[1:]):
            self.script(text.encode("utf-8", "surrogateescape"), depth + 1)
            return
        found = starts(program, words[1:])
        if found.unknown:
            self.doubt(found.unknown)
        for each in found.words:
            self._started(each, depth + 1, text)
        for script in found.scripts:
            self.script(script.encode("utf-8", "surrogateescape"), depth + 1)

    def _input(self, node: Node) -> str | None:
        """The text of a heredoc or herestring of this command, where nothing in it is computed."""
        texts: list[str | None] = []
        parent = node.parent
        around = [parent] if parent is not None and parent.type == "redirected_statement" else []
        for holder in (node, *around):
            for child in holder.children:
                if child.type == "herestring_redirect":
                    texts.append(word(child.named_children[-1]) if child.named_child_count == 1 else None)
                elif child.type == "heredoc_redirect":
                    texts.append(_heredoc(child))
                elif child.type == "file_redirect" and "<" in text_of(child):
                    texts.append(None)
        return texts[0] if len(texts) == 1 else None


def _heredoc(node: Node) -> str | None:
    """The body, where it is taken as it stands: its end is quoted, or nothing in it means anything to the shell."""
    begin = next((child for child in node.children if child.type == "heredoc_start"), None)
    body = next((child for child in node.children if child.type == "heredoc_body"), None)
    # More than a body: another number than 0, another redirection behind it, a pipeline
    if begin is None or body is None or any(child.type not in _DOCUMENT for child in node.children):
        return None
    text = text_of(body)
    if any(child.type == "<<-" for child in node.children):
        text = re.sub(r"(?m)^\t+", "", text)
    quoted = text_of(begin)[:1] in "'\"\\"
    return text if quoted or not re.search(r"[$`\\]", text) else None


def _split(parent: Node, before: Node, after: Node) -> bool:
    """Of nothing between: the grammar begins a new word at the backquote of r`:`m."""
    return parent.type not in _JOINED and after.type in _WORDS and (before.type in _WORDS or before.type in _REDIRECTS)


def _loose(node: Node) -> bool:
    """A name of a file may stand in it as an operator."""
    if node.type in ("word", "concatenation"):
        found = word(node)
        return isinstance(found, Pattern) and found.anything
    return any(_loose(child) for child in node.named_children)


def _computes(text: str) -> bool:
    """`${x:BEGIN:LENGTH}`: both are expressions, in which a variable is read as an expression again."""
    found = re.match(r"\$\{(?:\w+|[@*#?$!-])(?:\[[^]]*\])?:(?![-+=?])(.*)\}\Z", text, re.DOTALL)
    return found is not None and re.search(r"[A-Za-z_$`]", found[1]) is not None


def _last(node: Node) -> bool:
    """Behind it, the command is at its end."""
    top = node
    while top.parent is not None:
        top = top.parent
    return re.match(rb"[ \t]*(\Z|[;&|)\n])", (top.text or b"")[node.end_byte - top.start_byte :]) is not None
