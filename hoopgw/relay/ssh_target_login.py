"""The gateway's login to an SSH target (RFC 4252), sans-IO: messages in, messages and the outcome out."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.model.secret import Secret
from hoopgw.wire import sshmessages as wire

REQUEST, FAILURE, SUCCESS, BANNER = 50, 51, 52, 53
METHOD_PASSWORD: Final = b"password"
MAX_BANNERS: Final = 16  # a target that talks and does not answer


class Step:
    __slots__ = ()


@final
class Send(Step):
    """A message for the target.  It may carry the role's credential: it is never recorded."""

    __slots__ = ("message",)

    def __init__(self, message: bytes) -> None:
        self.message = message


@final
class Ready(Step):
    """The target has let the gateway in."""

    __slots__ = ()


@final
class Failed(Step):
    """It has not; `reason` is for the gateway's own events."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


@final
class Signer:
    """A private key that can sign: its algorithm's name, its public blob, and what makes a signature blob.

    `slow`: it is in a token, which takes its time: not for the reactor's thread.
    """

    __slots__ = ("algorithm", "blob", "sign", "slow")

    def __init__(self, algorithm: bytes, blob: bytes, sign: Callable[[bytes], bytes], slow: bool = False) -> None:
        self.algorithm = algorithm
        self.blob = blob
        self.sign = sign
        self.slow = slow


class _State(Enum):
    SERVICE = 0
    KEY = 1  # the key was used
    PASSWORD = 2  # the password was
    DONE = 3


@final
class TargetLogin:
    """By the key where there is one, then by the password.  Raises WireError for what may not come here."""

    def __init__(self, session: bytes, user: str, signer: Signer | None, password: Secret | None) -> None:
        self._session = session
        self._user = user.encode()
        self._signer = signer
        self._password = password
        self._state = _State.SERVICE
        self._banners = 0

    def start(self) -> list[Step]:
        return [Send(bytes((wire.SERVICE_REQUEST,)) + wire.string(b"ssh-userauth"))]

    def from_target(self, message: bytes) -> list[Step]:
        number = message[0]
        if number == BANNER and self._banners < MAX_BANNERS and self._state is not _State.DONE:
            self._banners += 1
            return []
        if number == wire.SERVICE_ACCEPT and self._state is _State.SERVICE:
            return self._by_key() if self._signer is not None else self._by_password(METHOD_PASSWORD)
        if self._state is not _State.KEY and self._state is not _State.PASSWORD:
            raise ProtocolViolation(f"message {number} in a login that does not allow it")
        if number == SUCCESS:
            self._state = _State.DONE
            return [Ready()]
        if number == FAILURE:
            methods, _ = wire.read_string(message, 1, 1024)
            return self._refused(methods)
        raise ProtocolViolation(f"message {number} in a login that does not allow it")

    def _refused(self, methods: bytes) -> list[Step]:
        if self._state is _State.KEY and self._password is not None:
            return self._by_password(methods)
        self._state = _State.DONE
        offered = methods.decode("ascii", "backslashreplace")
        return [Failed(f"the target did not accept the role's credential (it takes: {offered})")]

    def _by_key(self) -> list[Step]:
        signer = self._signer
        if signer is None:
            raise MalformedFrame("a login without a key")
        self._state = _State.KEY
        head = self._head(b"publickey") + b"\1" + wire.string(signer.algorithm) + wire.string(signer.blob)
        return [Send(head + wire.string(signer.sign(wire.string(self._session) + head)))]

    def _by_password(self, methods: bytes) -> list[Step]:
        if self._password is None or METHOD_PASSWORD not in methods.split(b","):
            self._state = _State.DONE
            return [Failed("the role has no credential that the target takes")]
        self._state = _State.PASSWORD
        return [Send(self._head(METHOD_PASSWORD) + b"\0" + wire.string(self._password.reveal()))]

    def _head(self, method: bytes) -> bytes:
        return bytes((REQUEST,)) + wire.string(self._user) + wire.string(b"ssh-connection") + wire.string(method)
