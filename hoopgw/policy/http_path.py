"""The path of an HTTP request -> what it says, and what else a target could read in it.

RFC 3986, 3.3, 5.2.4 and 6.2.2 say how a path is read; servers and the frameworks behind them do not agree.  Some decode
`%2f` before they split, take a backslash for a slash, merge slashes, drop `;parameters`, decode twice, leave dot
segments to a file system, or name files as Windows does.  Each such difference is one more *reading*; a rule about
paths looks at all of them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import product

MAX_PATH = 8192  # bytes that are read: longer ones are doubted; servers stop at about as much
MAX_LEVELS = 3  # times that a path may have been encoded
MAX_WORK = 64 * 1024  # bytes of all its readings together: no path costs more than a few milliseconds
MAX_KEPT = 512  # bytes of a path whose readings are kept
KEPT = 4096  # of them

# Has one reading, itself
_NAME = rb"[A-Za-z0-9_~!$&'()*+,=@-]*"
_PLAIN = re.compile(rb"(?:/(?![./(])" + _NAME + rb"(?:(?:\.(?!/|\Z)|:(?![:$]))" + _NAME + rb")*)+")
_COOKIELESS = re.compile(r"\((?:[A-Za-z]\([^()]*\))+\)")  # of ASP.NET's sessions: taken out wherever it stands
_STREAM = re.compile(r":(?=[:$])")  # what follows a name names NTFS's own of it: `::$DATA`, `:$I30:$INDEX_ALLOCATION`
_SHORT = re.compile(r"(?:^|/)[^/.~]{1,6}~[0-9]{1,6}(?:\.[^/.]{0,3})?(?=/|$)")  # ADMINI~1: a name of 8.3 characters
_TRIPLET = re.compile(rb"%([0-9A-Fa-f]{2})")
BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_KEPT_ENCODED = {"/": "%2F", "%": "%25"}  # as they stand in a canonical path: a slash that splits nothing, a percent
_LOOKALIKES = frozenset("/\\%")  # what a target that normalises characters (NFKC) could make of others


@dataclass(frozen=True, slots=True)
class HttpPath:
    """`text` is the canonical path: characters decoded but for `%2F` and `%25`, no dot segments, no slash at its end.

    readings   what a target could take it for, `text` included
    doubt      why there may be still others, in words; "" where there are none
    """

    text: str
    readings: frozenset[str]
    doubt: str = ""

    def folded(self) -> HttpPath:
        """For a target that does not tell upper from lower case.  Its files may have second names, which nobody here
        knows."""
        doubt = self.doubt or next(filter(None, map(_second_name, self.readings)), "")
        return HttpPath(self.text.casefold(), frozenset(each.casefold() for each in self.readings), doubt)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of reading.  Each flag is one that some servers do and others do not."""

    slashes: bool = False  # %2f splits
    backslashes: bool = False  # so does a backslash
    parameters: bool = False  # `;…` is no part of a segment
    merged: bool = False  # `//` is `/`
    dots: bool = True  # dot segments are taken out
    cut: bool = False  # an encoded `?` or `#` ends the path
    windows: bool = False  # dots and spaces at the end of a name are none of it, nor is an NTFS stream


def read_path(raw: bytes) -> HttpPath:
    """Of the path of a request target, without the query: `/a/b`."""
    return _kept(raw) if len(raw) <= MAX_KEPT else _read(raw)


def matches(text: str, glob: str) -> bool:
    """A slash at the end of a path changes nothing: `/admin/*` is about `/admin` as well."""
    return fnmatchcase(text, glob) or fnmatchcase(text + "/", glob)


def _read(raw: bytes) -> HttpPath:
    if _PLAIN.fullmatch(raw) and len(raw) <= MAX_PATH:
        text = raw.decode("ascii").rstrip("/") or "/"
        return HttpPath(text, frozenset((text,)))
    if raw == b"*":
        return HttpPath("*", frozenset("*"))
    if len(raw) > MAX_PATH:
        return _unread(raw, f"a path of more than {MAX_PATH} bytes")
    if not raw.startswith(b"/"):
        return _unread(raw, "a path that does not begin with a slash")
    if BROKEN.search(raw):
        return _unread(raw, "a percent sign that encodes nothing")
    levels = _levels(raw)
    if not levels:
        return _unread(raw, "characters that are encoded over and over")
    if sum(len(each) * len(_ways(each)) for each in levels) > MAX_WORK:
        return _unread(raw, "a long path that can be read in many ways")
    return _all(levels)


_kept = lru_cache(maxsize=KEPT)(_read)


def _unread(raw: bytes, doubt: str) -> HttpPath:
    text = raw[:MAX_PATH].decode("utf-8", "backslashreplace")
    return HttpPath(text, frozenset((text,)), doubt)


def _levels(raw: bytes) -> list[bytes]:
    """`raw`, and what it is once, twice … decoded as to percent signs; none where there is no end of it."""
    levels = [raw]
    while b"%25" in levels[-1]:
        if len(levels) > MAX_LEVELS:
            return []
        levels.append(levels[-1].replace(b"%25", b"%"))
    return levels


def _all(levels: list[bytes]) -> HttpPath:
    found: list[str] = []
    doubts: list[str] = []
    for raw in levels:
        doubts.append(_doubt(raw))
        for way in _ways(raw):
            text, above = _one(raw, way)
            found.append(text)
            doubts.append("a path that leads above its root" if above else "")
    return HttpPath(found[0], frozenset(found), next(filter(None, doubts), ""))


def _ways(raw: bytes) -> list[_Way]:
    """The first is RFC 3986's.  A way that makes no difference here is left out."""
    lower = raw.lower()
    decoded = _decoded(raw)
    backslashes = b"\\" in decoded
    flags = (
        b"%2f" in lower,
        backslashes,
        b";" in decoded,
        b"//" in decoded or b"/;" in decoded or backslashes,  # Tomcat drops the parameters of `/;/`, then merges
        any(part in (b".", b"..") or part.startswith((b".;", b"..;")) for part in re.split(rb"[/\\]", decoded)),
        b"?" in decoded or b"#" in decoded,
        _of_windows(decoded),
    )
    choices = [(False, True) if flag else (False,) for flag in flags]
    choices[4] = (True, False) if flags[4] else (True,)
    return [_Way(*each) for each in product(*choices)]


def _of_windows(decoded: bytes) -> bool:
    parts = (part.partition(b";")[0] for part in re.split(rb"[/\\]", decoded))
    named = (part for part in parts if part not in (b"", b".", b".."))
    return any(part[-1:] in (b".", b" ") or part[:1] == b"(" or b"::" in part or b":$" in part for part in named)


def _decoded(raw: bytes) -> bytes:
    return _TRIPLET.sub(lambda found: bytes((int(found[1], 16),)), raw)


def _one(raw: bytes, way: _Way) -> tuple[str, bool]:
    """One reading, and whether it leads above the root."""
    whole = _decoded(raw).replace(b"%", b"\0") if way.slashes else raw
    if way.cut:
        whole = re.split(rb"[?#]|%3f|%23", whole, maxsplit=1, flags=re.IGNORECASE)[0]
    split = rb"[/\\]|%5c" if way.backslashes else rb"/"
    segments = [_segment(part, way) for part in re.split(split, whole, flags=re.IGNORECASE)[1:]]
    above = False
    kept: list[str] = []
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if way.dots and segment in (".", ".."):
            above = above or (segment == ".." and not kept)
            del kept[len(kept) - (segment == "..") :]
        elif segment or not (way.merged or way.windows or last):
            kept.append(segment)
    return "/" + "/".join(kept), above


def _segment(part: bytes, way: _Way) -> str:
    if way.parameters:  # before decoding, as Tomcat does; and after it where all was decoded first
        part = re.split(rb";|%3b", part, maxsplit=1, flags=re.IGNORECASE)[0]
    text = part.replace(b"\0", b"%25") if way.slashes else part
    decoded = _decoded(text).decode("utf-8", "backslashreplace")
    if way.windows:
        decoded = _windows_name(decoded)
    return "".join(_KEPT_ENCODED.get(each, each) for each in decoded)


def _windows_name(text: str) -> str:
    """As Windows opens it ("Naming Files, Paths, and Namespaces"); "" for what names nothing there."""
    if _COOKIELESS.fullmatch(text):
        return ""
    name = _STREAM.split(text, maxsplit=1)[0]
    dots = name.replace(" ", "")
    return dots if dots in (".", "..") else name.rstrip(". ")


def _second_name(text: str) -> str:
    if _SHORT.search(text):
        return "a name of 8.3 characters, which may be that of any file"
    # by small letters (K, the Kelvin sign) or by capitals (dotless i, to Java)
    if any(each > "\x7f" and any(c < "\x80" for c in each.casefold() + each.upper()) for each in text):
        return "a character that becomes an ASCII one where case is folded"
    return ""


def _doubt(raw: bytes) -> str:
    """What no list of readings is long enough for."""
    decoded = _decoded(raw)
    if any(c < 32 or c == 127 for c in decoded):
        return "a control character in the path"
    try:
        text = decoded.decode("utf-8")  # refuses overlong forms and surrogates (RFC 3629, 3)
    except UnicodeDecodeError:
        return "a path that is not UTF-8"
    if not text.isascii() and _looks_like(text):
        return "a character in the path that could be taken for a slash, a backslash, a percent sign or dots"
    return ""


def _looks_like(text: str) -> bool:
    """Whether a target that normalises characters would see others of weight (fullwidth forms, one dot leaders)."""
    normal = unicodedata.normalize("NFKC", text)
    if any(normal.count(each) != text.count(each) for each in _LOOKALIKES):
        return True
    dots = (".", "..")
    return [part for part in normal.split("/") if part in dots] != [part for part in text.split("/") if part in dots]
