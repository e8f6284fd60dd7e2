"""What a statement's words may mean for the stream that it runs in.

A keyword has one spelling but for case, and a word in a comment or a literal costs only time: what is not hinted at
cannot happen.
"""

from __future__ import annotations

from typing import Any, Final

import re2
from librt.strings import read_i32_le
from mypy_extensions import i64

COPIES: Final = 1  # it may start COPY FROM STDIN (for PostgreSQL's grammar FROM STDOUT is the same)
DEFINES: Final = 2  # it may define a statement or a portal by SQL; EXECUTE, because a PREPARE may be prepared
CREATES: Final = 4  # a SELECT with these words may make a table
COMMITS: Final = 8  # it may run what was deferred
WALKED: Final = 1024  # bytes of a text that are walked over; a longer one is searched

_COPY: Final = 1
_FROM: Final = 2
_STREAM: Final = 4
_PREPARE: Final = 8
_DEFINE: Final = 16
_CREATE: Final = 32
_COMMIT: Final = 64
_EXECUTE: Final = 128
_WORDS: Final = (
    (b"copy", _COPY),
    (b"from", _FROM),
    (b"stdin", _STREAM),
    (b"stdout", _STREAM),
    (b"prepare", _PREPARE),
    (b"declare", _DEFINE),
    (b"create", _CREATE),
    (b"into", _CREATE),
    (b"commit", _COMMIT),
    (b"constraints", _COMMIT),
    (b"end", _COMMIT),
    (b"execute", _EXECUTE),
)
_LONGEST: Final = 11  # letters


def _letters(at: int) -> bytes:
    """By byte: a bit for each first letter of words where it is that (0), or follows it (1)."""
    first = sorted({word[0] for word, _ in _WORDS})
    bits = bytearray(256)
    for word, _ in _WORDS:
        for letter in (word[at], word[at] - 32):
            bits[letter] |= 2 ** first.index(word[0])
    return bytes(bits)


_FIRST: Final = _letters(0)
_SECOND: Final = _letters(1)
# their first four letters, the lowest byte first
_FROM_4: Final = 0x6D6F7266
_COPY_4: Final = 0x79706F63
_STDI_4: Final = 0x69647473
_STDO_4: Final = 0x6F647473
_PREP_4: Final = 0x70657270
_DECL_4: Final = 0x6C636564
_CREA_4: Final = 0x61657263
_INTO_4: Final = 0x6F746E69
_COMM_4: Final = 0x6D6D6F63
_CONS_4: Final = 0x736E6F63
_EXEC_4: Final = 0x63657865
_END_3: Final = 0x646E65


def _together() -> Any:
    """All words at once, in one pass: a text that is full of their letters costs no more than another."""
    options = re2.Options()
    options.literal, options.case_sensitive, options.encoding = True, False, re2.Options.Encoding.LATIN1
    together = re2.Set.SearchSet(options)
    for word, _ in _WORDS:
        together.Add(word)
    together.Compile()
    return together


_SET: Final = _together()


def hints(text: bytes) -> int:
    """What the words of a statement may mean, together."""
    words = _walked(text) if len(text) <= WALKED else _searched(text)
    found = 0
    if words & _COPY and words & _FROM and words & _STREAM:
        found |= COPIES
    if words & (_PREPARE | _DEFINE | _EXECUTE):
        found |= DEFINES
    if words & _CREATE:
        found |= CREATES
    if words & (_COMMIT | _PREPARE | _EXECUTE):
        found |= COMMITS
    return found


def _walked(text: bytes) -> int:
    """Which words there are.  Nearly all places are passed by their first two letters, others by four."""
    first, second = _FIRST, _SECOND
    found = 0
    size: i64 = len(text)
    here: i64 = 0
    while here + 4 <= size:
        if first[text[here]] & second[text[here + 1]]:
            four = i64(read_i32_le(text, here)) | 0x20202020
            if four == _FROM_4:  # nearly every statement has it
                found |= _FROM
            elif four & 0xFFFFFF == _END_3 or four in (
                _COPY_4, _STDI_4, _STDO_4, _PREP_4, _DECL_4, _CREA_4, _INTO_4, _COMM_4, _CONS_4, _EXEC_4
            ):  # fmt: skip
                found |= _begun(text, here)
        here += 1
    if size >= 3 and text[size - 1] | 32 == 100:  # d
        found |= _begun(text, size - 3)
    return found


def _begun(text: bytes, here: i64) -> int:
    """The word that begins there, if one does."""
    rest = text[here : here + _LONGEST].lower()
    for word, meaning in _WORDS:
        if rest.startswith(word):
            return meaning
    return 0


def _searched(text: bytes) -> int:
    found = 0
    for number in _SET.Match(text) or ():
        found |= _WORDS[number][1]
    return found
