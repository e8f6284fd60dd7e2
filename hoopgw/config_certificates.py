"""[client_ca.NAME] -> ClientAuthority."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hoopgw.auth.spiffe import TRUST_DOMAIN
from hoopgw.config_files import Key
from hoopgw.config_reader import Reader, nearest
from hoopgw.model.settings import ClientAuthority, RevokedSerials

MAX_FILE = 64 << 20  # bytes: the largest public revocation lists have 40 MB
MAX_ANCHORS = 64

_DER = Encoding.DER
# What is about the person behind a certificate that logs in alone
_OF_LOGINS = (("session", 43200.0), ("members", ()), ("groups", ""))


def client_authorities(
    reader: Reader, top: dict[str, Any], providers: list[str], listening: frozenset[str]
) -> tuple[ClientAuthority, ...]:
    """`providers` are the names of [oidc.NAME]; `listening`: for whom there are listeners, with TLS."""
    owners: dict[bytes, str] = {}
    found: list[ClientAuthority] = []
    for name, given in reader.tables("client_ca", top["client_ca"], ("client_ca",)).items():
        key: Key = ("client_ca", name)
        for listener in sorted(given["listeners"] - listening):
            reader.wrong(key, f"does nothing without `{listener}` of [listen], and a certificate of [tls]")
        provider = given["provider"] or ""
        if provider and provider not in providers:
            words = f"there is no [oidc.{provider}]" + nearest(provider, providers)
            reader.wrong((*key, "provider"), words)
        _names(reader, key, given)
        anchors = _anchors(reader, (*key, "ca"), given["ca"])
        for anchor in anchors:
            first = owners.setdefault(anchor.public_bytes(_DER), name)
            if first != name:  # must-survive 27: who somebody is must not depend on the order of a file
                reader.wrong((*key, "ca"), f"has a certificate that [client_ca.{first}] has as well")
        found.append(
            ClientAuthority(
                name,
                provider,
                tuple(anchor.public_bytes(_DER) for anchor in anchors),
                given["subject"],
                given["trust_domain"],
                given["groups"],
                given["members"],
                given["alone"],
                given["listeners"],
                given["session"],
                tuple(each for path in given["crl"] for each in _revoked(reader, (*key, "crl"), path, anchors)),
            )
        )
    return tuple(found)


def _names(reader: Reader, key: Key, given: dict[str, Any]) -> None:
    domain, spiffe = given["trust_domain"], given["subject"] == "spiffe"
    if spiffe and not domain:
        reader.wrong(key, "needs `trust_domain`: an authority speaks for one")
    elif domain and not spiffe:
        reader.wrong((*key, "trust_domain"), 'does nothing without subject = "spiffe"')
    elif domain and not TRUST_DOMAIN.fullmatch(domain):
        reader.wrong((*key, "trust_domain"), f"{domain!r} is not a trust domain, as example.org is")
    for glob, _ in given["members"]:
        if spiffe and not glob.startswith((f"spiffe://{domain}/", "*")):
            reader.wrong((*key, "members"), f"{glob!r} is of no workload in {domain}")
    if not given["alone"]:
        for idle, default in _OF_LOGINS:
            if given[idle] != default:
                reader.wrong((*key, idle), "does nothing without `alone`: the token says who acts")


def _anchors(reader: Reader, key: Key, written: str | None) -> list[x509.Certificate]:
    data = _file(reader, key, written)
    try:
        found = x509.load_pem_x509_certificates(data) if data else []
        for each in found:
            if not each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
                raise ValueError(f"{each.subject.rfc4514_string()} is no authority's")
    except (ValueError, x509.ExtensionNotFound) as error:
        reader.wrong(key, f"{written} cannot be used: {error}")
        return []
    if len(found) > MAX_ANCHORS:
        reader.wrong(key, f"{written} has more than {MAX_ANCHORS} certificates")
    return found


def _revoked(reader: Reader, key: Key, path: str, anchors: list[x509.Certificate]) -> list[RevokedSerials]:
    """A list that cannot be read is a mistake: without it somebody would get in who may not."""
    data = _file(reader, key, path)
    if not data:
        return []
    try:
        found = x509.load_pem_x509_crl(data)
        signers = [each for each in anchors if each.subject == found.issuer]
        if not any(_signed(found, each) for each in signers):
            raise ValueError("no certificate of `ca` has signed it")
        if found.next_update_utc is None:
            raise ValueError("it does not say until when it is good")
        serials = frozenset(each.serial_number for each in found)
    except ValueError as error:
        reader.wrong(key, f"{path} cannot be used: {error}")
        return []
    return [RevokedSerials(found.issuer.public_bytes(), found.next_update_utc.timestamp(), serials)]


def _signed(found: x509.CertificateRevocationList, anchor: x509.Certificate) -> bool:
    try:
        return found.is_signature_valid(anchor.public_key())  # type: ignore[arg-type]  # of a kind that signs nothing
    except TypeError:
        return False


def _file(reader: Reader, key: Key, written: str | None) -> bytes:
    if not written:
        return b""
    try:
        with Path(reader.path(written)).open("rb") as opened:
            data = opened.read(MAX_FILE + 1)
    except OSError as error:
        reader.wrong(key, f"{written} cannot be read: {error.strerror}")
        return b""
    if not data or len(data) > MAX_FILE:
        reader.wrong(key, f"{written} is empty, or has more than {MAX_FILE >> 20} MiB")
        return b""
    return data
