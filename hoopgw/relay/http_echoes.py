"""The target's credential in the target's own answers: services echo requests, in pages for developers and in errors.

What a client may not have is starred in place, so that lengths stay true; a read may end in the middle of it, and
chunks may split it.  Guesses are told nothing: only the whole of a credential is found, and of one that comes in pieces
none is kept waiting before FIRST bytes of it are there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, final
from urllib.parse import quote

import re2

from hoopgw.model.errors import Unmaskable
from hoopgw.wire.codings import Decoding

SHORTEST: Final = 12  # bytes of a credential that is looked for: a short one is a word of many texts, and stars told it
FIRST: Final = 8  # bytes of one that nobody guesses
LARGE: Final = 4096  # bytes from which on a search that is slow to begin is quicker
LOOKED_AT: Final = 1 << 20  # bytes of a compressed body, as it reads, that are looked through: what echoes is short
REDACTED: Final = b"(redacted)"
REASON: Final = "the target's credential, compressed or in pieces"


@final
class Words:
    """What is looked for.

    each     the spellings; () for nothing
    longest  bytes of the longest
    """

    __slots__ = ("each", "longest", "_patterns")

    def __init__(self, each: tuple[bytes, ...]) -> None:
        self.each = each
        self.longest = max([len(word) for word in each], default=0)
        # one for each: with several in one there is no byte that it could look for first, and it takes 50 times as long
        self._patterns: list[Any] = [re2.compile(re2.escape(word)) for word in each]

    def within(self, data: bytes) -> bool:
        if len(data) < LARGE:
            return any(word in data for word in self.each)
        return any(pattern.search(data) is not None for pattern in self._patterns)


NOTHING: Final = Words(())


def spellings(*secrets: bytes) -> Words:
    """How services write them: as they are, in an address, in JSON, in a page."""
    found: dict[bytes, None] = {}
    for secret in secrets:
        if len(secret) >= SHORTEST:
            plain = secret.rstrip(b"=")
            page = plain.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;").replace(b'"', b"&#34;")
            json = plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            ways = [plain, quote(plain, safe="").encode(), json, json.replace(b"/", b"\\/"), page]
            for each in (*ways, page.replace(b"+", b"&#43;")):
                found[each] = None
    return Words(tuple(found)) if found else NOTHING


def redacted(value: bytes, words: Words) -> bytes:
    """A field of a head, or the words of a status line."""
    for word in words.each:
        if word in value:
            value = value.replace(word, REDACTED)
    return value


@final
class Echo:
    """Follows one answer at a time.

    words   what is looked for
    found   how often it was there
    """

    __slots__ = ("words", "found", "_kept", "_before", "_tail", "_decoding", "_decoded")

    def __init__(self) -> None:
        self.begin(NOTHING)

    def begin(self, words: Words) -> None:
        """Another answer."""
        self.words = words
        self.found = 0
        self._kept = b""  # the begin of a credential, which waits for the rest
        self._before = b""  # the last bytes that went on: fewer than FIRST
        self._tail = b""  # the end of the content so far, without what frames it
        self._decoding: Decoding | None = None
        self._decoded = 0

    def encoded(self, codings: tuple[bytes, ...]) -> None:
        """The content is in these; where one is not known it is looked through as it is: some say `utf-8`."""
        if codings:
            with suppress(Unmaskable):
                self._decoding = Decoding(codings)

    @property
    def decodes(self) -> bool:
        """`follow` wants the content."""
        return self._decoding is not None

    def starred(self, data: bytes) -> bytes:
        if self.words.within(data):
            for word in self.words.each:
                self.found += data.count(word)
                data = data.replace(word, b"*" * len(word))
        return data

    def passed(self, data: bytes, ended: bool) -> bytes:
        """What of the answer may go on now, after `data`; `ended`: that was all of it."""
        if not self.words.each:
            return data
        if ended and not self._before and not self._kept:
            return self.starred(data)
        before = self._before if self._kept or self._open() else b""
        joined = self.starred(before + self._kept + data if before or self._kept else data)
        begin = len(before)
        end = len(joined) if ended else max(begin, self._undecided(joined))
        self._kept = joined[end:]
        shown = joined if begin == 0 and end == len(joined) else joined[begin:end]
        self._before = b"" if ended else (self._before + shown[1 - FIRST :])[1 - FIRST :]
        return shown

    def follow(self, data: bytes, pieces: list[bytes], ended: bool) -> bytes:
        """The same of a body whose content is `pieces`.  Raises Unmaskable for a credential that is compressed, or
        split by chunks: it cannot be starred there."""
        content = b"".join(pieces)
        joined = self._tail + (content if self._decoding is None else self._plain(self._decoding, content))
        found = self.found
        shown = self.passed(data, ended)
        if self.words.within(joined):
            there = sum([joined.count(word) for word in self.words.each])
            if there > self.found - found:
                raise Unmaskable(REASON)
        part = joined[self._undecided(joined) :]
        if part and not self._kept and not ended:  # its rest may come in the next chunk
            end = max(0, shown.rfind(part))
            self._kept, shown = shown[end:], shown[:end]
            self._before = shown[1 - FIRST :]
        self._tail = joined[1 - self.words.longest :]
        return shown

    def _plain(self, decoding: Decoding, content: bytes) -> bytes:
        try:
            plain = decoding.feed(content)
        except Unmaskable:  # not in the coding that it names: nobody else reads it either
            self._decoding = None
            return b""
        self._decoded += len(plain)
        if self._decoded > LOOKED_AT:
            self._decoding = None
        return plain

    def _open(self) -> bool:
        """What went on ends as one begins."""
        for word in self.words.each:
            for size in range(1, FIRST):
                if self._before.endswith(word[:size]):
                    return True
        return False

    def _undecided(self, data: bytes) -> int:
        """Where what could be the begin of a credential begins at the end of `data`; its length where nothing does."""
        end = len(data)
        for word in self.words.each:
            here = data.find(word[:FIRST], max(0, len(data) - len(word) + 1))
            while here >= 0:
                if word.startswith(data[here:]):
                    end = min(end, here)
                    break
                here = data.find(word[:FIRST], here + 1)
        return end
