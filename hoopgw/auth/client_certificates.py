"""Whose X.509 certificate an HTTPS client shows.

TLS has verified the chain, and that the client has the key; here: which authority it ends at, and what that means.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from hoopgw.auth.claims import MAX_NAME
from hoopgw.auth.credentials import IClientCertificate
from hoopgw.auth.spiffe import check_id, check_leaf
from hoopgw.model.errors import LoginRefused
from hoopgw.model.identity import Identity
from hoopgw.model.settings import ClientAuthority, OidcSettings

MAX_CHAIN = 5  # certificates from the client's to the authority's: meshes have 3
MAX_GROUPS = 100
RULE = "client_ca."  # how the first of `Identity.proof` begins, before the authority's name

_FIELDS = {"cn": NameOID.COMMON_NAME, "ou": NameOID.ORGANIZATIONAL_UNIT_NAME, "o": NameOID.ORGANIZATION_NAME}
_ALTERNATIVES: dict[str, Any] = {
    "email": x509.RFC822Name,
    "dns": x509.DNSName,
    "uri": x509.UniformResourceIdentifier,
    "spiffe": x509.UniformResourceIdentifier,
}


@implementer(ICredentialsChecker)
class CertificateChecker:
    """The one checker of clients' certificates."""

    credentialInterfaces = (IClientCertificate,)

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._authorities: tuple[ClientAuthority, ...] = ()
        self._issuers: dict[str, str] = {}

    def configure(self, authorities: tuple[ClientAuthority, ...], issuers: tuple[OidcSettings, ...]) -> None:
        """Take the configuration, at start and on each reload."""
        self._authorities = authorities
        self._issuers = {issuer.name: issuer.issuer for issuer in issuers}

    def requestAvatarId(self, credentials: Any) -> Deferred[Identity]:  # type: ignore[override]  # Twisted: bytes
        """The identity.  Fails with LoginRefused."""
        try:
            identity = self.shown(credentials.chain, credentials.listener)
            if not self._alone(identity):
                words = "a certificate alone is not enough: a token is needed too"
                raise LoginRefused(words, detail=f"certificate: [{identity.proof[0]}] has no `alone`")
        except LoginRefused as refused:
            return fail(refused)
        return succeed(identity)

    def logs_in(self, chain: tuple[bytes, ...], listener: str) -> bool:
        """Whether it would let somebody in, without a token."""
        try:
            return bool(chain) and self._alone(self.shown(chain, listener))
        except LoginRefused:
            return False

    def _alone(self, identity: Identity) -> bool:
        return any(each.alone for each in self._authorities if RULE + each.name == identity.proof[0])

    def shown(self, chain: tuple[bytes, ...], listener: str = "https") -> Identity:
        """Whom a verified chain (DER, the client's own first) names.  Raises LoginRefused."""
        now = self._clock.seconds()
        known = tuple(each for each in self._authorities if listener in each.listeners)
        authority, anchor = _authority(chain, known)
        try:
            leaf = x509.load_der_x509_certificate(chain[0])
            _check_leaf(leaf, now)
            _check_revoked([x509.load_der_x509_certificate(each) for each in chain[1 : chain.index(anchor)]], authority)
            until = min(leaf.not_valid_after_utc.timestamp(), now + authority.session)
            subject, groups = named(leaf, authority, now)
        except ValueError as error:
            raise _refused(str(error)) from error
        return Identity(
            authority.provider,
            self._issuers[authority.provider],
            subject,
            groups,
            until,
            proof=(RULE + authority.name, fingerprint(chain[0]), fingerprint(anchor)),
            shown=chain[0],
        )


def fingerprint(der: bytes) -> str:
    return "SHA256:" + sha256(der).hexdigest()


def still_known(authorities: tuple[ClientAuthority, ...], identity: Identity, now: float) -> bool:
    """Whether the configuration in force would still make the same identity of it."""
    for each in authorities:
        if RULE + each.name == identity.proof[0]:
            if each.provider != identity.provider or identity.proof[2] not in map(fingerprint, each.anchors):
                return False
            try:
                found = named(x509.load_der_x509_certificate(identity.shown), each, now)
            except ValueError:
                return False
            return each.alone and found == (identity.subject, identity.groups)
    return False


def _authority(chain: tuple[bytes, ...], known: tuple[ClientAuthority, ...]) -> tuple[ClientAuthority, bytes]:
    """Whose the certificate is: the nearest that signed it."""
    if len(chain) > MAX_CHAIN:
        raise _refused(f"a chain of more than {MAX_CHAIN}")
    for certificate in chain[1:]:
        for each in known:
            if certificate in each.anchors:
                return each, certificate
    raise _refused("its authority is not a configured one")


def _check_leaf(leaf: x509.Certificate, now: float) -> None:
    """TLS saw the same; but a configuration, and the time, may be others by now."""
    if now >= leaf.not_valid_after_utc.timestamp():
        raise ValueError("it has expired")
    if now < leaf.not_valid_before_utc.timestamp():
        raise ValueError("it is not valid yet")
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            raise ValueError("it is an authority's")
        if (
            isinstance(extension.value, x509.ExtendedKeyUsage)
            and ExtendedKeyUsageOID.CLIENT_AUTH not in extension.value
        ):
            raise ValueError("it is not for clients")


def _check_revoked(between: list[x509.Certificate], authority: ClientAuthority) -> None:
    """Of those between the client's and the authority's, whose issuer has a list here."""
    for each in between:
        issuer = each.issuer.public_bytes()
        if any(one.issuer == issuer and each.serial_number in one.serials for one in authority.revoked):
            raise ValueError("one that signed it is revoked")


def named(leaf: x509.Certificate, authority: ClientAuthority, now: float) -> tuple[str, frozenset[str]]:
    """(subject, groups) of a certificate that is not revoked.  Raises ValueError in words."""
    if authority.revoked:
        lists = [each for each in authority.revoked if each.issuer == leaf.issuer.public_bytes()]
        if not lists or any(now >= each.until for each in lists):
            raise ValueError("there is no revocation list of its issuer that is up to date")
        if any(leaf.serial_number in each.serials for each in lists):
            raise ValueError("it is revoked")
    subject = _subject(leaf, authority)
    groups = {_text(each) for each in _fields(leaf, authority.groups)} if authority.groups else set()
    for glob, more in authority.members:
        if fnmatchcase(subject, glob):
            groups |= more
    if len(groups) > MAX_GROUPS:
        raise ValueError(f"it names more than {MAX_GROUPS} groups")
    return subject, frozenset(groups)


def _subject(leaf: x509.Certificate, authority: ClientAuthority) -> str:
    kind = authority.subject
    found = _fields(leaf, "cn") if kind == "cn" else _alternatives(leaf, _ALTERNATIVES[kind])
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} names of the kind `{kind}`, where one is the subject")
    if kind == "spiffe":
        check_id(found[0], authority.trust_domain)
        check_leaf(leaf)
    return _text(found[0])


def _fields(leaf: x509.Certificate, kind: str) -> list[str]:
    return [str(each.value) for each in leaf.subject.get_attributes_for_oid(_FIELDS[kind])]


def _alternatives(leaf: x509.Certificate, kind: Any) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(each) for each in names.get_values_for_type(kind)]


def _text(value: str) -> str:
    """Printable only: subjects and groups reach logs, terminals and header fields."""
    if not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise ValueError(f"a name in it is not a printable text of 1..{MAX_NAME} characters")
    return value


def _refused(why: str) -> LoginRefused:
    return LoginRefused("the certificate is not accepted", detail=f"certificate: {why}")
