"""MessagePack, CBOR and others whose texts have their lengths before them, in pieces -> the same, or so many stars.

From the piece on in which a secret name stands all is starred: what belongs to a name is not read here.  Compiled.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import KINDS, MAX_NAME, SecretNames
from hoopgw.wire.secretplaces import may_mention

_MAX_MARK: Final = 8  # bytes before the first name of what is packed
_LEAST: Final = 2  # letters of it


@final
class SecretBinary:
    """One body or message.  `found` counts what was starred; `withheld`: nothing more of it is shown."""

    __slots__ = ("_before", "_names", "found", "withheld")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._before = b""  # the last bytes of what came before: a name may stand there
        self.found = 0
        self.withheld = False

    def feed(self, data: bytes) -> bytes:
        """As it may be recorded; the same object where nothing is to be starred."""
        if not self.withheld:
            first = not self._before
            text = self._before + data
            self.withheld = (first and _is_login(data)) or names_one(text, self._names)
            self.found += self.withheld
            self._before = text[-MAX_NAME - 4 :]
        return b"*" * len(data) if self.withheld else data


def is_packed(data: bytes) -> bool:
    """Whether it begins as an object or list of MessagePack or CBOR may, in which a text follows soon; so does what has
    hardly begun."""
    if not data or data[0] < 0x80:
        return False
    if len(data) <= _MAX_MARK:
        return True
    here: i64 = 1
    end: i64 = min(len(data), _MAX_MARK)
    while here < end:
        begin: i64 = _begin(data, here)
        if begin > 0 and _text(data, begin, begin + _LEAST):
            return True
        here += 1
    return False


def names_one(data: bytes, names: SecretNames) -> bool:
    """Whether a secret name stands somewhere, as a text or with a sign behind it."""
    here: i64 = 0
    end: i64 = len(data)
    while here < end:
        begin: i64 = _begin(data, here)
        if begin > 0 and begin <= end:
            size: i64 = data[here] & 0x1F if begin == here + 1 else data[here + 1]
            stop: i64 = begin + size
            fits = 0 < size <= MAX_NAME and stop <= end
            if fits and names.may_hide(data, stop) and _text(data, begin, stop) and names.hides(data[begin:stop]):
                return True
        here += 1
    return may_mention(data, names)


def _begin(data: bytes, here: i64) -> i64:
    """Where the text begins whose length `here` may be; 0 for none."""
    c: i64 = data[here]
    if 0xA1 <= c <= 0xBF or 0x61 <= c <= 0x77:
        return here + 1
    return here + 2 if c == 0xD9 or c == 0x78 else 0


def _text(data: bytes, begin: i64, end: i64) -> bool:
    """Letters, and what else is in names."""
    if end > len(data):
        return False
    while begin < end:
        kind: i64 = KINDS[data[begin]]
        if kind == 0 or data[begin] >= 0x80:
            return False
        begin += 1
    return True


def _is_login(data: bytes) -> bool:
    """That of MQTT has its password by its place."""
    return data[:1] == b"\x10" and (b"\x00\x04MQTT" in data[:12] or b"\x00\x06MQIsdp" in data[:14])
