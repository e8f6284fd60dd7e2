"""Heads of HTTP on their way through: what the target reads, what the client reads, what the record keeps.

Made once for each block of fields that is new; most requests of a connection bring the same ones.
"""

from __future__ import annotations

from typing import Final, final

from hoopgw.model.http import alike
from hoopgw.relay.http_cookies import scoped_cookie
from hoopgw.relay.http_destinations import ASTRAY, for_target
from hoopgw.relay.http_destinations import LEADING as ADDRESSES
from hoopgw.relay.http_echoes import REDACTED, Words, redacted
from hoopgw.relay.http_origin import asker
from hoopgw.relay.http_query_secret import without
from hoopgw.relay.http_redirects import scoped_link, scoped_location, scoped_refresh
from hoopgw.relay.http_scope import HOLD, IDENTITY, HttpScope, is_proof, no_identity, route_of
from hoopgw.relay.http_secrets import kind_of, starred_protocols
from hoopgw.wire.http2_heads import is_grpc
from hoopgw.wire.httpfields import Block, Field
from hoopgw.wire.secretform import starred_target
from hoopgw.wire.sigv4 import CONTENT

# Of this hop alone (RFC 9110, 7.6.1), and what some still send
HOP: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"upgrade", b"http2-settings",
    )
)  # fmt: skip
# What only the gateway says to a target
OURS: Final = frozenset(
    (b"host", b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"x-original-url",
     b"x-rewrite-url", b"x-original-uri", b"x-original-host", b"x-forwarded", b"traceparent", b"tracestate",
     b"client-ip", b"x-cluster-client-ip", b"cf-connecting-ip", b"cf-access-jwt-assertion",
     b"cf-access-authenticated-user-email", b"front-end-https", b"client-cert", b"client-cert-chain",
     b"x-arr-clientcert", b"x-arr-ssl", b"x-jwt-assertion", b"x-credential-identifier", b"x-anonymous-consumer")
)  # fmt: skip
# Beside the gateway's own: what proxies say of a user, or of a client's certificate (RFC 9440), and the name that a
# Kubernetes API takes in place of the credential's; targets believe who is before them
OUR_PREFIXES: Final = (
    b"x-forwarded-", b"x-hoopgw-", b"remote-", b"x-remote-", b"x-webauth-", b"x-auth-request-", b"x-authentik-",
    b"x-ms-client-principal", b"x-amzn-oidc-", b"x-goog-authenticated-user-", b"x-goog-iap-", b"x-pomerium-",
    b"x-vouch-", b"tailscale-user-", b"ssl-client-", b"x-ssl-client-", b"x-client-cert", b"x-envoy-",
    b"x-amzn-mtls-", b"x-authenticated-", b"x-consumer-", b"impersonate-",
)  # fmt: skip
# What never reaches the record
SECRET: Final = frozenset((b"authorization", b"cookie", b"set-cookie", b"x-api-key", b"x-auth-token", b"x-csrf-token"))
MAX_PREPARED: Final = 32  # blocks of one connection that are remembered, each way

PROTOCOL: Final = b"sec-websocket-protocol"
# What browsers take for the whole host, where it has other targets under other paths: a worker that would answer for
# them, a wish to forget or to encrypt, an address that is told of each failure
_OF_HOST: Final = frozenset(
    (b"service-worker-allowed", b"clear-site-data", b"strict-transport-security", b"public-key-pins", b"expect-ct",
     b"nel", b"report-to", b"reporting-endpoints", b"speculation-rules")
)  # fmt: skip
# Addresses by themselves: what is there, where it goes on, how an operation goes on (Azure), what a script was made of
_LOCATIONS: Final = frozenset(
    (b"location", b"content-location", b"operation-location", b"azure-asyncoperation", b"sourcemap", b"x-sourcemap")
)
_ADDRESSES: Final = frozenset((b"referer", b"destination", *_LOCATIONS))  # whose queries have names as well
_LEADING: Final = frozenset((*_LOCATIONS, b"refresh", b"link"))


@final
class RequestHead:
    """One block of a client's fields, prepared.

    same_route  it is for the target, and by the login, of this session
    fields      what a rule may look at: what reaches the target of the client's own
    bound       the same as lines: what a hold is bound to; with what a WebSocket is asked for by
    shown       the same with secret values taken out
    upstream    lines for the target, the gateway's own and its credential included
    recorded    the same lines as the record shows them
    expects     `Expect: 100-continue`
    upgrade     in lower case; b"" for none
    asker       whose page asks, where a browser sends its proof unasked (`relay.http_origin`)
    resumes     the id of the hold that it says it resumes; several are one that no hold has
    patient     `Prefer: respond-async` (RFC 7240, 4.1): the client does not want to wait for an approval
    grpc        what refuses it is to be a status of gRPC
    astray      why it may go nowhere: a field of it leads out of the target; "" otherwise
    lines       its fields as they go on, without what the gateway adds
    kind        of the bodies that come with it, for the record
    hides       `shown` is not all of them
    content     what the client says of the body's hash (X-Amz-Content-Sha256), where the gateway signs
    """

    __slots__ = (
        "same_route", "fields", "bound", "shown", "upstream", "recorded", "expects", "upgrade", "patient", "grpc",
        "content", "lines", "resumes", "asker", "astray", "kind", "hides",
    )  # fmt: skip

    def __init__(self, block: Block, scope: HttpScope) -> None:
        self.same_route = route_of(block) == scope.route
        self.upgrade = block.one(b"upgrade").lower()
        opens = self.upgrade == b"websocket"
        drops_authorization = not scope.keep_authorization or is_proof(block.one(b"authorization"), scope.route)
        fields, lines, shown, self.astray = _going_on(block, scope, opens, drops_authorization)
        said = scope.told
        self.fields = tuple(fields)
        asked = _asked(block) if opens else b""  # who approves a GET has not approved a WebSocket
        first, own = b"Host: " + scope.host + b"\r\n", b"".join(lines)
        self.bound = own + asked
        self.upstream = first + own + said + scope.credential
        told = starred_protocols(asked, scope.named)
        self.shown = b"".join(shown) + told
        self.hides = told is not asked or any(hidden is not line for hidden, line in zip(shown, lines, strict=True))
        self.kind = kind_of(block)
        self.recorded = first + b"".join(shown) + said + _hidden(scope.credential)
        self.lines = own
        self.content = b"" if scope.signing is None else block.one(CONTENT)
        if scope.signing is not None or scope.granted is not None:
            self.recorded += b"authorization: " + REDACTED + b"\r\n"
        if scope.identity is not no_identity:
            self.recorded += IDENTITY + b": " + REDACTED + b"\r\n"
        self.expects = block.one(b"expect").lower()
        self.patient = any(_asynchronous(value) for value in block.values(b"prefer"))
        self.asker = asker(block, scope.route)
        self.resumes = b",".join(block.values(HOLD))
        self.grpc = any(is_grpc(value) for value in block.values(b"content-type"))


def _going_on(
    block: Block, scope: HttpScope, opens: bool, drops_authorization: bool
) -> tuple[list[Field], list[bytes], list[bytes], str]:
    """What of the client's fields goes on: those, their lines, the same lines for the record; and `astray`.

    `opens`: it asks for a WebSocket.
    """
    fields: list[Field] = []
    lines: list[bytes] = []
    shown: list[bytes] = []
    astray = ""
    for index, field in enumerate(block.fields):
        name = field[0]
        plain = alike(name)
        if plain in HOP or name in block.hops or is_ours(plain) or plain in scope.replaced:
            continue
        if opens and is_concerned(name):
            continue
        if drops_authorization and plain == b"authorization":
            continue
        line = block.lines[index] + b"\r\n"
        if name in ADDRESSES:
            address = for_target(name, field[1], scope)
            if address is None:
                astray = f"{name.decode()}: {ASTRAY}"
            elif address != field[1]:
                line = line[: len(name)] + b": " + address + b"\r\n"
                field = (name, address)
        lines.append(line)
        fields.append(field)
        shown.append(recorded_line(name, line, scope))
    return fields, lines, shown, astray


def _asked(block: Block) -> bytes:
    protocols = b"".join([b"Sec-WebSocket-Protocol: " + each + b"\r\n" for each in block.values(PROTOCOL)])
    return b"Upgrade: websocket\r\n" + protocols


def is_concerned(name: bytes) -> bool:
    """A field of a WebSocket's handshake: the gateway answers, and asks, for itself."""
    return name.startswith(b"sec-websocket-")


def is_ours(name: bytes) -> bool:
    """A field that only the gateway sets; `name` is as `alike` gives it."""
    return name in OURS or name.startswith(OUR_PREFIXES)


def recorded_line(name: bytes, line: bytes, scope: HttpScope) -> bytes:
    """A line, with its CR LF, as the record shows it."""
    plain = alike(name)
    if plain in scope.secrets or plain in SECRET or scope.named.hides(name):
        return line[: len(name)] + b": " + REDACTED + b"\r\n"
    if name in _ADDRESSES:
        address = line[:-2]
        shown = starred_target(address, scope.named)
        return line if shown is address else shown + b"\r\n"
    return line


def _hidden(lines: bytes) -> bytes:
    shown = [line.partition(b":")[0] + b": " + REDACTED + b"\r\n" for line in lines.split(b"\r\n") if line]
    return b"".join(shown)


def _asynchronous(value: bytes) -> bool:
    return any(each.strip(b" \t").lower() == b"respond-async" for each in value.split(b","))


@final
class ResponseHead:
    """One block of a target's fields, prepared.

    plain      it goes to the client as it stands, and into the record
    lines      for the client, without what frames the body (`framing` has that)
    recorded   the same as the record shows them
    framing    Content-Length or Transfer-Encoding as they stood
    fields     what masks look at
    of_place   it is one for answers to `place` alone, as the target reads that: it leads somewhere from there
    echoes     the target's credential was in it
    """

    __slots__ = ("plain", "lines", "recorded", "framing", "fields", "of_place", "echoes")

    def __init__(self, block: Block, scope: HttpScope, place: bytes, words: Words) -> None:
        """`words` are of the credential: in no field."""
        lines: list[bytes] = []
        shown: list[bytes] = []
        framing: list[bytes] = []
        fields: list[Field] = []
        changed = False
        self.of_place = self.echoes = False
        for index, (name, value) in enumerate(block.fields):
            line = block.lines[index] + b"\r\n"
            if name == b"connection" and value.lower() == b"keep-alive":
                continue  # the client's connection is kept as well: it may stay where nothing else has to change
            if name in HOP or name in block.hops or name.startswith(b"x-hoopgw-") or name == b"alt-svc":
                changed = True
                continue
            if name == b"content-length" or name == b"transfer-encoding":
                framing.append(line)
                continue
            told = without(value, scope.query) if scope.query else value
            if words.each:
                clean = redacted(told, words)
                self.echoes = self.echoes or clean is not told
                told = clean
            other = _scoped(name, told, scope, place)
            self.of_place = self.of_place or name in _LEADING
            if other is not None or told != value:
                changed = True
                value = told if other is None else other
                if other == b"":
                    continue
                line = block.lines[index][: len(name)] + b": " + value + b"\r\n"
            hidden = recorded_line(name, line, scope)
            changed = changed or hidden is not line
            lines.append(line)
            shown.append(hidden)
            fields.append((name, value))
        self.plain = not changed
        self.lines = b"".join(lines)
        self.recorded = b"".join(shown)
        self.framing = b"".join(framing)
        self.fields = tuple(fields)


def _scoped(name: bytes, value: bytes, scope: HttpScope, place: bytes) -> bytes | None:
    """The value that stays in the target's scope; None: as it is; b"": none may."""
    if name in _LOCATIONS:
        return scoped_location(value, scope, place)
    if name == b"set-cookie":
        return scoped_cookie(value, scope)
    if name == b"refresh":
        return scoped_refresh(value, scope, place)
    if name == b"link":
        return scoped_link(value, scope, place)
    if name in _OF_HOST and scope.prefix:
        return b""
    return None
