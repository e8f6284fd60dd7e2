"""Keeps what a read's buffers took for the next read: the C library would give it back each time, and take it anew."""

from __future__ import annotations

import ctypes

# mallopt(3)
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
KEPT = 16 << 20  # bytes at the heap's end that may be free: some reads of 256 KiB, masked, framed and queued, at once
MAPPED = 4 << 20  # bytes from which on a buffer is a mapping of its own, and gone when it is free


def keep_room() -> bool:
    """False where the C library has no such knob (it is not glibc): everything works, with more page faults."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # Both: where one is set, glibc no longer finds the other one by itself
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT))
