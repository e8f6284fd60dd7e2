"""Which of a target's servers will do: `target_session_attrs`, as libpq means it (PostgreSQL documentation, 34.1.2)."""

from __future__ import annotations

from typing import Final

from hoopgw.model.errors import MalformedFrame

ANY: Final = "any"
READ_WRITE: Final = "read-write"
READ_ONLY: Final = "read-only"
PRIMARY: Final = "primary"
STANDBY: Final = "standby"
PREFER_STANDBY: Final = "prefer-standby"

# For servers before 14, which do not say it unasked.  Nothing here is found by search_path.
QUESTION: Final = b"SHOW transaction_read_only; SELECT pg_catalog.pg_is_in_recovery()"


def rounds(wanted: str) -> tuple[str, ...]:
    """What is wanted of each server, round by round: the first that fits is taken."""
    return (STANDBY, ANY) if wanted == PREFER_STANDBY else (wanted,)


class Standing:
    """What a server says of itself."""

    __slots__ = ("standby", "read_only")

    def __init__(self, standby: bool, read_only: bool) -> None:
        self.standby = standby
        self.read_only = read_only

    def fits(self, wanted: str) -> bool:
        if wanted == READ_WRITE:
            return not self.read_only
        if wanted == READ_ONLY:
            return self.read_only
        if wanted == PRIMARY:
            return not self.standby
        if wanted == STANDBY:
            return self.standby
        return wanted == ANY


def reported(parameters: dict[str, str]) -> Standing | None:
    """By ParameterStatus of the login; None where the server does not report it (before 14)."""
    standby = parameters.get("in_hot_standby")
    default = parameters.get("default_transaction_read_only")
    if standby not in ("on", "off") or default not in ("on", "off"):
        return None
    return Standing(standby == "on", "on" in (standby, default))


def answered(values: list[bytes]) -> Standing:
    """By the answers to QUESTION, one value each.  Raises MalformedFrame for any others."""
    if len(values) != 2 or values[0] not in (b"on", b"off") or values[1] not in (b"t", b"f"):
        raise MalformedFrame("an answer that is none to whether the server is a standby")
    return Standing(values[1] == b"t", values[0] == b"on")


def only_value(row: bytes) -> bytes:
    """The one value of a DataRow's body.  Raises MalformedFrame for other rows."""
    if row[:2] != b"\0\1" or int.from_bytes(row[2:6], "big") != len(row) - 6:
        raise MalformedFrame("a row that has not one value")
    return row[6:]
