"""A login -> how its requests and answers are rewritten."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from hoopgw.auth.access import Access
from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.http import HttpRequest, alike
from hoopgw.model.secret import Secret
from hoopgw.model.target import Address, SecretReference, Target, TlsMode
from hoopgw.relay.http_masks import REPLACED, TOLD
from hoopgw.relay.http_redirects import own_names
from hoopgw.relay.http_scope import HttpScope, Route, SigningTerms, never
from hoopgw.relay.http_signing import REPLACED as SIGNED
from hoopgw.servers.http.bearer import KeptBearer, field_line
from hoopgw.servers.http.words import words_of
from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.sigv4 import Keys

Secrets = Callable[[SecretReference], Secret]


@dataclass(frozen=True, slots=True)
class HttpLogin:
    """What is known of a client when its session opens.

    prefix     of the path, that named the target; b"" where the host's name did
    client     its address
    encrypted  it came by TLS
    public     the gateway's own address, if it says one, else ""
    """

    access: Access
    route: Route
    prefix: bytes
    client: str
    session: str
    policy: str
    encrypted: bool
    public: str = ""


@dataclass(frozen=True, slots=True)
class Calls:
    """What is asked while the session goes on.

    secret       what a reference stands for.  Raises SecretUnavailable
    identity     the line that tells the target who asks; b"" for none
    needs        how many bytes of a request's body the rules want
    messages     the same of each message of a WebSocket
    token_bytes  so many random bytes
    now          POSIX seconds
    """

    secret: Secrets
    identity: Callable[[], bytes]
    needs: Callable[[HttpRequest], int]
    messages: Callable[[HttpRequest], int]
    token_bytes: Callable[[int], bytes]
    now: Callable[[], float]


def scope_of(login: HttpLogin, calls: Calls, bearer: KeptBearer | None, masked: bool) -> HttpScope:
    """`bearer` is a token that is kept fresh; `masked`: answers may be.  Raises SecretUnavailable."""
    access, route, target = login.access, login.route, login.access.target
    lines, query, replaced = _credential(access, calls.secret, bearer)
    return HttpScope(
        session=login.session,
        policy=login.policy,
        route=route,
        host=host_of(target).encode(),
        prefix=login.prefix,
        scheme=b"http" if target.tls is TlsMode.DISABLE else b"https",
        names=own_names(_names(target)),
        own=own_names(frozenset((route[0].decode("ascii", "replace"), urlsplit(login.public).netloc)) - {""}),
        told=_told(login) + (TOLD if masked else b""),
        identity=calls.identity,
        credential=lines,
        query=query,
        replaced=replaced | REPLACED if masked else replaced,
        # the client's own Authorization is for the target only where it is neither its token nor the role's
        keep_authorization=route[2] != b"authorization" and b"authorization" not in replaced,
        secrets=replaced,
        named=secret_names(target.secret_fields, target.plain_fields),
        needs=calls.needs,
        messages=calls.messages,
        words=words_of(access.role, calls.secret, bearer),
        signing=_signing(access, calls.secret, calls.now),
        granted=None if bearer is None else bearer.line,
        renewable=never if bearer is None else bearer.renewable,
        token_bytes=calls.token_bytes,
    )


def _credential(access: Access, secret: Secrets, bearer: KeptBearer | None) -> tuple[bytes, bytes, frozenset[bytes]]:
    """(lines, what is added to the query, names of the fields that the lines set)."""
    role = access.role
    if role.sigv4 is not None:
        return b"", b"", SIGNED
    if bearer is not None:
        bearer.line()  # a login without a token is refused, not each of its requests
        return b"", b"", frozenset((b"authorization",))
    if role.bearer is not None:
        return _line(b"Authorization", b"Bearer " + secret(role.bearer).reveal())
    if role.user and role.password is not None:
        pair = b64encode(role.user.encode() + b":" + secret(role.password).reveal())
        return _line(b"Authorization", b"Basic " + pair)
    if role.value is None:
        return b"", b"", frozenset()
    value = secret(role.value).reveal()
    if role.header:
        return _line(role.header.encode(), value)
    return b"", role.query.encode() + b"=" + quote(value, safe="").encode(), frozenset()


def _signing(access: Access, secret: Secrets, now: Callable[[], float]) -> SigningTerms | None:
    """By what is the access key when a request is sent: it may be another one then."""
    key = access.role.sigv4
    if key is None:
        return None

    def keys() -> Keys:
        token = secret(key.session_token) if key.session_token is not None else Secret(b"")
        found = Keys(secret(key.key_id).reveal(), secret(key.secret), token)
        for value in (found.id, token.reveal()):
            if any(not 0x20 < code < 0x7F for code in value):
                raise SecretUnavailable("an access key has characters that no header field holds")
        return found

    keys()  # a login without a key is refused, not each of its requests
    return SigningTerms(key.region, key.service, access.target.tls is not TlsMode.DISABLE, keys, now)


def _line(name: bytes, value: bytes) -> tuple[bytes, bytes, frozenset[bytes]]:
    return field_line(name + b": ", value), b"", frozenset((alike(name.lower()),))


def _told(login: HttpLogin) -> bytes:
    # A target makes links of it; where the path names the target a client may send any Host
    host = urlsplit(login.public).netloc.encode() if login.prefix and login.public else login.route[0]
    lines = {
        "X-Forwarded-For": login.client,
        "X-Forwarded-Host": host.decode("ascii", "replace"),
        "X-Forwarded-Proto": "https" if login.encrypted else "http",
        **({"X-Forwarded-Prefix": login.prefix.decode()} if login.prefix else {}),
    }
    if login.access.target.tells_identity:
        lines["X-Hoopgw-Session"] = login.session
        lines["X-Hoopgw-Subject"] = quote(login.access.identity.subject, safe="@:/+=, ")
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()


def host_of(target: Target) -> str:
    """What the target is told as Host."""
    return target.host or _shown(target.addresses[0], target.tls is not TlsMode.DISABLE)


def _shown(address: Address, encrypted: bool) -> str:
    return str(address) if address.port != (443 if encrypted else 80) else str(address).rpartition(":")[0]


def _names(target: Target) -> frozenset[str]:
    """Every way in which its redirects may name it."""
    return frozenset((host_of(target), *map(str, target.addresses)))
