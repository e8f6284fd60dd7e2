"""The house of hoopgw/__init__.py: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).parent.parent / "hoopgw"
FLOORS = {
    "model": 0,
    "wire": 1,
    "policy": 1,
    "relay": 2,
    "record": 2,
    "session": 3,
    "store": 3,
    "auth": 3,
    "servers": 4,
    "console": 4,
    "cli": 5,
}
TOP = 5  # config, service, systemd
NO_TWISTED_BELOW = 3


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imported(path: Path) -> list[tuple[str, int, bool]]:
    """(module, line, whether at the module's top) of every import of a file."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    found: list[tuple[str, int, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node.lineno, id(node) in top))
            found += [(f"{node.module}.{alias.name}", node.lineno, id(node) in top) for alias in node.names]
    return found


def _names(path: Path) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}


def _shifts(source: str) -> list[int]:
    """Lines that shift a constant, or a name that is never anything else, by something that is none."""
    tree = ast.parse(source)
    kinds: dict[str, set[bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        kinds.setdefault(name.id, set()).add(isinstance(node.value, ast.Constant))
    constant = {name for name, kind in kinds.items() if kind == {True}} | {"i64"}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.LShift | ast.RShift)
        and (isinstance(node.left, ast.Constant) or (isinstance(node.left, ast.Name) and node.left.id in constant))
        and any(
            isinstance(each, ast.Name) and not each.id.isupper() and each.id not in constant
            for each in ast.walk(node.right)
        )
    ]


class Imports(SynchronousTestCase):
    def sources(self) -> list[Path]:
        return sorted(PACKAGE.rglob("*.py"))

    def test_imports_go_down_only(self) -> None:
        """No module imports from a higher floor, nor from another room of its own floor."""
        wrong = []
        for path in self.sources():
            mine = room(path)
            floor = FLOORS.get(mine, TOP)
            for module, line, _ in imported(path):
                parts = module.split(".")
                if parts[0] != "hoopgw" or len(parts) < 2:
                    continue
                theirs = parts[1] if parts[1] in FLOORS else ""
                other = FLOORS.get(theirs, TOP)
                sibling = other == floor and theirs != mine and floor not in (3, TOP)
                if module != "hoopgw.__version__" and (other > floor or sibling):
                    wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}")
        self.assertEqual(wrong, [])

    def test_no_twisted_below_floor_three(self) -> None:
        """Floors 0 to 2 know no Twisted, no socket, no clock and no thread."""
        banned = ("twisted", "socket", "threading", "asyncio", "select", "subprocess")
        wrong = []
        for path in self.sources():
            if FLOORS.get(room(path), TOP) >= NO_TWISTED_BELOW:
                continue
            for module, line, _ in imported(path):
                if module.split(".")[0] in banned:
                    wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}")
        self.assertEqual(wrong, [])

    def compiled(self) -> list[Path]:
        setup = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse((PACKAGE.parent / "setup.py").read_text()).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        compiled = [PACKAGE / f"{module}.py" for module in setup["PATH"]]
        compiled += [path for path in self.sources() if room(path) in setup["ROOMS"]]
        self.assertTrue(compiled)
        return compiled

    def test_no_coroutine_is_compiled(self) -> None:
        """inlineCallbacks refuses the generators of a compiled module: each use would end the connection."""
        self.assertEqual([str(path) for path in self.compiled() if "inlineCallbacks" in _names(path)], [])

    def test_no_constant_is_shifted_by_what_is_none(self) -> None:
        """In compiled code it is an int of 32 bits, and a shift by 32 or more gives something else than in Python."""
        self.assertEqual(_shifts("def f(n):\n    one: i64 = 1\n    return (one << n) + (1 << n) + (n << 1)"), [3, 3])
        wrong = [
            f"{path.relative_to(PACKAGE)}:{line}" for path in self.compiled() for line in _shifts(path.read_text())
        ]
        self.assertEqual(wrong, [])

    def test_reactor_is_imported_once(self) -> None:
        """`twisted.internet.reactor` is imported in service assembly and in commands, never at a module's top."""
        wrong = []
        for path in self.sources():
            for module, line, top in imported(path):
                if module == "twisted.internet.reactor" and (top or FLOORS.get(room(path), TOP) < TOP):
                    wrong.append(f"{path.relative_to(PACKAGE)}:{line}")
        self.assertEqual(wrong, [])

    def test_protocols_only_in_servers(self) -> None:
        """No protocol or transport class below floor 4."""
        wrong = []
        for path in self.sources():
            if FLOORS.get(room(path), TOP) >= 4:
                continue
            for module, line, _ in imported(path):
                if module.startswith("twisted.internet.protocol.") and module.endswith((".Protocol", ".Factory")):
                    wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}")
        self.assertEqual(wrong, [])

    def test_no_secret_is_printed(self) -> None:
        """Nothing in the package calls `print`: output is click's, events are JSON lines."""
        wrong = []
        for path in self.sources():
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                    wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
        self.assertEqual(wrong, [])
