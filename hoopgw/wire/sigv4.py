"""AWS Signature Version 4: what is signed of a request, and the signature.  No I/O, no clock.

By "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference and the IAM user guide.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Final, final

from hoopgw.model.secret import Secret

ALGORITHM: Final = b"AWS4-HMAC-SHA256"
UNSIGNED: Final = b"UNSIGNED-PAYLOAD"
CONTENT: Final = b"x-amz-content-sha256"
DATE: Final = b"x-amz-date"
SESSION_TOKEN: Final = b"x-amz-security-token"
NOTHING: Final = hashlib.sha256(b"").hexdigest().encode()  # the hash of no body

_UNRESERVED: Final = frozenset(b"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ENCODED: Final = [bytes((code,)) if code in _UNRESERVED else b"%%%02X" % code for code in range(256)]
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BLANKS: Final = re.compile(rb" +")

Field = tuple[bytes, bytes]


@final
class Keys:
    """An access key.  `token` is a session's, where the key is a temporary one; Secret(b"") for none."""

    __slots__ = ("id", "secret", "token")

    def __init__(self, id: bytes, secret: Secret, token: Secret) -> None:
        self.id = id
        self.secret = secret
        self.token = token

    def __repr__(self) -> str:
        return "Keys()"


@final
class Scope:
    """What a signature is good for: a service of a region at a time (seconds since 1970)."""

    __slots__ = ("stamp", "name")

    def __init__(self, region: str, service: str, now: float) -> None:
        moment = datetime.fromtimestamp(int(now), UTC)
        self.stamp = moment.strftime("%Y%m%dT%H%M%SZ").encode()  # ISO 8601, as X-Amz-Date has it
        self.name = b"/".join((self.stamp[:8], region.encode(), service.encode(), b"aws4_request"))


def signing_key(secret: Secret, scope: Scope) -> Secret:
    """Of one day, region and service."""
    key = b"AWS4" + secret.reveal()
    for part in scope.name.split(b"/"):
        key = hmac.digest(key, part, "sha256")
    return Secret(key)


def hashed(data: bytes) -> bytes:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest().encode()


def signed(key: Secret, kind: bytes, scope: Scope, parts: tuple[bytes, ...]) -> bytes:
    """The signature, in hex, over `parts` that were hashed where the `kind` of string to sign wants it."""
    text = b"\n".join((kind, scope.stamp, scope.name, *parts))
    return hmac.digest(key.reveal(), text, "sha256").hex().encode()


def encoded(data: bytes, slash: bool = False) -> bytes:
    """Percent-encoded but for what RFC 3986 has as unreserved; `slash`: "/" stays."""
    return b"".join([b"/" if slash and code == 0x2F else _ENCODED[code] for code in data])


def decoded(data: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), data) if b"%" in data else data


def canonical_path(path: bytes, s3: bool) -> bytes:
    """S3 takes a key's name as it is, encoded once; all others a normal path, encoded once more than it came."""
    if s3:
        return encoded(decoded(path), slash=True)
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    last = b"/" if kept and path.endswith((b"/", b"/.", b"/..")) else b""
    return b"/" + encoded(b"/".join(kept), slash=True) + last


def canonical_query(query: bytes) -> bytes:
    """By name, then value; a parameter without a value gets its "="."""
    pairs: list[Field] = []
    for each in query.split(b"&"):
        if each:
            name, _, value = each.replace(b"+", b" ").partition(b"=")
            pairs.append((encoded(decoded(name)), encoded(decoded(value))))
    return b"&".join([name + b"=" + value for name, value in sorted(pairs)])


def canonical_fields(fields: list[Field]) -> tuple[bytes, bytes]:
    """(lines, names with ";" between) of fields whose names are in lower case; those of one name in their order."""
    together: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        together.setdefault(name, []).append(_BLANKS.sub(b" ", value.strip(b" \t")))
    names = sorted(together)
    return b"".join([name + b":" + b",".join(together[name]) + b"\n" for name in names]), b";".join(names)


@final
class Signature:
    """Of a request: the value of Authorization, and what the signatures of its chunks go on from."""

    __slots__ = ("authorization", "value", "key", "scope")

    def __init__(self, authorization: bytes, value: bytes, key: Secret, scope: Scope) -> None:
        self.authorization = authorization
        self.value = value
        self.key = key
        self.scope = scope


def sign(
    keys: Keys, scope: Scope, method: bytes, target: bytes, fields: list[Field], payload: bytes, s3: bool
) -> Signature:
    """`target` is path and query as they are sent; `fields` is all that is to be signed, X-Amz-Date among it;
    `payload` the hash of the body, in hex, or what stands for one (UNSIGNED-PAYLOAD)."""
    path, _, query = target.partition(b"?")
    lines, names = canonical_fields(fields)
    request = b"\n".join((method, canonical_path(path, s3), canonical_query(query), lines, names, payload))
    key = signing_key(keys.secret, scope)
    value = signed(key, ALGORITHM, scope, (hashed(request),))
    credential = keys.id + b"/" + scope.name
    said = b"%s Credential=%s, SignedHeaders=%s, Signature=%s" % (ALGORITHM, credential, names, value)
    return Signature(said, value, key, scope)
