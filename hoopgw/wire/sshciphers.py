"""SSH binary packets of peers without AES-GCM: AES-CTR with a MAC over what was encrypted, and ChaCha20-Poly1305.

The first is RFC 4344 with OpenSSH's `-etm` MACs (PROTOCOL, 1.1), the second is PROTOCOL.chacha20poly1305.
"""

from __future__ import annotations

import hmac
from typing import Final, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.sshpackets import MAX_PACKET, TAG, Opener, Sealer, padding, payload

AES_BLOCK: Final = 16
CHACHA_BLOCK: Final = 8
CHACHA_KEY: Final = 64  # bytes: the first half is for payloads, the second for lengths
DIGESTS: Final = {b"hmac-sha2-256-etm@openssh.com": "sha256", b"hmac-sha2-512-etm@openssh.com": "sha512"}
SIZES: Final = {"sha256": 32, "sha512": 64}  # of its digest and of its key, in bytes
_MASK: Final = 0xFFFFFFFF  # a sequence number has 32 bits (RFC 4253, 6.4)


def _framed(message: bytes, block: int) -> tuple[bytes, bytes]:
    """(length field, what is encrypted): the length does not count for the padding."""
    pad = padding(1 + len(message), block)
    plain = bytes((pad,)) + message + bytes(pad)
    return len(plain).to_bytes(4, "big"), plain


def _length(field: bytes, block: int) -> int:
    length = int.from_bytes(field, "big")
    if not block <= length <= MAX_PACKET or length % block:
        raise MalformedFrame(f"a packet of {length} bytes")
    return length


@final
class CtrOpener(Opener):
    """By AES-CTR: the length is in clear, the MAC is looked at before anything is decrypted."""

    def __init__(self, key: bytes, iv: bytes, mac_key: bytes, digest: str) -> None:
        self.sequence = 0
        self._cipher = Cipher(algorithms.AES(key), modes.CTR(iv[:AES_BLOCK])).decryptor()
        self._size = SIZES[digest]
        self._key = mac_key[: self._size]
        self._digest = digest

    def packet_end(self, data: bytes, start: int) -> int:
        if start + 4 > len(data):
            return 0
        return start + 4 + _length(data[start : start + 4], AES_BLOCK) + self._size

    def open(self, data: bytes, start: int, end: int) -> bytes:
        behind = end - self._size
        signed = (self.sequence & _MASK).to_bytes(4, "big") + data[start:behind]
        self.sequence += 1
        if not hmac.compare_digest(hmac.digest(self._key, signed, self._digest), data[behind:end]):
            raise MalformedFrame("a packet that was changed on its way")
        return payload(self._cipher.update(data[start + 4 : behind]))


@final
class CtrSealer(Sealer):
    """By AES-CTR."""

    def __init__(self, key: bytes, iv: bytes, mac_key: bytes, digest: str) -> None:
        self.sequence = 0
        self._cipher = Cipher(algorithms.AES(key), modes.CTR(iv[:AES_BLOCK])).encryptor()
        self._key = mac_key[: SIZES[digest]]
        self._digest = digest

    def seal(self, message: bytes) -> bytes:
        head, plain = _framed(message, AES_BLOCK)
        sealed = head + self._cipher.update(plain)
        signed = (self.sequence & _MASK).to_bytes(4, "big") + sealed
        self.sequence += 1
        return sealed + hmac.digest(self._key, signed, self._digest)


class _ChaCha:
    """The two keys of one direction."""

    def __init__(self, key: bytes) -> None:
        self._payloads, self._lengths = key[:32], key[32:CHACHA_KEY]

    def length(self, field: bytes, sequence: int) -> bytes:
        """En- or decrypted."""
        return _chacha(self._lengths, 0, sequence, field)

    def body(self, data: bytes, sequence: int) -> bytes:
        """En- or decrypted."""
        return _chacha(self._payloads, 1, sequence, data)

    def once(self, sequence: int) -> bytes:
        """The packet's key of Poly1305."""
        return _chacha(self._payloads, 0, sequence, bytes(32))


def _chacha(key: bytes, block: int, sequence: int, data: bytes) -> bytes:
    """The nonce is the sequence number (as 64 bits), the counter begins at `block`."""
    nonce = block.to_bytes(8, "little") + (sequence & _MASK).to_bytes(8, "big")
    return Cipher(algorithms.ChaCha20(key, nonce), None).encryptor().update(data)


@final
class ChaChaOpener(Opener):
    """By ChaCha20-Poly1305: the length is encrypted, and believed before it is authenticated: its bound counts."""

    def __init__(self, key: bytes) -> None:
        self.sequence = 0
        self._keys = _ChaCha(key)

    def packet_end(self, data: bytes, start: int) -> int:
        if start + 4 > len(data):
            return 0
        return start + 4 + _length(self._keys.length(data[start : start + 4], self.sequence), CHACHA_BLOCK) + TAG

    def open(self, data: bytes, start: int, end: int) -> bytes:
        behind = end - TAG
        sequence = self.sequence
        self.sequence += 1
        try:
            Poly1305.verify_tag(self._keys.once(sequence), data[start:behind], data[behind:end])
        except InvalidSignature as error:
            raise MalformedFrame("a packet that was changed on its way") from error
        return payload(self._keys.body(data[start + 4 : behind], sequence))


@final
class ChaChaSealer(Sealer):
    """By ChaCha20-Poly1305."""

    def __init__(self, key: bytes) -> None:
        self.sequence = 0
        self._keys = _ChaCha(key)

    def seal(self, message: bytes) -> bytes:
        head, plain = _framed(message, CHACHA_BLOCK)
        sealed = self._keys.length(head, self.sequence) + self._keys.body(plain, self.sequence)
        tag = Poly1305.generate_tag(self._keys.once(self.sequence), sealed)
        self.sequence += 1
        return sealed + tag
