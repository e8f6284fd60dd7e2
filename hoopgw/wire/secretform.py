"""A query or an urlencoded form in pieces -> the same, at the same length, with the values of secret names starred.

A value may hold JSON or GraphQL, encoded or not: from a secret name in it on, all of it is starred; pairs and XML in
one as `secretvalues` has them.  Nothing is held back, nothing is refused.  Compiled.
"""

from __future__ import annotations

import re
from typing import Final, final
from urllib.parse import unquote_to_bytes

from mypy_extensions import i64

from hoopgw.wire.secretaddresses import SecretAddresses
from hoopgw.wire.secretnames import MAX_NAME, SecretNames
from hoopgw.wire.secretvalues import SecretValues, may_hold

_PATH_PARAMETER: Final = re.compile(rb";([^=;/?]*)=([^;/?]*)")
# What stands behind an encoded one is a query to those that decode first
_CUT: Final = re.compile(rb"\?|%(?:25)*3[fF]")
_APART: Final = re.compile(rb"[\"'{}(),:&=?;+\s]")
LEVELS: Final = 3  # times that a value may have been encoded
# What may stand between a name and its colon, as it is and by the hex digits of its encoding
_BETWEEN: Final = b" \t\r\n+\"'\\"
_IS_BETWEEN: Final = bytes(1 if c in _BETWEEN else 0 for c in range(256))
LONGEST: Final = 16  # bytes of an encoded colon, which a read may cut
_AMP: Final = 38
_STAR: Final = 42


@final
class SecretForm:
    """One form or query.  `found` counts the values; `more`: what it is fed is not the last of it."""

    __slots__ = ("_before", "_encoded", "_hiding", "_holds", "_names", "_values", "found", "more")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._before = b""  # the last bytes of what came before: a name may stand there
        self._hiding = False
        self._encoded = False  # something is encoded in the bytes in hand
        self._holds = False  # a value in them may be JSON
        self._values: SecretValues | None = None
        self.more = False
        self.found = 0

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        shown = self._by_names(data)
        values = self._values
        if values is None:
            if not self.more and not may_hold(data):
                return shown
            values = self._values = SecretValues(self._names)
        starred = bytearray(shown)
        found = values.found
        values.star(data, starred, self.more)
        if starred == shown:
            return shown
        if shown is data and values.found > found:  # the others were counted
            self.found += 1
        return bytes(starred)

    def _by_names(self, data: bytes) -> bytes:
        text = self._before + data if self._before else data
        start: i64 = len(self._before)
        end: i64 = len(text)
        here: i64 = start
        self._encoded = b"%" in text
        self._holds = self._encoded or b":" in text
        if not self._hiding:
            here = self._next(text, start, end)
            if here < 0:
                self._before = text[-MAX_NAME:]
                return data
        shown = bytearray(text)
        while 0 <= here < end:
            if self._hiding:
                while here < end and text[here] != _AMP:
                    shown[here] = _STAR
                    here += 1
                self._hiding = here == end
            else:
                here = self._next(text, here, end)
        self._before = b"" if self._hiding else text[-MAX_NAME:]
        return bytes(shown[start:]) if start else bytes(shown)

    def _next(self, data: bytes, start: i64, end: i64) -> i64:
        """Where the next value begins that is secret; -1 for none."""
        found: i64 = self._by_pair(data, start, end)
        inside: i64 = -1
        if self._holds:
            inside = self._inside(data, start, found if found >= 0 else end)
        if inside >= 0:
            found = inside
        if found >= 0:
            self._hiding = True
            self.found += 1
        return found

    def _by_pair(self, data: bytes, start: i64, end: i64) -> i64:
        names = self._names
        careful = self._encoded
        here: i64 = start
        while True:
            here = data.find(b"=", here, end)
            if here < 0:
                return -1
            if careful or names.may_hide(data, here):
                name = _name(data, here)
                if (b"%" in name or names.may_hide(data, here)) and names.hides(name):
                    return here + 1
            here += 1

    def _inside(self, data: bytes, start: i64, end: i64) -> i64:
        """The same of a name with a colon, in a value, or of an address or form in one; the sign behind the name may
        have begun before `start`."""
        names = self._names
        here: i64 = max(start - LONGEST, 0)
        while here < end:
            c: i64 = data[here]
            behind: i64 = here + 1 if c == 58 else _encoded(data, here, end) if c == 37 else 0
            if behind > start:
                stop: i64 = _before(data, here)
                if stop > 0 and names.may_hide(data, stop) and names.hides(_inner(_name(data, stop))):
                    return behind
            here += 1
        return -1


def _encoded(data: bytes, here: i64, end: i64) -> i64:
    """Behind the colon or equals sign that is encoded at `here`, maybe several times; 0 where there is none."""
    at: i64 = here + 1
    while at + 2 <= end and data[at] == 50 and data[at + 1] == 53:  # 25
        at += 2
    return at + 2 if at + 2 <= end and data[at] == 51 and (data[at + 1] | 32) in b"ad" else 0  # 3A, 3D


def _before(data: bytes, end: i64) -> i64:
    """Where a name ends before `end`: without blanks and quotes, encoded or not."""
    here: i64 = end
    while here > 0 and end - here < MAX_NAME:
        if _IS_BETWEEN[data[here - 1]]:
            here -= 1
            continue
        at: i64 = here - 2
        if at < 1 or _between(data[at], data[at + 1]) == 0:
            break
        while at > 2 and data[at - 2] == 50 and data[at - 1] == 53:
            at -= 2
        if data[at - 1] != 37:
            break
        here = at - 1
    return here


def _between(first: i64, second: i64) -> i64:
    """Whether two hex digits are of a blank, a quote or a backslash: 09, 0A, 0D, 20, 22, 27, 5C."""
    last: i64 = second | 32
    if first == 48:
        return 1 if second == 57 or last == 97 or last == 100 else 0
    if first == 50:
        return 1 if second == 48 or second == 50 or second == 55 else 0
    return 1 if first == 53 and last == 99 else 0


def has_secret(data: bytes, names: SecretNames) -> bool:
    """Whether `SecretForm` would star something of a form that is whole."""
    return SecretForm(names).feed(data) is not data


def is_plain(line: bytes) -> bool:
    """Nothing in it is for `starred_target`: no query, no parameter of a path, no user."""
    here: i64 = 0
    end: i64 = len(line)
    while here < end:
        c: i64 = line[here]
        if c == 63 or c == 59 or c == 37 or c == 64:
            return False
        here += 1
    return True


def _name(data: bytes, end: i64) -> bytes:
    """The name that ends there: from what parts pairs on."""
    here: i64 = end
    least: i64 = max(end - MAX_NAME, 0)
    while here > least:
        c: i64 = data[here - 1]
        if c == _AMP or c == 59 or c == 63 or c == 61:
            break
        here -= 1
    return data[here:end]


def _inner(name: bytes) -> bytes:
    """Without what stands before it in its value, encoded or not."""
    for _ in range(LEVELS):
        if b"%" in name:
            name = unquote_to_bytes(name)
    return _APART.split(name)[-1]


def starred_target(line: bytes, names: SecretNames) -> bytes:
    """A request target, or any other address: its query, the parameters of its path (`;jsessionid=…`), and passwords of
    addresses in it."""
    found = _CUT.search(line)
    cut = len(line) if found is None else found.end()
    path, query = line[:cut], line[cut:]
    if b";" in path:
        path = _PATH_PARAMETER.sub(
            lambda each: b";" + each[1] + b"=" + b"*" * len(each[2]) if names.hides(each[1]) else each[0], path
        )
    shown = SecretForm(names).feed(query) if query else query
    whole = line if shown is query and path == line[:cut] else path + shown
    return SecretAddresses(True).star(line, whole, False)
