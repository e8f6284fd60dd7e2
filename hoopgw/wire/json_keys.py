"""Where in a JSON document a walk is, and whether what stands there is selected by a key or a pointer."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

_ANY: Final = b"*"
_ARRAY: Final = 91
_OBJECT: Final = 123


@final
class Keys:
    """What is selected of JSON or hstore: by a key's name at any depth, or by a JSON pointer (RFC 6901) whose `*`
    stands for any one step.  Letters count in either case: who masks `email` means `Email` as well."""

    __slots__ = ("_names", "_pointers")

    def __init__(self, names: frozenset[bytes]) -> None:
        self._names = frozenset(each.lower() for each in names if not each.startswith(b"/"))
        self._pointers = [steps(each.lower()) for each in sorted(names) if each.startswith(b"/")]

    def name(self, key: bytes) -> bool:
        """Whether an hstore's key is selected."""
        return self.at([key.lower()], 1)

    def at(self, path: list[bytes], depth: i64) -> bool:
        """Whether what stands at `path[:depth]`, in lower case, is selected, by the last step or by all of them."""
        if path[depth - 1] in self._names:
            return True
        for pointer in self._pointers:  # noqa: SIM110  compiled: no generators
            if len(pointer) == depth and _same(pointer, path):
                return True
        return False


def steps(pointer: bytes) -> list[bytes]:
    """`/a~1b/0` is `a/b`, `0`."""
    return [each.replace(b"~1", b"/").replace(b"~0", b"~") for each in pointer[1:].split(b"/")]


def _same(pointer: list[bytes], path: list[bytes]) -> bool:
    for index, step in enumerate(pointer):  # noqa: SIM110  as above
        if step != _ANY and step != path[index]:
            return False
    return True


@final
class Walk:
    """Where in a document a walk is: the containers around it, and from which depth on things are selected."""

    __slots__ = ("_counts", "_keys", "_open", "_path", "_since")

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys
        self._open = bytearray()  # the bytes that opened the containers
        self._path: list[bytes] = []  # the step taken in each
        self._counts: list[int] = []  # how many elements of each array are behind
        self._since: i64 = 0 if keys is None else -1

    @property
    def selected(self) -> bool:
        return self._since >= 0

    @property
    def whole(self) -> bool:
        return not self._open

    def opens(self, c: i64) -> None:
        self._open.append(c)
        if self._keys is None:
            return
        self._path.append(b"0")
        self._counts.append(0)
        if c == _ARRAY:
            self._step()

    def closes(self, c: i64) -> bool:
        """Whether there was one to close."""
        if not self._open or self._open.pop() != c - 2:
            return False
        if self._keys is not None:
            self._path.pop()
            self._counts.pop()
            if self._since > len(self._open):
                self._since = -1
        return True

    def key(self, name: bytes) -> bool:
        """Whether this is a place for one."""
        if not self._open or self._open[-1] != _OBJECT:
            return False
        if self._keys is not None:
            self._path[-1] = name.lower()
            self._step()
        return True

    def comma(self) -> None:
        if self._keys is not None and self._open and self._open[-1] == _ARRAY:
            self._counts[-1] += 1
            self._path[-1] = b"%d" % self._counts[-1]
            self._step()

    def _step(self) -> None:
        depth: i64 = len(self._open)
        if self._since >= 0 and self._since < depth:
            return  # all of what is around is selected
        keys = self._keys
        self._since = depth if keys is not None and keys.at(self._path, depth) else -1
