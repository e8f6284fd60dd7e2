"""What a key of the configuration is, and the kinds of values that `config_values` has no reader for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hoopgw import config_values as values
from hoopgw.model.target import SecretReference

REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Key:
    """`read` takes TOML's value and raises ValueError in words; `default` stands where the key is missing."""

    read: Callable[[Any], Any]
    default: Any
    doc: str


def one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError("must be " + " or ".join(f'"{word}"' for word in words))
        return str(value)

    return read


def some_of(*words: str) -> Callable[[Any], frozenset[str]]:
    def read(value: Any) -> frozenset[str]:
        given = values.texts(value)
        for item in given:
            if item not in words:
                raise ValueError(f"{item!r} is not one of " + ", ".join(f'"{word}"' for word in words))
        return frozenset(given)

    return read


def table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a table")
    return value


def secrets(value: Any) -> tuple[SecretReference, ...]:
    return tuple(values.secret(item) for item in values.texts(value))


def names(value: Any) -> frozenset[str]:
    return frozenset(values.texts(value))


def rates(value: Any, *, per: tuple[str, ...], amount: Callable[[Any], int]) -> dict[str, int]:
    """{period: amount} of one rate or a list of rates."""
    found: dict[str, int] = {}
    for item in value if isinstance(value, list) else [value]:
        number, period = values.rate(item, per, amount)
        if period in found:
            raise ValueError(f"says twice how much per {period}")
        found[period] = number
    return found


def rates_of(amount: Callable[[Any], int], *per: str) -> Callable[[Any], dict[str, int]]:
    return partial(rates, per=per, amount=amount)
