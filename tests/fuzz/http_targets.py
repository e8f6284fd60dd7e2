"""Fuzz targets of HTTP's other framings: WebSocket frames, messages and handshakes."""

from __future__ import annotations

import contextlib

from hoopgw.model.errors import WireError
from hoopgw.wire import websocket as ws
from hoopgw.wire.websocket_deflate import FREE, RATIO, Terms, agreed, passed_offers, written
from hoopgw.wire.websocket_messages import MessageReader, MessageWriter
from tests.fuzz.choices import Choices, cut

TERMS = (None, Terms(15, 15, False, False), Terms(9, 12, True, True), Terms(8, 8, False, False))
Shown = list[tuple[int, bytes]]


def websocket(data: bytes) -> None:
    """Any cut gives the same messages and the same verdict; what is passed on reads as the same; bombs stay small."""
    choices = Choices(data)
    from_client, terms, places = choices.flag(), choices.pick(TERMS), choices.some()
    stream = choices.rest()
    whole, broken = _read([stream], from_client, terms)
    pieces, also = _read(cut(stream, places), from_client, terms)
    assert broken == also, "a cut changes what is refused"
    if not broken:
        assert _messages(whole) == _messages(pieces), "a cut changes the messages"
    assert sum(len(piece.data) for piece in whole) <= (FREE + RATIO) * (len(stream) + 1)
    writer = MessageWriter((lambda: b"mask") if from_client else None, terms)
    again, failed = _read([b"".join(map(writer.write, whole))], from_client, terms)
    # the compressor may keep what a message that is not whole has so far
    assert not failed and _whole(again) == _whole(whole), "what is passed on is something else"


def _read(reads: list[bytes], from_client: bool, terms: Terms | None) -> tuple[list[ws.Piece], bool]:
    reader, found = MessageReader(from_client, terms), []
    for read in reads:
        try:
            found += reader.read(read)
        except WireError:
            return found, True
    return found, False


def _whole(pieces: list[ws.Piece]) -> Shown:
    ends = [number for number, piece in enumerate(pieces, 1) if piece.last and piece.kind < ws.CLOSE]
    return _messages(pieces[: ends[-1] if ends else 0])


def _messages(pieces: list[ws.Piece]) -> Shown:
    """Each message that is whole, and at the end what there is of one that is not."""
    found: Shown = []
    kind, kept = -1, b""
    for piece in pieces:
        if piece.kind >= ws.CLOSE:
            found.append((piece.kind, piece.data))
            continue
        kind, kept = piece.kind, piece.data if piece.first else kept + piece.data
        if piece.last:
            found.append((kind, kept))
            kind, kept = -1, b""
    return [*found, (kind, kept)] if kept else found


def websocket_extensions(data: bytes) -> None:
    """What is offered on is what was understood of it; an answer is to an offer."""
    choices = Choices(data)
    offer, answer = choices.some().decode("latin-1"), choices.rest().decode("latin-1")
    with contextlib.suppress(WireError):
        offers = passed_offers(offer)
        assert passed_offers(written(offers)) == offers
        terms = agreed(offers, answer)
        assert terms is None or (offers and 8 <= terms.client_bits <= 15 and 8 <= terms.server_bits <= 15)
