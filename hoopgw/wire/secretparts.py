"""A form of several parts (RFC 7578) in pieces -> the same, at the same length, with secret values starred.

Each part is looked through as a body of its type would be; one without a type is text, or a file, which is known by how
it is called, and by how it begins.  A part that holds a secret name has those called `value` behind it secret.  Of what
stands before the first delimiter, and of parts that have parts themselves or another character set, nothing is shown.
Nothing is held back, nothing is refused; a delimiter that a read cuts may be starred with what is before it.
"""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.wire.secretbody import NONE, PARTS, PLAIN, ROWS, TEXT, WITHHELD, SecretBody, way_of
from hoopgw.wire.secretnames import MAX_NAME, SecretNames

MAX_HEAD: Final = 8192  # bytes of a part's head; of a part with a longer one nothing is in the record

_HEAD_ENDS: Final = re.compile(rb"\n\r?\n")
_NAME: Final = re.compile(
    rb"(?<![A-Za-z0-9])name\*?[0-9]*\*?[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"?|[^; \t\r\n]+)", re.IGNORECASE
)
_TYPE: Final = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_FILE: Final = re.compile(rb"filename\*?[0-9]*\*?[ \t]*=", re.IGNORECASE)

_CONTENT: Final = 0
_HEAD: Final = 1

# Of files that clients send as anything: curl and browsers do not know these, or take them for a spreadsheet's
_ENDING: Final = re.compile(
    rb"filename\*?[0-9]*\*?[ \t]*=[^\r\n]*?\.(?:(csv|tsv)|env|ya?ml|properties|ini|conf|cfg|toml|tfvars|txt|sh|netrc)"
    rb"[\"']?[ \t]*[;\r\n]",
    re.IGNORECASE,
)


@final
class SecretParts:
    """One form.  `found` counts the values."""

    __slots__ = ("_before", "_body", "_delimiter", "_head", "_held", "_hidden", "_names", "_said", "_state", "found")

    def __init__(self, names: SecretNames, boundary: bytes) -> None:
        self._names = names
        self._delimiter = b"\n--" + boundary
        self._before = b"\n"  # the last bytes of what came before: a delimiter may begin there, as the first one does
        self._head = b""
        self._state = _CONTENT
        self._hidden = True  # the part in hand is starred; before the first one there is none that is read
        self._body: SecretBody | None = None  # what looks through it
        self._held = b""  # what came of it, as long as that may be a name
        self._said = False  # a part held a secret one
        self.found = 0

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        shown: list[bytes] = []
        here = 0
        while here < len(data):
            here = self._in_head(data, here, shown) if self._state == _HEAD else self._in_content(data, here, shown)
        whole = b"".join(shown)
        return data if whole == data else whole

    def _in_content(self, data: bytes, here: int, shown: list[bytes]) -> int:
        joined = self._before + data[here:]
        found = joined.find(self._delimiter)
        if found < 0:
            self._before = joined[1 - len(self._delimiter) :]
            self._pass(data[here:], shown)
            return len(data)
        end = found + len(self._delimiter) - len(self._before)  # behind it, from `here` on
        begin = max(0, found - len(self._before))
        if self._body is not None:
            self._body.more = False
        self._pass(data[here : here + begin], shown)
        shown.append(data[here + begin : here + end])
        self._state = _HEAD
        self._head = b""
        return here + end

    def _pass(self, piece: bytes, shown: list[bytes]) -> None:
        if self._hidden:
            ends = piece[-1:] == b"\r"  # of the line before a delimiter
            shown.append(b"*" * (len(piece) - ends) + b"\r" * ends)
        elif self._body is None or not piece:
            shown.append(piece)
        else:
            found = self._body.found
            fed = self._body.feed(piece)
            shown.append(fed[:-1] + b"\r" if piece[-1:] == b"\r" and fed is not piece else fed)
            self.found += self._body.found - found
            self._held = (self._held + piece[: MAX_NAME + 3])[: MAX_NAME + 3]

    def _in_head(self, data: bytes, here: int, shown: list[bytes]) -> int:
        known = len(self._head)
        head = self._head + data[here : here + MAX_HEAD]
        end = _HEAD_ENDS.search(head)
        if end is None and len(head) < MAX_HEAD:
            self._head = head
            shown.append(data[here:])
            return len(data)
        stop = len(head) if end is None else end.end()
        found = _TYPE.search(head, 0, stop)
        told = b"" if found is None else found[1].lower()
        way = way_of(told) if told else NONE if _FILE.search(head, 0, stop) else TEXT
        if way == NONE:
            way = _way_of_file(head[:stop])
        self._hidden = end is None or way in (PARTS, WITHHELD) or self._is_secret(head[:stop])
        self.found += self._hidden
        self._body = None if self._hidden else SecretBody(way, self._names)
        self._held = b""
        self._state = _CONTENT
        self._before = b"\n"  # an empty part's delimiter follows at once
        shown.append(data[here : here + stop - known])
        return here + stop - known

    def _is_secret(self, head: bytes) -> bool:
        """By its name, or by the part before it."""
        held = self._held.partition(b"\n")[0].strip()
        self._said = self._said or (0 < len(held) <= MAX_NAME and self._names.hides(held))
        names = [each.strip(b"\"'") for each in _NAME.findall(head)]
        if any(map(self._names.hides, names)):
            return True
        return self._said and any(each.lower().rstrip(b"]").endswith((b"value", b"val")) for each in names)


def _way_of_file(head: bytes) -> int:
    found = _ENDING.search(head)
    return NONE if found is None else PLAIN if found[1] is None else ROWS
