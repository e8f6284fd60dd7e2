"""Certificates that the gateway's own authorities sign: for clients against a token, and for itself towards targets.

The two authorities are two keys: what a client is given must open no target that trusts the gateway.
"""

from __future__ import annotations

from collections.abc import Callable

from hoopgw.model.identity import Identity
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.wire import sshcertificates as wire
from hoopgw.wire.sshmessages import string

SKEW = 60  # seconds before now from which a certificate is good: clocks of targets
TARGET_SECONDS = 300  # a certificate towards a target is shown at once: this is for a clock that is ahead
NONCE = 32  # bytes
_PERMITTED = ("X11-forwarding", "agent-forwarding", "port-forwarding", "pty", "user-rc")
PERMITS = tuple(f"permit-{what}" for what in _PERMITTED)


def target_certificate(
    authority: Signer,
    key: bytes,
    user: str,
    identity: Identity,
    session: str,
    now: float,
    token_bytes: Callable[[int], bytes],
) -> bytes:
    """The blob, for the key (blob) that one session logs in by as `user`; the target's log shows who and which session.

    What may be forwarded, and whether there is a terminal, the gateway has decided: the certificate permits all.
    """
    return signed(
        authority,
        wire.Certificate(
            key,
            int.from_bytes(token_bytes(8), "big"),
            wire.USER,
            f"{identity.subject} {session}".encode(),
            [user.encode()],
            int(now) - SKEW,
            int(now) + TARGET_SECONDS,
            {},
            {name.encode(): b"" for name in PERMITS},
            authority.blob,
            b"",
            b"",
        ),
        token_bytes(NONCE),
    )


def signed(authority: Signer, certificate: wire.Certificate, nonce: bytes) -> bytes:
    """The certificate's blob."""
    data = wire.unsigned(certificate, nonce)
    return data + string(authority.sign(data))
