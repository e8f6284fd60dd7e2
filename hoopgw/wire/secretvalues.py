"""Values of a form that are JSON or XML, and pairs of its fields (`name=password&value=…`), in pieces: which bytes of
them are secret.  Compiled.

A value is decoded once, and looked through as a body of its own would be.
"""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import MAX_NAME, SecretNames
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml

_MAY_HOLD: Final = re.compile(rb"(?i)val|[{\[<]|%(?:7b|5b|3c)")
_VALUED: Final = re.compile(rb"(?i)val(?:ues?)?(?:\]|%5D)*\Z")
_STAR: Final = 42
_AMP: Final = 38
_EQUALS: Final = 61
_PERCENT: Final = 37
_PLUS: Final = 43
_BLANKS: Final = b" \t\r\n"


def may_hold(form: bytes) -> bool:
    """Whether there is one of either in a form that is whole."""
    return _MAY_HOLD.search(form) is not None


@final
class SecretValues:
    """Of one form.  `found` counts the values."""

    __slots__ = (
        "_begins", "_cut", "_held", "_in_value", "_inner", "_name", "_names", "_said", "_unit",
        "_valued", "found",
    )  # fmt: skip

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._in_value = False
        self._name = b""  # of the field in hand
        self._valued = False  # that may be the value of a pair
        self._said = False  # a field held a secret name
        self._begins = False  # nothing of its value came
        self._held = bytearray()  # of the value, decoded, as long as it may be a name
        self._unit = b""  # an escape that a read cut
        self._cut: list[tuple[int, int]] = []  # values of pairs in the bytes in hand
        self._inner: SecretText | SecretXml | None = None
        self.found = 0

    def star(self, data: bytes, shown: bytearray, more: bool) -> None:
        """In `shown`, where `data` has something secret.  `more`: another field may follow the last one."""
        self._cut = []
        here: i64 = 0
        end: i64 = len(data)
        while here < end:
            stop: i64 = here
            if not self._in_value:
                while stop < end and data[stop] != _EQUALS and data[stop] != _AMP:
                    stop += 1
                self._name = (self._name + data[here:stop])[-MAX_NAME:]
                if stop < end and data[stop] == _EQUALS:
                    self._begin()
                elif stop < end:
                    self._name = b""
            else:
                stop = data.find(b"&", here)
                if stop < 0:
                    stop = end
                self._value(data, here, stop, shown)
                if stop < end:
                    self._ended()
            here = stop + 1
        if self._in_value and not more:
            self._ended()
        if self._said or more:
            for begin, stop in self._cut:
                _star(shown, begin, stop)
                self.found += 1

    def _begin(self) -> None:
        self._in_value = self._begins = True
        self._valued = _VALUED.search(self._name) is not None
        self._name = b""
        self._inner = None
        self._unit = b""
        del self._held[:]

    def _ended(self) -> None:
        self._in_value = False
        held = bytes(self._held).strip(_BLANKS)
        if 0 < len(held) <= MAX_NAME and self._names.may_hide(held, len(held)) and self._names.hides(held):
            self._said = True

    def _value(self, data: bytes, here: i64, end: i64, shown: bytearray) -> None:
        """Some of a value."""
        if self._valued and end > here:
            self._cut.append((here, end))
        decoded = bytearray()
        places: list[int] = []  # where what stands for each of its bytes begins
        at: i64 = here
        while at < end:
            c: i64 = data[at]
            places.append(at)
            if self._unit or c == _PERCENT:
                need: i64 = 3 - len(self._unit)
                self._unit += data[at : min(at + need, end)]
                at = min(at + need, end)
                if len(self._unit) < 3:
                    places.pop()
                    break
                decoded.append(_decoded(self._unit))
                self._unit = b""
                continue
            decoded.append(32 if c == _PLUS else c)
            at += 1
        if len(self._held) <= MAX_NAME:
            self._held += decoded[: MAX_NAME + 1]
        if self._begins and decoded:
            first = bytes(decoded).lstrip(_BLANKS)[:1]
            if first:
                self._begins = False
                if first == b"<":
                    self._inner = SecretXml(self._names)
                elif first in (b"{", b"["):
                    self._inner = SecretText(self._names)
        if self._inner is not None and decoded:
            self._look(bytes(decoded), places, end, shown)

    def _look(self, decoded: bytes, places: list[int], end: i64, shown: bytearray) -> None:
        assert self._inner is not None
        before = self._inner.found
        found = self._inner.feed(decoded)
        self.found += self._inner.found - before
        if found is decoded:
            return
        at: i64 = 0
        while at < len(decoded):
            if found[at] != decoded[at]:
                _star(shown, places[at], places[at + 1] if at + 1 < len(places) else end)
            at += 1


def _decoded(unit: bytes) -> i64:
    first: i64 = _digit(unit[1])
    second: i64 = _digit(unit[2])
    return _PERCENT if first < 0 or second < 0 else first * 16 + second


def _digit(c: i64) -> i64:
    if 48 <= c <= 57:
        return c - 48
    c |= 32
    return c - 87 if 97 <= c <= 102 else -1


def _star(shown: bytearray, begin: i64, end: i64) -> None:
    while begin < end:
        shown[begin] = _STAR
        begin += 1
