"""Passwords in addresses (`postgresql://user:password@host/db`, RFC 3986, 3.2.1) of a text in pieces, whatever else the
text is: which bytes of them are secret.  Compiled.

In `https://token@host` what stands for the user is one.  Of addresses in forms and queries all may be encoded.
"""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

REACH: Final = 512  # bytes before what comes next in which an address may have begun

_GOES_ON: Final = 0
_BACKSLASH: Final = 1  # of JSON
_IN_FORMS: Final = 2  # what parts their fields
_USER: Final = 3  # an @
_ENDS: Final = 4
# Of what may stand between the slashes and the next one
_KINDS: Final = bytes(
    _ENDS if c in b" \t\r\n\v\f\"<>/?#"
    else _USER if c == 64
    else _IN_FORMS if c in b"&;"
    else _BACKSLASH if c == 92
    else _GOES_ON
    for c in range(256)
)  # fmt: skip
_ESCAPED: Final = re.compile(rb":\\+/\\*/")
# All of it is encoded as often as its colon is; some leave slashes as they are
_CODED: Final = re.compile(
    rb"%((?:25)*)3[aA](?:%\1(?:2[fF])|/){2}((?:(?!%\1(?:2[fF]|3[fF]|2[0236]|3[cCeE]))[^\s\"<>/?#&;])*)"
)
_TOKEN: Final = re.compile(rb"[\w.~!$*+%-]+")  # what may be one
_STAR: Final = 42
# Before it no address has begun that goes on
_PARTS: Final = bytes(1 if c in b' \t\r\n"<>' else 0 for c in range(256))


@final
class SecretAddresses:
    """Of one text.  `found` counts the values."""

    __slots__ = ("_before", "_form", "found")

    def __init__(self, form: bool = False) -> None:
        self._form = form
        self._before = b""  # what came of the word in hand
        self.found = 0

    def star(self, data: bytes, shown: bytes, more: bool) -> bytes:
        """`shown`, which is `data` as it may be recorded so far; the same object where no more is to be starred.
        `more`: data may follow, and an address that does not end here is taken to have a password."""
        text = self._before + data if self._before else data
        start: i64 = len(self._before)
        self._before = _last_word(text) if more else b""
        found = self._places(text, more)
        if not found:
            return shown
        starred = bytearray(shown)
        for begin, stop in found:
            here: i64 = max(begin - start, 0)
            end: i64 = stop - start
            if end <= here or starred[here:end].count(_STAR) == end - here:
                continue
            self.found += begin >= start
            while here < end:
                starred[here] = _STAR
                here += 1
        return shown if starred == shown else bytes(starred)

    def _places(self, text: bytes, more: bool) -> list[tuple[int, int]]:
        """Where passwords begin and end."""
        found: list[tuple[int, int]] = []
        here: i64 = 0
        if b"@" not in text and b"%" not in text:
            if not more:
                return found
            here = max(len(text) - REACH, 0)
        sign: i64 = text.find(b"://", here)
        while sign >= 0:
            self._plain(text, sign, sign + 3, more, found)
            sign = text.find(b"://", sign + 3)
        if text.find(b":\\", here) >= 0:
            for each in _ESCAPED.finditer(text, here):
                self._plain(text, each.start(), each.end(), more, found)
        if b"%" in text:
            for each in _CODED.finditer(text, here):
                by = b"%" + each[1]
                _password(text, each.start(), each.start(2), each.end(2), by + b"40", by + b"3a", more, found)
        return found

    def _plain(self, text: bytes, sign: i64, begin: i64, more: bool, found: list[tuple[int, int]]) -> None:
        """Of one whose user begins at `begin`."""
        here: i64 = begin
        end: i64 = len(text)
        known = False
        while here < end:
            kind: i64 = _KINDS[text[here]]
            if kind != _GOES_ON:
                if kind == _ENDS or (kind == _IN_FORMS and self._form):
                    break
                known = known or kind == _USER
                if kind == _BACKSLASH and (self._form or (here + 1 < end and text[here + 1] in b'nrt"/')):
                    break
            here += 1
        if known or (more and here == end) or self._form:
            # its colon may be as it is, and not its @; or the other way
            at, colon = (b"%40", b"%3a") if self._form else (b"@", b":")
            _password(text, sign, begin, here, at, colon, more, found)


def may_have_password(text: bytes) -> bool:
    """Whether `has_password` may be true of it, or of some part."""
    if b"@" in text:
        return b"://" in text or b":\\" in text or b"%" in text
    return b"%" in text and b"40" in text


def has_password(text: bytes) -> bool:
    """Whether something of a text that is whole is to be starred."""
    return may_have_password(text) and SecretAddresses().star(text, text, False) is not text


def _password(
    text: bytes, sign: i64, begin: i64, end: i64, at: bytes, colon: bytes, more: bool, found: list[tuple[int, int]]
) -> None:
    """Of the address whose scheme ends at `sign`, and whose user begins at `begin`; `end`: of what may be before its
    host, and the host."""
    stop: i64 = max(text.rfind(b"@", begin, end), text.rfind(at, begin, end))
    if stop < 0:
        if not more or end < len(text):
            return
        stop = end
    first: i64 = text.find(b":", begin, stop)
    after: i64 = first + 1
    coded: i64 = -1 if colon == b":" else max(text.find(colon, begin, stop), text.find(colon.upper(), begin, stop))
    if coded >= 0 and (first < 0 or coded < first):
        first = coded
        after = coded + len(colon)
    if first >= 0:
        found.append((after, stop))
    elif text[max(sign - 5, 0) : sign].lower().endswith((b"http", b"https")) and _TOKEN.fullmatch(text, begin, stop):
        found.append((begin, stop))


def _last_word(text: bytes) -> bytes:
    here: i64 = len(text)
    least: i64 = max(here - REACH, 0)
    while here > least and _PARTS[text[here - 1]] == 0:
        here -= 1
    return text[here:]
