"""Asks an issuer for its keys and logs in to a target, by the gateway's own code: what works here works there."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.python.failure import Failure

from hoopgw.auth.access import Access
from hoopgw.auth.fetch import https_fetch
from hoopgw.auth.kept_secrets import FETCHED
from hoopgw.auth.keyring import Keyring
from hoopgw.cli.finding import Finding
from hoopgw.cli.setup.kept import Secrets, TrialSecrets
from hoopgw.cli.setup.trying_http import NAME, http_looked_at, http_tried
from hoopgw.config import Config
from hoopgw.config_secrets import read_for_service
from hoopgw.config_signing import SigningKeys
from hoopgw.model.errors import HoopgwError, SecretUnavailable
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Identity
from hoopgw.model.settings import OidcSettings
from hoopgw.model.target import Role, SecretReference, Target, TlsMode
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.servers.catalogue_link import Link
from hoopgw.servers.departures import Departures
from hoopgw.servers.dial import Dialer, TargetRefused, wanted_as
from hoopgw.servers.ssh.dial import SshDialer

PATIENCE = 45.0  # seconds for one issuer or target: of several addresses each may take its time
REKEY = 1 << 30
_FIXES = {
    "28P01": "the password that the role's `password` names is not this user's",
    "28000": "pg_hba.conf of the target must let this user in from this machine, by scram-sha-256",
    "3D000": "`--database` names a database that the target has",
    "42501": "GRANT CONNECT ON DATABASE … TO the role's user",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be tried."""

    issuers: tuple[OidcSettings, ...]
    roles: tuple[tuple[Target, Role], ...]
    authority: SecretReference | None = None  # certifies the logins of roles with `certified`
    keys: SigningKeys | None = None  # what signs for it
    path: str = ""  # what HTTP targets are asked for; "": that they answer is what counts
    loaded: Config | None = None  # whose vaults and token endpoints are asked; None: what is not read here is not tried


def tried(asked: Asked) -> list[Finding]:
    """One for each, in order.  Runs a reactor of its own, once in a process."""
    from hoopgw.servers import reactor as lean_reactor

    lean_reactor.install()
    from twisted.internet import reactor

    running: Any = reactor
    found: list[Finding] = []
    broken: list[Failure] = []

    def begin() -> None:
        _all(running, asked, found).addErrback(broken.append).addBoth(lambda _: running.stop())

    running.callWhenRunning(begin)
    running.run()
    for failure in broken:
        failure.raiseException()
    return found


@inlineCallbacks
def _all(reactor: Any, asked: Asked, found: list[Finding]) -> Generator[Deferred[Any], Any, None]:
    departures = Departures(reactor)
    departures.start()
    for issuer in asked.issuers:
        found.append((yield _in_time(reactor, _issuer(reactor, issuer), f"issuer {issuer.name}")))
    for target, role in asked.roles:
        trying = Deferred.fromCoroutine(_role(reactor, departures, target, role, asked))
        found.append((yield _in_time(reactor, trying, f"target {target.name} as {role.name}")))
    departures.stop()


async def _role(reactor: Any, departures: Departures, target: Target, role: Role, asked: Asked) -> Finding:
    """With what vaults and token endpoints give for it, where those are asked."""
    name = f"target {target.name} as {role.name}"
    kept = None if asked.loaded is None else TrialSecrets(reactor, asked.loaded, target, role)
    try:
        if kept is not None:
            await kept.fetch()
        secret = read_for_service if kept is None else kept.get
        if target.protocol == "ssh":
            found: Finding = await _ssh(reactor, departures, target, role, name, asked, secret)
        elif target.protocol == "http":
            found = await _http(reactor, target, role, asked.path, secret)
        else:
            found = await _postgresql(reactor, departures, target, role, name, secret)
        return found
    except SecretUnavailable as error:
        return Finding(name, str(error), _secret_fix(next(iter(role.secrets), asked.authority)))
    finally:
        if kept is not None:
            await kept.stop()


def _in_time(reactor: Any, trying: Deferred[Finding], name: str) -> Deferred[Finding]:
    def late(result: Any, seconds: float) -> Finding:
        return Finding(name, f"no answer within {seconds:g} s", "a firewall between here and there?")

    return trying.addTimeout(PATIENCE, reactor, onTimeoutCancel=late)


@inlineCallbacks
def _issuer(reactor: Any, issuer: OidcSettings) -> Generator[Deferred[Any], Any, Finding]:
    name = f"issuer {issuer.name}"
    why: list[str] = []
    keyring = Keyring(issuer, reactor, why.append)
    try:
        keyring.use(https_fetch(reactor, issuer.ca))
        for algorithm in issuer.algorithms:  # the first of them fetches
            yield keyring.key(None, algorithm)
    except HoopgwError as error:
        return Finding(name, "; ".join(why) or str(error), _issuer_fix(" ".join(why)))
    if why:
        return Finding(name, "; ".join(why), _issuer_fix(" ".join(why)))
    return Finding(name, f"{issuer.issuer} publishes keys that tokens can be checked by")


def _issuer_fix(why: str) -> str:
    if "certificate" in why.lower():
        return "`--issuer-ca FILE`, if its authority is a private one"
    if "another issuer" in why:
        return "`--issuer` must be to the letter what its discovery document says, a slash at the end included"
    return "is the address right, and can it be reached from this machine (hoopgw doctor)?"


@inlineCallbacks
def _postgresql(
    reactor: Any, departures: Departures, target: Target, role: Role, name: str, secret: Secrets
) -> Generator[Deferred[Any], Any, Finding]:
    try:
        wanted = wanted_as(target, role, target.database, {"client_encoding": "UTF8"}, NAME, secret)
        connection, _ = yield Dialer(reactor, departures).dial(wanted)
        link = Link(connection)
        ((row,),) = yield link.run(("SELECT pg_catalog.current_setting('server_version')",))
        tls = connection.tls.get("version", "")
        link.leave()
    except TargetRefused as error:
        words = error.detail if error.detail and error.detail != str(error) else str(error)
        return Finding(name, words, _FIXES.get(error.sqlstate) or _tls_fix(target, words))
    except SecretUnavailable as error:
        raise error  # the caller says what to do
    except HoopgwError as error:
        return Finding(name, str(error), "does it run there; a firewall between here and there?")
    version = (row[0] or b"").decode("utf-8", "replace")
    how = f"{tls}, {target.tls.value}" if tls else "in clear text"
    return Finding(name, f"logged in as {role.user}: PostgreSQL {version}, {how}")


def _tls_fix(target: Target, words: str) -> str:
    if "certificate" in words.lower() and target.tls is not TlsMode.DISABLE:
        return "`--ca FILE` names the authority of its certificate; the address must be a name that is in it"
    return "what the target's own log says"


@inlineCallbacks
def _ssh(
    reactor: Any,
    departures: Departures,
    target: Target,
    role: Role,
    name: str,
    asked: Asked,
    secret: Secrets,
) -> Generator[Deferred[Any], Any, Finding]:
    nobody = Identity("local", NAME, NAME, frozenset(), 0.0)
    access = Access(nobody, target, role, "", Grant(NAME, Who()), 0.0)
    try:
        dialer = SshDialer(reactor, departures, secret, os.urandom, _signer_of(asked))
        dialer.authority = asked.authority
        leg = yield dialer.dial(access, "", REKEY)
    except SecretUnavailable as error:
        raise error  # the caller says what to do
    except HoopgwError as error:
        return Finding(name, str(error), _host_fix(role, str(error)))
    leg.disconnect("bye")
    how = "certified by the gateway; " if role.certified else ""
    return Finding(name, f"logged in as {role.user}; {how}its host key is {_by(target)}")


def _signer_of(asked: Asked) -> Callable[[SecretReference], Signer]:
    def signer(reference: SecretReference) -> Signer:
        if asked.keys is None:
            raise SecretUnavailable(f"{reference}: nothing signs here")
        return asked.keys.ssh(reference, read_for_service)

    return signer


def _http(reactor: Any, target: Target, role: Role, path: str, secret: Secrets) -> Deferred[Finding]:
    if not path:
        return http_looked_at(reactor, target, role)
    return http_tried(reactor, target, role, path, secret)


def _by(target: Target) -> str:
    if not target.host_authorities:
        return "the one that is named"
    return "one that is named, or of a named authority" if target.host_keys else "one of the authority that is named"


def _host_fix(role: Role, why: str) -> str:
    if "host certificate" in why or "host key" in why:
        return "`--host-key` as the host's own console shows it, or `--host-authority` as whoever signed its key has it"
    if role.certified:
        return "its sshd must trust the line of `hoopgw targets authority` (TrustedUserCAKeys) for this user"
    return "`--host-key` as `ssh-keyscan` shows it; user and key as the host has them"


def _secret_fix(reference: SecretReference | None) -> str:
    if reference is not None and reference.kind == "credential":
        return "only the service sees it: --untried now, `systemctl restart hoopgw`, and `hoopgw doctor`"
    if reference is not None and reference.kind == "env":
        return f"{reference.name} must be set here as it is for the service"
    if reference is not None and reference.kind in ("vault", "aws"):
        return (
            f"what [{reference.kind}.{reference.name.partition('/')[0]}] logs in by, and what its policy lets that read"
        )
    if reference is not None and reference.kind == FETCHED:
        return "does the token endpoint know that client, its secret and its scope?"
    return f"as root; the file must be there, mode 0600 (you are uid {os.geteuid()})"
