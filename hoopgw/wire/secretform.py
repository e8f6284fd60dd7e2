"""A query or an urlencoded form in pieces -> the same, at the same length, with the values of secret names starred.

A value may hold JSON or GraphQL, encoded or not: from a secret name in it on, all of it is starred.  Nothing is held
back, nothing is refused.  Compiled.
"""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import MAX_NAME, SecretNames

_PATH_PARAMETER: Final = re.compile(rb";([^=;/?]*)=([^;/?]*)")
# What stands behind an encoded one is a query to those that decode first
_CUT: Final = re.compile(rb"\?|%(?:25)*3[fF]")
_COLON: Final = re.compile(rb":|%(?:25)*3[aA]")
# A name before a colon, the colon left out: with or without quotes, encoded or not
_NAMED: Final = re.compile(
    rb"([A-Za-z0-9_.$@\\%-]+?)(?:\\|%(?:25)*5[cC])*(?:\"|'|%(?:25)*2[27])?(?:[ \t\r\n+]|%(?:25)*(?:20|09|0[aAdD]))*\Z"
)
LONGEST: Final = 16  # bytes of an encoded colon, which a read may cut
_AMP: Final = 38
_STAR: Final = 42


@final
class SecretForm:
    """One form or query.  `found` counts the values."""

    __slots__ = ("_before", "_hiding", "_names", "found")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._before = b""  # the last bytes of what came before: a name may stand there
        self._hiding = False
        self.found = 0

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        text = self._before + data if self._before else data
        start: i64 = len(self._before)
        end: i64 = len(text)
        here: i64 = start
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
        if b":" in data or b"%" in data:
            inside = self._inside(data, start, found if found >= 0 else end)
        if inside >= 0:
            found = inside
        if found >= 0:
            self._hiding = True
            self.found += 1
        return found

    def _by_pair(self, data: bytes, start: i64, end: i64) -> i64:
        names = self._names
        careful = b"%" in data
        here: i64 = start
        while True:
            here = data.find(b"=", here, end)
            if here < 0:
                return -1
            if (careful or names.may_hide(data, here)) and names.hides(_name(data, here)):
                return here + 1
            here += 1

    def _inside(self, data: bytes, start: i64, end: i64) -> i64:
        """The same of a name with a colon, in a value."""
        here = max(0, int(start) - LONGEST)
        while True:
            colon = _COLON.search(data, here, end)
            if colon is None:
                return -1
            here = colon.end()
            if here <= start:
                continue
            named = _NAMED.search(data[max(0, colon.start() - MAX_NAME) : colon.start()])
            if named is not None and self._names.hides(_inner(named.group(1))):
                return here


def has_secret(data: bytes, names: SecretNames) -> bool:
    """Whether `SecretForm` would star something of a form that is whole."""
    return SecretForm(names).feed(data) is not data


def is_plain(line: bytes) -> bool:
    """Nothing in it is for `starred_target`: no query, no parameter of a path."""
    here: i64 = 0
    end: i64 = len(line)
    while here < end:
        c: i64 = line[here]
        if c == 63 or c == 59 or c == 37:
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
    """Without the encoded quote, brace or blank that stands before it."""
    return re.split(rb"%(?:25)*(?:2[0-9a-fA-F]|7[bB]|0[0-9a-fA-F])", name)[-1]


def starred_target(line: bytes, names: SecretNames) -> bytes:
    """A request target, or any other address: its query, and the parameters of its path (`;jsessionid=…`)."""
    found = _CUT.search(line)
    cut = len(line) if found is None else found.end()
    path, query = line[:cut], line[cut:]
    if b";" in path:
        path = _PATH_PARAMETER.sub(
            lambda each: b";" + each[1] + b"=" + b"*" * len(each[2]) if names.hides(each[1]) else each[0], path
        )
    shown = SecretForm(names).feed(query) if query else query
    return line if shown is query and path == line[:cut] else path + shown
