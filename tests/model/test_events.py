"""The codes of events, and the page that tells an operator of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.events import Code
from tests.documented_events import COMMON, examples, glossary, mistake

PACKAGE = Path(__file__).parent.parent.parent / "hoopgw"
SESSION = {"session", "subject"}  # Session.emit adds them


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for path in PACKAGE.rglob("*.py"):
        if path != PACKAGE / "model/events.py":
            yield path, ast.parse(path.read_text())


def code_of(node: ast.AST) -> str:
    """`Code.NAME` -> NAME."""
    named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code"
    return node.attr if named and isinstance(node, ast.Attribute) else ""


class Page(SynchronousTestCase):
    def test_every_code(self) -> None:
        """docs/events.md has every code once, with examples that are such events."""
        self.assertEqual(sorted(examples()), sorted(code.value for code in Code))
        for code, lines in examples().items():
            self.assertTrue(lines, code)
            for line in lines:
                self.assertEqual(line["code"], code)
                self.assertLessEqual(COMMON, set(line), code)

    def test_every_field(self) -> None:
        """Every field of an example is explained, and nothing else is."""
        shown = {field for lines in examples().values() for line in lines for field in line}
        self.assertEqual(shown, glossary())

    def test_nothing_else_is_emitted(self) -> None:
        """Where the code says at once what it emits, the page shows just that.  What is put together elsewhere is held
        to the page by the fake of the session's tests, and by a running gateway (tests/live)."""
        seen = 0
        for path, tree in sources():
            for node in ast.walk(tree):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                    continue
                code, keys = code_of(node.args[0]), [keyword.arg for keyword in node.keywords]
                if node.func.attr in ("emit", "_emit") and code and None not in keys:
                    seen += 1
                    own = node.func.attr == "_emit" or ast.unparse(node.func.value) == "self"
                    fields = {*map(str, keys), *(SESSION if own else ())}
                    self.assertEqual(mistake(Code[code].value, fields), "", f"{path}:{node.lineno}")
        self.assertGreater(seen, 15)

    def test_every_code_is_emitted(self) -> None:
        """A code that nothing emits would be a promise to nobody."""
        named = {code_of(node) for _, tree in sources() for node in ast.walk(tree)}
        self.assertEqual({code.name for code in Code} - named, set())
