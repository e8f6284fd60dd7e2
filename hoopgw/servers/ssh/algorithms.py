"""What the gateway offers and takes in a key exchange, by configuration; and the keys that come out of one.

No SHA-1, no DSS, no CBC, no MD5 and no finite-field group is ever offered.
"""

from __future__ import annotations

from dataclasses import dataclass

from hoopgw.wire.sshciphers import CHACHA_KEY, DIGESTS, ChaChaOpener, ChaChaSealer, CtrOpener, CtrSealer
from hoopgw.wire.sshpackets import GcmOpener, GcmSealer, Opener, Sealer

HYBRID = b"mlkem768x25519-sha256"
CURVE = (b"curve25519-sha256", b"curve25519-sha256@libssh.org")
NIST = (b"ecdh-sha2-nistp256", b"ecdh-sha2-nistp384", b"ecdh-sha2-nistp521")
CHACHA = b"chacha20-poly1305@openssh.com"
GCM = {b"aes128-gcm@openssh.com": 16, b"aes256-gcm@openssh.com": 32}  # with the size of the key
CTR = {b"aes128-ctr": 16, b"aes192-ctr": 24, b"aes256-ctr": 32}
# Of a client's key, as it is told (RFC 8308, 3.1)
SIGNATURES = (
    b"ssh-ed25519",
    b"sk-ssh-ed25519@openssh.com",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
)


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Names in the order of preference.

    `macs` are used by CTR alone.  They are named without it too, because a peer may refuse to go on without a match.
    """

    exchanges: tuple[bytes, ...] = (HYBRID, *CURVE)
    ciphers: tuple[bytes, ...] = (*GCM, CHACHA)
    macs: tuple[bytes, ...] = tuple(DIGESTS)


DEFAULT = Algorithms()
PQ_ONLY = Algorithms(exchanges=(HYBRID,))
COMPATIBLE = Algorithms(exchanges=(HYBRID, *CURVE, *NIST), ciphers=(*GCM, CHACHA, *CTR))


def chosen(kex: str, compatibility: bool) -> Algorithms:
    """By the configuration's words."""
    if kex == "pq-only":
        return PQ_ONLY
    return COMPATIBLE if compatibility else DEFAULT


class Ciphers:
    """What Conch calls an SSHCiphers: made at KEXINIT, keyed at the exchange's end, used from NEWKEYS on.

    `out` and `into` are (cipher, MAC).
    """

    encBlockSize = 0  # Conch reads from it whether there are keys
    opener: Opener
    sealer: Sealer

    def __init__(self, out: tuple[bytes, bytes], into: tuple[bytes, bytes]) -> None:
        self.out, self.into = out, into

    def setKeys(self, outIV: bytes, outKey: bytes, inIV: bytes, inKey: bytes, outMAC: bytes, inMAC: bytes) -> None:
        self.sealer = _sealer(self.out, outKey, outIV, outMAC)
        self.opener = _opener(self.into, inKey, inIV, inMAC)
        self.encBlockSize = 16


def _sealer(names: tuple[bytes, bytes], key: bytes, iv: bytes, mac_key: bytes) -> Sealer:
    cipher, mac = names
    if cipher in GCM:
        return GcmSealer(key[: GCM[cipher]], iv)
    if cipher == CHACHA:
        return ChaChaSealer(key[:CHACHA_KEY])
    return CtrSealer(key[: CTR[cipher]], iv, mac_key, DIGESTS[mac])


def _opener(names: tuple[bytes, bytes], key: bytes, iv: bytes, mac_key: bytes) -> Opener:
    cipher, mac = names
    if cipher in GCM:
        return GcmOpener(key[: GCM[cipher]], iv)
    if cipher == CHACHA:
        return ChaChaOpener(key[:CHACHA_KEY])
    return CtrOpener(key[: CTR[cipher]], iv, mac_key, DIGESTS[mac])
