"""Conch's key exchange, hardened for both legs; packets by `wire.sshpackets`.

Conch computes the exchange, derives keys, signs and verifies.  What may come when, what is offered, and every packet
are decided here: Conch offers SHA-1, CBC and MD5, has no AES-GCM and no strict-kex, and takes any message in any phase.
"""

# mypy: allow-untyped-calls
# (Conch is untyped)

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from struct import error as StructError
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from twisted.conch.error import ConchError
from twisted.conch.ssh.transport import SSHTransportBase
from twisted.python.failure import Failure

from hoopgw.model.errors import ProtocolViolation, WireError
from hoopgw.servers.ssh import kexinit
from hoopgw.servers.ssh.algorithms import DEFAULT, SIGNATURES, Algorithms, Ciphers
from hoopgw.servers.ssh.asides import Asides
from hoopgw.servers.ssh.greeting import version
from hoopgw.servers.ssh.packets import NEVER, NO_RUN, Packets
from hoopgw.servers.ssh.reading import KEYS, TURN, Reading
from hoopgw.servers.ssh.rekeying import REKEY_BYTES, REKEY_SECONDS, Blocked, Credit, Timers
from hoopgw.wire import sshmessages as wire

VERSION = b"SSH-2.0-hoopgw"

MAX_UNSENT = 8 << 20  # bytes that a peer does not take while it asks for more: answers have no window, and wait here

# What Conch and cryptography raise for fields that are not what they should be
UNREADABLE = (StructError, ValueError, TypeError, IndexError, KeyError, UnsupportedAlgorithm, InvalidSignature)


class Phase(Enum):
    """Of the peer's half of a key exchange: what it must send next."""

    NONE = 0  # no exchange: anything that its login or session allows
    KEXINIT = 1  # only at the very beginning
    EXCHANGE = 2
    NEWKEYS = 3


class Hardened(SSHTransportBase):
    """What both legs share.  A leg says what it does with a message (`told`), a run (`received`), its end (`lost`)."""

    ourVersionString = VERSION
    transport: Any
    nextEncryptions: Any
    ignoreNextPacket: Any = False
    ssh_NEWKEYS: Any
    said = ""  # the peer's words when it disconnected
    clock: Any  # IReactorTime
    max_unsent = MAX_UNSENT
    rekey_bytes = REKEY_BYTES
    rekey_seconds = REKEY_SECONDS
    write: Callable[[bytes], None]
    signatures: tuple[bytes, ...] = ()  # algorithms of the host key
    algorithms: Algorithms = DEFAULT

    def __init__(self) -> None:
        self._packets = Packets(
            self._run, self._message, self._unreadable, self._wait, self.rekey, self._later, self._slow
        )
        self.write = self._packets.write  # runs of messages
        self.reading = Reading(lambda: self.transport)
        self.beside: Hardened | None = None  # the session's other leg
        self._wants_keys = False  # when those of the other leg are exchanged
        self._turn: Any = None  # its next one
        self._greeting = b""  # of the peer's version, what there is
        self._phase_now = Phase.KEXINIT
        self._established = self._closing = False
        self._keyed = False  # the first exchange is done
        self._exchanging_now = False
        self._blocked = Blocked()
        self._asides = Asides(of_client=not self.isClient)
        self._last_was_newkeys = False
        self._credit = Credit()
        self._timers = Timers()
        self.strict = False
        self.described: dict[str, str] = {}

    # ---- what may pass now

    @property
    def established(self) -> bool:
        """Connection-layer messages may come."""
        return self._established

    @established.setter
    def established(self, value: bool) -> None:
        self._established = value
        self._allow()

    @property
    def closing(self) -> bool:
        return self._closing

    @closing.setter
    def closing(self, value: bool) -> None:
        self._closing = value
        self._allow()

    @property
    def _phase(self) -> Phase:
        return self._phase_now

    @_phase.setter
    def _phase(self, value: Phase) -> None:
        self._phase_now = value
        self._allow()

    @property
    def _exchanging(self) -> bool:
        """Our KEXINIT is out and the peer's NEWKEYS is not in."""
        return self._exchanging_now

    @_exchanging.setter
    def _exchanging(self, value: bool) -> None:
        self._exchanging_now = value
        self._allow()
        self.reading.exchanging(value)

    def _allow(self) -> None:
        packets = self._packets
        packets.lowest = wire.GLOBAL_REQUEST if self._established and self._phase_now is Phase.NONE else NO_RUN
        packets.reads = not self._closing
        packets.writes = not self._closing and not self._exchanging_now

    # ---- for the leg to say

    def told(self, message: bytes) -> None:
        """A message of the login."""
        raise NotImplementedError

    def received(self, run: bytes) -> None:
        """Connection-layer messages that come before `deliver_to` has named who takes them."""
        raise NotImplementedError

    def secured(self) -> None:
        """The first keys are in use."""

    def lost(self, reason: str) -> None:
        """The connection is gone.  Once."""
        raise NotImplementedError

    def failed(self, reason: str) -> None:
        """The peer broke the protocol, or no algorithm is common; the connection is closed after this."""

    # ---- the connection

    def connectionMade(self) -> None:
        packets = self._packets
        packets.transport, packets.flow = self.transport, getattr(self.transport, "flow", None)
        packets.limit = self.rekey_bytes
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self.transport.write(VERSION + b"\r\n")
        self.sendKexInit()

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._turn is not None:  # it has said this before it went
            self._packets.go_on(NEVER)
        self.closing = True
        self._timers.stop()
        if self._turn is not None and self._turn.active():
            self._turn.cancel()
        self._turn = None
        self._let_go()
        self.beside = None
        self.lost(reason.getErrorMessage() if reason is not None else "")
        self._packets.end()

    def _later(self) -> None:
        """There is more of the peer than one turn of the reactor takes."""
        self.reading.stop(TURN)
        self._turn = self.clock.callLater(0, self._go_on)

    def _go_on(self) -> None:
        self._turn = None
        self._packets.go_on()
        if self._turn is None:
            self.reading.go_on(TURN)

    def disconnect(self, reason: str, code: int = wire.DISCONNECT_BY_APPLICATION) -> None:
        """Say why, and close after what was written before."""
        if self.closing:
            return
        self.closing = True
        words = reason.encode("utf-8", "backslashreplace")[:500]
        message = b"\x01" + wire.u32(code) + wire.string(words) + wire.string(b"")
        self.transport.write(self._packets.sealer.seal(message))
        self.transport.loseConnection()

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Conch's way to say that it found something wrong."""
        words = desc.decode("utf-8", "replace") if isinstance(desc, bytes) else desc
        self._broken(words, reason)

    def _broken(self, reason: str, code: int = wire.DISCONNECT_PROTOCOL_ERROR) -> None:
        if not self.closing:
            self.failed(reason)
            self.disconnect(reason, code)

    # ---- bytes in

    def dataReceived(self, data: bytes) -> None:
        """Up to the peer's version; then `Packets` take the place of this."""
        if self.closing:
            return
        data = self._greeting + data
        try:
            self.otherVersionString, end = version(data, not self.isClient)
        except WireError as error:
            self._broken(str(error))
            return
        if not end:
            self._greeting = data
            return
        self.gotVersion, self._greeting = True, b""
        self.dataReceived = self._packets.received  # type: ignore[method-assign]
        if end < len(data):
            self.dataReceived(data[end:])

    def _unreadable(self, error: Exception) -> None:
        if isinstance(error, WireError):
            self._broken(str(error))
        elif isinstance(error, UNREADABLE):
            self._broken(f"a message that cannot be read ({type(error).__name__})")
        elif isinstance(error, ConchError):
            self._broken(str(error), wire.DISCONNECT_KEX_FAILED)
        else:
            raise error

    # ---- messages

    def _run(self, run: bytes) -> None:
        self.received(run)

    def deliver_to(self, receive: Callable[[bytes], None]) -> None:
        """Runs that come go there from now on, without a step between."""
        self._packets.run = receive

    def _slow(self) -> None:
        """What the other side sends is paused while this peer takes nothing; what the gateway itself answers is not."""
        if self.transport.unsent() > self.max_unsent:
            raise ProtocolViolation("requests, and takes none of the answers")

    def _message(self, message: bytes) -> None:
        """What is not of the connection layer, in the phase that it belongs to."""
        number = message[0]
        after_newkeys, self._last_was_newkeys = self._last_was_newkeys, False
        if number == wire.DISCONNECT:
            self._disconnected(message)
        elif self._phase is not Phase.NONE:
            self._exchange(number, message)
        elif number in (wire.IGNORE, wire.DEBUG, wire.UNIMPLEMENTED):
            self._asides.idle(self.established)
        elif number == wire.KEXINIT:
            self._peer_rekeys(message)
        elif number == wire.EXT_INFO:
            self._asides.extensions(self.established, after_newkeys)
        elif number in (wire.SERVICE_REQUEST, wire.SERVICE_ACCEPT) or 50 <= number < 80:
            if self.established:
                raise ProtocolViolation(f"message {number} after the login")
            self.told(message)
        else:
            raise ProtocolViolation(f"message {number} in a phase that does not allow it")

    def _disconnected(self, message: bytes) -> None:
        words, _ = wire.read_string(message, 5)
        self.said = words.decode("utf-8", "replace")
        self.closing = True
        self.transport.loseConnection()

    def _exchange(self, number: int, message: bytes) -> None:
        """The next message of the peer's half.  In the first exchange nothing else may come, whether or not the peer
        is strict (CVE-2023-48795: what comes unseen shifts what comes after)."""
        if self._keyed and number in (wire.IGNORE, wire.DEBUG, wire.UNIMPLEMENTED):
            self._asides.idle(self.established)
        elif self._phase is Phase.KEXINIT and number == wire.KEXINIT:
            self._phase = Phase.EXCHANGE
            self.ssh_KEXINIT(message[1:])
        elif self._phase is Phase.EXCHANGE and number == (wire.EXCHANGE_REPLY if self.isClient else wire.EXCHANGE_INIT):
            if self.ignoreNextPacket:  # its guess was wrong (RFC 4253, 7)
                self.ignoreNextPacket = False
                return
            self._phase = Phase.NEWKEYS
            self.exchanged(message[1:])
        elif self._phase is Phase.NEWKEYS and number == wire.NEWKEYS:
            self._phase = Phase.NONE
            self.ssh_NEWKEYS(message[1:])
        else:
            raise ProtocolViolation(f"message {number} inside a key exchange")

    def exchanged(self, fields: bytes) -> None:
        """The peer's part of the exchange."""
        raise NotImplementedError

    # ---- key exchange

    def rekey(self) -> None:
        """New keys; what is sent meanwhile waits.  One leg after the other: both have moved as much, and come here at
        once."""
        if not self._keyed or self._exchanging or self.closing:
            return
        self._wants_keys = self.beside is not None and self.beside._exchanging
        if not self._wants_keys:
            self.sendKexInit()

    def _peer_rekeys(self, message: bytes) -> None:
        self._credit.spend(self._packets.sent + self._packets.got)
        self._phase = Phase.EXCHANGE
        self.ssh_KEXINIT(message[1:])

    def sendKexInit(self) -> None:
        payload = kexinit.said(self.algorithms, self.signatures, self.isClient, not self._keyed)
        self.ourKexInitPayload = payload
        self._write(self._packets.sealer.seal(self.ourKexInitPayload))
        self._exchanging = True
        if self._keyed:
            self._timers.begun(self.clock, lambda: self._broken("a key exchange that takes too long"))
            if self.beside is not None:
                self.beside.reading.stop(KEYS)

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Agree on algorithms (RFC 4253, 7.1): the client's first that the server has."""
        offer = kexinit.read(packet)
        self.otherKexInitPayload = bytes((wire.KEXINIT,)) + packet
        if not self._exchanging:
            self.sendKexInit()
        if not self._keyed:
            self._peerSupportsExtensions = kexinit.EXTENSIONS[True] in offer.lists[0]
            self.strict = kexinit.STRICT[not self.isClient] in offer.lists[0]
        agreed = kexinit.agree(offer, self.algorithms, self.signatures, self.isClient)
        kexinit.require_strict(agreed, self.strict)
        self.kexAlg, self.keyAlg = agreed.exchange, agreed.signature
        out, into = agreed.to_server, agreed.to_client
        self.nextEncryptions = Ciphers(out, into) if self.isClient else Ciphers(into, out)
        self.ignoreNextPacket = offer.guesses and not agreed.right_guess
        self.described = {
            "kex": self.kexAlg.decode(),
            "host_key": self.keyAlg.decode(),
            "cipher": self.nextEncryptions.out[0].decode(),
            "peer": self.otherVersionString.decode("ascii", "backslashreplace"),
        }
        self.begin_exchange()

    def begin_exchange(self) -> None:
        """Both know the algorithms; a client sends its part."""

    def _newKeys(self) -> None:
        """The peer's NEWKEYS is in and ours is out (Conch sends it when it has derived the keys)."""
        if not self.nextEncryptions.encBlockSize:
            raise ProtocolViolation("NEWKEYS before the exchange")
        self._use_keys()
        first, self._keyed, self._exchanging = not self._keyed, True, False
        self._last_was_newkeys = first
        self._timers.done(self.clock, self.rekey_seconds, self.rekey)
        if first and not self.isClient and self._peerSupportsExtensions:
            extensions = wire.string(b"server-sig-algs") + wire.string(b",".join(SIGNATURES))
            self.send(bytes((wire.EXT_INFO,)) + wire.u32(1) + extensions)
        for run in self._blocked.taken():
            self.write(run)
        if first:
            self.secured()
        elif not self._exchanging:
            self._let_go()

    def _use_keys(self) -> None:
        packets, opener, sealer = self._packets, self.nextEncryptions.opener, self.nextEncryptions.sealer
        if not self.strict:  # strict-kex begins to count anew with each key
            opener.sequence, sealer.sequence = packets.opener.sequence, packets.sealer.sequence
        packets.opener, packets.sealer = opener, sealer
        self.currentEncryptions = self.nextEncryptions
        self._credit.earn(packets.sent + packets.got)
        packets.sent = packets.got = 0

    def _let_go(self) -> None:
        """The other leg goes on."""
        other = self.beside
        if other is not None:
            other.reading.go_on(KEYS)
            if other._wants_keys:
                other.rekey()

    # ---- bytes out

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        """Conch's way to send its messages of the exchange: never behind anything."""
        self._write(self._packets.sealer.seal(bytes((messageType,)) + payload))

    def send(self, message: bytes) -> None:
        self.write(wire.framed(message))

    def _wait(self, run: bytes) -> None:
        """While keys are exchanged messages wait (RFC 4253, 7.1); at the end nobody waits for them."""
        if self.closing:
            return
        if not self._blocked.add(run):
            self._broken("a key exchange that does not end")

    def _write(self, data: bytes) -> None:
        self._packets.sent += len(data)
        self.transport.write(data)
