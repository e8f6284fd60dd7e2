"""Whose SSH key or certificate it is.  An offer of a key proves nothing and never logs anybody in."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from hoopgw.auth.credentials import ISshSignature
from hoopgw.auth.revocation_lists import RevocationLists
from hoopgw.auth.ssh_certificates import certified, checked, is_revoked, key_is_revoked
from hoopgw.auth.ssh_login_certificates import identity_of
from hoopgw.auth.ssh_signatures import verify
from hoopgw.model.errors import LoginRefused
from hoopgw.model.identity import Identity
from hoopgw.model.settings import OidcSettings, SshSettings
from hoopgw.wire import sshcertificates
from hoopgw.wire.sshcertificates import SUFFIX, plain_name

GIVEN = "ssh-cert"  # the first of `Identity.proof` where it was a certificate of `hoopgw ssh-cert`


def fingerprint(blob: bytes) -> str:
    """As OpenSSH shows it."""
    return "SHA256:" + b64encode(sha256(blob).digest()).rstrip(b"=").decode()


def still_known(settings: SshSettings, identity: Identity) -> bool:
    """Whether the configuration in force would still take what `identity` logged in by."""
    rule, prints = identity.proof[0], identity.proof[1:]
    for each in settings.keys:
        if rule == f"ssh_key.{each.name}":
            return identity.shown in each.keys and not key_is_revoked(identity.shown, settings)
    if rule == GIVEN:
        return not is_revoked(sshcertificates.read(identity.shown), settings)
    for authority in settings.authorities:
        if rule == f"ssh_ca.{authority.name}":
            known = prints[1] in map(fingerprint, authority.keys)
            return known and not is_revoked(sshcertificates.read(identity.shown), settings)
    return False


@dataclass(frozen=True, slots=True)
class _Found:
    """Who, and what must have signed: `verified` as `verify` has it."""

    identity: Identity
    key: bytes
    verified: bool = False


@implementer(ICredentialsChecker)
class SshKeyChecker:
    """The one checker of SSH keys and certificates."""

    credentialInterfaces = (ISshSignature,)

    def __init__(self, clock: IReactorTime, lists: RevocationLists) -> None:
        self._clock = clock
        self._lists = lists
        self._issuers: dict[str, str] = {}
        self._login_authority = b""

    def configure(self, settings: SshSettings, issuers: tuple[OidcSettings, ...], login_authority: bytes = b"") -> None:
        """Take the configuration, at start and on each reload.  `login_authority` is the key (blob) that signs what
        clients are given against a token."""
        self._lists.configure(settings)
        self._login_authority = login_authority
        self._issuers = {issuer.name: issuer.issuer for issuer in issuers}

    @property
    def settings(self) -> SshSettings:
        """Those that `configure` took, with what is revoked by now."""
        return self._lists.settings

    def look(self) -> Deferred[None]:
        """At what is revoked.  Fails with RevocationsUnavailable."""
        return self._lists.look()

    def takes_back(self, identity: Identity) -> LoginRefused | None:
        """For the end of a login, which may take a while: a reload or a list may have taken its key since."""
        if not identity.proof or still_known(self.settings, identity):
            return None
        return _refused("it was taken away, or revoked, while it logged in")

    def refusal(self, algorithm: bytes, blob: bytes, address: str) -> LoginRefused | None:
        """Why no signature by this key could let anybody in; None: one could.

        For the answer to an offer only: by what was revoked at the last look.
        """
        try:
            self._found(algorithm, blob, address)
        except LoginRefused as refused:
            return refused
        return None

    def requestAvatarId(self, credentials: Any) -> Deferred[Identity]:  # type: ignore[override]  # Twisted: bytes
        """The identity.  Fails with LoginRefused."""
        return self._lists.look().addCallback(lambda _: self._verified(credentials))

    def _verified(self, credentials: Any) -> Identity:
        found = self._found(credentials.algorithm, credentials.blob, credentials.address)
        signed, signature = credentials.signed, credentials.signature
        verify(plain_name(credentials.algorithm), found.key, signed, signature, found.verified)
        return found.identity

    def _found(self, algorithm: bytes, blob: bytes, address: str) -> _Found:
        now = self._clock.seconds()
        if algorithm.endswith(SUFFIX):
            return self._certified(blob, address, now)
        for each in self.settings.keys:
            if blob in each.keys and not key_is_revoked(blob, self.settings):
                proof = (f"ssh_key.{each.name}", fingerprint(blob))
                issuer, until = self._issuers[each.provider], now + each.session
                who = Identity(each.provider, issuer, each.subject, each.groups, until, proof=proof, shown=blob)
                return _Found(who, blob)
        raise _refused(f"{fingerprint(blob)} is not a configured key, or a revoked one")

    def _certified(self, blob: bytes, address: str, now: float) -> _Found:
        trusted = {self._login_authority, *(key for each in self.settings.authorities for key in each.keys)} - {b""}
        certificate = checked(blob, trusted, self.settings, now)
        if certificate.authority == self._login_authority:
            prints = fingerprint(certificate.key), fingerprint(certificate.authority)
            return _Found(identity_of(certificate, self._issuers, (GIVEN, *prints), blob), certificate.key)
        found = certified(certificate, self.settings, address)
        authority = found.authority
        who = Identity(
            authority.provider,
            self._issuers[authority.provider],
            found.subject,
            found.groups,
            min(found.until, now + authority.session),
            proof=(f"ssh_ca.{authority.name}", fingerprint(found.key), fingerprint(found.authority_key)),
            shown=blob,
            bounds=found.bounds,
        )
        return _Found(who, found.key, found.verified)


def _refused(why: str) -> LoginRefused:
    return LoginRefused("the key is not accepted", detail=f"key: {why}")
