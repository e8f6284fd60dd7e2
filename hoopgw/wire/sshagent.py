"""What is asked of an SSH agent through a forward, request by request (draft-ietf-sshm-ssh-agent, 3 and 4).

Requests come as a 32-bit length, a type, and fields.  A forwarded agent is there to log in at further hosts: it may
be asked for its list of keys, to be bound to a connection, and to sign a login.  All else changes the agent, or has it
sign what somebody else made up (CVE-2023-38408 made it load a library).
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Final, final

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.sshmessages import read_boolean, read_string

MAX_REQUEST: Final = 256 * 1024  # bytes: what OpenSSH's agent takes (AGENT_MAX_LEN)
LIST, SIGN, EXTENSION = 11, 13, 27
_EXTENSIONS: Final = {b"session-bind@openssh.com": "bind", b"query": "query"}
_METHODS: Final = frozenset((b"publickey", b"publickey-hostbound-v00@openssh.com"))
_USERAUTH_REQUEST: Final = 50


@final
class AgentRequest:
    """`what` is list, sign, bind or query; for others `request TYPE`, and `refused` says why it does not pass.  Of a
    signature: the key's fingerprint as ssh-keygen -l shows it, and who logs in with it."""

    __slots__ = ("what", "refused", "key", "user")

    def __init__(self, what: str, refused: str = "", key: str = "", user: str = "") -> None:
        self.what = what
        self.refused = refused
        self.key = key
        self.user = user


class AgentRequests:
    """Cuts what a target sends on one agent channel into requests."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of a request that is not whole
        self._held = 0
        self._needed = 0  # bytes until it is, as far as that is known

    def of(self, data: bytes) -> list[AgentRequest]:
        """Those that are whole now.  Raises MalformedFrame for a length that no request has."""
        if not data:  # takes nothing of a window, and would be kept
            return []
        self._pieces.append(data)
        self._held += len(data)
        if self._held < self._needed:
            return []
        data = b"".join(self._pieces)
        found: list[AgentRequest] = []
        here = self._needed = 0
        while here + 4 <= len(data):
            length = int.from_bytes(data[here : here + 4], "big")
            if not 1 <= length <= MAX_REQUEST:
                raise MalformedFrame(f"a request of {length} bytes to an agent")
            end = here + 4 + length
            if end > len(data):
                self._needed = end - here
                break
            found.append(read_request(data[here + 4 : end]))
            here = end
        self._pieces, self._held = [data[here:]], len(data) - here
        return found


def read_request(body: bytes) -> AgentRequest:
    """`body` is one request without its length.  Never raises: what cannot be read is refused."""
    number = body[0]
    try:
        if number == LIST:
            return AgentRequest("list", "" if len(body) == 1 else "more than a request for the list of keys")
        if number == SIGN:
            return _sign(body)
        if number == EXTENSION:
            name, _ = read_string(body, 1, 256)
            what = _EXTENSIONS.get(name)
            if what is not None:
                return AgentRequest(what)
            return AgentRequest("extension", f"the extension {name.decode('ascii', 'backslashreplace')}")
    except MalformedFrame:
        return AgentRequest(f"request {number}", "a request that cannot be read")
    return AgentRequest(f"request {number}", f"request {number}, which is neither for the list of keys nor to sign")


def _sign(body: bytes) -> AgentRequest:
    """Raises MalformedFrame."""
    blob, here = read_string(body, 1)
    data, _ = read_string(body, here)
    key = "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("=")
    try:
        user = _login(data)
    except MalformedFrame:
        return AgentRequest("sign", "to sign what is no login by SSH", key)
    return AgentRequest("sign", "", key, user.decode("utf-8", "backslashreplace"))


def _login(data: bytes) -> bytes:
    """The user of the login that is signed (RFC 4252, 7; OpenSSH's PROTOCOL, 1.8).  Raises MalformedFrame where it is
    none, to the last byte."""
    _, here = read_string(data, 0, 256)  # the session's identifier
    if data[here : here + 1] != bytes((_USERAUTH_REQUEST,)):
        raise MalformedFrame("no login")
    user, here = read_string(data, here + 1)
    service, here = read_string(data, here)
    method, here = read_string(data, here)
    signed = read_boolean(data, here)
    _, here = read_string(data, here + 1)  # the algorithm
    _, here = read_string(data, here)  # the key
    if method not in _METHODS:
        raise MalformedFrame("no login by key")
    if method != b"publickey":
        _, here = read_string(data, here)  # the host's key
    if service != b"ssh-connection" or not signed or here != len(data):
        raise MalformedFrame("no login")
    return user
