"""Lists of what was revoked -> `Revocations`: OpenSSH's binary KRL (PROTOCOL.krl), or the text that it is made of.

A text has a public key on each line, or `serial:`, `id:`, `key:`, `sha1:`, `sha256:`, `hash:` as for `ssh-keygen -k`.
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha1, sha256
from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.model.revocation import Revocations, RevokedCertificates
from hoopgw.wire import sshcertificates
from hoopgw.wire.sshmessages import read_boolean, read_string, read_u32

MAX_LIST: Final = 16 << 20  # bytes: a million serials, or as many in a bitmap as there are
MAGIC: Final = b"SSHKRL\n\0"
VERSION: Final = 1
CERTIFICATES, KEYS, SHA1, SIGNATURE, SHA256, EXTENSION = 1, 2, 3, 4, 5, 255
SERIALS, RANGE, BITMAP, IDS, CERTIFICATE_EXTENSION = 0x20, 0x21, 0x22, 0x23, 0x39
SIZES: Final = {"SHA1": 20, "SHA256": 32}  # of digests, in bytes


@final
class _Draft:
    """What was read so far."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.sha1: set[bytes] = set()
        self.sha256: set[bytes] = set()
        self.certificates: list[RevokedCertificates] = []
        self.serials: list[tuple[int, int]] = []  # of a text, whose authorities come with it
        self.ids: set[bytes] = set()

    def done(self, authorities: tuple[bytes, ...] = ()) -> Revocations:
        if self.serials or self.ids:
            ranges, ids = _merged(self.serials), frozenset(self.ids)
            self.certificates += [RevokedCertificates(each, ranges=ranges, ids=ids) for each in authorities]
        digests = frozenset(self.sha1), frozenset(self.sha256)
        return Revocations(frozenset(self.keys), digests[0], digests[1], tuple(self.certificates))


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """In order and apart."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return tuple(found)


def read(data: bytes, authorities: tuple[bytes, ...]) -> Revocations:
    """`authorities` are whose certificates `serial:` and `id:` of a text are about.  Raises MalformedFrame."""
    if len(data) > MAX_LIST:
        raise MalformedFrame(f"a list of more than {MAX_LIST >> 20} MiB")
    return _binary(data) if data.startswith(MAGIC) else _text(data, authorities)


# ---- binary


def _binary(data: bytes) -> Revocations:
    if read_u32(data, 8) != VERSION:
        raise MalformedFrame("a KRL of another version")
    here = 8 + 4 + 8 + 8 + 8  # magic, version of the format, number, date, flags
    for _ in range(2):  # reserved, comment
        _, here = _field(data, here)
    draft = _Draft()
    while here < len(data):
        kind = data[here]
        section, here = _field(data, here + 1)
        _section(draft, kind, section)
    return draft.done()


def _section(draft: _Draft, kind: int, data: bytes) -> None:
    if kind == CERTIFICATES:
        draft.certificates.append(_certificates(data))
    elif kind == KEYS:
        for blob in _fields(data):
            draft.keys.add(_plain(blob))
    elif kind in (SHA1, SHA256):
        size = SIZES["SHA1" if kind == SHA1 else "SHA256"]
        for digest in _fields(data):
            if len(digest) != size:
                raise MalformedFrame(f"a digest of {len(digest)} bytes")
            (draft.sha1 if kind == SHA1 else draft.sha256).add(digest)
    elif kind == EXTENSION:
        _extension(data)
    else:  # SIGNATURE too: OpenSSH makes none, and one that nobody verifies promises what is not so
        raise MalformedFrame(f"a section of kind {kind} in a KRL")


def _certificates(data: bytes) -> RevokedCertificates:
    authority, here = _field(data, 0)
    _, here = _field(data, here)  # reserved
    serials: set[int] = set()
    ranges: list[tuple[int, int]] = []
    bitmaps: list[tuple[int, bytes]] = []
    ids: set[bytes] = set()
    while here < len(data):
        kind = data[here]
        section, here = _field(data, here + 1)
        if kind == SERIALS:
            if len(section) % 8:
                raise MalformedFrame("serials that are not whole")
            serials.update([_u64(section, at) for at in range(0, len(section), 8)])
        elif kind == RANGE:
            if len(section) != 16 or _u64(section, 0) > _u64(section, 8):
                raise MalformedFrame("a range of serials that is none")
            ranges.append((_u64(section, 0), _u64(section, 8)))
        elif kind == BITMAP:
            bits, end = _field(section, 8)
            if end != len(section):
                raise MalformedFrame("a bitmap with something behind it")
            bitmaps.append((_u64(section, 0), bits))
        elif kind == IDS:
            ids.update(_fields(section))
        elif kind == CERTIFICATE_EXTENSION:
            _extension(section)
        else:
            raise MalformedFrame(f"a section of kind {kind} about certificates in a KRL")
    return RevokedCertificates(authority, frozenset(serials), _merged(ranges), tuple(bitmaps), frozenset(ids))


def _extension(data: bytes) -> None:
    """Raises MalformedFrame for one that must be understood."""
    _, here = _field(data, 0)
    if read_boolean(data, here):
        raise MalformedFrame("a critical extension of a KRL that is not known")


def _field(data: bytes, start: int) -> tuple[bytes, int]:
    return read_string(data, start, MAX_LIST)


def _fields(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    here = 0
    while here < len(data):
        each, here = _field(data, here)
        found.append(each)
    return found


def _u64(data: bytes, start: int) -> int:
    return (read_u32(data, start) << 32) + read_u32(data, start + 4)


# ---- text


def _text(data: bytes, authorities: tuple[bytes, ...]) -> Revocations:
    draft = _Draft()
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise MalformedFrame("neither a KRL nor text") from error
    for number, line in enumerate(lines):
        words = line.strip()
        if words and not words.startswith("#"):
            try:
                _line(draft, words)
            except (MalformedFrame, ValueError) as error:
                raise MalformedFrame(f"line {number + 1} is no key, serial, id or hash") from error
    return draft.done(authorities)


def _line(draft: _Draft, line: str) -> None:
    name, colon, value = line.partition(":")
    name, value = name.strip().lower(), value.strip()
    if not colon or " " in name:
        _revoke(draft, _blob(line))
    elif name == "serial":
        low, _, high = value.partition("-")
        first, last = int(low, 0), int(high or low, 0)
        if not 0 <= first <= last < 1 << 64:
            raise MalformedFrame("no serials")
        draft.serials.append((first, last))
    elif name == "id":
        draft.ids.add(value.encode())
    elif name == "key":
        _revoke(draft, _blob(value))
    elif name == "sha1":
        draft.sha1.add(sha1(_plain(_blob(value)), usedforsecurity=False).digest())
    elif name == "sha256":
        draft.sha256.add(sha256(_plain(_blob(value))).digest())
    elif name == "hash":
        _digest(draft, value)
    else:
        raise MalformedFrame("no such word")


def _digest(draft: _Draft, value: str) -> None:
    kind, _, text = value.partition(":")
    digest = b64decode(text + "=" * (-len(text) % 4), validate=True)
    if SIZES.get(kind) != len(digest):
        raise MalformedFrame("no digest")
    (draft.sha1 if kind == "SHA1" else draft.sha256).add(digest)


def _blob(line: str) -> bytes:
    """Of a line as in a `.pub` file."""
    kind, _, rest = line.partition(" ")
    blob = b64decode(rest.split()[0] if rest.split() else "", validate=True)
    if read_string(blob, 0)[0] != kind.encode():
        raise MalformedFrame("a key of another type than its line says")
    return blob


def _revoke(draft: _Draft, blob: bytes) -> None:
    """A certificate by its number, or by its name where it has none, as `ssh-keygen -k` does."""
    if not sshcertificates.is_certificate(blob):
        draft.keys.add(blob)
        return
    found = sshcertificates.read(blob)
    if found.serial:
        revoked = RevokedCertificates(found.authority, serials=frozenset((found.serial,)))
    else:
        revoked = RevokedCertificates(found.authority, ids=frozenset((found.id,)))
    draft.certificates.append(revoked)


def _plain(blob: bytes) -> bytes:
    return sshcertificates.read(blob).key if sshcertificates.is_certificate(blob) else blob
