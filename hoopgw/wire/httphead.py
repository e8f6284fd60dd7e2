"""HTTP/1.1 heads -> requests and responses (RFC 9112, 2 to 4).  No I/O, no policy.

Strict: what two parsers could read differently is an error, and nothing is repaired.
"""

from __future__ import annotations

import re
from typing import Final, final

from mypy_extensions import i64

from hoopgw.model.errors import HeadTooLong, MalformedFrame, TargetTooLong
from hoopgw.wire.httpfields import CHUNKED, LENGTH, NO_BODY, TOKEN, UNTIL_CLOSE, Block, read_block

MAX_HEAD: Final = 64 * 1024  # bytes of a head: above what nginx (32 KiB) and Node (16 KiB) take in all
MAX_TARGET: Final = 16 * 1024  # bytes of a request target
MAX_KNOWN: Final = 32  # heads of one connection whose fields are remembered
MAX_KNOWN_BYTES: Final = 4096  # of one of them: longer ones are read each time

_END: Final = b"\r\n\r\n"
_NO_LINE: Final = b"\r\n"  # no line holds that
# Of a request target: what is visible, without what no URI may hold and some parsers read as something else
# (RFC 3986, 2: a backslash as a slash, a hash as the end)
_TARGET: Final = bytes(0x21 <= code < 0x7F and code not in b'#\\<>"' for code in range(256))
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"))
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\Z")


def head_end(data: bytes, start: int = 0) -> int:
    """Where the head that begins at `start` ends, its empty line included; -1 where that is not there yet.

    Raises MalformedFrame for a head that is longer than MAX_HEAD.
    """
    found = data.find(_END, start, start + MAX_HEAD)
    if found < 0:
        if len(data) - start >= MAX_HEAD:
            raise HeadTooLong(f"a head of more than {MAX_HEAD} bytes")
        return -1
    return found + 4


def request_line(line: bytes) -> tuple[bytes, bytes, int]:
    """(method, target, minor version) of a request line without CR LF (RFC 9112, 3).

    The target has origin form, is `*` of OPTIONS or the authority of CONNECT.
    """
    parts = line.split(b" ")
    if len(parts) != 3:
        raise MalformedFrame("a request line is a method, a target and a version, with one space between them")
    method, target, version = parts
    if method not in _METHODS and (not method or len(method) > 32 or method.translate(None, TOKEN)):
        raise MalformedFrame("the method is no token")
    if version == b"HTTP/1.1":
        minor = 1
    elif version == b"HTTP/1.0":
        minor = 0
    else:
        raise MalformedFrame("the version is neither HTTP/1.1 nor HTTP/1.0")
    if len(target) > MAX_TARGET:
        raise TargetTooLong(f"a request target of more than {MAX_TARGET} bytes")
    if not target or not _only(target, _TARGET):
        raise MalformedFrame("the request target has characters that no URI has")
    if method == b"CONNECT":
        if _HOST.match(target) is None or b":" not in target.rpartition(b"]")[2]:
            raise MalformedFrame("the target of CONNECT is host:port")
    elif target[0] != 0x2F and not (method == b"OPTIONS" and target == b"*"):
        raise MalformedFrame("the request target does not begin with /")  # absolute form: which host counts?
    return method, target, minor


def _only(text: bytes, allowed: bytes) -> bool:
    """Whether each byte is allowed.  A loop: compiled, it ends before `translate` has made its table."""
    here: i64 = 0
    end: i64 = len(text)
    while here < end:
        code: i64 = text[here]
        if not allowed[code]:
            return False
        here += 1
    return True


def status_line(line: bytes) -> tuple[int, bytes, int]:
    """(status, reason, minor version) of a status line without CR LF (RFC 9112, 4)."""
    found = _STATUS.match(line)
    if found is None:
        raise MalformedFrame("a status line that cannot be read")
    return int(found.group(2)), found.group(3) or b"", int(found.group(1))


@final
class Request:
    """A request's head.  `end` is where it ended in the data."""

    __slots__ = ("method", "target", "minor", "block", "end")

    def __init__(self, method: bytes, target: bytes, minor: int, block: Block, end: int) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.block = block
        self.end = end

    @property
    def host(self) -> bytes:
        return self.block.host


@final
class Response:
    """A response's head.  `framing` is that of its body, as an answer to `method`; UNTIL_CLOSE included."""

    __slots__ = ("status", "reason", "minor", "block", "end", "framing", "length")

    def __init__(
        self, status: int, reason: bytes, minor: int, block: Block, end: int, framing: int, length: int
    ) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.block = block
        self.end = end
        self.framing = framing
        self.length = length


class Blocks:
    """Heads that were read before, by their bytes: a peer's fields seldom change, but for a few.

    Bounded by MAX_KNOWN entries of MAX_KNOWN_BYTES; when full it begins anew.  What came last is known without a look
    into the dictionary: comparing is cheaper than hashing, and far cheaper than looking for where a head ends.

    method, target     what the request line that came last says
    status, reason     the same of a status line
    minor              of the first line that was read last
    block              the last one
    size               bytes of the head that `again` found
    """

    __slots__ = (
        "_asked", "_asks", "_head", "_known", "_said", "_text",
        "block", "method", "minor", "reason", "size", "status", "target",
    )  # fmt: skip

    def __init__(self) -> None:
        self._known: dict[bytes, Block] = {}
        self._head = b""  # the last whole one, if it is to be known again
        self._asks = False  # that is a request's
        self._text = b""  # of the last block, with the empty line behind it; b"" while there is none
        self._asked = _NO_LINE  # the request line that came last, and the status line
        self._said = _NO_LINE
        self.block = Block((), ())
        self.method = b""
        self.target = b""
        self.status = 0
        self.reason = b""
        self.minor = 0
        self.size: i64 = 0

    def same(self, data: bytes, start: i64, asks: bool) -> bool:
        """What stands there is, byte for byte, the head before it: what was read and checked then holds.  `size` is
        its size; `asks`: a request's is looked for."""
        head = self._head
        self.size = len(head)
        return self.size != 0 and asks == self._asks and data[start : start + self.size] == head

    def keep(self, data: bytes, start: i64, end: i64, asks: bool) -> None:
        """A head that was read and checked."""
        self._head, self._asks = data[start:end] if end - start <= MAX_KNOWN_BYTES else b"", asks

    def again(self, data: bytes, start: i64, line_end: i64) -> bool:
        """Behind the first line (from `start` to `line_end`) stands exactly the last block, with the empty line behind
        it; `size` is then that of both."""
        self._head = b""
        begin = line_end + 2
        text = self._text
        self.size = begin - start + len(text)
        return text != b"" and line_end >= 0 and self.size <= MAX_HEAD and data[begin : begin + len(text)] == text

    def read(self, data: bytes, start: int, asks: bool) -> int:
        """Where the head at `start` ends, once its first line and its fields are known; -1 where it is not whole yet.
        Raises MalformedFrame."""
        line_end = data.find(b"\r\n", start)
        known = self.again(data, start, line_end)
        end = start + self.size
        if not known:
            end = head_end(data, start)
            if end < 0:
                return -1
        if asks:
            self.request_line(data[start:line_end])
        else:
            self.status_line(data[start:line_end])
        if not known:
            self.of(data[line_end + 2 : end - 2])
        if self.minor == 0 and self.block.framing == CHUNKED:
            raise MalformedFrame("HTTP/1.0 has no transfer codings")
        return end

    def of(self, block: bytes) -> None:
        """Its fields are `block` from now on.  Raises MalformedFrame."""
        self._head = b""
        found = self._known.get(block)
        if found is None:
            found = read_block(block)
            if len(block) > MAX_KNOWN_BYTES:
                self.block, self._text = found, b""
                return
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[block] = found
        self.block, self._text = found, block + b"\r\n"

    def request_line(self, line: bytes) -> None:
        """Raises MalformedFrame."""
        if line != self._asked:
            self.method, self.target, self.minor = request_line(line)
            self._asked, self._said = line, _NO_LINE

    def status_line(self, line: bytes) -> None:
        """Raises MalformedFrame."""
        if line != self._said:
            self.status, self.reason, self.minor = status_line(line)
            self._said, self._asked = line, _NO_LINE


def read_request(data: bytes, start: int, blocks: Blocks) -> Request | None:
    """The request whose head begins at `start`; None where it is not whole yet.  Raises MalformedFrame."""
    if blocks.same(data, start, True):
        return Request(blocks.method, blocks.target, blocks.minor, blocks.block, start + blocks.size)
    end = blocks.read(data, start, True)
    if end < 0:
        _begins(data, start)
        return None
    block = blocks.block
    if not block.host:
        host = block.one(b"host")
        if _HOST.match(host) is None:
            raise MalformedFrame("Host is not one host name")
        block.host = host
    if blocks.method == b"CONNECT" and block.framing != NO_BODY:
        raise MalformedFrame("a CONNECT with a body")
    blocks.keep(data, start, end, True)
    return Request(blocks.method, blocks.target, blocks.minor, block, end)


def _begins(data: bytes, start: int) -> None:
    """What cannot become a request's head any more is not waited for."""
    _lines_end(data, start)
    space = data.find(b" ", start, start + 33)
    begin = data[start:space] if space >= 0 else data[start : start + 33]
    if len(begin) > 32 or begin.translate(None, TOKEN):
        raise MalformedFrame("the method is no token")


def _lines_end(data: bytes, start: int) -> None:
    """Raises MalformedFrame where a line of a head that is not whole ends in LF alone: its end would never come."""
    # Counted, not matched: of a head that comes byte by byte this is asked for each byte, before anybody is known
    if data.count(b"\n", start) != data.count(b"\r\n", start):
        raise MalformedFrame("a line that ends in LF alone")


def read_response(data: bytes, start: int, method: bytes, blocks: Blocks) -> Response | None:
    """The response to `method` whose head begins at `start`; None where it is not whole yet.  Raises MalformedFrame."""
    if blocks.same(data, start, False):
        end = start + blocks.size
    else:
        end = blocks.read(data, start, False)
        if end < 0:
            _lines_end(data, start)
            return None
        blocks.keep(data, start, end, False)
    block = blocks.block
    framing, length = _body_of(blocks.status, method, block)
    return Response(blocks.status, blocks.reason, blocks.minor, block, end, framing, length)


def _body_of(status: int, method: bytes, block: Block) -> tuple[int, int]:
    """RFC 9112, 6.3."""
    if status < 200 or status == 204:
        if block.framing != NO_BODY and not (block.framing == LENGTH and block.length == 0):
            raise MalformedFrame(f"a body with status {status}")  # RFC 9110, 8.6: a parser may wait for it
        return NO_BODY, 0
    if method == b"HEAD" or status == 304:
        return NO_BODY, 0
    if method == b"CONNECT" and status < 300:
        return UNTIL_CLOSE, 0
    if block.framing == NO_BODY:
        return UNTIL_CLOSE, 0
    return block.framing, block.length
