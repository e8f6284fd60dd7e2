"""What a PostgreSQL client says before its first query: TLS, whom it wants to be, its token.  Sans-IO.

The edge carries out what comes of it in order, and sets the deadline.  A login happens once on a connection: whatever
comes out of turn ends it, so the identity that was asked for is never replaced.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from hoopgw.model.errors import HoopgwError, LoginRefused, ProtocolViolation
from hoopgw.model.secret import Secret
from hoopgw.relay import postgres_replication
from hoopgw.relay.postgres_addresses import places
from hoopgw.relay.postgres_client_effects import Cancel, Login, LoginEffect, Refuse, Reply, StartTls
from hoopgw.relay.postgres_client_words import fatal
from hoopgw.relay.postgres_discovery import ISSUER_OPTION, Discovery
from hoopgw.relay.postgres_settings import options_settings, refused, target_settings
from hoopgw.wire import oauthbearer, pglogin

LOGIN_OPTION: Final = "hoopgw.login"  # in `options`: how this client wants to show its token
# The same, of physical replication: which target.  pg_basebackup has a database's name of its own, which means nothing.
TARGET_OPTION: Final = "hoopgw.target"
PASSWORD_LOGIN, BEARER_LOGIN = "password", "oauthbearer"
CERTIFICATE_LOGIN: Final = "certificate"  # TLS has shown it: nothing is asked for, and the Login has no token
DISCOVERY: Final = "discovery"  # detail of a refusal that only tells where a token is to be had
MAX_NAME: Final = 256  # characters of a role, target or database; PostgreSQL's own names have 63
MAX_AROUND: Final = 1024  # bytes around a token in OAUTHBEARER: mechanism, header, host and port


class _State(Enum):
    OPENING = 0  # SSLRequest, GSSENCRequest, CancelRequest or StartupMessage
    SHAKING = 1  # TLS begins; nothing comes through here before it has
    PASSWORD = 2
    BEARER = 3  # OAUTHBEARER in the password's place
    WAITING = 4  # for the edge: nothing may come
    REFUSING = 5  # the client was told why in JSON, and must agree before it is refused
    ENDED = 6


class ClientLogin:
    def __init__(
        self,
        *,
        tls_offered: bool,
        tls_required: bool,
        encrypted: bool = False,
        max_startup: int = 10_000,
        max_token: int = 16 * 1024,
        login: str = PASSWORD_LOGIN,
        discovery: Discovery | None = None,
        host: str = "",
    ) -> None:
        """`encrypted` where direct TLS is up already, `host` the target that its SNI names or "".

        Bounds are in bytes (`[limits]`).

        `login` is how a client shows its token unless it says otherwise; `discovery` says where one is to be had.
        """
        self._login = login
        self._host = host
        self._discovery = discovery or Discovery()
        self._error: LoginRefused | None = None
        self._tls_offered = tls_offered
        self._tls_required = tls_required
        self.encrypted = encrypted
        self._max_startup = max_startup
        self._max_token = max_token
        self._asked: set[int] = set()  # requests for encryption, each good for once
        self._buffer = b""  # at most one packet: max_startup, or max_token and its frame
        self._state = _State.OPENING
        self._parameters: dict[str, str] = {}
        self._settings: dict[str, str] = {}
        self._version = pglogin.PROTOCOL_3_0
        self._replication = ""

    @property
    def key_bytes(self) -> int:
        """How long this client's cancel key may be: one of 3.0 has room for four bytes."""
        long = self._version >= pglogin.PROTOCOL_3_2
        return pglogin.LONG_CANCEL_KEY if long else pglogin.MIN_CANCEL_KEY

    def from_client(self, data: bytes) -> list[LoginEffect]:
        """Never raises: what the client should not have said is a Refuse."""
        effects: list[LoginEffect] = []
        if self._state is _State.ENDED:
            return effects
        self._buffer += data
        try:
            while self._buffer and self._step(effects):
                pass
        except HoopgwError as error:
            self._state = _State.ENDED
            self._buffer = b""
            effects.append(Refuse(fatal(error), error))
        return effects

    def tls_started(self, host: str = "", login: str = "") -> None:
        """The handshake that StartTls asked for is done; its SNI names the target `host` or none; `login` as above."""
        if self._state is not _State.SHAKING:
            raise ProtocolViolation("TLS began without being asked for")
        self.encrypted = True
        self._host, self._login = host, login or self._login
        self._state = _State.OPENING

    def _step(self, effects: list[LoginEffect]) -> bool:
        """Take one packet; False while there is no whole one."""
        if self._state is _State.OPENING:
            return self._opening(effects)
        if self._state is _State.PASSWORD:
            return self._password(effects)
        if self._state is _State.BEARER:
            return self._bearer(effects)
        if self._state is _State.REFUSING:
            return self._agreed()
        if self._state is _State.ENDED:
            return False
        raise ProtocolViolation("bytes came while the login was being decided")

    # ---- before the password

    def _opening(self, effects: list[LoginEffect]) -> bool:
        end = pglogin.startup_packet_end(self._buffer, self._max_startup)
        if not end:
            return False
        packet = pglogin.read_startup_packet(self._buffer[:end])
        self._buffer = self._buffer[end:]
        if packet.code in (pglogin.SSL_REQUEST, pglogin.GSSENC_REQUEST):
            self._encryption(packet, effects)
        elif packet.code == pglogin.CANCEL_REQUEST:
            effects.append(Cancel(*pglogin.read_cancel(packet.body)))
            self._state, self._buffer = _State.ENDED, b""
        else:
            self._startup(packet, effects)
        return True

    def _encryption(self, packet: pglogin.StartupPacket, effects: list[LoginEffect]) -> None:
        """SSLRequest and GSSENCRequest: the client must wait for the answer.  What stands behind the request came in
        the clear and must not be taken for encrypted (CVE-2021-23214)."""
        if packet.body or self._buffer:
            raise ProtocolViolation("unencrypted bytes after a request for encryption")
        if self.encrypted:
            raise ProtocolViolation("a request for encryption on an encrypted connection")
        if packet.code in self._asked:
            raise ProtocolViolation("the same request for encryption twice")
        self._asked.add(packet.code)
        if packet.code == pglogin.SSL_REQUEST and self._tls_offered:
            effects += [Reply(b"S"), StartTls()]
            self._state = _State.SHAKING
        else:
            effects.append(Reply(b"N"))

    def _startup(self, packet: pglogin.StartupPacket, effects: list[LoginEffect]) -> None:
        major = packet.code >> 16
        if major != 3:
            raise LoginRefused("only version 3 of the PostgreSQL protocol is spoken here", detail=f"version {major}")
        if self._tls_required and not self.encrypted:
            raise LoginRefused("TLS is required here: connect with sslmode=verify-full", detail="no TLS")
        said = pglogin.read_parameters(packet.body)
        options = sorted(name for name in said if name.startswith("_pq_."))
        self._parameters = {name: value for name, value in said.items() if not name.startswith("_pq_.")}
        self._settings = self._wanted_settings()
        self._version = pglogin.negotiated_version(packet.code)
        agreed = self._version == packet.code and not options
        greeting = b"" if agreed else pglogin.negotiate_protocol_version(self._version, options)
        if self._login == CERTIFICATE_LOGIN:
            effects += [Reply(greeting)] if greeting else []
            self._asks(b"", effects)
            return
        if self._login == BEARER_LOGIN:
            asked = pglogin.authentication(pglogin.SASL, oauthbearer.MECHANISM + b"\0\0")
            self._state = _State.BEARER
        else:
            asked = pglogin.authentication(pglogin.CLEARTEXT)
            self._state = _State.PASSWORD
        effects.append(Reply(greeting + asked))

    def _wanted_settings(self) -> dict[str, str]:
        """Refuses by name what cannot be, before anything is asked of the client."""
        said = self._parameters
        try:
            self._replication = postgres_replication.wanted(said.get("replication", "off"))
        except ValueError as error:
            raise refused("replication", str(error)) from error
        if not _is_name(said.get("user", "")):
            raise LoginRefused("name the role as the user: user=ROLE", detail="parameter")
        if not _is_name(said.get("database", "")):
            raise LoginRefused("name the target as the database: dbname=TARGET", detail="parameter")
        own = ("user", "database", "replication", "options", "application_name")
        settings = {name: value for name, value in said.items() if name not in own}
        for name, value in options_settings(said.get("options", "")).items():
            if name == LOGIN_OPTION and value in (PASSWORD_LOGIN, BEARER_LOGIN):
                self._login = value
            elif name == ISSUER_OPTION:
                self._discovery.choose(value)
            elif name == TARGET_OPTION and self._replication == postgres_replication.PHYSICAL:
                self._parameters["database"] = value
            elif name == "application_name":
                self._parameters.setdefault(name, value)
            elif name in {other.lower() for other in settings}:
                raise refused(name, "is given twice")
            else:
                settings[name] = value
        return target_settings(settings)

    # ---- the password

    def _message(self, limit: int) -> bytes | None:
        """The body of the one message that may come now; None while it is not all there."""
        if self._buffer[0] != ord("p"):
            raise ProtocolViolation("a password was expected")
        end = pglogin.message_end(self._buffer, limit)
        if not end:
            return None
        body, rest = self._buffer[5:end], self._buffer[end:]
        self._buffer = b""
        if rest:
            raise ProtocolViolation("a password message with bytes behind it")
        return body

    def _password(self, effects: list[LoginEffect]) -> bool:
        body = self._message(self._max_token + 5)
        if body is None:
            return False
        if body[-1:] != b"\0" or b"\0" in body[:-1]:
            raise ProtocolViolation("a password message of another shape")
        if len(body) == 1:
            raise LoginRefused("a token is needed as the password", detail="empty password")
        self._asks(body[:-1], effects)
        return True

    def _bearer(self, effects: list[LoginEffect]) -> bool:
        body = self._message(self._max_token + MAX_AROUND)
        if body is None:
            return False
        mechanism, said = oauthbearer.sasl_initial(body)
        if mechanism != oauthbearer.MECHANISM:
            raise ProtocolViolation("a SASL mechanism that was not offered")
        token = oauthbearer.bearer_token(said)
        if len(token) > self._max_token:
            raise LoginRefused("the token is longer than one may be here", detail="token length")
        self._state = _State.WAITING
        if token:
            self._discovery.shown(token)
            self._asks(token, effects)
        else:
            needed = "a token is needed: get one where the gateway's OAUTHBEARER answer says"
            effects += self.token_refused(LoginRefused(needed, detail=DISCOVERY))
        return True

    @property
    def by_bearer(self) -> bool:
        """The token that is being checked came by OAUTHBEARER: a refusal is told by `token_refused`."""
        return self._login == BEARER_LOGIN and self._state is _State.WAITING

    @property
    def refusing(self) -> LoginRefused | None:
        """Why the token is refused, until the client has heard it."""
        return self._error if self._state is _State.REFUSING else None

    def token_refused(self, error: LoginRefused) -> list[LoginEffect]:
        """Say so in JSON; the Refuse follows when the client has answered (RFC 7628, 3.2.3)."""
        self._state, self._error = _State.REFUSING, error
        return [Reply(pglogin.authentication(pglogin.SASL_CONTINUE, self._discovery.answer(error)))]

    def _agreed(self) -> bool:
        body = self._message(MAX_AROUND)
        if body is None:
            return False
        if body != oauthbearer.AGREED or self._error is None:
            raise ProtocolViolation("another answer to a refused token than the one that there is")
        raise self._error

    def _asks(self, token: bytes, effects: list[LoginEffect]) -> None:
        target, database = places(self._parameters["database"], self._host)
        if self._replication == postgres_replication.PHYSICAL:
            database = ""  # it is of no database: PostgreSQL looks at no name of one there
        role, application = self._parameters["user"], self._parameters.get("application_name", "")
        effects.append(
            Login(role, target, database, self._settings, application, Secret(token), self._replication, self._host)
        )
        self._state = _State.WAITING


def _is_name(said: str) -> bool:
    return 1 <= len(said) <= MAX_NAME
