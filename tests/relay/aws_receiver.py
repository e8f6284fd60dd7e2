"""What a service of AWS makes of a request: its signature is computed from what arrived, its body read and compared."""

from __future__ import annotations

import hashlib
import hmac
import re

from hoopgw.model.secret import Secret
from hoopgw.wire.httpchunks import Chunks
from hoopgw.wire.httpfields import CHUNKED
from hoopgw.wire.httphead import Blocks, read_request
from hoopgw.wire.sigv4 import CONTENT, NOTHING, Field, Keys, Scope, sign

KEYS = Keys(b"AKIDOFTHEGATEWAY", Secret(b"its-secret"), Secret(b""))
NOW = 1_700_000_000.0
_SAID = re.compile(
    rb"AWS4-HMAC-SHA256 Credential=([A-Z]+)/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, "
    rb"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_CHUNK = re.compile(rb"([0-9a-f]+);chunk-signature=([0-9a-f]{64})\r\n")


def received(data: bytes, s3: bool = True) -> tuple[list[Field], bytes]:
    """(fields, content) of one request.  Fails where anything in it is not what was signed."""
    read = read_request(data, 0, Blocks())
    assert read is not None
    fields = dict(read.block.fields)
    assert len(fields) == len(read.block.fields), "a field twice"
    said = _SAID.fullmatch(fields[b"authorization"])
    assert said is not None and said[1] == KEYS.id, fields[b"authorization"]
    names = said[4].split(b";")
    unsigned = [name for name in fields if name.startswith(b"x-amz-") and name not in names]
    assert not unsigned and b"host" in names, unsigned
    body = data[read.end :]
    if read.block.framing == CHUNKED:
        content = list[bytes]()
        assert Chunks().take(body, 0, content) == len(body)
        body = b"".join(content)
    else:
        assert len(body) == read.block.length, (len(body), read.block.length)
    payload = fields.get(CONTENT, b"") or hashlib.sha256(body).hexdigest().encode()
    scope = Scope(said[2].decode(), said[3].decode(), NOW)
    signed = [(name, fields[name]) for name in names]
    signature = sign(KEYS, scope, read.method, read.target, signed, payload, s3)
    assert signature.value == said[5], "the signature is another"
    if payload.startswith(b"STREAMING-AWS4"):
        assert b"aws-chunked" in fields[b"content-encoding"]
        body = _unchunked(body, signature.key, signature.value, scope)
        assert len(body) == int(fields[b"x-amz-decoded-content-length"])
    elif not payload.startswith((b"UNSIGNED", b"STREAMING")):
        assert hashlib.sha256(body).hexdigest().encode() == payload, "the body is another"
    return list(read.block.fields), body


def _unchunked(body: bytes, key: Secret, before: bytes, scope: Scope) -> bytes:
    content, here, size = b"", 0, -1
    while size != 0:
        found = _CHUNK.match(body, here)
        assert found is not None, body[here : here + 90]
        size = int(found[1], 16)
        data = body[found.end() : found.end() + size]
        before = _signature(key, b"PAYLOAD", scope, before, NOTHING, data)
        assert before == found[2], "the signature of a chunk is another"
        content += data
        here = found.end() + size + (2 if size else 0)
    *trailers, last, empty = body[here:].split(b"\r\n")
    assert (last, empty) == (b"", b"")
    if trailers:
        lines = b"".join([line + b"\n" for line in trailers[:-1]])
        expected = b"x-amz-trailer-signature:" + _signature(key, b"TRAILER", scope, before, None, lines)
        assert trailers[-1] == expected, "the signature of the trailers is another"
    return content


def _signature(key: Secret, kind: bytes, scope: Scope, before: bytes, more: bytes | None, data: bytes) -> bytes:
    parts = [b"AWS4-HMAC-SHA256-" + kind, scope.stamp, scope.name, before]
    parts += [more] if more is not None else []
    text = b"\n".join([*parts, hashlib.sha256(data).hexdigest().encode()])
    return hmac.digest(key.reveal(), text, "sha256").hex().encode()
