"""The login of an SSH client (RFC 4252), sans-IO: messages in, replies and questions for the edge out.

Who is acting is the key whose signature the edge verified, or the token, of one request: an offer of a key proves
nothing, and nothing of an attempt is kept for the next.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation
from hoopgw.model.secret import Secret
from hoopgw.wire import sshmessages as wire

REQUEST, FAILURE, SUCCESS, BANNER, KEY_OK = 50, 51, 52, 53, 60
INFO_REQUEST, INFO_RESPONSE = 60, 61  # of keyboard-interactive (RFC 4256, 5)

MAX_USER: Final = 192  # bytes of ROLE@TARGET: two names of 63 and what is between
MAX_FAILURES: Final = 6  # logins that failed (OpenSSH's MaxAuthTries)
MAX_OFFERS: Final = 32  # keys that an agent offers, one after the other
MAX_KEY: Final = 32 * 1024  # bytes of a key or certificate
METHODS: Final = b"publickey,password"
INTERACTIVE: Final = b"keyboard-interactive"
PROMPT: Final = b"Token (Enter alone: log in with a browser): "


class Attempt:
    """One request that the edge has to judge; `user` is as the client wrote it."""

    __slots__ = ("user",)

    def __init__(self, user: str) -> None:
        self.user = user


@final
class TokenGiven(Attempt):
    """A password: a token."""

    __slots__ = ("token",)

    def __init__(self, user: str, token: Secret) -> None:
        self.user = user
        self.token = token


@final
class KeyOffered(Attempt):
    """Would this key do?  It proves nothing yet: answer with `offer_judged`."""

    __slots__ = ("algorithm", "blob")

    def __init__(self, user: str, algorithm: bytes, blob: bytes) -> None:
        self.user = user
        self.algorithm = algorithm
        self.blob = blob


@final
class KeyUsed(Attempt):
    """A signature over `signed`, which only the holder of the key can make."""

    __slots__ = ("algorithm", "blob", "signed", "signature")

    def __init__(self, user: str, algorithm: bytes, blob: bytes, signed: bytes, signature: bytes) -> None:
        self.user = user
        self.algorithm = algorithm
        self.blob = blob
        self.signed = signed
        self.signature = signature


@final
class PersonAsked(Attempt):
    """Somebody wants to log in with a browser: answer with `show`, or with `refused`."""

    __slots__ = ()

    def __init__(self, user: str) -> None:
        self.user = user


@final
class PersonWaits(Attempt):
    """What `show` said has been shown."""

    __slots__ = ()

    def __init__(self, user: str) -> None:
        self.user = user


class Reply:
    """A message for the client."""

    __slots__ = ("message",)

    def __init__(self, message: bytes) -> None:
        self.message = message


Step = Reply | TokenGiven | KeyOffered | KeyUsed | PersonAsked | PersonWaits


class _State(Enum):
    SERVICE = 0
    READY = 1
    JUDGING = 2
    DONE = 3
    PROMPTED = 4  # keyboard-interactive: a token or nothing is to come
    SHOWN = 5  # the same: the client is to say that it has shown what was sent


@final
class ClientLogin:
    """One connection's.  Every method raises WireError for what a client may not send here."""

    def __init__(self, session: bytes, max_token: int, interactive: bool = False) -> None:
        """`session` is the identifier of the first key exchange; `max_token` is in bytes; `interactive`: people may log
        in with a browser."""
        self._session = session
        self._interactive = interactive
        self._max_token = max_token
        self._state = _State.SERVICE
        self._user: str | None = None
        self._offer: KeyOffered | None = None
        self._failures = 0
        self._offers = 0

    def from_client(self, message: bytes) -> list[Step]:
        number = message[0]
        if number == wire.SERVICE_REQUEST and self._state is _State.SERVICE:
            return self._service(message)
        if number == INFO_RESPONSE and self._state in (_State.PROMPTED, _State.SHOWN):
            return self._answered(message)
        if number != REQUEST or self._state is not _State.READY:
            raise ProtocolViolation(f"message {number} in a login that does not allow it")
        return self._request(message)

    def _service(self, message: bytes) -> list[Step]:
        name, _ = wire.read_string(message, 1, wire.MAX_NAME)
        if name != b"ssh-userauth":
            raise ProtocolViolation("a service other than the login")
        self._state = _State.READY
        return [Reply(bytes((wire.SERVICE_ACCEPT,)) + wire.string(name))]

    def _request(self, message: bytes) -> list[Step]:
        user, here = wire.read_string(message, 1, MAX_USER)
        service, here = wire.read_string(message, here, wire.MAX_NAME)
        method, here = wire.read_string(message, here, wire.MAX_NAME)
        if service != b"ssh-connection":
            raise ProtocolViolation("a login for another service than ssh-connection")
        name = _printable(user)
        if self._user is not None and self._user != name:
            raise ProtocolViolation("another user than the one that the login began with")
        self._user = name
        if method == b"password":
            return self._password(message, here, name)
        if method == b"publickey":
            return self._key(message, here, name)
        if method == INTERACTIVE and self._interactive:
            self._state = _State.PROMPTED
            return [_asking(b"", PROMPT)]
        if method != b"none":
            self._fail()
        return [self._failure()]

    def _answered(self, message: bytes) -> list[Step]:
        """A token in the place of a password, or nothing: then with a browser.  must-survive 26: how many answers there
        are is known before they are read."""
        user, shown = self._user or "", self._state is _State.SHOWN
        here = 5
        if wire.read_u32(message, 1) != (0 if shown else 1):
            raise ProtocolViolation("another number of answers than there were questions")
        self._state = _State.JUDGING
        if shown:
            return [PersonWaits(user)]
        token, end = wire.read_string(message, here, self._max_token)
        if end != len(message):
            raise MalformedFrame("an answer with something behind it")
        return [TokenGiven(user, Secret(token)) if token else PersonAsked(user)]

    def _password(self, message: bytes, here: int, user: str) -> list[Step]:
        if wire.read_boolean(message, here):  # a change of password: there is none here
            self._fail()
            return [self._failure()]
        token, end = wire.read_string(message, here + 1, self._max_token)
        if end != len(message):
            raise MalformedFrame("a login with something behind it")
        self._state = _State.JUDGING
        return [TokenGiven(user, Secret(token))]

    def _key(self, message: bytes, here: int, user: str) -> list[Step]:
        signs = wire.read_boolean(message, here)
        algorithm, here = wire.read_string(message, here + 1, wire.MAX_NAME)
        blob, here = wire.read_string(message, here, MAX_KEY)
        if not signs:
            self._offers += 1
            if self._offers > MAX_OFFERS:
                raise ProtocolViolation("too many keys were offered")
            self._offer = KeyOffered(user, algorithm, blob)
            self._state = _State.JUDGING
            return [self._offer]
        signature, end = wire.read_string(message, here, MAX_KEY)
        if end != len(message):
            raise MalformedFrame("a login with something behind it")
        self._state = _State.JUDGING
        signed = wire.string(self._session) + message[:here]
        return [KeyUsed(user, algorithm, blob, signed, signature)]

    # ---- the edge's answers

    def offer_judged(self, good: bool) -> list[Step]:
        """Of a KeyOffered."""
        offer, self._offer = self._offer, None
        self._state = _State.READY
        if not good or offer is None:
            return [self._failure()]
        return [Reply(bytes((KEY_OK,)) + wire.string(offer.algorithm) + wire.string(offer.blob))]

    def refused(self, reason: str) -> list[Step]:
        """Of a token or signature: the client may try another, MAX_FAILURES in all.  `reason` is for its user."""
        self._state = _State.READY
        self._fail()
        said = reason.encode("utf-8", "backslashreplace") + b"\r\n"
        return [Reply(bytes((BANNER,)) + wire.string(said) + wire.string(b"")), self._failure()]

    def show(self, words: str) -> list[Step]:
        """Of a PersonAsked: what to open, and which code to enter."""
        self._state = _State.SHOWN
        return [_asking(words.encode("utf-8", "backslashreplace"), b"")]

    def accepted(self) -> list[Step]:
        self._state = _State.DONE
        return [Reply(bytes((SUCCESS,)))]

    def _fail(self) -> None:
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            raise ProtocolViolation("too many logins that failed")

    def _failure(self) -> Reply:
        methods = METHODS + b"," + INTERACTIVE if self._interactive else METHODS
        return Reply(bytes((FAILURE,)) + wire.string(methods) + b"\0")


def _asking(words: bytes, prompt: bytes) -> Reply:
    """One question whose answer is not shown, or none."""
    questions = wire.u32(1) + wire.string(prompt) + b"\0" if prompt else wire.u32(0)
    return Reply(bytes((INFO_REQUEST,)) + wire.string(b"") + wire.string(words) + wire.string(b"") + questions)


def _printable(user: bytes) -> str:
    """must-survive 36: a name that could move a cursor, hide, or mean something to a shell's quoting is nobody's."""
    try:
        name = user.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedFrame("a user name that is not UTF-8") from error
    if not name.isprintable():
        raise MalformedFrame("a user name that is not printable")
    return name
