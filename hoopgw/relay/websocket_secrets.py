"""A client's messages of a WebSocket as the record has them: values of members with a secret name are stars."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from hoopgw.wire import websocket as ws
from hoopgw.wire.secretaddresses import SecretAddresses, has_password, may_have_password
from hoopgw.wire.secretbinary import SecretBinary, is_login, packs_one
from hoopgw.wire.secretbody import is_json, is_markup
from hoopgw.wire.secretnames import SecretNames
from hoopgw.wire.secretpairs import may_have_pairs
from hoopgw.wire.secretplaces import mentions, mentions_within, signs_of
from hoopgw.wire.secrettext import SecretText
from hoopgw.wire.secretxml import SecretXml
from hoopgw.wire.websocket_runs import payload_of

_TAG: Final = b"<"  # how XML begins (XMPP: RFC 7395)
_STOMP: Final = (b"CONNECT", b"STOMP", b"SEND")  # how a message of STOMP begins that has fields
_KIND: Final = 0x0F  # of a frame, in its first byte
_BINARY: Final = 0x82
_LOGIN: Final = 0x10  # MQTT's begins so


@final
class MessageSecrets:
    """`found` counts the values."""

    __slots__ = ("_addresses", "_names", "_reader", "found")

    def __init__(self, names: SecretNames) -> None:
        self._names = names
        self._reader: SecretText | SecretXml | SecretBinary = SecretText(names)  # of the message in hand
        self._addresses = SecretAddresses()  # in it
        self.found = 0

    def piece(self, piece: ws.Piece) -> ws.Piece:
        """Some of a message; control frames may come between."""
        if piece.kind >= ws.CLOSE:
            return piece
        if piece.first:
            if piece.last and self._is_clean(piece.kind, piece.data):
                return piece
            self._open(piece.kind, piece.data)
        shown = self._shown(piece.data, not piece.last)
        return piece if shown is piece.data else ws.Piece(piece.kind, shown, piece.first, piece.last)

    def run(self, frames: bytes) -> bytes:
        """Messages that are one frame each, without masks (`wire.websocket_runs`)."""
        if self._passes(frames):
            return frames
        shown: list[bytes] = []
        here: i64 = 0
        end: i64 = len(frames)
        while here < end:
            payload: i64 = payload_of(frames, here, end, 0)
            begin: i64 = here + (payload & 15)
            stop: i64 = payload >> 4
            message = frames[begin:stop]
            kind: i64 = frames[here] & _KIND
            shown.append(frames[here:begin])
            if self._is_clean(kind, message):
                shown.append(message)
            else:
                self._open(kind, message)
                shown.append(self._shown(message, False))
            here = stop
        return b"".join(shown)

    def _passes(self, frames: bytes) -> bool:
        """All of a run is clean, by what is to be seen without an object for each message."""
        names = self._names
        if _TAG in frames or may_have_pairs(frames) or may_have_password(frames):
            return False
        signs: i64 = signs_of(frames)
        here: i64 = 0
        end: i64 = len(frames)
        while here < end:
            payload: i64 = payload_of(frames, here, end, 0)
            begin: i64 = here + (payload & 15)
            stop: i64 = payload >> 4
            if frames[here] == _BINARY and stop > begin:
                login = frames[begin] == _LOGIN and is_login(frames[begin:stop])
                if login or packs_one(frames, begin, stop, names):
                    return False
            if mentions_within(frames, begin, stop, names, signs):
                return False
            here = stop
        return True

    def _is_clean(self, kind: i64, message: bytes) -> bool:
        """Nothing of a message that is whole is kept out of the record."""
        if mentions(message, self._names) or has_password(message):
            return False
        if kind != ws.BINARY:
            return _TAG not in message
        return not (is_markup(message) or is_login(message) or packs_one(message, 0, len(message), self._names))

    def _open(self, kind: i64, begin: bytes) -> None:
        """The message that begins so."""
        names = self._names
        if is_markup(begin):
            self._reader = SecretXml(names)
        elif kind == ws.BINARY and not is_json(begin):
            self._reader = SecretBinary(names)
        else:
            self._reader = SecretText(names, begin.startswith(_STOMP))
        self._addresses = SecretAddresses()

    def _shown(self, data: bytes, more: bool) -> bytes:
        """Some of the message in hand; `more` of it may follow."""
        reader, addresses = self._reader, self._addresses
        before = reader.found + addresses.found
        shown = addresses.star(data, reader.feed(data), more)
        self.found += reader.found + addresses.found - before
        return shown
