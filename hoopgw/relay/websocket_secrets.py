"""A client's messages of a WebSocket as the record has them: values of members with a secret name are stars."""

from __future__ import annotations

from typing import Final, final

from hoopgw.wire import websocket as ws
from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secretplaces import mentions
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml

_TAG: Final = b"<"  # how XML begins (XMPP: RFC 7395)
_STOMP: Final = (b"CONNECT", b"STOMP", b"SEND")  # how a message of STOMP begins that has fields


@final
class MessageSecrets:
    """`found` counts the values."""

    __slots__ = ("_names", "_text", "found")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._text: SecretText | SecretXml = SecretText(names)  # of the message in hand
        self.found = 0

    def piece(self, piece: ws.Piece) -> ws.Piece:
        """Some of a message; control frames may come between."""
        if piece.kind >= ws.CLOSE:
            return piece
        if piece.first:
            if piece.last and not (mentions(piece.data, self._names) or _TAG in piece.data):
                return piece
            self._text = self._reader(piece.data)
        before = self._text.found
        shown = self._text.feed(piece.data)
        self.found += self._text.found - before
        return piece if shown is piece.data else ws.Piece(piece.kind, shown, piece.first, piece.last)

    def run(self, frames: bytes) -> bytes:
        """Messages that are one frame each, without masks (`wire.websocket_runs`)."""
        if not (mentions(frames, self._names) or _TAG in frames):
            return frames
        shown: list[bytes] = []
        here = 0
        while here < len(frames):
            start = here + 2
            size = frames[here + 1]
            if size >= 126:
                start += 2 if size == 126 else 8
                size = int.from_bytes(frames[here + 2 : start], "big")
            message = frames[start : start + size]
            text = self._reader(message)
            shown += (frames[here:start], text.feed(message))
            self.found += text.found
            here = start + size
        return b"".join(shown)

    def _reader(self, begin: bytes) -> SecretText | SecretXml:
        """For the message that begins so."""
        if begin.lstrip()[:1] == _TAG:
            return SecretXml(self._names)
        return SecretText(self._names, begin.startswith(_STOMP))
