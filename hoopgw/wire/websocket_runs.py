"""Runs of small WebSocket messages -> the same messages as they go on, without an object for each.  Compiled loops.

A message that is one frame, whole and not compressed needs another mask at most.  The first that is otherwise, that is
cut, or that breaks a rule ends the run, and is left to those who read frame by frame (`websocket`).
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, read_i32_le, read_i64_le, write_i32_le, write_i64_le
from mypy_extensions import i32, i64, u8

from hoopgw.wire.websocket import masked
from hoopgw.wire.websocket_messages import Keys

MOST: Final = 16 * 1024  # bytes of one run: whoever replays it takes it apart again, message by message
_TEXT: Final = 0x81  # final, and no bit of an extension
_BINARY: Final = 0x82
_MASKED: Final = 0x80
_ONES: Final = 0x0101010101010101
_HALF: Final = 0xFFFFFFFF


@final
class Run:
    """Messages up to `end`.  `size` is that of what they carry; a journal keeps `recorded`: no frame has a mask."""

    __slots__ = ("data", "end", "recorded", "size")

    def __init__(self, end: int, size: int, data: bytes, recorded: bytes) -> None:
        self.end = end
        self.size = size
        self.data = data
        self.recorded = recorded


def told_run(data: bytes, start: i64) -> Run | None:
    """Of a server, from the beginning of a frame on; None where no message is to be read so."""
    end: i64 = len(data)
    here: i64 = start
    carried: i64 = 0
    while here < end and here - start < MOST:
        at: i64 = payload_of(data, here, end, 0)
        if at < 0:
            break
        stop: i64 = at >> 4
        at = here + (at & 15)
        if data[here] == _TEXT and not _ascii(data, at, stop) and not _utf8(data[at:stop]):
            break
        carried += stop - at
        here = stop
    if here == start:
        return None
    run = data if start == 0 and here == end else data[start:here]
    return Run(here, carried, run, run)


def said_run(data: bytes, start: i64, keys: Keys) -> Run | None:
    """Of a client; each message goes on with a mask of its own."""
    end: i64 = len(data)
    here: i64 = start
    carried: i64 = 0
    out, kept = BytesWriter(), BytesWriter()
    while here < end and here - start < MOST:
        at: i64 = payload_of(data, here, end, _MASKED)
        if at < 0:
            break
        stop: i64 = at >> 4
        at = here + (at & 15)
        written: i64 = len(out)
        recorded: i64 = len(kept)
        seen: i64 = _remasked(data, here, at, stop, keys.next_word(), out, kept)
        if seen and data[here] == _TEXT and not _utf8(masked(data[at:stop], data[at - 4 : at])):
            out.truncate(written)
            kept.truncate(recorded)
            break
        carried += stop - at
        here = stop
    if here == start:
        return None
    return Run(here, carried, out.getvalue(), kept.getvalue())


def payload_of(data: bytes, here: i64, end: i64, mask: i64) -> i64:
    """16 times where the payload ends, and where it begins in the frame at `here`; -1 where it is not for a run.

    `mask`: 0x80 of a client's frame (RFC 6455, 5.2), 0 of a server's, and of one that is recorded.
    """
    if here + 2 > end:
        return -1
    first: i64 = data[here]
    size: i64 = data[here + 1]
    if (first != _TEXT and first != _BINARY) or size & _MASKED != mask:
        return -1
    size &= 127
    head: i64 = 2
    if size == 126:
        if here + 4 > end:
            return -1
        size = data[here + 2]
        size = size << 8 | data[here + 3]
        head = 4
        if size < 126:
            return -1
    elif size == 127:
        return -1
    if mask:
        head += 4
    stop: i64 = here + head + size
    if stop > end:
        return -1
    return stop << 4 | head


def _remasked(data: bytes, here: i64, at: i64, stop: i64, key: i64, out: BytesWriter, kept: BytesWriter) -> i64:
    """One message, with the mask `key` for the server and without one.  Not 0: a byte of it is beyond ASCII."""
    under: i64 = i64(read_i32_le(data, at - 4))
    over: i64 = under ^ key
    under = under << 32 | under & _HALF
    over = over << 32 | over & _HALF
    before: i64 = here
    while before < at - 4:
        c: i64 = data[before]
        kept.append(u8(c & 127 if before == here + 1 else c))
        out.append(u8(c))
        before += 1
    write_i32_le(out, i32(key))
    seen: i64 = 0
    while at + 8 <= stop:
        word: i64 = read_i64_le(data, at)
        write_i64_le(out, word ^ over)
        word ^= under
        write_i64_le(kept, word)
        seen |= word
        at += 8
    rest: i64 = stop - at
    if rest:
        word = _last(data, at, rest)
        write_i64_le(out, word ^ over)
        out.truncate(len(out) - 8 + rest)
        word ^= under
        write_i64_le(kept, word)
        kept.truncate(len(kept) - 8 + rest)
        seen |= word << ((8 - rest) * 8)
    return seen >> 7 & _ONES


def _last(data: bytes, at: i64, size: i64) -> i64:
    """Fewer than eight bytes as a word: what is behind them may be in it."""
    if at + 8 <= len(data):
        return read_i64_le(data, at)
    word: i64 = 0
    while size:
        size -= 1
        word = word << 8 | data[at + size]
    return word


def _ascii(data: bytes, at: i64, stop: i64) -> bool:
    seen: i64 = 0
    while at + 8 <= stop:
        seen |= read_i64_le(data, at)
        at += 8
    rest: i64 = stop - at
    if rest:
        seen |= _last(data, at, rest) << ((8 - rest) * 8)
    return seen >> 7 & _ONES == 0


def _utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
