"""What SCRAM derives of a target's password is kept for the next login, as RFC 5802 (section 5.1) lets a client do.

It is 1.4 ms of a core for the usual 4096 iterations, a third of all that a login takes, and the same until the
target's password changes.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgw.model.secret import Secret
from hoopgw.wire.scram import salted_password

MOST = 1024  # kept: a target has one for each of its roles; one that sends another salt each time drives out others

_Key = tuple[bytes, bytes, int]


class Derivations:
    """`in_thread(function, *arguments)` runs it off the reactor's thread.  No password is kept, only a keyed hash."""

    def __init__(self, in_thread: Callable[..., Deferred[Secret]]) -> None:
        self._in_thread = in_thread
        self._hash_key = os.urandom(32)
        self._known: OrderedDict[_Key, Secret] = OrderedDict()  # the one used longest ago first
        self._waiting: dict[_Key, list[Deferred[Secret]]] = {}  # for one that is being made

    def salted_password(self, password: Secret, salt: bytes, iterations: int) -> Deferred[Secret]:
        """SaltedPassword of RFC 5802; many who ask for the same at once wait for one."""
        hashed = hashlib.blake2b(password.reveal(), key=self._hash_key, digest_size=32).digest()
        key = hashed, salt, iterations
        known = self._known.get(key)
        wanted: Deferred[Secret] = Deferred()
        if known is not None:
            self._known.move_to_end(key)
            wanted.callback(known)
        elif key in self._waiting:
            self._waiting[key].append(wanted)
        else:
            self._waiting[key] = [wanted]
            self._in_thread(salted_password, password, salt, iterations).addBoth(self._made, key)
        return wanted

    def _made(self, made: Secret | Failure, key: _Key) -> None:
        if isinstance(made, Secret):
            self._known[key] = made
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        for wanted in self._waiting.pop(key):
            wanted.callback(made)

    def forget(self) -> None:
        """Passwords may have changed: those of before are of no use any more."""
        self._known.clear()
