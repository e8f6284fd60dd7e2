"""What the login at a PostgreSQL target wants of its edge, and how it ended."""

from __future__ import annotations

from typing import final

from hoopgw.model.secret import Secret
from hoopgw.relay.postgres_hosts import Standing


class TargetEffect:
    __slots__ = ()


@final
class Send(TargetEffect):
    """Bytes for the target.  They are a login: journals get `name` and length, never the bytes."""

    __slots__ = ("data", "name")

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name


@final
class StartTls(TargetEffect):
    """Speak TLS, verified as the target's configuration says; then call `tls_started`."""

    __slots__ = ()


@final
class DeriveKey(TargetEffect):
    """Call `wire.scram.salted_password(password, salt, iterations)` in a thread, then `derived` with what it gives."""

    __slots__ = ("password", "salt", "iterations")

    def __init__(self, password: Secret, salt: bytes, iterations: int) -> None:
        self.password = password
        self.salt = salt
        self.iterations = iterations


@final
class Ready(TargetEffect):
    """The session stands.  `process` and `key` cancel at the target (key b"" where it gave none); `rest` are bytes
    behind ReadyForQuery, for the relay.  `standing` is None where nobody asked and the target did not say."""

    __slots__ = ("parameters", "process", "key", "rest", "standing")

    def __init__(
        self, parameters: dict[str, str], process: int, key: bytes, rest: bytes, standing: Standing | None
    ) -> None:
        self.standing = standing
        self.parameters = parameters
        self.process = process
        self.key = key
        self.rest = rest


@final
class Failed(TargetEffect):
    """Close.  `sqlstate` and `message` are for the client, `detail` for the event log; none holds the credential.

    `elsewhere` where another server of the same target may well let us in.
    """

    __slots__ = ("sqlstate", "message", "detail", "elsewhere")

    def __init__(self, sqlstate: str, message: str, detail: str, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
