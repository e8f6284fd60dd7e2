"""Puts the gateway together and runs it: `twistd hoopgw --config FILE`."""

# mypy: allow-untyped-calls
# (Service's own methods are untyped in Twisted)

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python import usage

from hoopgw import __version__, config, systemd
from hoopgw.auth.identity_tokens import IdentityTokens
from hoopgw.auth.penalties import Penalties
from hoopgw.auth.pkcs11_pins import RefusedPins
from hoopgw.auth.realm import GatewayRealm
from hoopgw.config_secrets import read_or_make
from hoopgw.config_signing import REFUSED_PINS, SigningKeys, in_token
from hoopgw.model.errors import HoopgwError, OperatorError, PinRefused
from hoopgw.model.events import Code
from hoopgw.model.settings import Settings, SshSettings
from hoopgw.policy.masks import mask_key
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.servers import reactor as lean_reactor
from hoopgw.servers.admin import admin_site, remove_stale_socket
from hoopgw.servers.admin_calls import Admin
from hoopgw.servers.catalogue_source import CatalogueSource
from hoopgw.servers.departures import Departures
from hoopgw.servers.dial import Dialer
from hoopgw.servers.eager import make_eager
from hoopgw.servers.endings import Endings
from hoopgw.servers.gateway import Gateway
from hoopgw.servers.http.edge import Face as HttpFace
from hoopgw.servers.http.identity import IdentityLines, in_thread
from hoopgw.servers.http.links import Links
from hoopgw.servers.http.own import OwnPages
from hoopgw.servers.http.server import HTTPS_ALPN, HttpFactory
from hoopgw.servers.postgres import PostgresFactory
from hoopgw.servers.ssh.dial import SshDialer
from hoopgw.servers.ssh.server import SshFace, SshFactory
from hoopgw.servers.tls import POSTGRESQL_ALPN, server_context
from hoopgw.service_drain import drained, stopped
from hoopgw.service_logins import Logins
from hoopgw.service_reloads import Reloads, bound_at_start, load
from hoopgw.service_secrets import HeldSecrets, read_all
from hoopgw.service_sessions import Judges, Sessions
from hoopgw.session.budgets import Budgets
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.events import Events, Lines
from hoopgw.session.holds import Holds
from hoopgw.session.opening import room_for
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.rebuilding import rebuilt
from hoopgw.session.registry import Registry
from hoopgw.session.retention import Retention
from hoopgw.store.following import Following, followed
from hoopgw.store.interface import SessionRow
from hoopgw.store.opening import open_store
from hoopgw.store.recorder import Recorder
from hoopgw.store.recovery import REASON, recently_opened

STDERR = 2  # events go to the standard error that systemd keeps in the journal; twistd has replaced sys.stderr
PIN_REFUSED = 78  # exit status (EX_CONFIG) that the unit does not restart after: tokens count wrong PINs, and lock
# Seconds after which a thread gives up the interpreter to one that waits for it.  Python's own 5 ms are what every send
# of the reactor may wait for the recorder, and the recorder, several times for each chunk, for a busy reactor.
SWITCH = 0.0005
RECENT = 600.0  # seconds before the last word of an earlier gateway: sessions that its index may not have
HTTP_CHECK = 5.0  # seconds between looks for HTTP clients and targets that are silent for too long
REVOCATIONS_EVERY = 10.0  # seconds between looks that end sessions of what was revoked; a login looks by itself
RETENTION_EVERY = 3600.0  # seconds between looks for recordings that are past their age
DAY = 86400.0


class Options(usage.Options):
    """The options of `twistd hoopgw`."""

    synopsis = "[--config FILE]"
    longdesc = "The hoopgw gateway. It reads FILE and the directories beside it; `hoopgw check` names every mistake."
    optParameters = [["config", "c", "/etc/hoopgw/hoopgw.toml", "The configuration file."]]

    def postOptions(self) -> None:
        """The service refuses to start on the mistakes that `hoopgw check` shows."""
        try:
            self.loaded = config.load_whole(self["config"])
        except config.ConfigurationMistakes as error:
            raise usage.UsageError(f"the configuration has mistakes:\n{error}") from error


def makeService(options: Options) -> Service:
    """What twistd runs.  The reactor is chosen here: nothing that is imported above installs one."""
    lean_reactor.install()
    sys.setswitchinterval(SWITCH)
    Factory.noisy = False  # two lines in the journal for each look at an issuer's keys
    return GatewayService(options["config"], options.loaded)


class GatewayService(Service):
    """The whole gateway."""

    _log = Logger()

    def __init__(self, path: str, loaded: config.Config) -> None:
        self._path = path
        self.config = loaded
        self._ports: list[Any] = []
        self._loops: list[LoopingCall] = []
        self.ssh: Any = None  # servers.ssh.server.SshFace, where something listens
        self.http: Any = None  # servers.http.edge.Face, likewise
        self.parsers: tuple[ParserProcess, ...] = ()  # the last of what a stop has to end
        self._ready = False
        self._why_not = "starting"
        self._reloads = Reloads()
        self._signing_keys = SigningKeys(RefusedPins(Path(loaded.settings.state) / REFUSED_PINS))
        self._reloading = (
            DeferredLock()
        )  # one at a time, and none before the start is done: the last one asked for holds

    # ---- start

    def startService(self) -> None:
        super().startService()
        self._reloading.acquire()
        from twisted.internet import reactor

        self._reactor: Any = reactor
        self._handle_signals()
        Deferred.fromCoroutine(self._start()).addErrback(self._start_failed)

    def _start_failed(self, failure: Any) -> None:
        if failure.check(HoopgwError, CannotListenError):
            self._log.critical("hoopgw does not start: {why}", why=failure.getErrorMessage())
        else:
            self._log.failure("hoopgw does not start", failure=failure)
        status = PIN_REFUSED if failure.check(PinRefused) else 1
        self._reactor.callWhenRunning(self._give_up, status)

    def _give_up(self, status: int) -> None:
        """twistd's own status does not tell of a failed start: this one does."""
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, status)
        self._reactor.stop()

    async def _start(self) -> None:
        settings, reactor = self.config.settings, self._reactor
        _prepare(settings)
        self.secrets = HeldSecrets(reactor)
        self.secrets.exchange(read_all(self.config))
        self.metrics = CollectorRegistry()
        self.events = Events(settings.name, Lines(STDERR).write, reactor, self.metrics)
        self.secrets.start(self.events)
        await self.secrets.keep(self.secrets.sources(self.config), self.config)
        store_password = self.secrets.get(settings.store.password) if settings.store.password else None
        self.store = open_store(reactor, settings.store, store_password)
        await self.store.start()
        self.registry = Registry(self.store, reactor, settings.limits, self.events, self._rebuilt)
        self.registry.start()
        self.recorder = Recorder(
            settings.recordings,
            settings.name,
            self._signing_keys.ed25519(settings.recordings.signing_key),
            reactor.callFromThread,
            gap=self._recording_gap,
            sealed=self._recording_sealed,
            failed=lambda why: self.events.emit(Code.RECORDING_FAILED, reason=why),
        )
        self.recordings = self.recorder.recordings
        interrupted = self.recorder.start()
        recent = recently_opened(self.recordings, RECENT)
        self.departures = Departures(reactor)
        self.departures.start()
        self.dialer = Dialer(reactor, self.departures)
        mask_secret = read_or_make(settings.mask_key)
        self.holds = Holds(self.store, self.events, reactor, mask_secret, os.urandom, self._hold_address)
        self.holds.start(self.config.digest)
        self.budgets = Budgets(self.store, reactor)
        self.catalogue_source = CatalogueSource(self.dialer, self.secrets.get, reactor)
        self.catalogues = CatalogueCache(self.catalogue_source.run, reactor, self.events)
        self.parsers = ParserProcess(reactor), ParserProcess(reactor)
        self.logins = Logins(reactor, self.events, self.secrets.get, self._signing_keys, self._revoked)
        self.logins.configure(self.config.settings)
        self._every(REVOCATIONS_EVERY, self.logins.look)
        self.realm = GatewayRealm(lambda: self.config, reactor)
        self.portal = Portal(self.realm, self.logins.checkers)
        self.sessions = Sessions(
            config=lambda: self.config,
            clock=reactor,
            realm=self.realm,
            registry=self.registry,
            recorder=self.recorder,
            holds=self.holds,
            budgets=self.budgets,
            events=self.events,
            judges=Judges(MaskBuilder(mask_key(mask_secret)), self.catalogues, self.parsers),
        )
        self._gauges()
        await self._listen()
        self.retention = Retention(self.recorder.retire_before, self.registry, self.events, self._reactor)
        self._every(RETENTION_EVERY, self._retire)
        Deferred.fromCoroutine(self._index_again(interrupted, recent)).addErrback(self._not_indexed)
        self._ready = True
        self.events.emit(Code.GATEWAY_STARTED, version=__version__, policy=self.config.digest)
        systemd.notify("READY=1")
        interval = systemd.watchdog_seconds()
        if interval is not None:
            self._every(interval, lambda: systemd.notify("WATCHDOG=1") and None)
        self._reloading.release()

    async def _index_again(self, interrupted: list[str], recent: list[str]) -> None:
        """Rows that an earlier gateway did not live to write, from the recordings; in the background."""
        for id in dict.fromkeys(interrupted + recent):
            row = await self.store.session(id)
            if row is None or row.closed is None:
                row = await self._rebuilt(id)
                if row is not None:
                    await self.store.put_sessions((row,))
            if id in interrupted:
                subject = row.subject if row is not None else ""
                self.events.emit(Code.RECORDING_RECOVERED, session=id, subject=subject, reason=REASON)

    def _rebuilt(self, id: str) -> Deferred[SessionRow | None]:
        return deferToThread(rebuilt, self.recordings, id)

    def _not_indexed(self, failure: Any) -> None:
        """Recordings have it all; the next start tries again."""
        self._log.failure("the index of an earlier gateway's last sessions could not be completed", failure=failure)

    def _recording_gap(self, id: str, gap: dict[str, Any]) -> None:
        self.events.emit(Code.RECORDING_GAP, session=id, entries=gap["entries"], bytes=gap["bytes"])

    def _recording_sealed(self, id: str, digest: str) -> None:
        self.registry.aftermath.sealed(id, digest)

    def _tls(self, loaded: config.Config, alpn: tuple[str, ...] = (POSTGRESQL_ALPN,)) -> Any:
        tls = loaded.settings.tls
        if not tls.certificate or tls.key is None:
            return None
        listener = "https" if alpn == HTTPS_ALPN else "postgresql"
        shown = [each for each in loaded.settings.client_authorities if listener in each.listeners]
        anchors = tuple(anchor for each in shown for anchor in each.anchors)
        return server_context(tls.certificate, self.secrets.get(tls.key), alpn, anchors)

    async def _listen(self) -> None:
        settings = self.config.settings
        self.gateway = Gateway(
            reactor=self._reactor,
            settings=settings,
            portal=self.portal,
            penalties=Penalties(self._reactor),
            events=self.events,
            registry=self.registry,
            dialer=self.dialer,
            departures=self.departures,
            endings=Endings(self._reactor),
            open_session=self.sessions.open,
            room=lambda: Deferred.fromCoroutine(room_for(self.recorder.has_room, self._reactor)),
            secrets=self.secrets,
            certificates=self.logins.certificates,
            server_tls=self._tls(self.config),
            token_bytes=os.urandom,
        )
        for endpoint in settings.listen.postgresql:
            await self._listen_on(endpoint, PostgresFactory(self.gateway))
        await self._listen_https(settings)
        if settings.listen.ssh:
            dialer = SshDialer(self._reactor, self.departures, self.secrets.get, os.urandom, self.logins.ssh_authority)
            self.ssh = SshFace(dialer, self.logins.keys)
            self.ssh.configure(settings.ssh, self.logins.host_keys(self.config), self.logins.people(self.config))
            for endpoint in settings.listen.ssh:
                await self._listen_on(endpoint, SshFactory(self.gateway, self.ssh))
        admin = Admin(
            portal=self.portal,
            events=self.events,
            holds=self.holds,
            registry=self.registry,
            store=self.store,
            recording=self._recording,
            watch=self._watched,
            certifying=self.logins.certifying,
            metrics=self.metrics,
            health=self._health,
        )
        remove_stale_socket(settings.listen.admin)
        self._ports.append(await serverFromString(self._reactor, settings.listen.admin).listen(admin_site(admin)))

    async def _listen_https(self, settings: Settings) -> None:
        if not settings.listen.https:
            return
        reference = settings.identity_key
        tokens = IdentityTokens(settings.name, self._signing_keys.ed25519(reference), in_token(reference))
        pages = OwnPages(self.portal, self.holds, self.events, self.gateway.penalties, tokens, self.logins.certifying)
        links = Links(self._reactor, self.secrets.get)
        identities = IdentityLines(tokens, self._reactor, self.events, in_thread(self._reactor))
        self.http = HttpFace(links, identities, pages, self._tls(self.config, HTTPS_ALPN))
        self._every(HTTP_CHECK, lambda: self.http.check(self._reactor.seconds()))
        for endpoint in settings.listen.https:
            await self._listen_on(endpoint, HttpFactory(self.gateway, self.http))

    async def _listen_on(self, endpoint: str, factory: Any) -> None:
        server = self._server(endpoint)
        if server is None:
            return
        port = await server.listen(factory)
        make_eager(port, self.departures)
        self._ports.append(port)

    def _server(self, endpoint: str) -> Any:
        """None for a socket that systemd was to pass and did not, as where another service has its port: what listens
        elsewhere, and the admin socket, must not wait for that."""
        try:
            return serverFromString(self._reactor, endpoint)
        except (KeyError, IndexError):
            if not endpoint.startswith("systemd:"):
                raise
        self.events.emit(Code.LISTENER_MISSING, endpoint=endpoint, reason="systemd passed no such socket")
        return None

    def _hold_address(self, hold: str) -> str:
        url = self.config.settings.listen.https_url
        return f"{url}/holds/{hold}" if url else ""

    def _recording(self, id: str) -> Iterator[bytes]:
        return self.recordings.pieces(id)

    def _watched(self, id: str) -> Iterator[bytes]:
        return followed(Following(self.recordings, id), lambda: self.registry.find(id) is not None)

    def _gauges(self) -> None:
        live = Gauge("hoopgw_sessions", "Live sessions", registry=self.metrics)
        live.set_function(lambda: len(self.registry))
        spool = Gauge("hoopgw_spool_used_ratio", "Share of the spool in use", registry=self.metrics)
        spool.set_function(lambda: self.recorder.used)

    def _health(self) -> tuple[bool, dict[str, Any]]:
        why = self._why_not if not self._ready else ""
        if not why:
            try:
                self.recorder.may_open()
            except OperatorError as error:
                why = str(error)
        body = {"healthy": not why, "version": __version__, "sessions": len(self.registry)}
        body |= {"policy": self.config.digest, **self._reloads.shown()}
        return not why, {**body, "reason": why} if why else body

    def _every(self, seconds: float, call: Any) -> None:
        loop = LoopingCall(call)
        loop.clock = self._reactor
        loop.start(seconds, now=False).addErrback(lambda failure: self._log.failure("a loop failed", failure=failure))
        self._loops.append(loop)

    # ---- reload

    def _handle_signals(self) -> None:
        """SIGHUP reloads, SIGUSR2 looks for recordings past their age; twistd has SIGTERM, SIGINT and SIGUSR1."""
        signal.signal(signal.SIGHUP, lambda number, frame: self._reactor.callFromThread(self._reload_soon))
        signal.signal(signal.SIGUSR2, lambda number, frame: self._reactor.callFromThread(self._retire))

    def _retire(self) -> Deferred[None] | None:
        return self.retention.look(self.config.settings.recordings.retention) if self._ready else None

    def _reload_soon(self) -> None:
        self._reloading.run(lambda: Deferred.fromCoroutine(self.reload())).addErrback(
            lambda failure: self._log.failure("a reload failed", failure=failure)
        )

    async def reload(self) -> bool:
        """Targets, grants, guardrails, keys and certificates; live sessions go on.  With any mistake the old ones stay.

        What is bound at start stays as it is, and the event names what of it was changed in vain so far: listeners,
        store, recordings, limits.
        """
        if not self._ready:  # it is stopping
            return False
        systemd.notify("RELOADING=1")
        try:
            loaded, secrets = await deferToThread(load, self._path, self._signing_keys)
            before = self.secrets.exchange(secrets)
            try:
                server_tls = self._tls(loaded)
                https_tls = self._tls(loaded, HTTPS_ALPN) if self.http is not None else None
                host_keys = self.logins.host_keys(loaded) if self.ssh is not None else {}
                sources = self.secrets.sources(loaded)
                self.logins.configure(loaded.settings)
            except BaseException:
                self.secrets.take_back(before)
                raise
        except (config.ConfigurationMistakes, HoopgwError) as error:
            return self._keep_old(str(error))
        except Exception as error:  # a mistake of ours: it must not leave the unit reloading for ever
            self._log.failure("a reload failed")
            return self._keep_old(f"the gateway failed: {type(error).__name__}")
        await self.secrets.keep(sources, loaded)
        # what was revoked may be another again: it was looked at while the secrets were waited for
        latest = replace(loaded.settings, ssh=self.logins.keys.settings)
        bound, needing = bound_at_start(self.config.settings, latest)
        self.config, self.gateway.server_tls = replace(loaded, settings=bound), server_tls
        self.gateway.settings = bound
        if self.ssh is not None:
            self.ssh.configure(loaded.settings.ssh, host_keys, self.logins.people(loaded))
        if self.http is not None:
            self.http.context = https_tls
            self.http.links.reloaded()
        self.dialer.reloaded()
        self.catalogue_source.forget()
        self.holds.reloaded(loaded.digest)
        self.sessions.reloaded()
        restart = {"restart": needing} if needing else {}
        self._reloads.taken(needing)
        self.events.emit(Code.CONFIGURATION_RELOADED, policy=loaded.digest, **restart)
        systemd.notify("READY=1")
        return True

    def _keep_old(self, why: str) -> bool:
        self._reloads.refused(why, self._reactor.seconds())
        self.events.emit(Code.CONFIGURATION_KEPT, reason=why)
        systemd.notify("READY=1")
        return False

    def _revoked(self, ssh: SshSettings) -> None:
        """Files of `krl` say something else: sessions end as they would at a reload."""
        self.config = replace(self.config, settings=replace(self.config.settings, ssh=ssh))
        self.sessions.revoked()

    # ---- stop

    def stopService(self) -> Deferred[Any]:
        self._ready, self._why_not = False, "stopping"
        systemd.notify("STOPPING=1")
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        super().stopService()
        if not self.parsers:  # it did not get that far
            return
        await gatherResults([Deferred.fromCoroutine(stopped(port)) for port in self._ports])
        if self.http is not None:
            self.http.goodbye()
        await drained(self.registry, self._reactor, self.config.settings.limits.drain)
        for loop in self._loops:
            if loop.running:
                loop.stop()
        if self.http is not None:
            self.http.links.stop()
        await self.secrets.stop()
        self.holds.stop()
        for parser in self.parsers:
            parser.stop()
        self.catalogue_source.forget()
        await self.budgets.drained()
        await deferToThread(self.recorder.stop)
        await self.registry.stop()  # the final seals are known now
        self.departures.stop()
        await self.store.stop()
        self.events.emit(Code.GATEWAY_STOPPED)


def _prepare(settings: Settings) -> None:
    """Everything that is made is for the owner only."""
    os.umask(0o077)
    Path(settings.state).mkdir(mode=0o700, parents=True, exist_ok=True)
