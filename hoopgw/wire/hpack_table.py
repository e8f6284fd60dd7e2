"""HPACK's tables: the fields that everybody knows, and those that one side told the other (RFC 7541, 2.3)."""

from __future__ import annotations

from collections import deque
from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.httpfields import Field

ENTRY: Final = 32  # bytes that an entry counts beside its name and value (RFC 7541, 4.1)

_NAMES: Final = (
    b":authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status"
    b" accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow"
    b" authorization cache-control content-disposition content-encoding content-language content-length"
    b" content-location content-range content-type cookie date etag expect expires from host if-match"
    b" if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards"
    b" proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie"
    b" strict-transport-security transfer-encoding user-agent vary via www-authenticate"
).split()
_VALUES: Final = {
    2: b"GET", 3: b"POST", 4: b"/", 5: b"/index.html", 6: b"http", 7: b"https", 8: b"200", 9: b"204", 10: b"206",
    11: b"304", 12: b"400", 13: b"404", 14: b"500", 16: b"gzip, deflate",
}  # fmt: skip


def _known() -> list[Field]:
    return [(name, _VALUES.get(number, b"")) for number, name in enumerate(_NAMES, 1)]


def _whole() -> dict[Field, int]:
    return {field: number for number, field in enumerate(_known(), 1)}


def _named() -> dict[bytes, int]:
    """The first of each name."""
    return {name: number for number, name in sorted(enumerate(_NAMES, 1), reverse=True)}


STATIC: Final = _known()  # appendix A; numbers begin at 1
STATIC_WHOLE: Final = _whole()
STATIC_NAMED: Final = _named()


@final
class Table:
    """What one side told.  The newest entry is the first behind the static ones.

    changes   how often it became another: what was read or written by its numbers holds as long as this does
    """

    __slots__ = ("_entries", "_size", "changes", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.changes = 0
        self._size = 0
        self._entries: deque[Field] = deque()

    @property
    def count(self) -> int:
        return len(self._entries)

    def field(self, number: int) -> Field:
        """Raises MalformedFrame."""
        if 1 <= number <= len(STATIC):
            return STATIC[number - 1]
        place = number - 1 - len(STATIC)
        if not 0 <= place < len(self._entries):
            raise MalformedFrame("HPACK: an entry that is not in the table")
        return self._entries[place]

    def resize(self, limit: int) -> list[Field]:
        """Gives what falls out, oldest first."""
        self.limit = limit
        self.changes += 1
        return self._shrink(limit)

    def add(self, field: Field) -> list[Field]:
        """The same.  An entry that is larger than the table empties it, and is not in it (RFC 7541, 4.4)."""
        self.changes += 1
        size = len(field[0]) + len(field[1]) + ENTRY
        gone = self._shrink(self.limit - size)
        if size <= self.limit:
            self._entries.appendleft(field)
            self._size += size
        return gone

    def _shrink(self, limit: int) -> list[Field]:
        gone: list[Field] = []
        while self._entries and self._size > limit:
            name, value = self._entries.pop()
            self._size -= len(name) + len(value) + ENTRY
            gone.append((name, value))
        return gone
