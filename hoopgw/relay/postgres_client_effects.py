"""What the login of a PostgreSQL client wants of its edge, in order."""

from __future__ import annotations

from typing import final

from hoopgw.model.errors import HoopgwError
from hoopgw.model.secret import Secret


class LoginEffect:
    __slots__ = ()


@final
class Reply(LoginEffect):
    """Bytes for the client."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


@final
class StartTls(LoginEffect):
    """Speak TLS from the next byte on; then call `tls_started`.  What was replied before goes out in the clear."""

    __slots__ = ()


@final
class Cancel(LoginEffect):
    """A CancelRequest: do what its key is good for, reply nothing, close."""

    __slots__ = ("process", "key")

    def __init__(self, process: int, key: bytes) -> None:
        self.process = process
        self.key = key


@final
class Login(LoginEffect):
    """Check the token, then the grant.  `database` is "" where the client named only the target; `settings` are for
    the target, `application_name` is what the client calls itself, `replication` "", "physical" or "logical", `host`
    the target that the client's host name names, or ""."""

    __slots__ = ("role", "target", "database", "settings", "application_name", "token", "replication", "host")

    def __init__(
        self,
        role: str,
        target: str,
        database: str,
        settings: dict[str, str],
        application_name: str,
        token: Secret,
        replication: str = "",
        host: str = "",
    ) -> None:
        self.replication = replication
        self.host = host
        self.role = role
        self.target = target
        self.database = database
        self.settings = settings
        self.application_name = application_name
        self.token = token


@final
class Refuse(LoginEffect):
    """Send `data` (it may be empty) and close.  `error` says whose fault it was, for the event."""

    __slots__ = ("data", "error")

    def __init__(self, data: bytes, error: HoopgwError) -> None:
        self.data = data
        self.error = error
