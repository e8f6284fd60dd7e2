"""Reads files of what was revoked, and tells one that was changed from one that was not."""

from __future__ import annotations

import os
import stat

from hoopgw.model.errors import OperatorError, WireError
from hoopgw.model.revocation import RevocationList
from hoopgw.wire import sshkrl

SETTLED = 2.0  # seconds after which a change shows in a file's times: those of old file systems are so coarse


def state(path: str) -> tuple[int, ...]:
    """Of the file that stands there now, for one call of stat.  Raises OSError."""
    return _state(os.stat(path))


def read_list(path: str, authorities: tuple[bytes, ...], now: float) -> RevocationList:
    """`authorities` are whose certificates the numbers in a text are about; `now` is the time of day.

    Raises OperatorError for what cannot be read, or is no list.
    """
    try:
        # a FIFO in its place must not stop the gateway for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise OperatorError(f"{path} is not a file")
            data = file.read(sshkrl.MAX_LIST + 1)
        return RevocationList(path, sshkrl.read(data, authorities), settled(before, now))
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error
    except WireError as error:
        raise OperatorError(f"{path} is no list of what is revoked: {error}") from error


def settled(found: os.stat_result, now: float) -> tuple[int, ...]:
    """() for one that was changed just now: another change in the same tick of the clock would not be seen."""
    return _state(found) if max(found.st_mtime, found.st_ctime) < now - SETTLED else ()


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
