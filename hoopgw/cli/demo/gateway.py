"""The gateway as a real `twistd` process, on a configuration in a directory."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hoopgw.cli.demo.children import READY, Child, ChildFailed
from hoopgw.cli.demo.surroundings import surroundings

COMMAND = 240.0  # seconds for one `hoopgw` command
MAIN = "from hoopgw.cli.main import main; main()"


class Gateway:
    """`config` is the path of its hoopgw.toml; it must listen on `port` of 127.0.0.1 and at `admin`."""

    def __init__(self, config: Path, port: int, admin: Path, log: Path) -> None:
        self.config, self.port, self.admin, self.log = config, port, admin, log
        self._child: Child | None = None

    def start(self, extra: Mapping[str, str] | None = None, within: Sequence[str] = ()) -> None:
        """Accepts connections when this returns.  `within` are words of a program that becomes it, as `env` does.

        Raises ChildFailed with the end of its log.
        """
        twistd = Path(sys.executable).with_name("twistd")
        command: list[str | Path] = [
            *within,
            sys.executable,
            twistd,
            "--nodaemon",
            "--pidfile=",
            "hoopgw",
            "--config",
            self.config,
        ]
        self._child = Child("the gateway", command, self.log, surroundings(extra), cwd=self.config.parent)
        deadline = time.monotonic() + READY
        while not (_accepts(socket.AF_UNIX, str(self.admin)) and _accepts(socket.AF_INET, ("127.0.0.1", self.port))):
            self._child.must_live()
            if time.monotonic() > deadline:
                raise ChildFailed(f"the gateway accepts no connections:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def child(self) -> Child:
        if self._child is None:
            raise ChildFailed("the gateway does not run")
        return self._child

    def stop(self) -> int | None:
        """Its exit status; None if it did not run."""
        if self._child is None:
            return None
        status = self._child.stop()
        self._child = None
        return status

    def command(self, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """`hoopgw WORDS` against this gateway, with a token of whoever asks."""
        env = surroundings({"HOOPGW_TOKEN": token} if token else {})
        start = [sys.executable, "-c", MAIN, "--config", str(self.config), "--socket", str(self.admin)]
        return subprocess.run(
            [*start, *words],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND,
            check=False,
        )


def _accepts(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True
