"""What of an HTTP request is judged, whatever version of HTTP brought it."""

from __future__ import annotations

from typing import Final, final

# What paths of the gateway itself begin with, where no host name names the target
OWN_PATHS: Final = frozenset(("holds", ".well-known"))

_ALIKE: Final = bytes(code if chr(code).isalnum() and code < 0x80 else 0x2D for code in range(256))


def alike(name: bytes) -> bytes:
    """The name of a field, in lower case, with a hyphen for whatever is no letter or digit.

    Fields with the same one are the same to targets that pass them on as variables (RFC 3875, 4.1.18): WSGI and nginx
    make `_` of a hyphen, lighttpd of every such character.
    """
    return name.translate(_ALIKE)


@final
class HttpRequest:
    """One request, as it would reach the target.  A plain class: one is made for each request, in compiled code.

    method     as it was sent; methods are case-sensitive (RFC 9110, 9.1)
    target     what the target will read: path and query, undecoded, without the gateway's path prefix; for CONNECT
               host and port
    authority  the host (and port) that the client asked for
    fields     (name in lower case, value) in the order in which they were sent: without what ends at the gateway (its
               tokens, hop-by-hop fields, copies of what the gateway sets itself).  Values may be secret: they are never
               shown
    body       the whole body, without its chunks; None: no rule was to read it, or it is longer than may be kept
    size       bytes of the body where the head says so (0 without a body); None: chunked, of unknown length
    shown      the fields as lines, with secret values taken out: for the eyes of approvers
    resumes    the id of the hold that its sender says it resumes, as it came; b"" for none
    hides      some of it is kept out of the record: it is shown to nobody, and digests of it are keyed
    line       method and target, or the text of a message, with secret values taken out; b"" where there are none
    content    the body likewise; None where there are none
    """

    __slots__ = (
        "method", "target", "authority", "fields", "body", "size", "shown", "resumes", "hides", "line", "content",
    )  # fmt: skip

    def __init__(
        self,
        method: bytes,
        target: bytes,
        authority: bytes,
        fields: tuple[tuple[bytes, bytes], ...],
        body: bytes | None,
        size: int | None,
        shown: bytes = b"",
        resumes: bytes = b"",
        hides: bool = False,
        line: bytes = b"",
        content: bytes | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.authority = authority
        self.fields = fields
        self.body = body
        self.size = size
        self.shown = shown
        self.resumes = resumes
        self.hides = hides
        self.line = line
        self.content = content

    def values(self, name: bytes) -> list[bytes]:
        """Of every field with this name, in lower case."""
        return [value for each, value in self.fields if each == name]

    def __repr__(self) -> str:  # target and fields may carry secrets
        return f"HttpRequest({self.method.decode('ascii', 'backslashreplace')}, {self.size} bytes)"
