"""OpenSSH certificates -> their fields (PROTOCOL.certkeys).  No trust: who may sign what is for others to say."""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.sshmessages import read_string, read_u32, string, u32

SUFFIX: Final = b"-cert-v01@openssh.com"
VENDOR: Final = b"@openssh.com"  # ends the names of security keys, and stands once in those of their certificates
USER, HOST = 1, 2
MAX_PRINCIPALS: Final = 256  # as many as OpenSSH takes
MAX_OPTIONS: Final = 64
# Fields of a public key behind its type, by the type (RFC 4253, 6.6; PROTOCOL.u2f)
FIELDS: Final = {
    b"ssh-ed25519": 1,
    b"ssh-rsa": 2,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"sk-ssh-ed25519@openssh.com": 2,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 3,
}


@final
class Certificate:
    """`key` and `authority` are blobs of plain keys; times are POSIX seconds; `signature` is over `signed`.

    `critical` and `extensions` are {name: value}, the value without its own length where it has one.
    """

    __slots__ = (
        "key", "serial", "kind", "id", "principals", "after", "before", "critical", "extensions", "authority",
        "signature", "signed",
    )  # fmt: skip

    def __init__(
        self, key: bytes, serial: int, kind: int, id: bytes, principals: list[bytes], after: int, before: int,
        critical: dict[bytes, bytes], extensions: dict[bytes, bytes], authority: bytes, signature: bytes, signed: bytes,
    ) -> None:  # fmt: skip
        self.key = key
        self.serial = serial
        self.kind = kind
        self.id = id
        self.principals = principals
        self.after = after
        self.before = before
        self.critical = critical
        self.extensions = extensions
        self.authority = authority
        self.signature = signature
        self.signed = signed


def read(blob: bytes) -> Certificate:
    """Raises MalformedFrame."""
    key, here = _key(blob)
    serial, here = _u64(blob, here)
    kind = read_u32(blob, here)
    id, here = read_string(blob, here + 4)
    principals, here = read_string(blob, here)
    after, here = _u64(blob, here)
    before, here = _u64(blob, here)
    critical, here = read_string(blob, here)
    extensions, here = read_string(blob, here)
    _, here = read_string(blob, here)  # reserved
    authority, here = read_string(blob, here)
    signature, end = read_string(blob, here)
    if end != len(blob) or is_certificate(authority):  # there are no chains (PROTOCOL.certkeys)
        raise MalformedFrame("a certificate with something behind it, or signed by a certificate")
    return Certificate(
        key, serial, kind, id, _strings(principals), after, before, _options(critical), _options(extensions),
        authority, signature, blob[:here],
    )  # fmt: skip


def plain_name(name: bytes) -> bytes:
    """Of a key or signature that a certificate's name goes with; another name stays as it is."""
    if not name.endswith(SUFFIX):
        return name
    base = name[: -len(SUFFIX)]
    return base + VENDOR if base.startswith(b"sk-") else base


def certified_name(name: bytes) -> bytes:
    """The other way round."""
    return name.removesuffix(VENDOR) + SUFFIX


def is_certificate(blob: bytes) -> bool:
    """By its type alone.  Raises MalformedFrame."""
    return read_string(blob, 0)[0].endswith(SUFFIX)


def _key(blob: bytes) -> tuple[bytes, int]:
    """(the certified key's blob, where what follows begins)."""
    kind, here = read_string(blob, 0)
    plain = plain_name(kind)
    if plain == kind or plain not in FIELDS:
        raise MalformedFrame("no certificate of a known kind")
    _, here = read_string(blob, here)  # a nonce
    key = string(plain)
    for _ in range(FIELDS[plain]):
        field, here = read_string(blob, here)
        key += string(field)
    return key, here


def _u64(data: bytes, start: int) -> tuple[int, int]:
    return (read_u32(data, start) << 32) + read_u32(data, start + 4), start + 8


def _strings(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    here = 0
    while here < len(data):
        each, here = read_string(data, here)
        found.append(each)
        if len(found) > MAX_PRINCIPALS:
            raise MalformedFrame("a certificate of too many principals")
    return found


def _options(data: bytes) -> dict[bytes, bytes]:
    """Each at most once, and in order: two of a name could mean two things."""
    found: dict[bytes, bytes] = {}
    last = b""
    here = 0
    while here < len(data):
        name, here = read_string(data, here)
        value, here = read_string(data, here)
        if (found and name <= last) or len(found) >= MAX_OPTIONS:
            raise MalformedFrame("options of a certificate that are not in order, or too many")
        if value:
            value, end = read_string(value, 0)[0], len(value)
            if end != 4 + len(value):
                raise MalformedFrame("an option of a certificate with something behind it")
        found[name] = value
        last = name
    return found


def unsigned(found: Certificate, nonce: bytes) -> bytes:
    """What the authority signs; with the signature, as a string, behind it the certificate's blob.

    No critical option is written: nothing here needs one.
    """
    plain, here = read_string(found.key, 0)
    options = b"".join([string(name) + string(_value(found.extensions[name])) for name in sorted(found.extensions)])
    return b"".join(
        [
            string(certified_name(plain)),
            string(nonce),
            found.key[here:],
            _written(found.serial),
            u32(found.kind),
            string(found.id),
            string(b"".join([string(each) for each in found.principals])),
            _written(found.after),
            _written(found.before),
            string(b""),
            string(options),
            string(b""),
            string(found.authority),
        ]
    )


def _value(value: bytes) -> bytes:
    return string(value) if value else b""


def _written(number: int) -> bytes:
    return u32(number >> 32) + u32(number & 0xFFFFFFFF)
