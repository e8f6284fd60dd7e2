"""What a statement's words may mean for the stream that it runs in.

A keyword has one spelling but for case, and a word in a comment or a literal costs only time: what is not hinted at
cannot happen.
"""

from __future__ import annotations

from typing import Final

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
# by first and second letter, as ASCII
_WORDS: Final = {
    0x636F: ((b"copy", _COPY), (b"commit", _COMMIT), (b"constraints", _COMMIT)),
    0x6672: ((b"from", _FROM),),
    0x7374: ((b"stdin", _STREAM), (b"stdout", _STREAM)),
    0x7072: ((b"prepare", _PREPARE),),
    0x6465: ((b"declare", _DEFINE),),
    0x6372: ((b"create", _CREATE),),
    0x696E: ((b"into", _CREATE),),
    0x656E: ((b"end", _COMMIT),),
    0x7865: ((b"xecute", _EXECUTE),),
}


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
    """Which words there are: pairs of letters that begin none cost a nanosecond or two."""
    found = 0
    size: i64 = len(text)
    here: i64 = 1
    before: i64 = text[0] | 32 if size else 0
    while here < size:
        byte: i64 = text[here] | 32
        if byte == 111 or byte == 114 or byte == 116 or byte == 101 or byte == 110:
            pair = (before << 8) | byte
            if (
                pair == 0x636F
                or pair == 0x6672
                or pair == 0x7374
                or pair == 0x7072
                or pair == 0x6465
                or pair == 0x6372
                or pair == 0x696E
                or pair == 0x656E
                or pair == 0x7865
            ):
                found |= _begun(text, here - 1, pair)
        before = byte
        here += 1
    return found


def _begun(text: bytes, here: i64, pair: i64) -> int:
    rest = text[here : here + 11].lower()
    found = 0
    for word, meaning in _WORDS[int(pair)]:
        if rest.startswith(word):
            found |= meaning
    return found


def _searched(text: bytes) -> int:
    lowered = text.lower()
    found = 0
    for words in _WORDS.values():
        for word, meaning in words:
            if word in lowered:
                found |= meaning
    return found
