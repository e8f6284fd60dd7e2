"""What one session's HTTP requests and answers are rewritten by.  Frozen; the edge makes it at login."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hoopgw.model.http import HttpRequest
from hoopgw.relay.http_echoes import NOTHING, Words
from hoopgw.wire.httpfields import Block
from hoopgw.wire.secretnames import NO_NAMES, SecretNames
from hoopgw.wire.sigv4 import Keys

TOKEN: Final = b"x-hoopgw-token"
ROLE: Final = b"x-hoopgw-role"
HOLD: Final = b"x-hoopgw-hold"  # the id of the hold that a request resumes
IDENTITY: Final = b"X-Hoopgw-Identity"  # the name of the line that `identity` gives
# Where the token may be; of several the first counts, and the others are for the target
PROOFS: Final = (TOKEN, b"proxy-authorization", b"authorization")

Route = tuple[bytes, ...]


def no_body(request: HttpRequest) -> int:
    """No rule reads bodies."""
    return 0


def no_words() -> Words:
    """Nothing was put in that a client may not see."""
    return NOTHING


def never() -> bool:
    """The credential is what it is."""
    return False


def no_identity() -> bytes:
    """The target is told nothing that is signed."""
    return b""


@dataclass(frozen=True)
class SigningTerms:
    """What requests are signed for AWS by.  `keys` raises SecretUnavailable; `encrypted`: by TLS to the target."""

    region: str
    service: str
    encrypted: bool
    keys: Callable[[], Keys]
    now: Callable[[], float]


@dataclass(frozen=True)
class HttpScope:
    """
    route        what `route_of` gives for every request of this session: another one is for another login
    prefix       of the path, that named the target: b"/grafana"; b"" where the host name did
    host         what the target is told as Host
    names        host names (with port, where it is not the scheme's own) that mean the target in its redirects
    own          the same of the gateway, as its clients know it
    told         lines for the target about client and identity, each with its CR LF
    identity     gives another such line, anew for each request: a signed one that is soon out of date; b"" for none;
                 TokenUnavailable
    credential   lines of the target's credential, which never reach the record
    query        what is added to the query of each request, likewise
    replaced     names of fields that the gateway sets by these lines: the client's copies are dropped
    keep_authorization  the client's own Authorization is meant for the target
    secrets      names of header fields, as `alike` gives them, whose values are kept out of the record, beside those
                 that always are
    named        names of fields whose values are kept out of the record as well: of heads, queries, forms and JSON
    needs        how many bytes of a request's body the rules must see before they judge; 0: none
    messages     how many bytes of each WebSocket message of a client the rules must see; 0: none
    granted      gives a line with the credential, anew for each request, where it may change: SecretUnavailable
    renewable    whether another one could be had, where the target does not take that
    words        gives what no answer may show: the credential of the request that was sent last
    signing      how its requests are signed; None: they are not
    token_bytes  randomness, for trace ids, keys and masks
    scheme       of the target's addresses: b"http" or b"https"
    """

    session: str
    policy: str
    route: Route
    host: bytes
    prefix: bytes = b""
    names: frozenset[bytes] = frozenset()
    own: frozenset[bytes] = frozenset()
    told: bytes = b""
    identity: Callable[[], bytes] = no_identity
    credential: bytes = b""
    query: bytes = b""
    replaced: frozenset[bytes] = frozenset()
    keep_authorization: bool = False
    secrets: frozenset[bytes] = field(default_factory=frozenset)
    needs: Callable[[HttpRequest], int] = no_body
    messages: Callable[[HttpRequest], int] = no_body
    granted: Callable[[], bytes] | None = None
    renewable: Callable[[], bool] = never
    words: Callable[[], Words] = no_words
    signing: SigningTerms | None = None
    token_bytes: Callable[[int], bytes] = bytes
    scheme: bytes = b"http"
    named: SecretNames = NO_NAMES


def route_of(block: Block) -> Route:
    """Whom and where a request is for: its Host, what proves who sends it, and the role that it names.

    Raises MalformedFrame where one of them is given twice.
    """
    host, role = block.one(b"host").lower(), block.one(ROLE)
    for name, value in [(name, block.one(name)) for name in PROOFS]:
        if value:
            return host, role, name, value
    return host, role, b"", b""


def proof_in(value: bytes) -> bytes:
    """The token in it: behind `Bearer`, the password of `Basic` (for programs that know nothing else), or all of it
    where it names no scheme; b"" for none."""
    scheme, _, rest = value.partition(b" ")
    rest = rest.strip(b" ")
    if not rest or scheme.lower() == b"bearer":
        return rest or value
    if scheme.lower() != b"basic":
        return b""
    try:
        return b64decode(rest, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def is_proof(value: bytes, route: Route) -> bool:
    """Whether a field has the token by which its sender is known here: a target could use it in their name."""
    return bool(value) and proof_in(value) == proof_in(route[3])


def in_scope(target: bytes, prefix: bytes) -> bytes | None:
    """The request target as the target reads it; None where it does not begin with the path `prefix`."""
    if not prefix:
        return target
    if not target.startswith(prefix):
        return None
    rest = target[len(prefix) :]
    if rest[:1] == b"/":
        return rest
    return b"/" + rest if rest[:1] in (b"", b"?") else None
