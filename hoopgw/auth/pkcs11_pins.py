"""PINs that a token did not take, over restarts too: tokens count, and a client that connects starts a service anew."""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path

from hoopgw.model.errors import TokenUnavailable
from hoopgw.model.secret import Secret

MOST = 32  # that are remembered; the oldest go
MAX_FILE = 64 * 1024  # bytes
SALT = 32


class RefusedPins:
    """In a file, as keyed digests; without `path` in this process alone.  Who is not the gateway reads it, and does not
    write it: `keeps` is False."""

    def __init__(self, path: Path | None = None, *, keeps: bool = True) -> None:
        self.path = path
        self._keeps = keeps
        self._known: list[str] | None = None
        self._salt = b""

    def has(self, token: str, pin: Secret) -> bool:
        """Raises TokenUnavailable where that cannot be known: one more try may be the last one."""
        return self._digest(token, pin) in self._read()

    def add(self, token: str, pin: Secret) -> None:
        """Raises TokenUnavailable where it cannot be kept."""
        self._write([*self._read(), self._digest(token, pin)][-MOST:])

    def _digest(self, token: str, pin: Secret) -> str:
        self._read()
        return hmac.digest(self._salt, token.encode() + b"\0" + pin.reveal(), "sha256").hex()

    def _read(self) -> list[str]:
        taken_away = self._keeps and self.path is not None and not self.path.exists()
        if self._known is None or taken_away:
            self._salt, self._known = os.urandom(SALT), []
            if self.path is not None and self.path.exists():
                self._salt, self._known = _kept(self.path)
        return self._known

    def _write(self, known: list[str]) -> None:
        self._known = known
        if self.path is None or not self._keeps:
            return
        temporary = self.path.with_name(self.path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "w") as file:
                json.dump({"salt": self._salt.hex(), "refused": known}, file)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self.path)
        except OSError as error:
            raise TokenUnavailable(f"{self.path} cannot be written: {error.strerror}") from error


def _kept(path: Path) -> tuple[bytes, list[str]]:
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(MAX_FILE))
        return bytes.fromhex(said["salt"]), [str(each) for each in said["refused"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenUnavailable(f"{path}, which tells what PINs were wrong, cannot be read: take it away") from error
