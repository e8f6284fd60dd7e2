"""Opens connections to PostgreSQL targets and logs in; asks a target to cancel."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from hoopgw.model.errors import MalformedFrame, SecretUnavailable, TargetUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Role, SecretReference, Target, TlsMode
from hoopgw.relay import postgres_hosts
from hoopgw.relay import postgres_target_effects as wants
from hoopgw.relay import postgres_target_login as login
from hoopgw.servers import tls
from hoopgw.servers.conduit import Receiver, deliver
from hoopgw.servers.departures import Departures
from hoopgw.servers.derivations import Derivations
from hoopgw.servers.parting import own_failure
from hoopgw.servers.reach import Place, connected
from hoopgw.servers.resolve import resolve
from hoopgw.wire import pglogin, pgmessages, scram
from hoopgw.wire.channel_binding import tls_server_end_point

LOGIN_SECONDS = 15.0  # from the first packet to ReadyForQuery; shared where there are other servers to try
CANCEL_SECONDS = 5.0  # until the target has closed a cancel connection
_VERSIONS = {"3.0": pglogin.PROTOCOL_3_0, "3.2": pglogin.PROTOCOL_3_2}

_Place = TypeVar("_Place")


class TargetRefused(TargetUnavailable):
    """The target was reached and the login did not succeed; `str(error)` is for the client, `detail` for events."""

    def __init__(self, sqlstate: str, message: str, detail: str, elsewhere: bool = False) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail
        self.elsewhere = elsewhere  # another server of the target may let us in


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to log in to, and as whom."""

    target: Target
    user: str
    password: Secret | None
    database: str
    settings: dict[str, str]
    application_name: str
    certificate: str = ""  # path of the client certificate that TLS shows
    key: Secret | None = None  # its private key
    replication: str = ""  # or "physical", "logical"


def wanted_as(
    target: Target,
    role: Role,
    database: str,
    settings: dict[str, str],
    application_name: str,
    secret: Callable[[SecretReference], Secret],
) -> Wanted:
    """With the role's credentials, which `secret` reads."""
    password = secret(role.password) if role.password is not None else None
    key = secret(role.key) if role.key is not None else None
    user = _name(secret(role.user_secret)) if role.user_secret is not None else role.user
    return Wanted(target, user, password, database, settings, application_name, role.certificate, key)


def _name(secret: Secret) -> str:
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError as error:
        raise SecretUnavailable("the user's name in the vault is not UTF-8") from error


class TargetConnection(Protocol):
    """One connection to a target.  `ready` fires with the login's `Ready`; after `hand_over` `receive` gets the bytes.

    What the target says in between waits in its socket; should it close, `gone` says why.  When the connection ends
    later, `lost` is called once with the reason.
    """

    transport: Any

    def __init__(self, wanted: Wanted, place: Place, context: ssl.SSLContext | None, derivations: Derivations) -> None:
        self.wanted = wanted
        self.place = place
        self._context = context
        self._derivations = derivations
        self._login: login.TargetLogin | None = login.TargetLogin(
            wanted.user,
            wanted.database,
            wanted.password,
            wanted.settings,
            wanted.application_name,
            tls=context is not None,
            random=os.urandom(scram.NONCE_BYTES),
            version=_VERSIONS[wanted.target.max_protocol],
            methods=wanted.target.auth,
            verified=wanted.target.tls in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL),
            replication=wanted.replication,
            asks=wanted.target.session_attrs != postgres_hosts.ANY,
        )
        self.ready: Deferred[wants.Ready] = Deferred(lambda _: self.transport and self.transport.abortConnection())
        self._finished = False
        self.gone = ""
        self.tls: dict[str, str] = {}
        self.lost: Callable[[str], None] = lambda reason: None

    # ---- the login

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self._carry_out(self._logging_in.start())

    def dataReceived(self, data: bytes) -> None:
        self._carry_out(self._logging_in.from_target(data))

    @property
    def _logging_in(self) -> login.TargetLogin:
        assert self._login is not None
        return self._login

    def hand_over(self, receive: Callable[[bytes], None], receiver: Receiver | None = None) -> None:
        """From now on bytes go there, by the `receiver` where there is one; what the login was made of is forgotten."""
        self._login = None
        self.dataReceived = receive  # type: ignore[method-assign,assignment]
        deliver(self.transport, receiver)
        self.transport.owed = True
        self.transport.resumeProducing()

    def leave(self) -> None:
        """It is not wanted after all."""
        self.transport.write(pgmessages.TERMINATE)
        self.transport.loseConnection()

    def _carry_out(self, effects: list[wants.TargetEffect]) -> None:
        for effect in effects:
            match effect:
                case wants.Send(data=data):
                    self.transport.write(data)
                case wants.StartTls():
                    self.transport.start_tls(
                        self._context,
                        self._encrypted,
                        self._tls_failed,
                        server_side=False,
                        hostname=self.place.address.host,
                    )
                case wants.DeriveKey(password=password, salt=salt, iterations=iterations):
                    deriving = self._derivations.salted_password(password, salt, iterations)
                    deriving.addCallback(lambda salted: self._carry_out(self._logging_in.derived(salted)))
                    deriving.addErrback(self._broken)
                case wants.Ready():
                    self._finish(effect)
                    if self._login is not None:  # whom it is for waits for something else: a budget, the catalogue
                        self.transport.pauseProducing()
                case wants.Failed(sqlstate=sqlstate, message=message, detail=detail, elsewhere=elsewhere):
                    self._finish(Failure(TargetRefused(sqlstate, message, detail, elsewhere)))
                    self.transport.loseConnection()

    def _encrypted(self, connection: ssl.SSLObject) -> None:
        self.tls = tls.described(connection)
        certificate = connection.getpeercert(binary_form=True)
        try:
            binding = tls_server_end_point(certificate) if certificate else b""
        except MalformedFrame as error:
            self._tls_failed(error)
            return
        self._carry_out(self._logging_in.tls_started(binding))

    def _tls_failed(self, error: Exception) -> None:
        detail = f"{self.place.address}: {error}"
        self._finish(Failure(TargetRefused("08001", "the target's certificate or TLS was not accepted", detail)))
        self.transport.loseConnection()

    def _broken(self, failure: Failure) -> None:
        self._finish(failure)
        self.transport.abortConnection()

    def _finish(self, result: wants.Ready | Failure) -> None:
        if not self._finished:
            self._finished = True
            if not self.ready.called:  # it is where the login took too long
                self.ready.callback(result)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        why = own_failure(reason) or reason.getErrorMessage()
        if self._finished:
            self.gone = why
            self.lost(why)
        else:
            self._carry_out(self._logging_in.target_closed(why))


def patience(target: Target) -> Iterator[float]:
    """How long the login may take at each of the target's addresses, in the order of trying.  One that connects and
    says nothing (a server that stands still) must not use up the time of those behind it; the last has all of it."""
    tries = len(postgres_hosts.rounds(target.session_attrs)) * len(target.addresses)
    shared = max(LOGIN_SECONDS / max(tries, 1), min(target.connect_seconds, LOGIN_SECONDS))
    yield from [shared] * (tries - 1)
    yield LOGIN_SECONDS


class _Cancelling(Protocol):
    """Sends one CancelRequest and waits for the target to close."""

    transport: Any

    def __init__(self, process: int, key: bytes, context: ssl.SSLContext | None, host: str) -> None:
        self._request = pglogin.cancel_request(process, key)
        self._context = context
        self._host = host
        self.closed: Deferred[None] = Deferred(lambda _: self.transport and self.transport.abortConnection())

    def connectionMade(self) -> None:
        if self._context is None:
            self.transport.write(self._request)
        else:
            self.transport.write(pglogin.request(pglogin.SSL_REQUEST))

    def dataReceived(self, data: bytes) -> None:
        if data != b"S" or self.transport.encrypted:  # a key is not sent in the clear to who would not encrypt
            self.transport.abortConnection()
            return
        self.transport.start_tls(self._context, self._encrypted, self._failed, server_side=False, hostname=self._host)

    def _encrypted(self, connection: ssl.SSLObject) -> None:
        self.transport.write(self._request)

    def _failed(self, error: Exception) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        if not self.closed.called:
            self.closed.callback(None)


class Dialer:
    """Opens connections to targets."""

    def __init__(self, reactor: Any, departures: Departures) -> None:
        self._reactor = reactor
        self._departures = departures
        self._contexts: dict[tuple[TlsMode, str, str], ssl.SSLContext | None] = {}
        self._random = SystemRandom()
        self._derivations = Derivations(self._in_thread)

    def reloaded(self) -> None:
        """CA files, certificates, keys and passwords may have changed: read them again."""
        self._contexts.clear()
        self._derivations.forget()

    def _context(self, target: Target, certificate: str = "", key: Secret | None = None) -> ssl.SSLContext | None:
        known = target.tls, target.ca, certificate
        if known not in self._contexts:
            self._contexts[known] = tls.target_context(target, certificate, key)
        return self._contexts[known]

    @inlineCallbacks
    def dial(self, wanted: Wanted) -> Generator[Deferred[Any], Any, tuple[TargetConnection, wants.Ready]]:
        """The first of the target's addresses that lets us in and is what `target_session_attrs` wants.

        Fails with TargetUnavailable.  As with libpq, a server that answered and refused is not passed over for the next
        one: only one that cannot be reached, does not take connections now, or is of the other kind.
        """
        problem: Exception = TargetUnavailable(f"target {wanted.target.name} has no address")
        waits = patience(wanted.target)
        for attrs in postgres_hosts.rounds(wanted.target.session_attrs):
            for address in self._in_order(wanted.target, wanted.target.addresses):
                seconds = next(waits)
                found: tuple[str, ...] = yield resolve(self._reactor, address.host)
                if not found:
                    problem = TargetUnavailable(f"{address.host} has no address")
                for numeric in self._in_order(wanted.target, found):
                    try:
                        connection, ready = yield self._tried(wanted, Place(address, numeric), seconds)
                    except TargetUnavailable as error:
                        if isinstance(error, TargetRefused) and not error.elsewhere:
                            raise
                        problem = error
                        continue
                    if ready.standing is None or ready.standing.fits(attrs):
                        return connection, ready
                    problem = TargetUnavailable(f"{address} ({numeric}) is not what is wanted: {attrs}")
                    connection.leave()
        raise problem

    def beside(self, connection: TargetConnection) -> Deferred[tuple[TargetConnection, wants.Ready]]:
        """Another one to the very place of this one.  Fails with TargetUnavailable."""
        trying: Deferred[tuple[TargetConnection, wants.Ready]]
        trying = self._tried(connection.wanted, connection.place, LOGIN_SECONDS)
        return trying

    def _in_order(self, target: Target, places: tuple[_Place, ...]) -> tuple[_Place, ...]:
        return tuple(self._random.sample(places, len(places))) if target.load_balance else places

    @inlineCallbacks
    def _tried(
        self, wanted: Wanted, place: Place, seconds: float
    ) -> Generator[Deferred[Any], Any, tuple[TargetConnection, wants.Ready]]:
        context = self._context(wanted.target, wanted.certificate, wanted.key)
        connection = TargetConnection(wanted, place, context, self._derivations)
        try:
            yield connected(self._reactor, self._departures, connection, place, wanted.target.connect_seconds)
        except ConnectError as error:
            raise TargetUnavailable(f"{place.address} ({place.numeric}): {error}") from error
        ready = yield self._logged_in(connection, seconds)
        return connection, ready

    def _logged_in(self, connection: TargetConnection, seconds: float) -> Deferred[wants.Ready]:
        def too_slow(result: Any, seconds: float) -> Any:
            raise TargetRefused("08001", "the target did not answer in time", f"no login within {seconds:g} s", True)

        return connection.ready.addTimeout(seconds, self._reactor, onTimeoutCancel=too_slow)

    def _in_thread(self, function: Callable[..., Secret], *arguments: Any) -> Deferred[Secret]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function, *arguments)

    @inlineCallbacks
    def cancel(self, target: Target, place: Place, process: int, key: bytes) -> Generator[Deferred[Any], Any, None]:
        """Ask the server behind `place` to cancel; fires when it has closed that connection, or after
        CANCEL_SECONDS.  Where the target gave no key there is nothing to ask."""
        if not key:
            return
        context = self._context(target)
        protocol = _Cancelling(process, key, context, place.address.host)
        yield connected(self._reactor, self._departures, protocol, place, target.connect_seconds)
        yield protocol.closed.addTimeout(CANCEL_SECONDS, self._reactor, onTimeoutCancel=lambda result, seconds: None)
