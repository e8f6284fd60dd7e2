"""What passes bytes on, as classes: compiled code calls their methods without a look-up.  Compiled in packages.

A call by way of a Python object, a bound method or an attribute of a Twisted transport costs no more than 40 ns in a
loop of its own; behind a wake-up each of them touches ten lines of memory that are cold then (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Unsent:
    """Has something to send when the reactor's turn ends.  `transport` is whose it is, for an error's sake."""

    transport: Any

    def send_now(self) -> None:
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Sink(Unsent):
    """Takes what is to be written."""

    def write(self, data: bytes) -> None:
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Receiver:
    """Is given what was read."""

    def received(self, data: bytes) -> None:
        raise NotImplementedError


class Through(Sink):
    """A Python object's `write`."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def write(self, data: bytes) -> None:
        self._write(data)


def sink_of(transport: Any) -> Sink:
    """The shortest way to write to it: itself, or its own `sink`, where it has one."""
    if isinstance(transport, Sink):
        return transport
    found = getattr(transport, "sink", None)
    return found if isinstance(found, Sink) else Through(transport.write)


def deliver(transport: Any, receiver: Receiver | None) -> None:
    """What is read from `transport` goes there without a step between, where it knows how; None: to its protocol."""
    shortest = getattr(transport, "deliver_to", None)
    if shortest is not None:
        shortest(receiver)
