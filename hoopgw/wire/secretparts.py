"""A form of several parts (RFC 7578) in pieces -> the same, at the same length, with secret values starred.

Files go on as they are, unless the form's name for one is secret or they are JSON or XML (browsers call each blob so);
other parts are looked through as text: some hold JSON, or requests of a batch.  Of what stands before the first
delimiter, and of parts that have parts themselves or another character set, nothing is shown.  Nothing is held back,
nothing is refused; a delimiter that a read cuts may be starred with what is before it.
"""

from __future__ import annotations

import re
from typing import Final, final

from hoopgw.wire.secretform import SecretForm
from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml

MAX_HEAD: Final = 8192  # bytes of a part's head; of a part with a longer one nothing is in the record

_HEAD_ENDS: Final = re.compile(rb"\n\r?\n")
_NAME: Final = re.compile(
    rb"(?<![A-Za-z0-9])name\*?[0-9]*\*?[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"?|[^; \t\r\n]+)", re.IGNORECASE
)
_TYPE: Final = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_JSON: Final = re.compile(rb"[^;]*json\b")
_LINES: Final = re.compile(rb"(?:application|message)/http\b|[^;]*ya?ml\b")
_XML: Final = re.compile(rb"[^;]*\bxml\b")
_FORM: Final = b"application/x-www-form-urlencoded"
_WIDE: Final = re.compile(rb"multipart/|.*charset=[\"']?(?:utf-?16|utf-?32|utf-?7|ucs)", re.DOTALL)
_FILE: Final = re.compile(rb"filename\*?[0-9]*\*?[ \t]*=", re.IGNORECASE)

_CONTENT: Final = 0
_HEAD: Final = 1


@final
class SecretParts:
    """One form.  `found` counts the values."""

    __slots__ = ("_before", "_delimiter", "_head", "_hidden", "_names", "_state", "_text", "found")

    def __init__(self, names: SecretNames, boundary: bytes) -> None:
        self._names = names
        self._delimiter = b"\n--" + boundary
        self._before = b"\n"  # the last bytes of what came before: a delimiter may begin there, as the first one does
        self._head = b""
        self._state = _CONTENT
        self._hidden = True  # the part in hand is starred; before the first one there is none that is read
        self._text: SecretText | SecretForm | SecretXml | None = None  # what looks through it
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
        self._pass(data[here : here + begin], shown)
        shown.append(data[here + begin : here + end])
        self._state = _HEAD
        self._head = b""
        return here + end

    def _pass(self, piece: bytes, shown: list[bytes]) -> None:
        if self._hidden:
            ends = piece[-1:] == b"\r"  # of the line before a delimiter
            shown.append(b"*" * (len(piece) - ends) + b"\r" * ends)
        elif self._text is None or not piece:
            shown.append(piece)
        else:
            found = self._text.found
            shown.append(self._text.feed(piece))
            self.found += self._text.found - found

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
        named = any(self._names.hides(each.strip(b"\"'")) for each in _NAME.findall(head[:stop]))
        self._hidden = end is None or named or _WIDE.match(told) is not None
        self.found += self._hidden
        if self._hidden or (_FILE.search(head, 0, stop) and not (_JSON.match(told) or _XML.match(told))):
            self._text = None
        elif told.startswith(_FORM):
            self._text = SecretForm(self._names)
        elif _XML.match(told):
            self._text = SecretXml(self._names)
        else:
            self._text = SecretText(self._names, _LINES.match(told) is not None)
        self._state = _CONTENT
        self._before = b"\n"  # an empty part's delimiter follows at once
        shown.append(data[here : here + stop - known])
        return here + stop - known
