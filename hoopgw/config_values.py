"""Values of the configuration: durations, sizes, rates, secrets, addresses.  Each reader raises ValueError in words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from hoopgw.auth.pkcs11_uri import SCHEME, key_uri
from hoopgw.auth.ssh_signatures import public_key
from hoopgw.model.target import Address, SecretReference

MAX_NUMBER = 1 << 53  # counts and sizes: what every store and every JSON reader keeps exactly

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("must be a text that is not empty")
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number of at least 1")
    if value > MAX_NUMBER:
        raise ValueError(f"must be at most {MAX_NUMBER}")
    return value


def fraction(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError("must be between 0 and 1, as 0.8")
    return float(value)


def texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (text(value),)
    if not isinstance(value, list) or not value:
        raise ValueError('must be a list of texts, as ["a", "b"]')
    return tuple(text(item) for item in value)


def table_of_texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError('must be a table of texts, as { env = "prod" }')
    return {str(name): text(item) for name, item in value.items()}


def duration(value: Any) -> float:
    """Seconds of "90s", "15m", "12h" or "400d"."""
    found = re.fullmatch(r"([0-9]{1,9})\s*([smhd])", value) if isinstance(value, str) else None
    if not found or int(found[1]) == 0:
        raise ValueError('must be a duration with its unit: "90s", "15m", "12h" or "400d"')
    return float(int(found[1]) * _SECONDS[found[2]])


def duration_or_never(value: Any) -> float | None:
    return None if value == "never" else duration(value)


def size(value: Any) -> int:
    """Bytes of "64 MiB", "2 GiB" or a plain number."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_NUMBER:
        return value
    found = re.fullmatch(r"([0-9]{1,15})\s*(B|KiB|MiB|GiB|TiB)?", value) if isinstance(value, str) else None
    if not found or int(found[1]) == 0:
        raise ValueError('must be a size with its unit: "512 KiB", "64 MiB" or "2 GiB"')
    return count(int(found[1]) * _SIZES[found[2] or ""])


def rate(value: Any, per: tuple[str, ...], amount: Any) -> tuple[int, str]:
    """(amount, period) of "600/min" or "1 GiB/day"; `amount` reads what stands in front of the slash."""
    wanted = " or ".join(f'"…/{period}"' for period in per)
    if not isinstance(value, str) or "/" not in value:
        raise ValueError(f"must say how much in which time: {wanted}")
    front, _, period = value.rpartition("/")
    if period.strip() not in per:
        raise ValueError(f"must be {wanted}, not per {period.strip()!r}")
    number = front.strip()
    return amount(int(number) if number.isascii() and number.isdigit() else number), period.strip()


def moment(value: Any) -> float:
    """POSIX seconds of a TOML date (its end, UTC) or date-time with an offset."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("must have an offset: 2027-06-30T12:00:00Z")
        return value.timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() + 86400
    raise ValueError("must be a date: 2027-06-30, or 2027-06-30T12:00:00Z")


def secret(value: Any, more: str = "") -> SecretReference:
    """Where a secret is, never the secret.  `more`: what else this one may say, for the mistake."""
    kind, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind not in ("credential", "file", "env") or not name:
        raise ValueError(
            f'must say where the secret is: "credential:NAME", "file:/PATH" or "env:NAME"{more}; never the secret'
        )
    if kind == "file" and not name.startswith("/"):
        raise ValueError('must be "file:" and an absolute path')
    if kind == "credential" and "/" in name:
        raise ValueError("a credential's name has no slash")
    return SecretReference(kind, name)


def signing_key(value: Any) -> SecretReference:
    """As `secret`, or a key that stays in a token (`auth.pkcs11_uri`)."""
    if not isinstance(value, str) or not value.startswith(SCHEME):
        return secret(value, f' (of a key in a token "{SCHEME}…")')
    try:
        key_uri(value)
    except ValueError as error:
        raise ValueError(f"{SCHEME} {error}") from error
    return SecretReference("pkcs11", value.removeprefix(SCHEME))


def role_secret(value: Any) -> SecretReference:
    """As `secret`, or of a vault: what may change while the gateway runs."""
    if isinstance(value, str) and value.startswith("aws:"):
        if re.fullmatch(r"[^/#\s]+/[^#\s?%]+(#[^#\s]+)?", value.removeprefix("aws:")) is None:
            raise ValueError('must be "aws:NAME/SECRET#FIELD" (or without #FIELD), where NAME is that of an [aws.NAME]')
        return SecretReference("aws", value.removeprefix("aws:"))
    if not isinstance(value, str) or not value.startswith("vault:"):
        return secret(value, ' (of a vault "vault:…" or "aws:…")')
    name = value.removeprefix("vault:")
    if re.fullmatch(r"[^/#\s]+/[^#\s?%]+#[^#\s]+", name) is None or ".." in name.split("/"):
        raise ValueError('must be "vault:NAME/PATH#FIELD", where NAME is that of a [vault.NAME]')
    return SecretReference("vault", name)


def aws_name(value: Any) -> str:
    """Of a region or a service: it stands in the signature's scope."""
    found = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", found):
        raise ValueError(f'{found!r} is no name of AWS, as "eu-central-1" and "s3" are')
    return found


def public_keys(value: Any) -> tuple[bytes, ...]:
    """Blobs of lines as in an OpenSSH `.pub` file; what follows the key is a comment."""
    return tuple(public_key(item) for item in texts(value))


def addresses(value: Any) -> tuple[Address, ...]:
    found = []
    for item in texts(value):
        parts = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]@]+)):([0-9]{1,5})", item)
        if parts is None or not 0 < int(parts[3]) < 65536:
            raise ValueError(f'{item!r} must be "host:port" ("[::1]:5432" for IPv6)')
        found.append(Address(parts[1] or parts[2], int(parts[3])))
    return tuple(found)
