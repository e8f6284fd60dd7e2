"""What an approver sees of an operation: text and parameters, escaped, or what stands for them where it is redacted."""

from __future__ import annotations

import hashlib

from hoopgw.model.errors import WireError
from hoopgw.model.http import HttpRequest
from hoopgw.model.operation import FILE, Operation
from hoopgw.session.events import escaped
from hoopgw.wire.sshmessages import read_string

# Bytes of text, and of parameters: more than a person reads; what is cut off is named by its digest
MAX_SHOWN = 64 * 1024
SETS = (b"setstat", b"mkdir")  # actions of SFTP that say more than paths
_ATTRIBUTES = (
    (1, "size {}", (8,)),
    (2, "owner {}, group {}", (4, 4)),
    (4, "mode {:o}", (4,)),
    (8, "read at {}, changed at {}", (4, 4)),
)


def shown(operation: Operation, redacted: bytes | None) -> str:
    """`redacted` stands in place of text and parameters; None: they are shown."""
    if redacted is not None:
        return _whole(redacted)
    request = operation.request
    if request is not None:
        text = _whole(request.line or operation.text)
        return f"{text}\n{_request(request)}"
    text = _whole(operation.text)
    if not operation.parameters:
        return text
    if operation.kind == FILE:
        more = _attributes(operation.parameters) if operation.name in SETS else ""
        return f"{text}\n\n{more}" if more else text
    if operation.protocol == "ssh":
        return f"{text}\n\n{_environment(operation.parameters)}"
    if len(operation.parameters) > MAX_SHOWN:
        return f"{text}\n\nparameters: {_named(operation.parameters)}"
    return f"{text}\n\n{_parameters(operation.parameters)}"


def _whole(data: bytes) -> str:
    """The text; where it is longer than MAX_SHOWN, its beginning, and what names the whole."""
    if len(data) <= MAX_SHOWN:
        return _text(data)
    return f"{_text(data[:MAX_SHOWN])}\n… cut here; {_named(data)}"


def _named(data: bytes) -> str:
    return f"{len(data)} bytes in all, SHA-256 {hashlib.sha256(data).hexdigest()}"


def _text(data: bytes) -> str:
    return escaped(data.decode("utf-8", "backslashreplace"))


def _request(request: HttpRequest) -> str:
    """Its fields, without secret values, and its body."""
    lines = "\n".join(_text(line) for line in request.shown.split(b"\r\n") if line)
    if request.body is None:
        return f"{lines}\n\n(a body that was not read)"
    body = request.body if request.content is None else request.content
    return f"{lines}\n\n{_whole(body)}" if body else lines


def _environment(data: bytes) -> str:
    """Names and values in turn, as SSH strings."""
    told: list[str] = []
    here = 0
    while here < len(data):
        name, here = read_string(data, here)
        value, here = read_string(data, here)
        told.append(f"{_text(name)}={_text(value)}")
    return "\n".join(told)


def _attributes(data: bytes) -> str:
    """What a request of SFTP sets (draft-ietf-secsh-filexfer-02, 5): behind its path, and the name of an extension."""
    try:
        first, here = read_string(data, 0)
        if first.endswith(b"@openssh.com"):
            _, here = read_string(data, here)
        flags, here = _number(data, here, 4), here + 4
        told: list[str] = []
        for bit, words, sizes in _ATTRIBUTES:
            if flags & bit:
                numbers = []
                for size in sizes:
                    numbers.append(_number(data, here, size))
                    here += size
                told.append(words.format(*numbers))
    except (WireError, IndexError):
        return f"attributes (hex): {data.hex()}"
    return "\n".join(told) if here == len(data) else f"attributes (hex): {data.hex()}"


def _parameters(data: bytes) -> str:
    """Each value in its place.  The bytes are PostgreSQL's (documentation, 55.7): the type OIDs of Parse, then the
    formats and values of Bind.  Anything else is shown as bytes in hex."""
    try:
        return "\n".join(f"${number} = {value}" for number, value in enumerate(_values(data), 1))
    except IndexError:
        return f"parameters (hex): {data.hex()}"


def _values(data: bytes) -> list[str]:
    here = 2 + 4 * _number(data, 0, 2)
    count = _number(data, here, 2)
    formats = [_number(data, here + 2 + 2 * index, 2) for index in range(count)]
    here += 2 + 2 * count
    values: list[str] = []
    total = _number(data, here, 2)
    here += 2
    for index in range(total):
        length = _number(data, here, 4)
        here += 4
        if length == 0xFFFFFFFF:
            values.append("NULL")
            continue
        if here + length > len(data):
            raise IndexError
        value = data[here : here + length]
        here += length
        code = formats[0] if len(formats) == 1 else formats[index] if formats else 0
        values.append(f"'{_text(value)}'" if code == 0 else f"binary {value.hex()}")
    return values


def _number(data: bytes, here: int, size: int) -> int:
    if here + size > len(data):
        raise IndexError
    return int.from_bytes(data[here : here + size], "big")
