"""The line that tells a target which request this is, in words that its tracing knows (W3C Trace Context)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

ID: Final = 24  # bytes of a trace's and a span's identity together
DRAWN: Final = 16  # of them at once: the kernel takes as long for one


@final
class Traces:
    """`token_bytes` gives random bytes: whoever sees one trace cannot name another."""

    __slots__ = ("_digits", "_here", "_token_bytes")

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._digits = b""  # hexadecimal; those up to `_here` are used
        self._here = 0

    def line(self) -> bytes:
        """With its CR LF; never the same again."""
        here = self._here
        if here == len(self._digits):
            self._digits = self._token_bytes(ID * DRAWN).hex().encode()
            here = 0
        self._here = here + 2 * ID
        trace, span = self._digits[here : here + 32], self._digits[here + 32 : here + 48]
        return b"".join((b"traceparent: 00-", trace, b"-", span, b"-01\r\n"))
