"""What no answer of a target may show: the credential that the gateway put into its request."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from hoopgw.model.errors import SecretUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import Role, SecretReference
from hoopgw.relay.http_echoes import NOTHING, Words, spellings
from hoopgw.relay.http_scope import no_words
from hoopgw.servers.http.bearer import KeptBearer


class Spelled:
    """Of a secret that may be another one for each request: worked out when it is."""

    def __init__(self, used: Callable[[], Secret]) -> None:
        self._used = used
        self._of = Secret(b"")
        self._words = NOTHING

    def __call__(self) -> Words:
        try:
            used = self._used()
        except SecretUnavailable:  # what was sent is what it was before
            return self._words
        if used is not self._of:
            self._of, self._words = used, spellings(used.reveal())
        return self._words


def words_of(role: Role, secret: Callable[[SecretReference], Secret], bearer: KeptBearer | None) -> Callable[[], Words]:
    """Raises SecretUnavailable."""
    if bearer is not None:
        return Spelled(lambda: bearer.used)
    if role.sigv4 is not None:
        token = role.sigv4.session_token  # a key's secret half is in no request
        return no_words if token is None else Spelled(lambda: secret(token))
    found = spellings(*_values(role, secret))
    return lambda: found


def _values(role: Role, secret: Callable[[SecretReference], Secret]) -> list[bytes]:
    if role.bearer is not None:
        return [secret(role.bearer).reveal()]
    if role.user and role.password is not None:
        password = secret(role.password).reveal()
        return [b64encode(role.user.encode() + b":" + password), password]
    value = b"" if role.value is None else secret(role.value).reveal()
    return [value, *([] if role.query else value.split())]  # `Token abc`: the second is what counts
