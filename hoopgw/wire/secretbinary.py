"""MessagePack, CBOR and others whose texts have their lengths before them, in pieces -> the same, or so many stars.

From the piece on in which a secret name stands all is starred: what belongs to a name is not read here.  Compiled.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import KINDS, MAX_NAME, SecretNames
from hoopgw.wire.secretplaces import may_mention

_KINDS: Final = bytes(0 if c >= 0x80 else kind for c, kind in enumerate(KINDS))  # as here no name has other letters
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
            self.withheld = (first and is_login(data)) or self._names_one(text)
            self.found += self.withheld
            self._before = text[-MAX_NAME - 4 :]
        return b"*" * len(data) if self.withheld else data

    def _names_one(self, text: bytes) -> bool:
        """As a text with its length, or with a sign behind it."""
        return packs_one(text, 0, len(text), self._names) or may_mention(text, self._names)


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


def packs_one(data: bytes, start: i64, end: i64, names: SecretNames) -> bool:
    """Whether a secret name stands in data[start:end] with its length before it."""
    kinds, ends, every = _KINDS, names.ends, names.every
    here: i64 = start
    letters: i64 = 0  # in a row, but for what parts words
    last: i64 = 0  # three of them
    digits = False  # have come behind them
    read = False  # an escape or a bracket is before them: the name has to be
    may = False  # it ends here
    while here < end:
        c: i64 = data[here]
        kind: i64 = kinds[c]
        here += 1
        if kind == 1:
            if digits:
                letters = 0
                digits = False
                read = False
            last = (last << 5 | (c & 31)) & 0x7FFF
            letters += 1
            may = read
            if letters >= 3:
                may = ends[last] != 0
        elif kind == 0:
            letters = 0
            digits = False
            read = False
            may = False
        elif kind == 3:
            digits = True
        elif kind == 4:
            letters = 0
            digits = False
            read = True
            may = True
        if (may or (every and kind != 0)) and _packed(data, start, here, names):
            return True
    return False


def _packed(data: bytes, start: i64, end: i64, names: SecretNames) -> bool:
    """Whether a secret name ends there whose length is told."""
    begin: i64 = end - 1
    while begin > start:
        c: i64 = data[begin - 1]
        size: i64 = end - begin
        told = (0xA1 <= c <= 0xBF or 0x61 <= c <= 0x77) and c & 31 == size
        if not told and c == size and begin - 1 > start:
            told = data[begin - 2] == 0xD9 or data[begin - 2] == 0x78
        if told and names.hides(data[begin:end]):
            return True
        if _KINDS[c] == 0 or size == MAX_NAME:
            return False
        begin -= 1
    return False


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
        if _KINDS[data[begin]] == 0:
            return False
        begin += 1
    return True


def is_login(data: bytes) -> bool:
    """Whether it begins as that of MQTT, which has its password by its place."""
    return data[:1] == b"\x10" and (b"\x00\x04MQTT" in data[:12] or b"\x00\x06MQIsdp" in data[:14])
