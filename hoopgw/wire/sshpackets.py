"""SSH binary packets <-> messages (RFC 4253, 6): in clear before the first keys, by AES-GCM after (RFC 5647).

An Opener takes packets apart, a Sealer makes them; each has the keys of one direction.  `sequence` counts packets
across keys, as RFC 4253, 6.4 has it; it is the caller's to carry it over, or to begin anew (strict-kex).
"""

from __future__ import annotations

import os
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from librt.strings import BytesWriter, write_i64_be
from mypy_extensions import i64

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.sshmessages import MAX_MESSAGE, message_ends, read_u32

MAX_PACKET: Final = MAX_MESSAGE + 256  # bytes of a packet's length field: the largest message and its padding
MAX_CLEAR: Final = 35_000  # the same before there are keys: what RFC 4253, 6.1 obliges to take, and no more
CLEAR_BLOCK: Final = 8
GCM_BLOCK: Final = 16
TAG: Final = 16  # bytes behind a packet
MIN_PADDING: Final = 4
SMALL: Final = 512  # bytes that are copied sooner than looked at in place
_LAST: Final = (1 << 63) - 1
_PADS: Final = [bytes((pad,)) for pad in range(GCM_BLOCK + MIN_PADDING)]  # the padding's length
_ZEROS: Final = [bytes(pad) for pad in range(GCM_BLOCK + MIN_PADDING)]  # and what it is: nobody sees it
_SCRATCH: Final = bytearray(MAX_PACKET + TAG)  # one packet at a time is opened in this process
_VIEW: Final = memoryview(_SCRATCH)


def padding(size: int, block: int) -> int:
    """For a payload of `size` bytes, where the length field does or does not count as the cipher says."""
    pad = block - size % block
    return pad if pad >= MIN_PADDING else pad + block


def payload(packet: "bytes | memoryview") -> bytes:
    """What is between the padding's length and the padding."""
    return bytes(packet[1 : _payload_end(packet[0], len(packet))])


def _payload_end(pad: int, size: int) -> int:
    if pad < MIN_PADDING or size - pad <= 1:
        raise MalformedFrame(f"a packet of {size} bytes with {pad} bytes of padding")
    return size - pad


@final
class Nonces:
    """Of one direction (RFC 5647, 7.1): four bytes that stay, and a counter of eight, whose end is followed by 0."""

    def __init__(self, iv: bytes) -> None:
        self._nonce = BytesWriter()
        self._nonce.write(iv[:4])
        self._counter: i64 = int.from_bytes(iv[4:12], "big", signed=True)

    def next(self) -> bytes:
        self._nonce.truncate(4)
        write_i64_be(self._nonce, self._counter)
        self._counter = -_LAST - 1 if self._counter == _LAST else self._counter + 1
        return self._nonce.getvalue()


class Opener:
    """In clear."""

    def __init__(self) -> None:
        self.sequence = 0

    def packet_end(self, data: bytes, start: int) -> int:
        """Where the packet ends that begins at `start`, which may be past what there is; 0: that cannot be known yet.

        Raises MalformedFrame for a length that no packet has.
        """
        if start + 4 > len(data):
            return 0
        length = read_u32(data, start)
        if not 12 <= length <= MAX_CLEAR or (length + 4) % CLEAR_BLOCK:
            raise MalformedFrame(f"a packet of {length} bytes")
        return start + 4 + length

    def open(self, data: bytes, start: int, end: int) -> bytes:
        """The message of the packet.  Raises MalformedFrame."""
        self.sequence += 1
        return payload(data[start + 4 : end])

    def open_run(self, data: bytes, start: int, lowest: int, most: int) -> tuple[bytes, int, bytes]:
        """(messages with numbers from `lowest` on, each behind its length; where the next packet begins; the message
        that ended the run because its number is lower: it is in none, and empty where the run ended with `data`, or
        with `most` packets).

        Raises MalformedFrame.
        """
        run: list[bytes] = []
        size = len(data)
        while start < size and most > 0:
            most -= 1
            end = self.packet_end(data, start)
            if not end or end > size:
                break
            message = self.open(data, start, end)
            start = end
            if message[0] < lowest:
                return b"".join(run), start, message
            if end == size and not run:  # a key, or its echo, is a packet by itself
                return len(message).to_bytes(4, "big") + message, end, b""
            run.append(len(message).to_bytes(4, "big"))
            run.append(message)
        return b"".join(run), start, b""


class Sealer:
    """In clear."""

    def __init__(self) -> None:
        self.sequence = 0

    def seal(self, message: bytes) -> bytes:
        """A packet."""
        self.sequence += 1
        pad = padding(5 + len(message), CLEAR_BLOCK)
        return (1 + len(message) + pad).to_bytes(4, "big") + bytes((pad,)) + message + os.urandom(pad)

    def seal_run(self, run: bytes) -> bytes:
        """The packets of a run of messages."""
        sealed: list[bytes] = []
        here = 0
        for end in message_ends(run, 0):
            sealed.append(self.seal(run[here + 4 : end]))
            here = end
        return b"".join(sealed)


@final
class GcmOpener(Opener):
    """By AES-GCM: the length is in clear and authenticated."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self.sequence = 0
        self._cipher = AESGCM(key)
        self._nonces = Nonces(iv)

    def packet_end(self, data: bytes, start: int) -> int:
        if start + 4 > len(data):
            return 0
        length = read_u32(data, start)
        if not GCM_BLOCK <= length <= MAX_PACKET or length % GCM_BLOCK:
            raise MalformedFrame(f"a packet of {length} bytes")
        return start + 4 + length + TAG

    def open(self, data: bytes, start: int, end: int) -> bytes:
        nonce = self._nonces.next()
        self.sequence += 1
        size = end - start - 4 - TAG
        try:
            if size <= SMALL:
                plain: bytes = self._cipher.decrypt(nonce, data[start + 4 : end], data[start : start + 4])
                return plain[1 : _payload_end(plain[0], size)]
            view = memoryview(data)
            self._cipher.decrypt_into(nonce, view[start + 4 : end], view[start : start + 4], _VIEW[:size])
        except InvalidTag as error:
            raise MalformedFrame("a packet that was changed on its way") from error
        return payload(_VIEW[:size])


@final
class GcmSealer(Sealer):
    """By AES-GCM."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self.sequence = 0
        self._cipher = AESGCM(key)
        self._nonces = Nonces(iv)

    def seal(self, message: bytes) -> bytes:
        return self.seal_run(len(message).to_bytes(4, "big") + message)

    def seal_run(self, run: bytes) -> bytes:
        """Each copy of a read costs as much as its encryption: one is made here, and one at the end."""
        if len(run) <= SMALL:
            return self._seal_small(run)
        ends = message_ends(run, 0)
        self.sequence += len(ends)
        source = memoryview(run)
        sealed = bytearray(len(run) + len(ends) * (1 + MIN_PADDING + GCM_BLOCK + TAG))
        target = memoryview(sealed)
        here = out = 0
        for end in ends:
            size = end - here - 4
            pad = padding(1 + size, GCM_BLOCK)
            length = 1 + size + pad
            plain = b"".join((_PADS[pad], source[here + 4 : end], _ZEROS[pad]))
            head = length.to_bytes(4, "big")
            nonce = self._nonces.next()
            sealed[out : out + 4] = head
            after = out + 4 + length + TAG
            self._cipher.encrypt_into(nonce, plain, head, target[out + 4 : after])
            out = after
            here = end
        return bytes(target[:out])

    def _seal_small(self, run: bytes) -> bytes:
        sealed = b""
        here = 0
        for end in message_ends(run, 0):
            pad = padding(1 + end - here - 4, GCM_BLOCK)
            head = (end - here - 3 + pad).to_bytes(4, "big")
            nonce = self._nonces.next()
            self.sequence += 1
            sealed += head + self._cipher.encrypt(nonce, _PADS[pad] + run[here + 4 : end] + _ZEROS[pad], head)
            here = end
        return sealed
