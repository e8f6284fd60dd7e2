"""One thing that a client asks of a target, in the protocol's own terms."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import mypyc_attr

from hoopgw.model.http import HttpRequest

# The kinds of PostgreSQL operations.  A closed list: a relay emits no other, and a judge refuses any other.
QUERY: Final = "query"  # a simple Query message: `text` is judged whole
PARSE: Final = "parse"  # a Parse message: `name`, `text`
BIND: Final = "bind"  # a Bind message: `text` is that of the statement it names; `parameters`
EXECUTE: Final = "execute"  # an Execute message: `text` is that of the portal's statement
FUNCTION: Final = "function"  # a FunctionCall message (fast path): `text` is the function's OID in decimal

# The kinds of SSH operations, closed in the same way.
# `text` is the command line; `parameters` the environment that the channel was given, `name` TERMINAL where it has one
EXEC: Final = "exec"
TERMINAL: Final = b"terminal"
SUBSYSTEM: Final = "subsystem"  # `text` is its name: "sftp"; `parameters` and `name` as for EXEC
SHELL: Final = "shell"  # a login shell; no text; `parameters` and `name` as for EXEC
PTY: Final = "pty"  # a terminal: `text` is its type
ENV: Final = "env"  # one variable: `text` is NAME=VALUE
# A request of SFTP: `name` is its action, `text` the action and its paths, quoted as for a shell; `parameters` the
# undecoded request
FILE: Final = "file"
TYPED: Final = "typed"  # a line on a terminal, as seen there: nobody asks for it, and nothing of it can be refused
FORWARD: Final = "forward"  # `name` is what is forwarded (relay/ssh_forwards.py, FORWARDS), `text` from where to where

# The kinds of HTTP operations
REQUEST: Final = "request"  # `text` is METHOD TARGET, `request` all that is judged
MESSAGE: Final = "message"  # of a WebSocket: `text` is its payload, `name` text or binary, `request` what opened it
TUNNEL: Final = "tunnel"  # CONNECT: `text` is CONNECT HOST:PORT; what goes through it is opaque


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Operation:
    """What is judged.  A plain class: one is made for each statement, in compiled code.

    protocol     "postgresql", "ssh", "http" (later "kubernetes")
    kind         one of the protocol's closed list above
    text         the statement's bytes, without the protocol's terminating NUL
    name         the client's own name for it (prepared statement of Parse and Bind, portal of Execute); b"" unnamed
    parameters   for BIND: what a hold is bound to besides the text: type OIDs, formats and values, the undecoded
                 bytes of those fields of Parse and Bind, joined.  For what SSH runs: the accepted environment, as
                 SSH strings, name and value in turn.  For HTTP: the fields that reach the target, as lines, an empty
                 line, and the body where it was kept.  b"" otherwise
    number       counts the session's operations from 1; journal, replay and verifier call it by this number
    request      of HTTP, what is judged of it
    encoding     of QUERY and PARSE whose text is not ASCII: PostgreSQL's name of what the target reads it by; "" where
                 something under way may change that from what it was
    portal       of a BIND, the portal's name
    bound        of an EXECUTE whose portal's statement is known by name alone: the number of its BIND.  0 otherwise
    folds        of such a text: the target may write its names in small letters where they are no ASCII either
    """

    __slots__ = (
        "protocol",
        "kind",
        "text",
        "name",
        "parameters",
        "number",
        "request",
        "encoding",
        "folds",
        "portal",
        "bound",
    )

    def __init__(
        self,
        protocol: str,
        kind: str,
        text: bytes,
        name: bytes = b"",
        parameters: bytes = b"",
        number: int = 0,
        request: HttpRequest | None = None,
    ) -> None:
        self.protocol = protocol
        self.kind = kind
        self.text = text
        self.name = name
        self.parameters = parameters
        self.number = number
        self.request = request
        self.encoding = ""
        self.folds = False
        self.portal = b""
        self.bound = 0

    def __repr__(self) -> str:  # the text may carry a secret: it is not shown
        return f"Operation({self.protocol}, {self.kind}, #{self.number}, {len(self.text)} bytes)"
