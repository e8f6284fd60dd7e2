"""A shell's text -> the commands that stand in it, by tree-sitter's grammar of bash.

The grammar is not the shell's own, so doubt is on the safe side: what is not understood, what is computed, and what may
change what names mean makes the text `unknown`.  tests/policy/test_shell.py holds it to bash itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from hoopgw.policy.shell_differences import differences
from hoopgw.policy.shell_facts import Command, Pattern
from hoopgw.policy.shell_programs import DANGEROUS, SHELLS, names
from hoopgw.policy.shell_starters import starts
from hoopgw.policy.shell_words import name, text_of, word


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one text, with all texts inside it.

    text    bytes, counted anew for each text inside another
    nodes   of all trees: each costs some 8 us
    words   of all commands: rules look at each
    steps   of all parsing, hundreds of the parser's operations each.  What is written by hand needs a few
    """

    text: int
    nodes: int
    words: int
    steps: int


# What a person or a program writes in one line is far below.  It may take 0.5 s, and so is read where nobody waits
WHOLE = Limits(256 * 1024, 5000, 8000, 150)
AT_ONCE = Limits(1024, 250, 250, 2)  # what costs 2 ms at most, and more than nearly all that agents ask for
MAX_TEXT = 64 * 1024  # bytes of a text alone
MAX_DEPTH = 60  # of the tree, and of texts inside texts
MAX_READS = 2000  # pieces that the parser reads, again and again where it looks ahead
PIECE = 512  # bytes
SHORT = 128  # bytes that no parser takes long for
MAX_COMMANDS = 1000
MAX_UNKNOWN = 8  # reasons that are kept
TOO_LONG = "the text is too long, or too deep, to be read"
CONTROLS = "a control character stands in the text"
NOT_UTF8 = "the text is not UTF-8"
NOT_UNDERSTOOD = "the text is not understood as a shell's"
UNREAD = frozenset((TOO_LONG, CONTROLS, NOT_UTF8, NOT_UNDERSTOOD))  # of texts of which no command may be known
# None of them belongs into a command line
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_ARITHMETIC = frozenset(("arithmetic_expansion", "c_style_for_statement"))
_RESERVED = frozenset("! { } if then else elif fi case esac for select while until do done in function [[ ]]".split())
_ASSIGNS = re.compile(r"[A-Za-z_]\w*(\[.*\])?\+?=", re.DOTALL)
_DOCUMENT = frozenset(("<<", "<<-", "heredoc_start", "heredoc_body", "heredoc_end", "\n"))
_BASH = Language(tree_sitter_bash.language())


def read(text: bytes, limits: Limits = WHOLE) -> tuple[tuple[Command, ...], tuple[str, ...], bool]:
    """(every command that may run, why there may be others, whether it was read within `limits`)."""
    reader = _Reader(limits)
    reader.script(text, 0)
    return tuple(reader.commands), tuple(reader.unknown), TOO_LONG not in reader.unknown


class _Reader:
    def __init__(self, limits: Limits) -> None:
        self.commands: list[Command] = []
        self.unknown: list[str] = []
        self._limits = limits
        self._text = self._words = self._nodes = self._steps = self._reads = 0
        self._parser = Parser(_BASH)

    def doubt(self, why: str) -> None:
        if why not in self.unknown and len(self.unknown) < MAX_UNKNOWN:
            self.unknown.append(why)

    def stop(self) -> None:
        """Nothing more is read: TOO_LONG stands first, whatever else is in doubt."""
        if TOO_LONG not in self.unknown:
            self.unknown.insert(0, TOO_LONG)
            del self.unknown[MAX_UNKNOWN:]

    # ---- texts

    def script(self, text: bytes, depth: int) -> None:
        """A text that a shell reads."""
        self._text += len(text)
        if len(text) > MAX_TEXT or self._text > self._limits.text or depth > MAX_DEPTH:
            self.stop()
            return
        if _CONTROL.search(text):
            self.doubt(CONTROLS)
            return
        try:
            text.decode()
        except UnicodeDecodeError:
            self.doubt(NOT_UTF8)
            return
        for variable in re.findall(rb"\{(\w+)\}[<>]", text):  # `{PATH}>x` writes a number into PATH
            self._set(variable.decode())
        if re.search(rb"\]\}[<>]", text):
            self.doubt("a variable of a kind that is computed when it is read")
        if re.search(rb"[^\s]\\\n[^\s]", text):
            self.doubt("a word goes on in the next line")
        if b"`" in text and re.search(rb"\\[`\\$]", text):
            self.doubt("a backslash where backquotes take its meaning")
        if (depth or len(text) > SHORT) and not self._is_read_soon(text):
            self.stop()
            return
        root = self._parser.parse(text).root_node
        if root.has_error:
            self.doubt(NOT_UNDERSTOOD)
        self._walk(root, depth)

    def _is_read_soon(self, text: bytes) -> bool:
        """False where parsing takes too long: `a|a|a|…` of 64 KiB took minutes, in which nobody else was served.

        It is parsed twice then: of a tree that was parsed by pieces, each node's text would be asked for by pieces.
        """

        def piece(offset: int, _: object) -> bytes:
            self._reads += 1
            return text[offset : offset + PIECE] if self._reads <= MAX_READS else b""

        def enough(_: int, __: bool) -> bool:
            self._steps += 1
            return self._steps > self._limits.steps or self._reads > MAX_READS

        try:
            self._parser.parse(piece, progress_callback=enough)
        except ValueError:  # it was stopped
            self._parser.reset()
            return False
        return self._reads <= MAX_READS

    def _walk(self, node: Node, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > self._limits.nodes:
            self.stop()
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
        elif kind == "unset_command" and "[" in text_of(node):
            self.doubt("unset of what stands in a subscript")
        for why in differences(node):
            self.doubt(why)
        for child in node.children:
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
        self._words += len(words)
        if len(self.commands) >= MAX_COMMANDS or self._words > self._limits.words or depth > MAX_DEPTH:
            self.stop()
            return
        path = words[0]
        if path is None:
            self.doubt("the name of a program is not known")
            return
        if re.search(r"[*?\[~]", path) and path != "[":
            self.doubt("the name of a program is a pattern")
        if path[:1] == "=":  # zsh looks it up in PATH
            self.doubt("a name of which shells make different things")
        # `time { rm; }`, `! ! rm`, `time x=1 rm`: bash goes on reading where the grammar sees a program
        if path in _RESERVED or _ASSIGNS.match(path):
            self.doubt(f"the shell's word {path} where the name of a program is read")
        place, _, program = path.rpartition("/")
        self.commands.append(Command(program, words[1:], place or path[: -len(program)]))
        if (
            text is not None
            and not SHELLS.isdisjoint(names(program))
            and all(given in ("-s", "-") for given in words[1:])
        ):
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
