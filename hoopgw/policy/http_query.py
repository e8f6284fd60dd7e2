"""The query of an HTTP request, or a form of that shape -> names and values, in every way that targets read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

MAX_QUERY = 64 * 1024  # bytes that are read of a query
MAX_PAIRS = 1000  # names of one query or form: frameworks stop at about as many
MAX_KEPT = 512
KEPT = 4096

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_INDEX = re.compile(r"\[[^\[\]]*\]$")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names with their values, in order, as application/x-www-form-urlencoded has them (WHATWG URL, 5.1).

    sure     what every target reads
    other    what only some read: where `;` separates as well, where an index in brackets is no part of the name
    doubt    why there may be still others, in words
    """

    sure: tuple[tuple[str, str], ...] = ()
    other: tuple[tuple[str, str], ...] = ()
    doubt: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """All that some target could take for the value of `name`: first, last, or several of them."""
        return tuple(value for known, value in (*self.sure, *self.other) if known == name)

    def folded(self) -> Pairs:
        """For a target that does not tell upper from lower case in names."""
        return Pairs(
            tuple((name.casefold(), value) for name, value in self.sure),
            tuple((name.casefold(), value) for name, value in self.other),
            self.doubt,
        )


def read_query(raw: bytes, bound: int = MAX_QUERY) -> Pairs:
    """Of what stands behind the `?`, without it; or of a form's body, with its own bound."""
    return _kept(raw) if len(raw) <= MAX_KEPT else _read(raw, bound)


def _read(raw: bytes, bound: int) -> Pairs:
    if not raw:
        return Pairs()
    if len(raw) > bound:
        return Pairs(doubt=f"more than {bound} bytes of names and values")
    if raw.count(b"&") + raw.count(b";") >= MAX_PAIRS:
        return Pairs(doubt=f"more than {MAX_PAIRS} names")
    sure, doubt = _pairs(raw.split(b"&"))
    split, _ = _pairs(re.split(rb"[&;]", raw)) if b";" in raw else ((), "")
    bare = tuple((_INDEX.sub("", name), value) for name, value in (*sure, *split) if name.endswith("]"))
    kept = set(sure)
    other = tuple(pair for pair in dict.fromkeys((*split, *bare)) if pair not in kept)
    return Pairs(sure, other, doubt)


@lru_cache(maxsize=KEPT)
def _kept(raw: bytes) -> Pairs:
    return _read(raw, MAX_QUERY)


def _pairs(parts: list[bytes]) -> tuple[tuple[tuple[str, str], ...], str]:
    found: list[tuple[str, str]] = []
    doubts: list[str] = []
    for part in filter(None, parts):
        name, _, value = part.partition(b"=")
        texts = []
        for each in (name, value):
            text, doubt = _text(each)
            texts.append(text)
            doubts.append(doubt)
        found.append((texts[0], texts[1]))
    return tuple(found), next(filter(None, doubts), "")


def _text(raw: bytes) -> tuple[str, str]:
    """Decoded, and what is doubtful about it."""
    if _BROKEN.search(raw):
        return raw.decode("utf-8", "backslashreplace"), "a percent sign that encodes nothing"
    decoded = unquote_to_bytes(raw.replace(b"+", b" "))
    if b"\0" in decoded:
        return decoded.decode("utf-8", "backslashreplace"), "a NUL character in a name or value"
    try:
        return decoded.decode("utf-8"), ""
    except UnicodeDecodeError:
        return decoded.decode("utf-8", "backslashreplace"), "a name or value that is not UTF-8"
