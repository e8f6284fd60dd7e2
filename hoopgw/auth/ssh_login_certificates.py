"""Certificates that clients are given against a token: they say what the token said, for a few minutes of logins.

Only this gateway reads who they are for: the identity stands in an extension of its own.  No target trusts what
signed it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hoopgw.auth.local import PROVIDER
from hoopgw.auth.ssh_minting import NONCE, PERMITS, SKEW, signed
from hoopgw.auth.ssh_signatures import check_key
from hoopgw.model.errors import LoginRefused, NotAllowed
from hoopgw.model.identity import Actor, Identity
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.wire import sshcertificates as wire

EXTENSION = b"identity@hoopgw"
MAX_IDENTITY = 24 * 1024  # bytes: what a token can say, below what a client's key may have (MAX_KEY of the login)


@dataclass(frozen=True, slots=True)
class Issued:
    blob: bytes
    until: float  # POSIX seconds
    serial: int


class LoginAuthority:
    def __init__(self, signer: Signer, seconds: float, token_bytes: Callable[[int], bytes]) -> None:
        """`seconds` are how long a certificate is good for logins; a session by it lasts as one by the token would."""
        self.blob = signer.blob
        self.slow = signer.slow  # `certify` is for a thread then
        self._signer = signer
        self._seconds = seconds
        self._token_bytes = token_bytes

    def certify(self, identity: Identity, key: bytes, now: float) -> Issued:
        """For whom a token has just shown who they are.  Raises NotAllowed for who may not log in, and for
        what is no key to log in by."""
        if identity.provider == PROVIDER or identity.proof:
            raise NotAllowed("a certificate is given against a token of an issuer only")
        try:
            check_key(key)
        except LoginRefused as error:
            raise NotAllowed(f"no certificate for this key: {error.detail}") from error
        said = json.dumps(_said(identity), separators=(",", ":")).encode()
        if len(said) > MAX_IDENTITY:
            raise NotAllowed("the token says more than a certificate can hold")
        until = min(now + self._seconds, identity.expires)
        subject, serial = identity.subject.encode(), int.from_bytes(self._token_bytes(8), "big")
        extensions = {EXTENSION: said, **{name.encode(): b"" for name in PERMITS}}
        times = int(now) - SKEW, int(until)
        given = wire.Certificate(
            key, serial, wire.USER, subject, [subject], *times, {}, extensions, self.blob, b"", b""
        )
        return Issued(signed(self._signer, given, self._token_bytes(NONCE)), until, serial)


def _said(identity: Identity) -> dict[str, Any]:
    return {
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "groups": sorted(identity.groups),
        "expires": identity.expires,
        "actors": [[actor.issuer, actor.subject] for actor in identity.actors],
        "claims": dict(identity.claims),
    }


def identity_of(found: wire.Certificate, issuers: Mapping[str, str], proof: tuple[str, ...], shown: bytes) -> Identity:
    """Of a certificate whose signature is good.  `issuers` are addresses by name.  Raises LoginRefused."""
    try:
        said = json.loads(found.extensions.get(EXTENSION, b""))
        identity = Identity(
            said["provider"],
            said["issuer"],
            said["subject"],
            frozenset(said["groups"]),
            float(said["expires"]),
            tuple(Actor(*pair) for pair in said["actors"]),
            said["claims"],
            proof,
            shown,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _refused("it does not say who it is for") from error
    if issuers.get(identity.provider) != identity.issuer:
        raise _refused("it is of an issuer that is not configured any more")
    return identity


def _refused(why: str) -> LoginRefused:
    return LoginRefused("the certificate is not accepted", detail=f"certificate: {why}")
