"""How the gateway logs in to a PostgreSQL target, with a credential that the client never sees.  Sans-IO.

Nothing that the target says before its session is ready reaches the client: failures are told in the gateway's words,
with the target's SQLSTATE where it is one that helps.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from hoopgw.model.errors import MalformedFrame, ProtocolViolation, TargetUnavailable, WireError
from hoopgw.model.secret import Secret
from hoopgw.relay import postgres_hosts
from hoopgw.relay.postgres_replication import LOGICAL
from hoopgw.relay.postgres_settings import ENCODINGS
from hoopgw.relay.postgres_target_effects import DeriveKey, Failed, Ready, Send, StartTls, TargetEffect
from hoopgw.wire import pglogin
from hoopgw.wire.pgmessages import query
from hoopgw.wire.scram import ScramClient, chosen_mechanism

MAX_MESSAGE: Final = 64 * 1024  # bytes of one login message; PostgreSQL's longest are error texts
MAX_MESSAGES: Final = 1000  # ParameterStatus, notices: a target that never gets to ReadyForQuery is not waited for
MAX_PARAMETERS: Final = 200  # reported settings; PostgreSQL 18 reports 15
MAX_APPLICATION_NAME: Final = 63  # bytes: NAMEDATALEN - 1, where PostgreSQL cuts
MAX_DETAIL: Final = 500  # characters of a target's error for the event log

_UNSUPPORTED: Final = {
    pglogin.KERBEROS: "Kerberos V5",
    pglogin.GSS: "GSSAPI",
    pglogin.SSPI: "SSPI",
}

SCRAM_METHOD: Final = "scram-sha-256"
MD5_METHOD: Final = "md5"
CLEAR_METHOD: Final = "password"
_OLD: Final = {pglogin.CLEARTEXT: (CLEAR_METHOD, "a password in clear text"), pglogin.MD5: (MD5_METHOD, "MD5")}
_ELSEWHERE: Final = "57P03"  # cannot_connect_now: another server of the target may, as libpq takes it

# What of a target's SQLSTATEs a client may know, in our words.  All others are "08001".
_TOLD: Final = {
    "53300": "the target has too many connections",
    "57P03": "the target is not taking connections now",
    "57P01": "the target is being shut down",
    "57P02": "the target is restarting",
    "3D000": "the target has no such database",
    "28000": "the target refused the gateway's login",
    "28P01": "the target refused the gateway's login",
}
# Once it let us in: a setting that there is not, that has no such value, or that cannot be set.  Its words name that
_OF_SETTINGS: Final = frozenset(("22023", "42704", "42602", "55P02"))


class _State(Enum):
    NEW = 0
    TLS_ASKED = 1
    SHAKING = 2
    STARTED = 3  # StartupMessage is out
    SASL_FIRST = 4
    DERIVING = 5
    SASL_FINAL = 6
    PASSWORD = 7  # an older method's answer is out
    AUTHENTICATED = 8
    ASKING = 9  # an older server is asked whether it is a standby
    ENDED = 10


class TargetLogin:
    def __init__(
        self,
        user: str,
        database: str,
        password: Secret | None,
        settings: dict[str, str],
        application_name: str,
        *,
        tls: bool,
        random: bytes,
        version: int = pglogin.PROTOCOL_3_2,
        methods: frozenset[str] = frozenset((SCRAM_METHOD,)),
        verified: bool = False,
        asks: bool = False,
        replication: str = "",
    ) -> None:
        """`settings` come from `postgres_settings.target_settings`; "" as `application_name` sends none.

        `random` are `wire.scram.NONCE_BYTES` fresh random bytes; `version` is the newest protocol
        to ask for; `methods` are those by which the password may be used, `verified` that TLS verifies the target;
        `asks` that it must say whether it is a standby.
        """
        named = [("application_name", application_name)] if application_name else []
        own = [("standard_conforming_strings", "on")]
        walsender = [("replication", "database" if replication == LOGICAL else "true")] if replication else []
        self._startup = [("user", user), ("database", database), *walsender, *settings.items(), *named, *own]
        self._encoding = settings.get("client_encoding", "UTF8")
        self._password = password
        self._tls = tls
        self._random = random
        self._binding: bytes | None = None
        self._scram: ScramClient | None = None
        self._buffer = b""  # at most one message: MAX_MESSAGE
        self._count = 0
        self._parameters: dict[str, str] = {}
        self._process, self._key = 0, b""
        self._user = user
        self._version = version
        self._methods = methods
        self._verified = tls and verified
        self._asks = asks and not replication  # a walsender before 14 cannot be asked
        self._answers: list[bytes] = []  # of an older server that is asked: two
        self._negotiated = False
        self._state = _State.NEW

    # ---- what the edge calls

    def start(self) -> list[TargetEffect]:
        """The connection stands."""
        if self._state is not _State.NEW:
            raise ProtocolViolation("a login is used once")
        if not self._tls:
            return self._say_hello()
        self._state = _State.TLS_ASKED
        return [Send(pglogin.request(pglogin.SSL_REQUEST), "SSLRequest")]

    def tls_started(self, binding: bytes) -> list[TargetEffect]:
        """The handshake is done; `binding` is `wire.channel_binding.tls_server_end_point` of the certificate."""
        if self._state is not _State.SHAKING:
            raise ProtocolViolation("TLS began without being asked for")
        self._binding = binding
        return self._say_hello()

    def from_target(self, data: bytes) -> list[TargetEffect]:
        """Never raises: what the target should not have said is a Failed."""
        effects: list[TargetEffect] = []
        if self._state is _State.ENDED:
            return effects
        self._buffer += data
        try:
            if self._state is _State.TLS_ASKED:
                self._tls_answer(effects)
            while self._buffer and self._step(effects):
                pass
        except TargetUnavailable as error:
            self._fail(effects, "08001", "the target cannot be used as it is set up", str(error))
        except WireError as error:
            self._fail(effects, "08001", "the target does not speak as it should", str(error))
        return effects

    def derived(self, salted: Secret) -> list[TargetEffect]:
        """The key that DeriveKey asked for."""
        if self._state is _State.ENDED:  # the target closed meanwhile
            return []
        if self._state is not _State.DERIVING or self._scram is None:
            raise ProtocolViolation("a key that was not asked for")
        self._state = _State.SASL_FINAL
        return [Send(pglogin.sasl_response(self._scram.final(salted)), "SASLResponse")]

    def target_closed(self, why: str = "the target closed the connection") -> list[TargetEffect]:
        effects: list[TargetEffect] = []
        if self._state is not _State.ENDED:
            begun = self._state is _State.SASL_FIRST or self._state is _State.SASL_FINAL
            self._fail(effects, "08001", "the target cannot be reached at the moment", why, not begun)
        return effects

    # ---- states

    def _say_hello(self) -> list[TargetEffect]:
        self._state = _State.STARTED
        return [Send(pglogin.startup_message(self._startup, self._version), "StartupMessage")]

    def _tls_answer(self, effects: list[TargetEffect]) -> None:
        """One byte.  More in the same segment was sent in the clear to be taken for encrypted (CVE-2021-23222); an
        error text in its place can be anybody's, and is not read (CVE-2024-10977)."""
        answer, self._buffer = self._buffer, b""
        if answer[:1] == b"N":
            self._fail(effects, "08001", "the target does not offer TLS, which is required", "answered N to SSLRequest")
        elif answer[:1] == b"E":
            self._fail(effects, "08001", "the target refused to speak TLS", "answered SSLRequest with an error")
        elif answer != b"S":
            raise ProtocolViolation("unencrypted bytes after the answer to SSLRequest")
        else:
            self._state = _State.SHAKING
            effects.append(StartTls())

    def _step(self, effects: list[TargetEffect]) -> bool:
        """Take one message; False while there is no whole one."""
        if self._state is _State.SHAKING:
            raise ProtocolViolation("unencrypted bytes after the answer to SSLRequest")
        end = pglogin.message_end(self._buffer, MAX_MESSAGE)
        if not end:
            return False
        tag, body = self._buffer[:1], self._buffer[5:end]
        self._buffer = self._buffer[end:]
        self._count += 1
        if self._count > MAX_MESSAGES:
            raise ProtocolViolation("a login of too many messages")
        if tag == b"E":
            self._error(body, effects)
        elif tag == b"R":
            self._authentication(body, effects)
        elif tag == b"v" and self._state is _State.STARTED and not self._negotiated:
            self._negotiated = True
            self._version = pglogin.read_negotiated_version(body, self._version)
        elif tag != b"N":  # a notice of a login trigger is nobody's yet
            self._after_authentication(tag, body, effects)
        return True

    def _authentication(self, body: bytes, effects: list[TargetEffect]) -> None:
        if len(body) < 4:
            raise MalformedFrame("an authentication request without its kind")
        code, data = int.from_bytes(body[:4], "big"), body[4:]
        if code == pglogin.SASL and self._state is _State.STARTED:
            self._begin_scram(data, effects)
        elif code == pglogin.SASL_CONTINUE and self._state is _State.SASL_FIRST and self._scram is not None:
            asked = self._scram.server_first(data)
            self._state = _State.DERIVING
            effects.append(DeriveKey(self._secret(), asked.salt, asked.iterations))
        elif code == pglogin.SASL_FINAL and self._state is _State.SASL_FINAL and self._scram is not None:
            self._scram.server_final(data)
        elif code == pglogin.OK:
            self._authenticated()
        elif code in _OLD and self._state is _State.STARTED:
            self._old_method(code, data, effects)
        elif code in _UNSUPPORTED and self._state is _State.STARTED:
            named = _UNSUPPORTED[code]
            words = f"the target asks for {named}, which is not supported yet: use scram-sha-256"
            self._fail(effects, "0A000", words, f"authentication by {named}")
        else:
            raise ProtocolViolation("an authentication request out of turn")

    def _old_method(self, code: int, data: bytes, effects: list[TargetEffect]) -> None:
        """MD5 and clear text prove nothing of the target: the operator must have allowed them, and clear text goes to
        nobody whose certificate was not verified."""
        method, named = _OLD[code]
        if method not in self._methods:
            words = f"the target asks for {named}, which is not allowed here: use scram-sha-256"
            self._fail(effects, "0A000", words, f"authentication by {named}: not in its `auth`")
            return
        password = self._secret().reveal()
        if code == pglogin.MD5:
            password = pglogin.md5_password(self._user.encode(), password, data)
        elif not self._verified:
            raise ProtocolViolation("a password in clear text is asked for by a target that was not verified")
        self._state = _State.PASSWORD
        effects.append(Send(pglogin.password_message(password), "PasswordMessage"))

    def _begin_scram(self, offered: bytes, effects: list[TargetEffect]) -> None:
        if not offered.endswith(b"\0\0"):
            raise MalformedFrame("a list of SASL mechanisms without its terminator")
        if SCRAM_METHOD not in self._methods:
            raise TargetUnavailable("the target asks for scram-sha-256, which is not in its `auth`")
        mechanism = chosen_mechanism(offered[:-2].split(b"\0"), self._binding)
        if not mechanism:
            words = "the target offers no SASL mechanism that is supported: use scram-sha-256"
            self._fail(effects, "0A000", words, "no SCRAM-SHA-256 among the mechanisms")
            return
        self._secret()
        self._scram = ScramClient(mechanism, self._random, self._binding)
        self._state = _State.SASL_FIRST
        effects.append(Send(pglogin.sasl_initial_response(mechanism, self._scram.first()), "SASLInitialResponse"))

    def _secret(self) -> Secret:
        if self._password is None:
            raise TargetUnavailable("the target asks for a password and the role has none")
        return self._password

    def _authenticated(self) -> None:
        """AuthenticationOk alone proves nothing: where there is a password the target must have proved to know it."""
        if self._scram is not None:
            if not self._scram.verified:
                raise ProtocolViolation("the target did not prove that it knows the password")
        elif self._password is not None and self._state is not _State.PASSWORD:
            raise TargetUnavailable("the role has a password and the target did not ask for it (pg_hba.conf: trust?)")
        if self._state not in (_State.STARTED, _State.SASL_FINAL, _State.PASSWORD):
            raise ProtocolViolation("AuthenticationOk out of turn")
        self._state = _State.AUTHENTICATED

    def _after_authentication(self, tag: bytes, body: bytes, effects: list[TargetEffect]) -> None:
        asking = self._state is _State.ASKING
        if self._state is not _State.AUTHENTICATED and not asking:
            raise ProtocolViolation("a message that may only come after AuthenticationOk")
        if tag == b"S":
            self._parameter(body)
        elif asking and tag == b"D" and len(self._answers) < 2:
            self._answers.append(postgres_hosts.only_value(body))
        elif asking and (tag == b"T" or tag == b"C"):
            pass  # what stands around the answers
        elif tag == b"K":
            if not pglogin.MIN_CANCEL_KEY <= len(body) - 4 <= pglogin.MAX_CANCEL_KEY:
                raise MalformedFrame("a cancel key of a length that no protocol version has")
            self._process, self._key = int.from_bytes(body[:4], "big"), body[4:]
        elif tag == b"Z":
            self._ready(body, effects)
        else:
            raise ProtocolViolation("a message that no login has")

    def _parameter(self, body: bytes) -> None:
        parts = body.split(b"\0")
        if len(parts) != 3 or parts[2] or len(self._parameters) >= MAX_PARAMETERS:
            raise MalformedFrame("a ParameterStatus that is not a name and a value, or one too many")
        # the values are in client_encoding; what is not UTF-8 must go on to the client as it came
        self._parameters[parts[0].decode("utf-8", "surrogateescape")] = parts[1].decode("utf-8", "surrogateescape")

    def _ready(self, body: bytes, effects: list[TargetEffect]) -> None:
        """What text means is pinned here: a pooler that did not take our settings is no target."""
        if body != b"I":
            raise ProtocolViolation("a new session that is not idle")
        if self._parameters.get("standard_conforming_strings") != "on":
            raise TargetUnavailable("standard_conforming_strings is not on")
        encoding = self._parameters.get("client_encoding")
        if encoding != self._encoding or encoding not in ENCODINGS:
            raise TargetUnavailable("client_encoding is not what was asked for")
        standing = postgres_hosts.reported(self._parameters)
        if self._state is _State.ASKING:
            standing = postgres_hosts.answered(self._answers)
        elif self._asks and standing is None:
            self._state = _State.ASKING
            effects.append(Send(query(postgres_hosts.QUESTION), "Query"))
            return
        self._state = _State.ENDED
        rest, self._buffer = self._buffer, b""
        effects.append(Ready(self._parameters, self._process, self._key, rest, standing))

    # ---- failures

    def _error(self, body: bytes, effects: list[TargetEffect]) -> None:
        """Fields of any kind, or none, are taken (CVE-2026-6666); the text is for the event log, without the secret."""
        found = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
        sqlstate, text = found.get(b"C", ""), found.get(b"M", "")
        words = _TOLD.get(sqlstate)
        if self._state is _State.AUTHENTICATED and sqlstate in _OF_SETTINGS:  # the client's own
            words = _without(text, self._password)
        code = sqlstate if words else "08001"
        message, detail = words or "the target refused the gateway's login", f"{sqlstate[:5]} {text}"
        self._fail(effects, code, message, detail, code == _ELSEWHERE)

    def _fail(
        self, effects: list[TargetEffect], sqlstate: str, message: str, detail: str, elsewhere: bool = False
    ) -> None:
        self._state = _State.ENDED
        self._buffer = b""
        effects.append(Failed(sqlstate, message, _without(detail, self._password), elsewhere))


def _without(text: str, secret: Secret | None) -> str:
    """A target's words, printable and short, or none at all where they show the credential (must-survive 71)."""
    shown = secret.reveal().decode("utf-8", "replace") if secret is not None else ""
    if shown and shown in text:
        return "(the target's words are withheld: they show the credential)"
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:MAX_DETAIL])


def application_name(session: str, subject: str, client: str) -> str:
    """What the target is told of who acts, at most 63 bytes: `hoopgw:SESSION SUBJECT CLIENT`.

    ASCII only, as PostgreSQL would replace the rest itself; session and subject come first, so that what the client
    calls itself is what is cut.
    """
    joined = f"hoopgw:{session} {subject} {client}".rstrip()
    return "".join(char if " " <= char <= "~" else "?" for char in joined)[:MAX_APPLICATION_NAME]
