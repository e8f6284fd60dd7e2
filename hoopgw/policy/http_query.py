"""The query of an HTTP request, or a form of that shape -> names and values, in every way that targets read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from hoopgw.policy.http_path import BROKEN

MAX_QUERY = 64 * 1024  # bytes that are read of a query
MAX_PAIRS = 1000  # names of one query or form: frameworks stop at about as many
MAX_KEPT = 512
KEPT = 4096

_CUT = re.compile(rb"%(?:25)*3[fF]")
_ALONE = re.compile(r"\[([^\[\]]+)\]")
_ODD = re.compile(r"[ .\[]")
_INDEX = re.compile(r"\[[^\[\]]*\]?$")  # qs of Express takes one that is not closed


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names with their values, in order, as application/x-www-form-urlencoded has them (WHATWG URL, 5.1).

    sure     what every target reads
    other    what only some read: where `;` separates as well, where an index in brackets is no part of the name, where
             names are variables (PHP: `user.name` and ` user name` are `user_name`) or in brackets alone (`[role]`)
    doubt    why there may be still others, in words
    """

    sure: tuple[tuple[str, str], ...] = ()
    other: tuple[tuple[str, str], ...] = ()
    doubt: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """All that some target could take for the value of `name`: first, last, or several of them."""
        return tuple(value for known, value in (*self.sure, *self.other) if known == name)

    def alike(self, name: str) -> tuple[str, ...]:
        """Of names that are another in upper or lower case alone."""
        pairs = (*self.sure, *self.other)
        return tuple(value for known, value in pairs if known != name and known.casefold() == name.casefold())

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


def read_target(target: bytes) -> Pairs:
    """Of a request target; what stands behind an encoded `?` is a query to those that decode first."""
    path, _, raw = target.partition(b"?")
    found = read_query(raw)
    cut = _CUT.search(path)
    if cut is None:
        return found
    late = read_query(unquote_to_bytes(path[cut.end() :]))
    return Pairs(found.sure, (*found.other, *late.sure, *late.other), found.doubt or late.doubt)


def _read(raw: bytes, bound: int) -> Pairs:
    if not raw:
        return Pairs()
    if len(raw) > bound:
        return Pairs(doubt=f"more than {bound} bytes of names and values")
    if raw.count(b"&") + raw.count(b";") >= MAX_PAIRS:
        return Pairs(doubt=f"more than {MAX_PAIRS} names")
    sure, doubt = _pairs(raw.split(b"&"))
    split, _ = _pairs(re.split(rb"[&;]", raw)) if b";" in raw else ((), "")
    bare = tuple((other, value) for name, value in (*sure, *split) for other in others(name))
    kept = set(sure)
    other = tuple(pair for pair in dict.fromkeys((*split, *bare)) if pair not in kept)
    return Pairs(sure, other, doubt)


def others(name: str) -> list[str]:
    """What else some framework calls it."""
    found = [_INDEX.sub("", name)] if _INDEX.search(name) else []
    alone = _ALONE.match(name)
    if alone is not None:  # qs of Express
        found.append(alone[1])
    if _ODD.search(name):
        variable = name.lstrip(" ")
        stem, bracket, rest = variable.partition("[")
        found.append(_ODD.sub("_", stem) + ("" if "]" in rest else "_" + rest if bracket else ""))
    return found


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
    if BROKEN.search(raw):
        return raw.decode("utf-8", "backslashreplace"), "a percent sign that encodes nothing"
    decoded = unquote_to_bytes(raw.replace(b"+", b" "))
    if b"\0" in decoded:
        return decoded.decode("utf-8", "backslashreplace"), "a NUL character in a name or value"
    try:
        return decoded.decode("utf-8"), ""
    except UnicodeDecodeError:
        return decoded.decode("utf-8", "backslashreplace"), "a name or value that is not UTF-8"
