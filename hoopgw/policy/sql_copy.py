"""The options of a COPY TO -> how its rows look, read as PostgreSQL reads them.  Pure.

Rows are cut into fields by what stands here: an option that was read otherwise than by PostgreSQL would put the mask on
the wrong bytes.  What is not known to be read the same is refused.
"""

from __future__ import annotations

import re
from typing import Any

from hoopgw.policy.facts import Copy
from hoopgw.policy.sql_tree import Unreadable

# Encodings in which no byte below 0x80 is part of a longer character, in PostgreSQL's spelling without punctuation
# (relay/postgres_settings.py: what a client may log in with).  In SJIS or BIG5 a `|` can be half of a character.
_PLAIN = re.compile(
    r"UTF8|UNICODE|SQLASCII|LATIN\d+|ISO8859\d+|WIN(DOWS)?(866|874|125\d)|KOI8[RU]?|EUC(JP|JIS2004|KR|CN|TW)"
)
# The last line's are of COPY FROM: PostgreSQL itself refuses them here, in its own words
_KNOWN = frozenset(
    (
        "format delimiter null header quote escape force_quote encoding freeze "
        "force_null force_not_null default on_error reject_limit log_verbosity convert_selectively"
    ).split()
)


def copy_shape(options: dict[str, Any]) -> Copy:
    """`options` are the arguments of a CopyStmt by name.  Raises Unreadable."""
    said = {name: _text(name, node) for name, node in options.items() if not name.startswith("force_")}
    encoding = "".join(char for char in said.get("encoding") or "utf8" if char.isascii() and char.isalnum()).upper()
    if not _PLAIN.fullmatch(encoding):
        raise Unreadable(f"rows of a COPY in the encoding {encoding} cannot be told apart here")
    form = (said.get("format") or "text").lower()
    unknown = sorted(set(options) - _KNOWN) or sorted({form} - {"text", "csv", "binary"})
    if unknown:  # of a later PostgreSQL, perhaps: its rows may look like nothing that is known here
        raise Unreadable(f"{unknown[0]!r} of a COPY is not known here")
    csv = form == "csv"
    quote = _byte(said, "quote", '"')
    null = said.get("null")
    return Copy(
        format=form,
        delimiter=_byte(said, "delimiter", "," if csv else "\t"),
        quote=quote,
        escape=_byte(said, "escape", quote.decode("ascii")),
        null=(null if null is not None else "" if csv else "\\N").encode(),
        header="header" in said and (said["header"] or "true").lower() not in ("false", "off", "0"),
    )


def _byte(said: dict[str, str | None], name: str, default: str) -> bytes:
    """PostgreSQL wants one byte of the server's encoding, which may be more in the client's."""
    value = said.get(name) or default
    if not value.isascii():
        raise Unreadable(f"{name.upper()} of a COPY is not ASCII")
    return value.encode("ascii")[:1]


def _text(name: str, node: Any) -> str | None:
    """What defGetString gives; None where the option has no argument.  The tree leaves out zeros: HEADER 0."""
    if node is None:
        return None
    kind, value = next(iter(node.items()))
    if kind == "String":
        return str(value.get("sval", ""))
    if kind == "Integer":
        return str(value.get("ival", 0))
    if kind == "Float":
        return str(value.get("fval", "0"))
    if kind == "Boolean":
        return "true" if value.get("boolval", False) else "false"
    if kind == "A_Star":  # DELIMITER *
        return "*"
    raise Unreadable(f"{name.upper()} of a COPY has a value that is not known here")
