"""KEXINIT: what this side says, what the peer said, and what both agree on (RFC 4253, 7.1)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.servers.ssh.algorithms import CHACHA, CTR, Algorithms
from hoopgw.wire import sshmessages as wire

NUMBER = 20
STRICT = {True: b"kex-strict-c-v00@openssh.com", False: b"kex-strict-s-v00@openssh.com"}  # by whether it is the client
EXTENSIONS = {True: b"ext-info-c", False: b"ext-info-s"}
MAX_LIST = 8 * 1024  # bytes of one list of names


@dataclass(frozen=True, slots=True)
class Offer:
    """A peer's: lists of names in its order of preference, and whether its first message of the exchange follows."""

    lists: tuple[tuple[bytes, ...], ...]
    guesses: bool


@dataclass(frozen=True, slots=True)
class Agreed:
    """`to_server` and `to_client` are (cipher, MAC)."""

    exchange: bytes
    signature: bytes
    to_server: tuple[bytes, bytes]
    to_client: tuple[bytes, bytes]
    right_guess: bool


def said(algorithms: Algorithms, signatures: tuple[bytes, ...], client: bool, first: bool) -> bytes:
    """The message.  The marks stand in the first one only."""
    marks = (EXTENSIONS[client], STRICT[client]) if first else ()
    ciphers, macs = b",".join(algorithms.ciphers), b",".join(algorithms.macs)
    exchanges = b",".join((*algorithms.exchanges, *marks))
    lists = (exchanges, b",".join(signatures), ciphers, ciphers, macs, macs, b"none", b"none", b"", b"")
    return bytes((NUMBER,)) + os.urandom(16) + b"".join(map(wire.string, lists)) + b"\0" * 5


def read(fields: bytes) -> Offer:
    """Of what follows the message's number.  Raises MalformedFrame."""
    lists: list[tuple[bytes, ...]] = []
    here = 16
    for _ in range(10):
        names, here = wire.read_string(fields, here, MAX_LIST)
        lists.append(tuple(names.split(b",")))
    guesses = wire.read_boolean(fields, here)
    if here + 5 != len(fields):
        raise MalformedFrame("a KEXINIT with something behind it")
    return Offer(tuple(lists), guesses)


def agree(offer: Offer, algorithms: Algorithms, signatures: tuple[bytes, ...], client: bool) -> Agreed:
    """`client` says whether this side is; its order counts.  Raises ProtocolViolation where nothing is common."""
    lists = offer.lists

    def first(what: str, at: int, ours: tuple[bytes, ...]) -> bytes:
        return _agreed(what, lists[at], ours, client)

    exchange = first("key exchange", 0, algorithms.exchanges)
    signature = first("host key algorithm", 1, signatures)
    ciphers = first("cipher", 2, algorithms.ciphers), first("cipher", 3, algorithms.ciphers)
    macs = tuple(
        first("MAC", at, algorithms.macs) if cipher in CTR else b"" for at, cipher in zip((4, 5), ciphers, strict=True)
    )
    first("compression", 6, (b"none",))
    first("compression", 7, (b"none",))
    # RFC 4253, 7: a guess is right where both sides prefer the same, whatever they agree on otherwise
    right = lists[0][0] == algorithms.exchanges[0] and lists[1][0] == signatures[0]
    return Agreed(exchange, signature, (ciphers[0], macs[0]), (ciphers[1], macs[1]), right)


def _agreed(what: str, theirs: tuple[bytes, ...], ours: tuple[bytes, ...], client: bool) -> bytes:
    one, other = (ours, theirs) if client else (theirs, ours)
    for name in one:
        if name in other:
            return name
    raise ProtocolViolation(f"no {what} in common")


def require_strict(agreed: Agreed, strict: bool) -> None:
    """CVE-2023-48795: without strict-kex what comes unseen before the keys shifts what ChaCha20-Poly1305 counts.

    Raises ProtocolViolation.
    """
    if not strict and CHACHA in (agreed.to_server[0], agreed.to_client[0]):
        raise ProtocolViolation(f"{CHACHA.decode()} needs strict-kex of both: update the peer, or let it use AES-GCM")
