"""The PostgreSQL edge: one client connection from its first byte to its end.  Decides nothing.

A connection is first a login (`relay.postgres_client_login`), then a session whose bytes a `Pump` moves.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Generator
from dataclasses import replace
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgw.auth.access import Access, IAccess, Wanted
from hoopgw.auth.credentials import BearerToken, ClientCertificate
from hoopgw.model.answer import Denial
from hoopgw.model.errors import (
    HoopgwError,
    LoginRefused,
    NotGranted,
    OperatorError,
    ProtocolViolation,
    TargetUnavailable,
)
from hoopgw.model.events import Code
from hoopgw.model.grant import REPLICATION
from hoopgw.model.identity import Identity
from hoopgw.relay import postgres_client_login as login
from hoopgw.relay.postgres import PostgresRelay
from hoopgw.relay.postgres_addresses import target_of_host
from hoopgw.relay.postgres_client_effects import Cancel, Login, LoginEffect, Refuse, Reply, StartTls
from hoopgw.relay.postgres_client_words import fatal, fatal_error, welcome
from hoopgw.relay.postgres_discovery import Discovery
from hoopgw.relay.postgres_target_effects import Ready
from hoopgw.relay.postgres_target_login import application_name
from hoopgw.servers import dial, tls
from hoopgw.servers.conduit import deliver
from hoopgw.servers.entrance import Entrance
from hoopgw.servers.gateway import Gateway
from hoopgw.servers.parting import own_failure
from hoopgw.servers.pump import CLIENT_CLOSED, Pump
from hoopgw.session.interfaces import IEdge
from hoopgw.session.starting import judged_settings, started

PROTOCOL = "postgresql"
MAX_NUMBER = 0x7FFFFFFF  # of a process: clients read a signed one


class _State(Enum):
    LOGIN = 0
    DECIDING = 1  # token, grant, target: the client must wait
    OPEN = 2
    ENDED = 3


@implementer(IEdge)
class PostgresServer(Protocol):
    """One client."""

    transport: Any
    _log = Logger()

    def __init__(self, gateway: Gateway, address: str) -> None:
        self._gateway = gateway
        self._address = address
        self._state = _State.LOGIN
        self._login: login.ClientLogin | None = None
        self._entrance = Entrance(gateway, PROTOCOL, address)
        self._tls: dict[str, str] = {}
        self._chain: tuple[bytes, ...] = ()  # of the certificate that TLS was shown
        self._host = ""  # the target that SNI names
        self._session: Any = None
        self._relay: PostgresRelay | None = None
        self._pump: Pump | None = None
        self._target: dial.TargetConnection | None = None
        self._cancel_key: tuple[int, bytes] | None = None
        self._deciding: Deferred[Any] | None = None

    # ---- the connection

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        barred = self._entrance.enter(self._refuse)
        if barred is not None:
            self._refuse(barred)

    def dataReceived(self, data: bytes) -> None:
        """Until the session is open; after that bytes go straight to the pump."""
        if self._state is _State.ENDED:
            return
        if self._login is None and data[0] == tls.HANDSHAKE and self._gateway.server_tls is not None:
            self._start_tls(data, direct=True)
            return
        self._carry_out(self._client_login().from_client(data))

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        refused = self._login.refusing if self._login is not None and self._state is _State.LOGIN else None
        self._state = _State.ENDED  # before the rest: what is cancelled below did not fail
        if refused is not None:  # it left before it was told in words: that is no way around the penalty
            self._note(refused)
        self._entrance.leave()
        if self._pump is not None:
            self._pump.client_gone(own_failure(reason) or CLIENT_CLOSED)
        elif self._session is not None:
            self._entrance.close(self._session, Code.SESSION_CLOSED, "the client left before its session was open")
        if self._deciding is not None:
            self._deciding.cancel()
        if self._target is not None and self._pump is None:
            self._target.transport.abortConnection()
        self._forget_key()

    def _forget_key(self) -> None:
        if self._cancel_key is not None:
            self._gateway.registry.forget_key(*self._cancel_key)
            self._cancel_key = None

    # ---- the login

    def _client_login(self) -> login.ClientLogin:
        if self._login is None:
            issuers = tuple((each.name, each.issuer, each.scope) for each in self._gateway.settings.issuers)
            limits, offered = self._gateway.settings.limits, self._gateway.server_tls is not None
            self._login = login.ClientLogin(
                tls_offered=offered,
                tls_required=self._gateway.settings.tls.required,
                encrypted=self.transport.encrypted,
                max_startup=limits.max_startup_packet,
                max_token=limits.max_token,
                login=self._how() or self._gateway.settings.listen.postgresql_login,
                discovery=Discovery(issuers),
                host=self._host,
            )
        return self._login

    def _carry_out(self, effects: list[LoginEffect]) -> None:
        for effect in effects:
            match effect:
                case Reply(data=data):
                    self.transport.write(data)
                case StartTls():
                    self._start_tls(b"", direct=False)
                case Cancel(process=process, key=key):
                    self._gateway.registry.cancel(process, key, self._address)
                    self._state = _State.ENDED
                    self.transport.loseConnection()
                case Login():
                    self._state = _State.DECIDING
                    self._deciding = self._log_in(effect)
                    self._deciding.addErrback(self._login_failed)
                case Refuse(data=data, error=error):
                    self._refuse(error, data)

    def _start_tls(self, pending: bytes, *, direct: bool) -> None:
        def established(connection: ssl.SSLObject) -> None:
            self._tls = tls.described(connection)
            self._chain = tls.client_chain(connection)
            self._host = target_of_host(tls.asked_name(connection), self._gateway.settings.tls.domain)
            if direct and self._tls["alpn"] != tls.POSTGRESQL_ALPN:
                self._refuse(ProtocolViolation("direct TLS needs ALPN `postgresql`"))
            elif not direct:
                self._client_login().tls_started(self._host, self._how())

        self.transport.start_tls(
            self._gateway.server_tls, established, self._tls_failed, server_side=True, pending=pending
        )

    def _how(self) -> str:
        """How its client logs in, where the connection says so already; a client that wants to show a token says so."""
        certified = self._gateway.certificates.logs_in(self._chain, PROTOCOL)
        return login.CERTIFICATE_LOGIN if certified else ""

    def _tls_failed(self, error: Exception) -> None:
        why = tls.verify_failure(error)
        if why:  # TLS itself tells the client, by its alert
            self._refuse(LoginRefused("the certificate is not accepted", detail=f"certificate: {why}"), b"")
        else:
            self._refuse(ProtocolViolation(f"the TLS handshake failed: {error}"), b"")

    def _refuse(self, error: HoopgwError, data: bytes | None = None) -> None:
        """Tell the client in its protocol, write the event, close."""
        if self._state is _State.ENDED:
            return
        self._state = _State.ENDED
        code = self._note(error)
        if self._session is not None:
            self._entrance.close(self._session, code, str(error))
        self._entrance.abort_later(self.transport)  # first: whatever the peer makes of the rest, it goes
        self.transport.write(fatal(error) if data is None else data)
        self.transport.loseConnection()

    def _note(self, error: HoopgwError) -> Code:
        """The event of a login that failed, and what that means for others from there."""
        if getattr(error, "detail", "") != login.DISCOVERY:
            self._entrance.failed(error)
        self._entrance.leave()
        return self._entrance.told(error)

    def _login_failed(self, failure: Failure) -> None:
        self._deciding = None
        if self._state is _State.ENDED:
            return
        error = failure.value
        if isinstance(error, LoginRefused) and self._session is None and self._client_login().by_bearer:
            self._state = _State.LOGIN
            self._carry_out(self._client_login().token_refused(error))
        elif isinstance(error, dial.TargetRefused):
            self._refuse(error, fatal_error(error.sqlstate, str(error)))
        elif isinstance(error, HoopgwError):
            self._refuse(error)
        else:
            self._log.failure("a login failed", failure=failure)
            self._refuse(OperatorError("the gateway failed"))

    @inlineCallbacks
    def _log_in(self, asked: Login) -> Generator[Deferred[Any], Any, None]:
        credentials, proven = self._shown(asked)
        wanted = Wanted(PROTOCOL, asked.target, asked.role, asked.database, asked.host)
        _, access, _ = yield self._gateway.portal.login(credentials, wanted, IAccess)
        self._gateway.penalties.succeeded(self._address)
        if asked.replication and REPLICATION not in access.grant.features:
            raise NotGranted("the grant does not let this identity replicate", detail="replication")
        shown_by = "SASLInitialResponse" if self._client_login().by_bearer else "PasswordMessage"
        size = len(asked.token.reveal())
        judged = judged_settings(asked.settings)
        opening = {
            "tls": self._tls,
            "application_name": asked.application_name,
            "settings": {name: value for name, value in asked.settings.items() if name not in judged},
            "replication": asked.replication,
            "login": ["StartupMessage", *([f"{shown_by} ({size} bytes)"] if size else [])],
            **({"certificate": {"subject": proven.subject, "proof": list(proven.proof)}} if proven is not None else {}),
        }
        yield self._gateway.room()
        self._session = session = self._gateway.open_session(access, self, self._address, opening)
        session.accepted(PROTOCOL)
        if judged:
            yield session.judge.ready()
            judged = yield Deferred.fromCoroutine(started(session.judge, judged))
        named = ""
        if access.target.application_name:
            named = application_name(session.id, access.identity.subject, asked.application_name)
        target, ready = yield self._gateway.dialer.dial(self._wanted(access, asked, named))
        self._target = target
        yield session.ready()
        if not judged:
            yield session.judge.ready()
        yield self._gateway.room()
        if target.gone:
            raise TargetUnavailable(f"the target closed the connection: {target.gone}")
        self._open(access, target, ready, named, judged)

    def _shown(self, asked: Login) -> tuple[BearerToken | ClientCertificate, Identity | None]:
        """What logs in; and whom the certificate names that stands there or beside it.  Raises LoginRefused."""
        chain, address = self._chain, self._address
        proven = self._gateway.certificates.shown(chain, PROTOCOL) if chain else None
        if proven is not None and not asked.token.reveal():
            return ClientCertificate(chain, address, PROTOCOL), proven
        return BearerToken(asked.token, address, chain[0] if chain else b""), proven

    def _wanted(self, access: Access, asked: Login, named: str) -> dial.Wanted:
        secret = self._gateway.secrets.get
        found = dial.wanted_as(access.target, access.role, access.database, asked.settings, named, secret)
        return replace(found, replication=asked.replication)

    # ---- the session

    def _open(
        self, access: Access, target: dial.TargetConnection, ready: Ready, named: str, judged: dict[str, str]
    ) -> None:
        gateway, session, limits = self._gateway, self._session, self._gateway.settings.limits
        self._state, self._deciding = _State.OPEN, None
        self._entrance.leave()
        self._relay = PostgresRelay(
            session=session.id,
            policy=session.policy,
            parameters=ready.parameters,
            application_name=named,
            max_statement=limits.max_statement,
            max_masked_row=limits.max_masked_row,
            token_bytes=gateway.token_bytes,
            ambient_masks=session.ambient_masks,
            replication=bool(target.wanted.replication),
        )
        self._key = ready.process, ready.key
        pump = self._pump = Pump(
            session,
            self._relay,
            self.transport,
            target.transport,
            self._cancel_upstream,
            gateway.registry.remove,
            gateway.reactor,
            gateway.endings,
            hears_out=True,
        )
        process, key = self._new_key()
        target.lost = pump.target_gone
        target.hand_over(pump.target_bytes, pump.reading_target)
        self.dataReceived = pump.client_bytes  # type: ignore[method-assign]
        deliver(self.transport, pump.reading_client)
        facts = {"target": str(target.place.address), "tls": target.tls, "parameters": ready.parameters}
        session.opened({**facts, **({"set": judged} if judged else {})})
        self._login = None  # it has the token
        self.transport.write(welcome(ready.parameters, process, key))
        if ready.rest:
            pump.target_bytes(ready.rest)

    def _new_key(self) -> tuple[int, bytes]:
        """The number of the target's process, or another one where a session has that, and a key that only this client
        knows.  Clients ask `pg_stat_activity` about that number, and tell their own notifications by it."""
        registry, length = self._gateway.registry, self._client_login().key_bytes
        process, key = self._key[0], os.urandom(length)
        while not (0 < process <= MAX_NUMBER and registry.register_key(process, key, self._cancelled)):
            process = int.from_bytes(os.urandom(4), "big") & MAX_NUMBER
        self._cancel_key = process, key
        return process, key

    def _cancel_upstream(self) -> Deferred[None]:
        assert self._target is not None
        return self._gateway.dialer.cancel(self._target.wanted.target, self._target.place, *self._key)

    def _cancelled(self) -> bool:
        """A CancelRequest with this connection's key; True where there was something to cancel."""
        if self._pump is None or self._relay is None or self._pump.ended:
            return False
        if self._session.cancel():
            return True
        if self._relay.in_flight:
            self._pump.cancel_target()
            return True
        return False

    # ---- IEdge

    def holding(self, lane: int, notice: Denial) -> None:
        if self._pump is not None:
            self._pump.holding(lane, notice)

    def end(self, code: Code, reason: str, denial: Denial | None) -> None:
        if self._pump is not None:
            self._pump.end(code, reason, denial)
        else:
            self._refuse(LoginRefused(reason, detail=code.value))

    def transaction_ran(self) -> bool:
        return self._relay is not None and self._relay.transaction_ran

    def rows_passed(self) -> int:
        return self._relay.rows_passed if self._relay is not None else 0


class PostgresFactory(Factory):
    """Accepts PostgreSQL clients."""

    noisy = False

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def buildProtocol(self, address: IAddress | None) -> PostgresServer:
        return PostgresServer(self.gateway, getattr(address, "host", "local"))
