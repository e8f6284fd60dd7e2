"""Asks an HTTP target for one page as a role, by the gateway's own connections and relay."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.python.failure import Failure

from hoopgw.auth.access import Access
from hoopgw.cli.finding import Finding
from hoopgw.cli.setup.kept import Secrets
from hoopgw.config_secrets import read_for_service
from hoopgw.model.answer import GO
from hoopgw.model.errors import HoopgwError, MalformedFrame, SecretUnavailable, TargetUnavailable
from hoopgw.model.grant import Grant, Who
from hoopgw.model.http import HttpRequest
from hoopgw.model.identity import Identity
from hoopgw.model.target import Role, Target
from hoopgw.relay.effects import ToTarget
from hoopgw.relay.http import HttpRelay
from hoopgw.relay.http_outgoing import LANE
from hoopgw.relay.http_scope import HttpScope, no_identity
from hoopgw.servers.http.links import Links
from hoopgw.servers.http.scoping import Calls, HttpLogin, host_of, scope_of
from hoopgw.wire.httphead import Blocks
from hoopgw.wire.httpmessage import Message, Start

ANSWER_SECONDS = 15.0  # for the head of an answer: what takes longer cannot be told from what is stuck
NAME = "hoopgw:setup"
UNAUTHORIZED = (401, 407)
# What TLS says -> what to do; the first that fits
_TLS = (
    ("expired", "its certificate has to be renewed"),
    ("mismatch", "its address must be a name that is in its certificate"),
    ("certificate verify failed", "`ca` (--ca FILE) names the authority of its certificate"),
    ("CA file", "`ca` (--ca FILE) is a file with certificates in PEM"),
    ("TLS with", 'does it speak TLS there? Clear text, `tls = "disable"` (--url http://…), is for loopback only'),
    ("has no address", "DNS (/etc/resolv.conf), or the spelling"),
    ("only a target that names it may reach", "if that is meant: the number itself in `address` (--url)"),
    ("what it says is no HTTP", "is HTTP spoken there, without TLS? Else --url https://…"),
    ("closed it without an answer", "is HTTP spoken there, without TLS? Else --url https://…"),
    ("timed out", "a firewall between here and there, or a service that is stuck"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer's head."""

    status: int
    asks_for: str = ""  # its WWW-Authenticate: the schemes
    leads_to: str = ""


@inlineCallbacks
def http_tried(
    reactor: Any, target: Target, role: Role, path: str, secret: Secrets
) -> Generator[Deferred[Any], Any, Finding]:
    """As the role, and where that went well without its credential: only both together show that it counts."""
    name = f"target {target.name} as {role.name}"
    try:
        said: Said = yield _asked(reactor, target, role, path, secret)
        bare = None
        if has_credential(role) and said.status not in UNAUTHORIZED and said.status < 500:
            bare = yield _asked(reactor, target, without(role), path, secret)
    except SecretUnavailable as error:
        raise error  # the caller says what to do
    except HoopgwError as error:
        return Finding(name, str(error), fix_of(str(error)))
    return judged(name, path, role, said, bare)


@inlineCallbacks
def http_looked_at(reactor: Any, target: Target, role: Role) -> Generator[Deferred[Any], Any, Finding]:
    """For doctor: the same once, as the role where its credential can be read here; with whatever path that is."""
    name = f"target {target.name} as {role.name}"
    known, said = True, None
    try:
        try:
            said = yield _asked(reactor, target, role, "/", read_for_service)
        except SecretUnavailable:
            known = False
            said = yield _asked(reactor, target, without(role, True), "/", read_for_service)
    except HoopgwError as error:
        return Finding(name, str(error), fix_of(str(error)))
    words = f"answers {said.status} to GET /"
    if not known:
        return Finding(name, f"{words}, asked without its credential, which only the gateway can read", _ill(said))
    refused = has_credential(role) and said.status in UNAUTHORIZED
    return Finding(name, words + _challenge(said), _NOT_TAKEN if refused else _ill(said))


def has_credential(role: Role) -> bool:
    """Beside a client certificate, without which there may be no connection at all."""
    return bool(role.bearer or role.password or role.value or role.sigv4 or role.oauth)


def without(role: Role, bare: bool = False) -> Role:
    """The same without what proves it; `bare`: without its certificate too."""
    return Role(role.name, "", None, None if bare else role.key, "" if bare else role.certificate)


# ---- what it means

_NOT_TAKEN = "is the secret the one that it knows; does it want it in another way?"


def judged(name: str, path: str, role: Role, said: Said, bare: Said | None) -> Finding:
    """`bare` is what it says to nobody in particular; None: that was not asked."""
    words = f"answers {said.status} to GET {path}" + (f", to {said.leads_to}" if said.leads_to else "")
    if said.status in UNAUTHORIZED:
        fix = _NOT_TAKEN if has_credential(role) else "it asks who comes: --role-bearer, or another credential"
        return Finding(name, words + _challenge(said), fix)
    if said.status in (400, 421):
        return Finding(name, words, "is `host` (--host) the name that it knows itself by?")
    if said.status >= 500:
        return Finding(name, words, _ill(said))
    if bare is None:
        fix = "may nobody in particular read that? --try-path of what may be read" if said.status == 403 else ""
        return Finding(name, words, fix)
    if bare.status == said.status:
        same = f"{words}, and the same without the credential"
        if said.status == 403:
            return Finding(name, same, "is the secret right? --try-path of what the role may read would show it")
        return Finding(name, f"{same}: --try-path of what needs it would show whether it is right")
    return Finding(name, f"{words}, and {bare.status} without the credential")


def _ill(said: Said) -> str:
    return "is the service well? Its own log says" if said.status >= 500 else ""


def _challenge(said: Said) -> str:
    return f"; it wants {said.asks_for}" if said.status in UNAUTHORIZED and said.asks_for else ""


def fix_of(why: str) -> str:
    """What to do where there was no answer."""
    return next((fix for words, fix in _TLS if words in why), "does it run there; a firewall between here and there?")


# ---- asking


@inlineCallbacks
def _asked(reactor: Any, target: Target, role: Role, path: str, secret: Secrets) -> Generator[Deferred[Any], Any, Said]:
    """Raises SecretUnavailable; TargetUnavailable where there is no answer."""
    plain = replace(target, tells_identity=False)  # nobody in particular asks
    access = Access(Identity("local", NAME, NAME, frozenset(), 0.0), plain, role, "", Grant(NAME, Who()), 0.0)
    data = request_of(access, path, reactor.seconds, secret)
    links = Links(reactor, secret)
    link = yield links.dial(access)
    try:
        start: Start = yield _answer(reactor, link, data)
    finally:
        link.rest()
        link.transport.abortConnection()
        links.stop()
    return _said(start)


def request_of(access: Access, path: str, now: Callable[[], float], secret: Secrets) -> bytes:
    """As a client's would go on, its credential in it.  Raises SecretUnavailable, TargetUnavailable."""
    relay = HttpRelay(_scope(access, now, secret))
    head = f"GET {path} HTTP/1.1\r\nHost: {host_of(access.target)}\r\nUser-Agent: hoopgw-setup\r\nAccept: */*\r\n\r\n"
    effects = [*relay.from_client(head.encode()), *relay.decided(LANE, [GO])]
    for effect in effects:
        if isinstance(effect, ToTarget):
            return effect.data
    raise TargetUnavailable(f"{access.target.name}: GET {path} is nothing that the gateway would ask there")


def _scope(access: Access, now: Callable[[], float], secret: Secrets) -> HttpScope:
    route = (host_of(access.target).encode(), b"", b"", b"")
    login = HttpLogin(access, route, b"", "127.0.0.1", NAME, policy="", encrypted=True)
    calls = Calls(secret, no_identity, _nothing, _nothing, os.urandom, now)
    return scope_of(login, calls, bearer=None, masked=False)


def _nothing(request: HttpRequest) -> int:
    return 0


def _answer(reactor: Any, link: Any, data: bytes) -> Deferred[Start]:
    message, answer = Message(b"GET", Blocks()), Deferred[Start]()

    def receive(piece: bytes) -> None:
        if answer.called:
            return
        try:
            found = [each for each in message.take(piece).starts if each.status >= 200]
        except MalformedFrame as error:
            answer.errback(TargetUnavailable(f"{link.place.address}: what it says is no HTTP ({error})"))
            return
        if found:
            answer.callback(found[0])

    def lost(reason: str) -> None:
        if not answer.called:
            answer.errback(TargetUnavailable(f"{link.place.address} closed it without an answer ({reason})"))

    def late(result: Any, seconds: float) -> Failure:
        return Failure(TargetUnavailable(f"{link.place.address}: timed out, no answer within {seconds:g} s"))

    link.receive, link.lost = receive, lost
    link.transport.write(data)
    return answer.addTimeout(ANSWER_SECONDS, reactor, onTimeoutCancel=late)


def _said(start: Start) -> Said:
    """In the target's words, short: what shows them escapes them."""
    asked = b", ".join(start.block.values(b"www-authenticate") + start.block.values(b"proxy-authenticate"))
    place = b"".join(start.block.values(b"location")[:1])
    schemes = re.findall(r"(?:^|,\s*)([A-Za-z0-9-]+)(?=\s|,|$)", asked.decode("latin-1"))
    return Said(start.status, ", ".join(schemes)[:80], place.decode("latin-1")[:200])
