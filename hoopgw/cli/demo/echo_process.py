"""Starts the demo's HTTP service."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from hoopgw.cli.demo.children import READY, Child, ChildFailed
from hoopgw.cli.demo.place import free_port, new_password, write_secret
from hoopgw.cli.demo.surroundings import surroundings


class EchoService:
    """`token` is what its clients show it: only the gateway has it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.port = free_port()
        self.token = new_password()
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Accepts connections when this returns.  Raises ChildFailed."""
        token = write_secret(self._place / "echo.token", self.token)
        command: list[str | Path] = [sys.executable, "-m", "hoopgw.cli.demo.echo", str(self.port), token]
        child = self._child = Child("the HTTP service", command, self._place / "echo.log", surroundings())
        deadline = time.monotonic() + READY
        while True:
            child.must_live()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if time.monotonic() > deadline:
                raise ChildFailed("the HTTP service does not answer")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None
