"""`pkcs11:...` (RFC 7512) -> which key of which token, behind which module, and where its PIN is.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hoopgw.model.target import SecretReference

SCHEME = "pkcs11:"
PATH = ("token", "serial", "manufacturer", "model", "object", "id", "type")
QUERY = ("module-path", "pin-source")
PIN_KINDS = ("credential", "file", "env")
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=/]|%[0-9A-Fa-f]{2})+")  # pk11-pchar, and / of the query


@dataclass(frozen=True, slots=True)
class KeyUri:
    """`token` to `model` say which token, "" any; `object` and `id` which private key on it, one of them at least."""

    token: str
    serial: str
    manufacturer: str
    model: str
    object: str
    id: bytes
    module: str  # path of the shared library
    pin: SecretReference


def key_uri(text: str) -> KeyUri:
    """Raises ValueError in words.  What RFC 7512 allows and nobody here would know how to follow is refused."""
    if not text.startswith(SCHEME):
        raise ValueError("must begin with pkcs11:")
    path, _, query = text.removeprefix(SCHEME).partition("?")
    named, asked = _attributes(path, ";", PATH), _attributes(query, "&", QUERY)
    if not named.keys() & {"token", "serial"} or not named.keys() & {"object", "id"}:
        raise ValueError("must name the token (`token` or `serial`) and the key (`object` or `id`)")
    if _text(named, "type") not in ("", "private"):
        raise ValueError("names another type than `private`")
    module = _text(asked, "module-path")
    if not module.startswith("/"):
        raise ValueError("must end with ?module-path=/PATH.so, the absolute path of the token's library")
    token, serial, manufacturer, model, key = (_text(named, name) for name in PATH[:5])
    pin = _pin(_text(asked, "pin-source"))
    return KeyUri(token, serial, manufacturer, model, key, named.get("id", b""), module, pin)


def _attributes(text: str, between: str, known: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for each in filter(None, text.split(between)):
        name, equals, value = each.partition("=")
        if name == "pin-value":
            raise ValueError("must not have the PIN in it: say where it is, by `pin-source`")
        if name not in known or not equals or not _VALUE.fullmatch(value):
            raise ValueError(f"has {name!r}; known: {', '.join(known)}, each with a value")
        if name in found:
            raise ValueError(f"has {name!r} twice")
        found[name] = unquote_to_bytes(value)
    return found


def _text(found: dict[str, bytes], name: str) -> str:
    try:
        text = found.get(name, b"").decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"has a {name!r} that is not UTF-8") from error
    if not text.isprintable():
        raise ValueError(f"has a {name!r} that is not printable")
    return text


def _pin(text: str) -> SecretReference:
    kind, _, name = text.partition(":")
    if (
        kind not in PIN_KINDS
        or not name
        or (kind == "file" and not name.startswith("/"))
        or (kind == "credential" and "/" in name)
    ):
        raise ValueError("must say where the PIN is: pin-source=file:/PATH or pin-source=credential:NAME")
    return SecretReference(kind, name)
