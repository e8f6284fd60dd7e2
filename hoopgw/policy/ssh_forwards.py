"""What each forward of SSH needs from a grant: nothing is forwarded that it does not name."""

from __future__ import annotations

# The word of a grant -> the channel types and requests that it lets through (RFC 4254, 6.3 and 7; OpenSSH's PROTOCOL)
FEATURES: dict[str, frozenset[bytes]] = {
    "local-forward": frozenset((b"direct-tcpip",)),
    "remote-forward": frozenset((b"tcpip-forward", b"cancel-tcpip-forward", b"forwarded-tcpip")),
    "local-socket": frozenset((b"direct-streamlocal@openssh.com",)),
    "remote-socket": frozenset(
        (
            b"streamlocal-forward@openssh.com",
            b"cancel-streamlocal-forward@openssh.com",
            b"forwarded-streamlocal@openssh.com",
        )
    ),
    "agent": frozenset((b"auth-agent-req@openssh.com", b"auth-agent@openssh.com")),
    "x11": frozenset((b"x11-req", b"x11")),
    "tun": frozenset((b"tun@openssh.com",)),
}


def feature(name: bytes) -> str:
    """The word that a grant needs for this type or request; "" for what nobody knows."""
    for word, names in FEATURES.items():
        if name in names:
            return word
    return ""
