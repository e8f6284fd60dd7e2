"""Puts the gateway together and runs it: `twistd hoopgw --config FILE`."""

# mypy: allow-untyped-calls
# (Service's own methods are untyped in Twisted)

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python import usage

from hoopgw import __version__, config, memory, systemd
from hoopgw.auth.penalties import Penalties
from hoopgw.auth.pkcs11_pins import RefusedPins
from hoopgw.auth.realm import GatewayRealm
from hoopgw.config_secrets import read_or_make
from hoopgw.config_signing import REFUSED_PINS, SigningKeys
from hoopgw.model.errors import HoopgwError, PinRefused
from hoopgw.model.events import Code
from hoopgw.model.settings import Settings, SshSettings
from hoopgw.policy.masks import mask_key
from hoopgw.relay.postgres_masks import MaskBuilder
from hoopgw.servers import reactor as lean_reactor
from hoopgw.servers.admin_calls import Admin
from hoopgw.servers.catalogue_source import CatalogueSource
from hoopgw.servers.departures import Departures
from hoopgw.servers.dial import Dialer
from hoopgw.servers.endings import Endings
from hoopgw.servers.gateway import Gateway
from hoopgw.service_drain import drained
from hoopgw.service_edges import Credentials, Edges, postgresql_context
from hoopgw.service_health import add_gauges, health
from hoopgw.service_index import IndexRepair
from hoopgw.service_logins import Logins
from hoopgw.service_reloads import Reloads, bound_at_start, load
from hoopgw.service_secrets import HeldSecrets, Known, Sources, read_all
from hoopgw.service_sessions import Judges, Sessions
from hoopgw.session.budgets import Budgets
from hoopgw.session.catalogues import CatalogueCache
from hoopgw.session.events import Events, Lines
from hoopgw.session.holds import Holds
from hoopgw.session.opening import room_for
from hoopgw.session.parser_process import ParserProcess
from hoopgw.session.registry import Registry
from hoopgw.session.retention import Retention
from hoopgw.store.following import Following, followed
from hoopgw.store.interface import SessionRow
from hoopgw.store.opening import open_store
from hoopgw.store.recorder import Recorder
from hoopgw.store.recovery import recently_opened

STDERR = 2  # events go to the standard error that systemd keeps in the journal; twistd has replaced sys.stderr
PIN_REFUSED = 78  # exit status (EX_CONFIG) that the unit does not restart after: tokens count wrong PINs, and lock
# Seconds after which a thread gives up the interpreter to one that waits for it.  Python's own 5 ms are what every send
# of the reactor may wait for the recorder, and the recorder, several times for each chunk, for a busy reactor.
SWITCH = 0.0005
RECENT = 600.0  # seconds before the last word of an earlier gateway: sessions that its index may not have
HTTP_CHECK = 0.5  # seconds between looks for HTTP clients and targets that are silent for too long
REVOCATIONS_EVERY = 10.0  # seconds between looks that end sessions of what was revoked; a login looks by itself
RETENTION_EVERY = 3600.0  # seconds between looks for recordings that are past their age
AGES_EVERY = 60.0  # seconds between ticks of the clock for that


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
    memory.keep_room()
    Factory.noisy = False  # two lines in the journal for each look at an issuer's keys
    return GatewayService(options["config"], options.loaded)


class GatewayService(Service):
    """The whole gateway."""

    _log = Logger()

    def __init__(self, path: str, loaded: config.Config) -> None:
        self._path = path
        self.config = loaded
        self._loops: list[LoopingCall] = []
        self.edges: Edges | None = None  # once something can listen
        self.parsers: tuple[ParserProcess, ...] = ()  # the last of what a stop has to end
        self._why_not = "starting"  # why it is not ready; "" where it is
        self._reloads = Reloads()
        self._signing_keys = SigningKeys(RefusedPins(Path(loaded.settings.state) / REFUSED_PINS))
        # one at a time, and none before the start is done: the last one asked for holds
        self._reloading = DeferredLock()

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
        _prepare(self.config.settings)
        await self._start_secrets()
        await self._start_index()
        interrupted, recent = self._start_recorder()
        self._make_sessions()
        await self._listen()
        self.retention = Retention(
            self.recorder.retire_before, self.recorder.ages, self.registry, self.events, self._reactor
        )
        self.retention.tick()
        self._every(AGES_EVERY, self.retention.tick)
        self._every(RETENTION_EVERY, self._retire)
        self._repair.begin(interrupted, recent)
        self._why_not = ""
        self.events.emit(Code.GATEWAY_STARTED, version=__version__, policy=self.config.digest)
        systemd.notify("READY=1")
        interval = systemd.watchdog_seconds()
        if interval is not None:
            self._every(interval, lambda: systemd.notify("WATCHDOG=1") and None)
        self._reloading.release()

    async def _start_secrets(self) -> None:
        self.secrets = HeldSecrets(self._reactor)
        self.secrets.exchange(read_all(self.config))
        self.metrics = CollectorRegistry()
        self.events = Events(self.config.settings.name, Lines(STDERR).write, self._reactor, self.metrics)
        self.secrets.start(self.events)
        await self.secrets.keep(self.secrets.sources(self.config), self.config)

    async def _start_index(self) -> None:
        settings = self.config.settings
        password = self.secrets.get(settings.store.password) if settings.store.password else None
        self.store = open_store(self._reactor, settings.store, password)
        await self.store.start()
        self.registry = Registry(self.store, self._reactor, settings.limits, self.events, self._rebuilt)
        self.registry.start()

    def _rebuilt(self, id: str) -> Deferred[SessionRow | None]:
        return self._repair.row(id)  # of recordings that are opened after the index

    def _start_recorder(self) -> tuple[list[str], list[str]]:
        """The ids of sessions that an earlier gateway had open, and of those that it had opened last."""
        settings = self.config.settings
        self.recorder = Recorder(
            settings.recordings,
            settings.name,
            self._signing_keys.ed25519(settings.recordings.signing_key),
            self._reactor.callFromThread,
            gap=self._recording_gap,
            sealed=self.registry.aftermath.sealed,
            failed=lambda why: self.events.emit(Code.RECORDING_FAILED, reason=why),
        )
        self._repair = IndexRepair(self.store, self.recorder.recordings, self.events)
        interrupted = self.recorder.start()
        return interrupted, recently_opened(self.recorder.recordings, RECENT)

    def _recording_gap(self, id: str, gap: dict[str, Any]) -> None:
        self.events.emit(Code.RECORDING_GAP, session=id, entries=gap["entries"], bytes=gap["bytes"])

    def _target_pooled(self, target: str, reason: str) -> None:
        self.events.emit(Code.TARGET_POOLED, target=target, reason=reason)

    def _make_sessions(self) -> None:
        settings, reactor = self.config.settings, self._reactor
        self.departures = Departures(reactor)
        self.departures.start()
        self.dialer = Dialer(reactor, self.departures)
        mask_secret = read_or_make(settings.mask_key)
        self.holds = Holds(self.store, self.events, reactor, mask_secret, os.urandom, self._hold_address)
        self.holds.start(self.config.digest)
        self.budgets = Budgets(self.store, reactor)
        self.catalogue_source = CatalogueSource(self.dialer, self.secrets.get, reactor, self._target_pooled)
        catalogues = CatalogueCache(self.catalogue_source.run, reactor, self.events)
        self.parsers = ParserProcess(reactor), ParserProcess(reactor), ParserProcess(reactor)
        self.logins = Logins(reactor, self.events, self.secrets.get, self._signing_keys, self._revoked)
        self.logins.configure(settings)
        self._every(REVOCATIONS_EVERY, self.logins.look)
        self.realm = GatewayRealm(lambda: self.config, reactor)
        self.sessions = Sessions(
            config=lambda: self.config,
            clock=reactor,
            realm=self.realm,
            registry=self.registry,
            recorder=self.recorder,
            holds=self.holds,
            budgets=self.budgets,
            events=self.events,
            judges=Judges(MaskBuilder(mask_key(mask_secret)), catalogues, self.parsers),
        )
        add_gauges(self.metrics, self.registry, self.recorder)

    def _hold_address(self, hold: str) -> str:
        url = self.config.settings.listen.https_url
        return f"{url}/holds/{hold}" if url else ""

    async def _listen(self) -> None:
        listen = self.config.settings.listen
        portal = Portal(self.realm, self.logins.checkers)
        self.edges = Edges(self._gateway(portal), self.logins, self.holds, self._signing_keys)
        await self.edges.listen(self.config)
        if listen.https:
            self._every(HTTP_CHECK, self.edges.check)
        await self.edges.listen_admin(listen.admin, self._admin(portal))

    def _gateway(self, portal: Portal) -> Gateway:
        return Gateway(
            reactor=self._reactor,
            settings=self.config.settings,
            portal=portal,
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
            server_tls=postgresql_context(self.config, self.secrets.get),
            token_bytes=os.urandom,
        )

    def _admin(self, portal: Portal) -> Admin:
        recordings, registry = self.recorder.recordings, self.registry
        return Admin(
            portal=portal,
            events=self.events,
            holds=self.holds,
            registry=registry,
            store=self.store,
            recording=recordings.pieces,
            watch=lambda id: followed(Following(recordings, id), lambda: registry.find(id) is not None),
            certifying=self.logins.certifying,
            metrics=self.metrics,
            health=lambda: health(self._why_not, self.config.digest, registry, self.recorder, self._reloads),
        )

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
        return self.retention.look(self.config.settings.recordings.retention) if not self._why_not else None

    def _reload_soon(self) -> None:
        self._reloading.run(lambda: Deferred.fromCoroutine(self.reload())).addErrback(
            lambda failure: self._log.failure("a reload failed", failure=failure)
        )

    async def reload(self) -> bool:
        """Targets, grants, guardrails, keys and certificates; live sessions go on.  With any mistake the old ones stay.

        What is bound at start stays as it is, and the event names what of it was changed in vain so far: listeners,
        store, recordings, limits.
        """
        edges = self.edges
        if self._why_not or edges is None:  # it is stopping
            return False
        systemd.notify("RELOADING=1")
        try:
            loaded, secrets = await deferToThread(load, self._path, self._signing_keys)
            credentials, sources = self._prepared(edges, loaded, secrets)
        except (config.ConfigurationMistakes, HoopgwError) as error:
            return self._keep_old(str(error))
        except Exception as error:  # a mistake of ours: it must not leave the unit reloading for ever
            self._log.failure("a reload failed")
            return self._keep_old(f"the gateway failed: {type(error).__name__}")
        await self.secrets.keep(sources, loaded)
        needing = self._take_up(edges, loaded, credentials)
        restart = {"restart": needing} if needing else {}
        self._reloads.taken(needing)
        self.events.emit(Code.CONFIGURATION_RELOADED, policy=loaded.digest, **restart)
        systemd.notify("READY=1")
        return True

    def _prepared(self, edges: Edges, loaded: config.Config, secrets: Known) -> tuple[Credentials, Sources]:
        """All of a reload that may fail: where it does, nothing has changed.  Raises OperatorError."""
        before = self.secrets.exchange(secrets)
        try:
            prepared = edges.credentials(loaded), self.secrets.sources(loaded)
            self.logins.configure(loaded.settings)
        except BaseException:
            self.secrets.take_back(before)
            raise
        return prepared

    def _take_up(self, edges: Edges, loaded: config.Config, credentials: Credentials) -> list[str]:
        """The settings that need a restart."""
        # what was revoked may be another again: it was looked at while the secrets were waited for
        latest = replace(loaded.settings, ssh=self.logins.keys.settings)
        bound, needing = bound_at_start(self.config.settings, latest)
        self.config = replace(loaded, settings=bound)
        edges.reloaded(loaded, bound, credentials)
        self.dialer.reloaded()
        self.catalogue_source.forget()
        self.holds.reloaded(loaded.digest)
        self.sessions.reloaded()
        return needing

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
        self._why_not = "stopping"
        systemd.notify("STOPPING=1")
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        super().stopService()
        if not self.parsers:  # it did not get that far
            return
        if self.edges is not None:
            await self.edges.close()
        await drained(self.registry, self._reactor, self.config.settings.limits.drain)
        for loop in self._loops:
            if loop.running:
                loop.stop()
        if self.edges is not None:
            self.edges.stop()
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
