"""The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, sans-IO (RFC 5802, RFC 7677; PostgreSQL 55.3).

The order of calls: `first`, `server_first`, then `salted_password` off the reactor thread, `final`, `server_final`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from enum import Enum
from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.model.secret import Secret
from hoopgw.wire.saslprep import prepared_password

SCRAM: Final = b"SCRAM-SHA-256"
SCRAM_PLUS: Final = b"SCRAM-SHA-256-PLUS"
NONCE_BYTES: Final = 18  # random bytes of our nonce: 24 characters of base64, as libpq sends

# RFC 7677 asks for at least 4096.  The cap is about half a second of one core: a target, or whoever plays it, may not
# buy more of the gateway's time than that with one login.
MIN_ITERATIONS: Final = 4096
MAX_ITERATIONS: Final = 1_000_000
MAX_MESSAGE: Final = 4096  # bytes of one server message; PostgreSQL's own are below 200
MAX_NONCE: Final = 1024  # bytes of the joined nonce
MAX_SALT: Final = 1024  # bytes; PostgreSQL's is 16


class _State(Enum):
    NEW = 0
    FIRST_SENT = 1
    SALTED = 2  # the server's first message is here: the password is to be derived
    FINAL_SENT = 3
    DONE = 4
    FAILED = 5  # an exchange is used once, also one that was broken


@final
class Derivation:
    """What the server asks to be derived: `salted_password(password, salt, iterations)`."""

    __slots__ = ("salt", "iterations")

    def __init__(self, salt: bytes, iterations: int) -> None:
        self.salt = salt
        self.iterations = iterations


def salted_password(password: Secret, salt: bytes, iterations: int) -> Secret:
    """Hi() of RFC 5802: PBKDF2, up to half a second of work.  Releases the GIL; call it in a thread."""
    return Secret(hashlib.pbkdf2_hmac("sha256", prepared_password(password.reveal()), salt, iterations))


def chosen_mechanism(offered: list[bytes], binding: bytes | None) -> bytes:
    """SCRAM_PLUS, SCRAM, or b"" for neither.

    `binding` is the channel binding data of the TLS connection, None without TLS.  With TLS and -PLUS on offer the
    answer is -PLUS: there is no way back from it.  Raises ProtocolViolation where the server offers -PLUS without TLS,
    or where the certificate gives nothing to bind to.
    """
    if SCRAM_PLUS in offered:
        if binding is None:
            raise ProtocolViolation("channel binding is offered on a connection without TLS")
        if not binding:
            raise ProtocolViolation("channel binding is not defined for the signature of the target's certificate")
        return SCRAM_PLUS
    return SCRAM if SCRAM in offered else b""


class ScramClient:
    """One exchange.  Raises MalformedFrame or ProtocolViolation for whatever the server should not have said; their
    text never quotes the server."""

    def __init__(self, mechanism: bytes, random: bytes, binding: bytes | None) -> None:
        """`random` are NONCE_BYTES fresh random bytes; `binding` as in `chosen_mechanism`.

        With TLS, but without -PLUS on offer, the header is `y`: a server that did offer it, to whom a third party
        showed a shorter list, ends the exchange (RFC 5802, section 6).
        """
        if mechanism == SCRAM_PLUS:
            self._header = b"p=tls-server-end-point,,"
            self._bound = binding or b""
        else:
            self._header = b"y,," if binding is not None else b"n,,"
            self._bound = b""
        self.mechanism = mechanism
        self._nonce = base64.b64encode(random)
        self._bare = b"n=,r=" + self._nonce  # PostgreSQL takes the user from StartupMessage
        self._server_first = b""
        self._joined_nonce = b""
        self._server_signature = b""
        self._state = _State.NEW

    def first(self) -> bytes:
        """client-first-message."""
        self._begin(_State.NEW)
        self._state = _State.FIRST_SENT
        return self._header + self._bare

    def server_first(self, message: bytes) -> Derivation:
        """server-first-message -> what to derive from the password."""
        self._begin(_State.FIRST_SENT)
        nonce, salt, count = _fields(message, (b"r", b"s", b"i"))
        if len(nonce) > MAX_NONCE or not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise ProtocolViolation("the server's nonce does not extend ours")
        if not all(0x21 <= byte <= 0x7E for byte in nonce):
            raise MalformedFrame("the server's nonce is not printable")
        if not count.isdigit() or len(count) > 10 or not MIN_ITERATIONS <= int(count) <= MAX_ITERATIONS:
            raise ProtocolViolation(f"the server's iteration count is not in {MIN_ITERATIONS}..{MAX_ITERATIONS}")
        decoded = _decoded(salt)
        if not 1 <= len(decoded) <= MAX_SALT:
            raise ProtocolViolation(f"the server's salt is not of 1..{MAX_SALT} bytes")
        self._server_first, self._joined_nonce, self._state = message, nonce, _State.SALTED
        return Derivation(decoded, int(count))

    def final(self, salted: Secret) -> bytes:
        """client-final-message, with the proof."""
        self._begin(_State.SALTED)
        client_key = _hmac(salted.reveal(), b"Client Key")
        without_proof = b"c=" + base64.b64encode(self._header + self._bound) + b",r=" + self._joined_nonce
        signed = self._bare + b"," + self._server_first + b"," + without_proof
        signature = _hmac(hashlib.sha256(client_key).digest(), signed)
        proof = bytes([one ^ other for one, other in zip(client_key, signature, strict=True)])
        self._server_signature = _hmac(_hmac(salted.reveal(), b"Server Key"), signed)
        self._state = _State.FINAL_SENT
        return without_proof + b",p=" + base64.b64encode(proof)

    def server_final(self, message: bytes) -> None:
        """server-final-message: the server must prove that it knows the password too."""
        self._begin(_State.FINAL_SENT)
        if message.startswith(b"e="):
            raise ProtocolViolation("the server ended the exchange with an error")
        (verifier,) = _fields(message, (b"v",))
        if not hmac.compare_digest(_decoded(verifier), self._server_signature):
            raise ProtocolViolation("the server does not know the password: its signature is wrong")
        self._state = _State.DONE

    @property
    def verified(self) -> bool:
        """The server's signature was there, and right.  Before that AuthenticationOk proves nothing."""
        return self._state is _State.DONE

    def _begin(self, expected: _State) -> None:
        """What was begun and not completed has failed."""
        if self._state is not expected:
            raise ProtocolViolation("a SCRAM message out of turn")
        self._state = _State.FAILED


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedFrame("not base64 where SCRAM wants it") from error


def _fields(message: bytes, names: tuple[bytes, ...]) -> list[bytes]:
    """The values of exactly these attributes, in this order.  PostgreSQL sends no extension; one that comes is refused
    (`m=` must be, by RFC 5802, section 5.1)."""
    if len(message) > MAX_MESSAGE:
        raise MalformedFrame(f"a SCRAM message of more than {MAX_MESSAGE} bytes")
    parts = message.split(b",")
    if len(parts) != len(names):
        raise MalformedFrame("a SCRAM message with other attributes than expected")
    values: list[bytes] = []
    for part, name in zip(parts, names, strict=True):
        if not part.startswith(name + b"="):
            raise MalformedFrame("a SCRAM message with other attributes than expected")
        values.append(part[2:])
    return values
