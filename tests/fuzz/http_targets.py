"""Fuzz targets of HTTP's other framings: WebSocket and HTTP/2."""

from __future__ import annotations

import contextlib

from hoopgw.model.errors import WireError
from hoopgw.wire import websocket as ws
from hoopgw.wire.hpack import Decoder, Encoder
from hoopgw.wire.http2 import Multiplexed
from hoopgw.wire.http2_ends import ClientSide, TargetSide
from hoopgw.wire.http2_frames import setting_frame
from hoopgw.wire.http2_values import MAX_STREAMS, StreamAborted
from hoopgw.wire.httphead import Blocks
from hoopgw.wire.httpmessage import Message
from hoopgw.wire.websocket_deflate import FREE, RATIO, Terms, agreed, passed_offers, written
from hoopgw.wire.websocket_messages import Keys, MessageReader, MessageWriter
from hoopgw.wire.websocket_runs import said_run, told_run
from tests.fuzz.choices import Choices, cut

TERMS = (None, Terms(15, 15, False, False), Terms(9, 12, True, True), Terms(8, 8, False, False))
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
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
    if terms is None:
        _in_runs(stream, from_client, whole, broken)
    assert sum(len(piece.data) for piece in whole) <= (FREE + RATIO) * (len(stream) + 1)
    writer = MessageWriter((lambda: b"mask") if from_client else None, terms)
    again, failed = _read([b"".join(map(writer.write, whole))], from_client, terms)
    # the compressor may keep what a message that is not whole has so far
    assert not failed and _whole(again) == _whole(whole), "what is passed on is something else"


def _in_runs(stream: bytes, from_client: bool, whole: list[ws.Piece], broken: bool) -> None:
    """What passes in runs, and the rest frame by frame, is the same; and so is what the journal gets."""
    here, passed = 0, b""
    while (run := said_run(stream, here, Keys(bytes)) if from_client else told_run(stream, here)) is not None:
        assert here < run.end <= len(stream)
        told, failed = _read([run.data], from_client, None)
        assert not failed and _messages(told) == _messages(_read([run.recorded], False, None)[0])
        here, passed = run.end, passed + run.data
    found, also = _read([passed, stream[here:]], from_client, None)
    assert also == broken, "a run changes what is refused"
    assert broken or _messages(found) == _messages(whole), "a run changes what is read"


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


def http2(data: bytes) -> None:
    """Frames of an odd peer: values or WireError; each stream reads as one strict HTTP/1.1 message, and is bounded."""
    choices = Choices(data)
    from_client = choices.flag()
    end: Multiplexed = ClientSide(0.0) if from_client else TargetSide(0.0)
    if isinstance(end, TargetSide):
        for _ in range(choices.number(4)):
            end.request(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
    places = choices.some()
    stream = (PREFACE if from_client else b"") + setting_frame({}) + choices.rest()
    messages: dict[int, Message] = {}
    refused: set[int] = set()  # what came on them with what was refused is nobody's
    for read in cut(stream, places):
        try:
            came = end.receive(read, 0.0)
        except WireError:
            return
        for each in came:
            if isinstance(each, StreamAborted):
                messages.pop(each.stream, None)
                continue
            if each.stream in refused:
                continue
            message = messages.setdefault(each.stream, Message(None if from_client else b"POST", Blocks()))
            try:
                message.take(each.data)
            except WireError:  # a strict reader of HTTP/1.1 refuses it, and the stream with it
                messages.pop(each.stream)
                refused.add(each.stream)
                end.reset(each.stream, 1)
                continue
            if each.ended and not message.ended:
                message.close()  # of CONNECT; raises where the stream ended inside its message
            end.taken(each.stream, each.size)
        assert end.streams <= MAX_STREAMS
        end.outgoing()


def hpack(data: bytes) -> None:
    """Blocks of an odd peer: fields or WireError; what is read is the same again, and the same once it was written."""
    choices = Choices(data)
    decoder, encoder, other = Decoder(4096), Encoder(4096), Decoder(4096)
    while choices.more:
        try:
            head = decoder.decode(choices.some())
        except WireError:
            return
        for _ in range(2):
            assert other.decode(encoder.encode(head.fields)).fields == head.fields, "fields that became others"
