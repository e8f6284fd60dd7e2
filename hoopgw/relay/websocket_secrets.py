"""A client's messages of a WebSocket as the record has them: values of members with a secret name are stars."""

from __future__ import annotations

from typing import Final, final

from hoopgw.wire import websocket as ws
from hoopgw.wire.secretbinary import SecretBinary, names_one
from hoopgw.wire.secretbody import is_json, is_markup
from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secretpairs import may_have_pairs
from hoopgw.wire.secretplaces import may_mention, mentions
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml

_TAG: Final = b"<"  # how XML begins (XMPP: RFC 7395)
_STOMP: Final = (b"CONNECT", b"STOMP", b"SEND")  # how a message of STOMP begins that has fields
_KIND: Final = 0x0F  # of a frame, in its first byte
_BINARY: Final = b"\x82"
_MQTT: Final = b"\x10"  # how a login of it begins


@final
class MessageSecrets:
    """`found` counts the values."""

    __slots__ = ("_names", "_reader", "found")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._reader: SecretText | SecretXml | SecretBinary = SecretText(names)  # of the message in hand
        self.found = 0

    def piece(self, piece: ws.Piece) -> ws.Piece:
        """Some of a message; control frames may come between."""
        if piece.kind >= ws.CLOSE:
            return piece
        if piece.first:
            if piece.last and self._is_clean(piece.kind, piece.data):
                return piece
            self._reader = self._opened(piece.kind, piece.data)
        before = self._reader.found
        shown = self._reader.feed(piece.data)
        self.found += self._reader.found - before
        return piece if shown is piece.data else ws.Piece(piece.kind, shown, piece.first, piece.last)

    def run(self, frames: bytes) -> bytes:
        """Messages that are one frame each, without masks (`wire.websocket_runs`)."""
        if not (_BINARY in frames or _TAG in frames or may_have_pairs(frames) or may_mention(frames, self._names)):
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
            kind = frames[here] & _KIND
            shown.append(frames[here:start])
            if self._is_clean(kind, message):
                shown.append(message)
            else:
                reader = self._opened(kind, message)
                shown.append(reader.feed(message))
                self.found += reader.found
            here = start + size
        return b"".join(shown)

    def _is_clean(self, kind: int, message: bytes) -> bool:
        """Nothing of a message that is whole is kept out of the record."""
        if kind == ws.BINARY:
            return message[:1] != _MQTT and not names_one(message, self._names) and not is_markup(message)
        return not mentions(message, self._names) and _TAG not in message

    def _opened(self, kind: int, begin: bytes) -> SecretText | SecretXml | SecretBinary:
        """For the message that begins so."""
        if is_markup(begin):
            return SecretXml(self._names)
        if kind == ws.BINARY and not is_json(begin):
            return SecretBinary(self._names)
        return SecretText(self._names, begin.startswith(_STOMP))
