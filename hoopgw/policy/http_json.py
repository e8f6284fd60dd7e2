"""The JSON body of a request, read so that no target can read it otherwise; and pointers into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

MAX_DEPTH = 64  # objects and arrays in one another: parsers stop between 100 and 1000
MAX_NUMBER = 40  # characters of a number that a rule may compare
SMALL = 16 * 1024  # characters: of more, equal numbers are made once
_SAFE = 15  # digits that every parser keeps (IEEE 754, 53 bits)
# What stands before JSON to keep it from being a script, which Gson skips in requests as well
_GUARD = b")]}'"
_BLANKS = bytes(range(0x21))  # white space to org.json


@dataclass(frozen=True, slots=True)
class Number:
    """As it was written: 1, 1.0 and 1e0 are different texts of one value."""

    text: str

    @property
    def value(self) -> Decimal | None:
        """None where parsers differ about it: too many digits, or too large an exponent."""
        return number(self.text)


@dataclass(frozen=True, slots=True)
class JsonBody:
    """`value` has dict, list, str, Number, bool and None; `doubt` says why there may be another."""

    value: Any = None
    doubt: str = ""


class _Doubtful(ValueError):
    """Parsers differ about this text."""


def number(text: str) -> Decimal | None:
    """A value that every reader agrees on, or None."""
    if len(text) > MAX_NUMBER:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > MAX_NUMBER:
        return None
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")  # normalize() would round them first
    return value if len(digits) <= _SAFE else None


def read_json(body: bytes) -> JsonBody:
    """RFC 8259, without what RFC 7493 (I-JSON) warns of."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return JsonBody(doubt="JSON that is not UTF-8")
    if text.startswith("\ufeff"):
        return JsonBody(doubt="JSON with a byte order mark")
    if "\\u0000" in text:
        return JsonBody(doubt="JSON with a NUL character")
    read = Number if len(text) <= SMALL else lru_cache(1024)(Number)  # of short ones most are the same
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=read, parse_float=read, parse_constant=_constant)
    except _Doubtful as error:
        return JsonBody(doubt=str(error))
    except (ValueError, RecursionError):
        return JsonBody(doubt="a body that is not JSON as RFC 8259 has it")
    return _checked(value, "\\ud" in text or "\\uD" in text)


def is_skipped(body: bytes) -> bool:
    """Whether what it begins with is nothing to some parsers of JSON, and JSON follows."""
    bare = body.lstrip(_BLANKS)
    return bare.startswith(_GUARD) or (bare[:1] in (b"{", b"[") and body[:1] not in (b"{", b"["))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Doubtful("JSON with a name twice in one object")
    return found


def _constant(name: str) -> Any:
    raise _Doubtful(f"JSON with {name}")


def _checked(value: Any, surrogates: bool) -> JsonBody:
    """Depth; and lone surrogates, which become whatever a parser likes."""
    layer = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for each in layer:
            if isinstance(each, dict):
                below.extend(each.values())
                texts: Any = each
            else:
                below.extend(each if isinstance(each, list) else ())
                texts = (each,) if isinstance(each, str) else ()
            if surrogates and any(_lone(text) for text in texts):
                return JsonBody(doubt="JSON with half a surrogate pair")
        if not below:
            return JsonBody(value)
        layer = below
    return JsonBody(doubt=f"JSON of more than {MAX_DEPTH} levels")


def _lone(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


@dataclass(frozen=True, slots=True)
class Pointer:
    """RFC 6901 with globs: `/items/*/price`; or, without a slash in front, members of this name at any depth."""

    parts: tuple[str, ...]
    anywhere: bool = False

    def found(self, value: Any) -> Iterator[tuple[Any, bool]]:
        """Every value there, and whether its names are written alike: some parsers tell no upper from lower case."""
        if self.anywhere:
            yield from _anywhere(value, self.parts[0])
        else:
            yield from _below(value, self.parts, True)

    def leads(self, names: tuple[str, ...]) -> bool | None:
        """Whether these names lead to a value there: True, False in other letters alone, None not at all."""
        words = [_named(*each) for each in zip(names[-1:] if self.anywhere else names, self.parts, strict=False)]
        same = self.anywhere or len(names) == len(self.parts)
        return None if not same or not words or None in words else all(words)


def pointer(text: str) -> Pointer:
    """Raises ValueError for what is none."""
    if not text:
        raise ValueError('must be a pointer ("/user/role") or a member\'s name ("role")')
    if not text.startswith("/"):
        return Pointer((text,), True)
    parts = text.split("/")[1:]
    if any("~" in part.replace("~0", "").replace("~1", "") for part in parts):
        raise ValueError("has a ~ that is neither ~0 nor ~1 (RFC 6901)")
    return Pointer(tuple(part.replace("~1", "/").replace("~0", "~") for part in parts))


def _below(value: Any, parts: tuple[str, ...], exact: bool) -> Iterator[tuple[Any, bool]]:
    if not parts:
        yield value, exact
        return
    for name, inner in _members(value):
        alike = _named(name, parts[0])
        if alike is not None:
            yield from _below(inner, parts[1:], exact and alike)


def _anywhere(value: Any, glob: str) -> Iterator[tuple[Any, bool]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        for name, inner in _members(each):
            waiting.append(inner)
            alike = _named(name, glob) if isinstance(each, dict) else None
            if alike is not None:
                yield inner, alike


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(index), inner) for index, inner in enumerate(value))


def _named(name: str, glob: str) -> bool | None:
    if fnmatchcase(name, glob):
        return True
    return False if fnmatchcase(name.casefold(), glob.casefold()) else None
