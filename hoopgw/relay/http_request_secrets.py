"""What the record gets of one request's line and body: all of it but secret values."""

from __future__ import annotations

from typing import Final, final

from hoopgw.relay.http_body import Body
from hoopgw.relay.http_secrets import BodyKind, BodySecrets, is_clean
from hoopgw.wire.httpfields import CHUNKED, LENGTH
from hoopgw.wire.secretbody import NONE, may_open
from hoopgw.wire.secretform import is_plain, starred_target
from hoopgw.wire.secretnames import NO_NAMES, SecretNames


@final
class RequestSecrets:
    """Follows one request at a time.

    looks  the body that comes is one to be looked through
    found  what the record may not have of the body in hand; None: there is nothing so far
    """

    __slots__ = ("_line", "_line_shown", "_names", "_starred", "_withheld", "found", "looks")

    def __init__(self, names: SecretNames) -> None:
        self._names: Final = names
        self.looks = False
        self.found: BodySecrets | None = None
        self._starred = self._withheld = 0  # of all requests but the one in hand
        self._line = self._line_shown = b""  # the last one that was looked through

    def of_line(self, line: bytes) -> bytes:
        """Method and target; the same object where they hold no secret."""
        if is_plain(line) or self._names is NO_NAMES:
            return line
        if line != self._line:
            found = starred_target(line, self._names)
            self._line, self._line_shown = line, b"" if found is line else found
        if not self._line_shown:
            return line
        self._starred += 1
        return self._line_shown

    def of_piece(self, piece: bytes, content: list[bytes], up: Body, kind: BodyKind) -> bytes:
        """Some of the body `up`, whose chunks hold `content`; the same object where the record gets all of it."""
        if self.looks and piece:
            if kind.way == NONE:
                first = next(filter(None, content), b"")
                if not first or not may_open(first):
                    self.looks = not first
                    return piece
            self.looks = False
            if up.framing == CHUNKED or not up.ended or not is_clean(kind, piece, self._names):
                self.found = BodySecrets(kind, self._names, up.framing)
        found = self.found
        return piece if found is None else found.recorded(piece, content, up.ended, up.trailers)

    def of_whole(self, body: bytes, kind: BodyKind) -> bytes | None:
        """All of the body in hand, without the chunks that it came in; None where it holds no secret."""
        found = self.found
        if found is None or not (found.found or found.withheld):
            return None
        return BodySecrets(kind, self._names, LENGTH).recorded(body, [body], True, [])

    def left_out(self) -> tuple[int, int]:
        """(values that the record does not have, bodies of which it has no more than their length)."""
        found = self.found
        if found is None:
            return self._starred, self._withheld
        return self._starred + found.found, self._withheld + found.withheld

    def forget(self) -> None:
        """The request has its answer."""
        self._starred, self._withheld = self.left_out()
        self.found = None
