"""Where the value of a pair stands whose name is secret: `{"name": "DB_PASSWORD", "value": …}`.  Compiled.

Any text beside a `value` in one object counts as its name (`"type": "password"` of Keycloak, `"path": "/password"` of
JSON Patch), before it or behind it.
"""

from __future__ import annotations

import re
from typing import Final

from mypy_extensions import i64

from hoopgw.wire.secretnames import SecretNames

REACH: Final = 512  # bytes between the begin of an object and its value
LONGEST: Final = 8192  # bytes of an object that are looked through

_VALUE: Final = re.compile(rb"(?i)(?:values?|val)\\*[\"']?[ \t\r\n]*(?=:)")
_TEXT: Final = re.compile(rb":\s*\\*[\"']([^\"'\\]{1,128})\\*[\"']")
_LINE: Final = re.compile(
    rb"(?im)^[ \t-]*[\w-]{1,64}:[ \t]*[\"']?([\w./-]{1,128})[\"']?[ \t]*\r?\n[ \t]*[\w-]{0,64}values?[ \t]*(?=:)"
)


def may_have_pairs(data: bytes) -> bool:
    return b"val" in data or b"Val" in data or b"VAL" in data


def colons(data: bytes, names: SecretNames, lines: bool) -> list[int]:
    """Of the members of objects that are called `value` and whose object names a secret, and of lines behind a line
    that does; the last one first."""
    found = [each.end() for each in _LINE.finditer(data) if names.hides(each[1])] if lines else []
    known: i64 = -1
    secret = False
    for each in _VALUE.finditer(data):
        place: i64 = each.end()
        begin: i64 = data.rfind(b"{", max(place - REACH, 0), place)
        end: i64 = _end(data, begin)
        if begin < 0:  # it came before, or is longer: what stands around
            begin = (place // REACH) * REACH
            end = begin + REACH
            begin -= min(begin, REACH)
        if begin != known:
            known = begin
            texts = _TEXT.findall(data, begin, end)
            secret = any(map(names.hides, texts))
        if secret:
            found.append(place)
    return sorted(found, reverse=True)


def _end(data: bytes, begin: i64) -> i64:
    """Where its members end, or the first of them that is an object."""
    stop: i64 = begin + LONGEST
    for mark in (b"{", b"}"):
        end: i64 = data.find(mark, begin + 1, stop)
        if end >= 0:
            stop = end
    return min(stop, len(data))
