"""Where the value of a pair stands whose name is secret: `{"name": "DB_PASSWORD", "value": …}`, `["--password", …]`.
Compiled.

Any text beside a `value` in one object, or between the same parentheses, counts as its name (`"type": "password"` of
Keycloak, `"path": "/password"` of JSON Patch), before it or behind it.  In a list a secret name has what follows it.
"""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire.secretnames import MAX_NAME, SecretNames

REACH: Final = 512  # bytes that are kept of what came before
MAX_OPEN: Final = 512  # objects and lists; of more, the outer ones are not known

_OBJECT: Final = 0
_LIST: Final = 1
_INSIDE: Final = 2  # of a text, which may be JSON as well

_ENDINGS: Final = (b"value", b"values", b"val")
_TELLING: Final = (b"name", b"key", b"path")  # members by which a pair is named
_LINE: Final = re.compile(
    rb"(?im)^[ \t-]*[\w-]{1,64}:[ \t]*[\"']?([\w./-]{1,128})[\"']?[ \t]*\r?\n[ \t]*[\w-]{0,64}values?[ \t]*(?=:)"
)
_SCALAR: Final = re.compile(rb"[ \t\r\n\\]*(?:\[[ \t\r\n\\]*)?(?![{\[ \t\r\n\\]|\Z)|[ \t\r\n\\\[]*\Z")
_QUOTE: Final = 34
_SINGLE: Final = 39
_COLON: Final = 58
_COMMA: Final = 44
_BACKSLASH: Final = 92
_NOTHING: Final = 0
# Most bytes are of texts, and most texts have none of what is looked at in one
_IN_TEXT: Final = bytes(0 if c in b'"\\{[\n' else 1 for c in range(256))
_BLANK: Final = bytes(1 if c in b" \t\r\n" else 0 for c in range(256))
# How names end by which a pair is named, or what of it is its value
_LAST: Final = bytes(1 if chr(c) in "yehYEH" else 0 for c in range(256))
_LAST_VALUED: Final = bytes(1 if chr(c) in "eslESL" else 0 for c in range(256))


def may_have_pairs(data: bytes) -> bool:
    return b"val" in data or b"Val" in data or b"VAL" in data


def lists_one(data: bytes, start: i64, end: i64, names: SecretNames) -> bool:
    """Whether a secret name stands before a comma, in quotes."""
    here: i64 = data.find(b'",', start, end)
    while here >= 0:
        stop: i64 = here
        while stop > start and data[stop - 1] == _BACKSLASH:
            stop -= 1
        if names.may_hide(data, stop):
            begin: i64 = max(data.rfind(b'"', start, stop) + 1, start, stop - MAX_NAME)
            if names.hides(data[begin:stop]):
                return True
        here = data.find(b'",', here + 1, end)
    return False


def pairs(data: bytes, names: SecretNames) -> list[int]:
    """`Pairs` of a text that is whole."""
    return Pairs(names).places(data, 0)


def lines(data: bytes, names: SecretNames) -> list[int]:
    """The colon of each line `value: …` behind one that names a secret."""
    return [each.end() for each in _LINE.finditer(data) if names.hides(each[1])]


@final
class _Open:
    """An object or list that has begun."""

    __slots__ = ("kind", "level", "named", "places", "secret")

    def __init__(self, kind: i64, level: i64 = 0) -> None:
        self.kind: i64 = kind
        self.level: i64 = level  # backslashes before the quotes of the text it is the inside of
        self.named = False  # its name has come
        self.secret = False
        self.places: list[int] | None = None  # colons behind a `value`, in the bytes in hand


@final
class Pairs:
    """Follows one text.  A value that the bytes in hand do not give a name is taken for secret."""

    __slots__ = (
        "_element", "_found", "_held", "_inside", "_level", "_names", "_open", "_quoted", "_run", "_sign", "_telling",
        "_top", "_valued",
    )  # fmt: skip

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._top = _Open(_OBJECT)
        self._open: list[_Open] = [self._top]
        self._found: list[int] = []
        self._quoted = False  # in a text
        self._level: i64 = 0  # of its quotes
        self._run: i64 = 0  # backslashes before what comes next
        self._held = b""  # of a text, what came before
        self._inside: i64 = 0  # texts that are entered
        self._telling = False  # the last name is one by which a pair is named
        self._valued = False  # or that of its value
        self._sign: i64 = _NOTHING  # the last one outside of texts; a quote for a text
        self._element = False  # the last one of a list is a secret name

    def places(self, data: bytes, start: i64) -> list[int]:
        """Of the signs, from `start` on, behind which a value stands that is secret."""
        here: i64 = start
        end: i64 = len(data)
        self._found = []
        for each in self._open:
            each.places = None
        while here < end:
            c: i64 = data[here]
            if self._quoted:
                here = self._in_text(data, here, end)
            elif c == _QUOTE:
                stop: i64 = here + 1
                while stop < end and _IN_TEXT[data[stop]]:
                    stop += 1
                if stop < end and data[stop] == _QUOTE and self._run == 0 and self._inside == 0:
                    self._text(data, here + 1, stop)
                    here = stop + 1
                else:
                    here = self._quote(data, here, end)
            elif _BLANK[c]:
                self._run = 0
                here += 1
            elif c == _BACKSLASH:
                self._run += 1
                here += 1
            elif c == _SINGLE and (self._sign == _COLON or self._sign == _COMMA or self._sign == 91):
                here = self._single(data, here, end)
            else:
                self._structure(data, here, c)
                here += 1
        for each in self._open:
            places = each.places
            if places is not None:
                self._found += [at for at in places if each.secret or (not each.named and _SCALAR.match(data, at + 1))]
        return self._found

    # ---- texts

    def _quote(self, data: bytes, here: i64, end: i64) -> i64:
        level: i64 = self._run
        self._run = 0
        if self._inside > 0:
            inside: i64 = self._around(level)
            if inside > 0:
                while len(self._open) > inside:
                    self._close()
                self._sign = _NOTHING
                return here + 1
        self._level = level
        begin: i64 = here + 1
        stop: i64 = self._end(data, begin, 0)
        if self._enters(data, begin, end if stop < 0 else stop):
            return begin
        self._held = b""
        if stop < 0:
            self._quoted = True
            return self._in_text(data, begin, end)
        return self._ends(data[begin:stop], stop, _run(data, begin, stop))

    def _enters(self, data: bytes, here: i64, end: i64) -> bool:
        """What is in a text may be JSON."""
        if data.find(b"{", here, end) < 0 and data.find(b"[", here, end) < 0:
            return False
        self._push(_INSIDE, self._level)
        self._quoted = False
        self._sign = _NOTHING
        return True

    def _in_text(self, data: bytes, here: i64, end: i64) -> i64:
        stop: i64 = self._end(data, here, self._run)
        if self._enters(data, here, end if stop < 0 else stop):
            return here
        if self._level == 0:  # JSON has no end of line in a text: this was none
            line: i64 = data.find(b"\n", here, end if stop < 0 else stop)
            if line >= 0:
                self._quoted = False
                self._run = 0
                return line + 1
        if stop < 0:
            self._held = (self._held + data[here : here + MAX_NAME + 1])[: MAX_NAME + 1]
            trailing: i64 = end
            while trailing > here and data[trailing - 1] == _BACKSLASH:
                trailing -= 1
            self._run = end - trailing if trailing > here else self._run + end - here
            return end
        run: i64 = _run(data, here, stop)
        if run == stop - here:
            run += self._run
        self._quoted = False
        self._run = 0
        held = self._held + data[here : min(stop, here + MAX_NAME + 1)]
        return self._ends(held, stop, run)

    def _ends(self, content: bytes, stop: i64, run: i64) -> i64:
        """At a quote: its own, or, with fewer backslashes, that of the text around it."""
        self._text(content, 0, max(len(content) - min(run, self._level), 0))
        if self._inside > 0 and self._around(run) > 0:
            self._run = run
            return stop
        return stop + 1

    def _around(self, run: i64) -> i64:
        """Of the texts that are entered, the outermost that a quote ends with so many backslashes; 0 for none."""
        here: i64 = 1
        while here < len(self._open):
            if self._open[here].kind == _INSIDE and _ends(run, self._open[here].level):
                return here
            here += 1
        return 0

    def _end(self, data: bytes, here: i64, run: i64) -> i64:
        """Where the quote stands that ends it; -1 where it is not there.  `run`: backslashes before `here`."""
        level: i64 = self._level
        found: i64 = data.find(b'"', here)
        while found >= 0:
            count: i64 = _run(data, here, found)
            if count == found - here:
                count += run
            if _ends(count, level) or (self._inside > 0 and self._around(count) > 0):
                return found
            found = data.find(b'"', found + 1)
        return -1

    def _single(self, data: bytes, here: i64, end: i64) -> i64:
        stop: i64 = data.find(b"'", here + 1, here + MAX_NAME)
        if stop < 0 or data.find(b'"', here, stop) >= 0:
            self._sign = _NOTHING
            return here + 1
        self._run = 0
        self._text(data, here + 1, stop)
        return stop + 1

    def _text(self, data: bytes, begin: i64, end: i64) -> None:
        """One that is whole."""
        top = self._top
        colon = self._sign == _COLON
        if colon or top.kind == _LIST:
            secret = end - begin <= MAX_NAME and self._names.may_hide(data, end) and self._names.hides(data[begin:end])
            if top.kind == _LIST:
                self._element = secret
            else:
                top.secret = top.secret or secret
                top.named = top.named or self._telling
        if not colon:
            c: i64 = data[end - 1] if end > begin else 0
            self._telling = _LAST[c] != 0 and data[max(end - 4, begin) : end].lower().endswith(_TELLING)
            self._valued = _LAST_VALUED[c] != 0 and data[max(end - 6, begin) : end].lower().endswith(_ENDINGS)
        self._sign = _QUOTE

    # ---- what they stand in

    def _structure(self, data: bytes, here: i64, c: i64) -> None:
        run: i64 = self._run
        self._run = 0
        if run == 1 and (c == 110 or c == 114 or c == 116):  # a blank, in a text
            return
        if c == _COLON:
            self._colon(data, here)
        elif c == _COMMA:
            if self._element and self._sign == _QUOTE:
                self._found.append(here)
            self._element = False
        elif c == 123 or c == 40:
            self._push(_OBJECT, 0)
        elif c == 91:
            self._push(_LIST, 0)
        elif c == 125 or c == 41:
            self._pop(_OBJECT)
        elif c == 93:
            self._pop(_LIST)
        self._sign = c

    def _colon(self, data: bytes, here: i64) -> None:
        if self._sign != _QUOTE:
            stop: i64 = here
            while stop > 0 and (data[stop - 1] == 32 or data[stop - 1] == 9):
                stop -= 1
            name = data[max(stop - 6, 0) : stop].lower()
            self._telling = name.endswith(_TELLING)
            self._valued = name.endswith(_ENDINGS)
        if self._valued and len(self._open) > 1:
            top = self._top
            if top.places is None:
                top.places = [here]
            else:
                top.places.append(here)

    def _push(self, kind: i64, level: i64) -> None:
        self._top = _Open(kind, level)
        self._open.append(self._top)
        self._inside += kind == _INSIDE
        self._element = False
        if len(self._open) > MAX_OPEN:
            self._inside -= self._open.pop(1).kind == _INSIDE

    def _pop(self, kind: i64) -> None:
        here: i64 = len(self._open) - 1
        while here > 0 and self._open[here].kind != kind and self._open[here].kind != _INSIDE:
            here -= 1
        if here > 0 and self._open[here].kind == kind:
            while len(self._open) > here:
                self._close()

    def _close(self) -> None:
        top = self._open.pop()
        self._inside -= top.kind == _INSIDE
        if top.secret and top.places is not None:
            self._found += top.places
        self._top = self._open[-1]
        self._element = False


def _ends(run: i64, level: i64) -> bool:
    """Whether so many backslashes make of a quote the end of a text whose quotes have `level`."""
    return run < level or run % (level + level + 2) == level


def _run(data: bytes, start: i64, end: i64) -> i64:
    """How many backslashes stand before `end`, from `start` on."""
    here: i64 = end
    while here > start and data[here - 1] == _BACKSLASH:
        here -= 1
    return end - here
