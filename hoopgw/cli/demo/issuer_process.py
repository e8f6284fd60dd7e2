"""Starts the demo's issuer, and asks it for tokens."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from hoopgw.cli.demo.children import ChildFailed, dies_with_parent
from hoopgw.cli.demo.surroundings import surroundings

ANSWER = 60.0  # seconds for its start and for each answer


class IssuerProcess:
    """`url` is its `iss`; `ca` the PEM that its certificate is verified by."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hoopgw.cli.demo.issuing"],
                env=surroundings(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 -- started before any thread is
            )
        first = self._answer()
        self.url: str = first["url"]
        self.ca: str = first["ca"]

    def mint(self, subject: str, groups: tuple[str, ...] = (), lifetime: float = 3600.0, **claims: Any) -> str:
        """A token; `claims` replace or, where None, remove the usual ones."""
        asked = {"subject": subject, "groups": groups, "lifetime": lifetime, "claims": claims}
        token: str = self._ask(asked)["token"]
        return token

    def rotate(self, keep: bool = False) -> str:
        """Sign by a new key; publish the old one on only if `keep`.  Gives the new key's id."""
        kid: str = self._ask({"rotate": keep})["kid"]
        return kid

    def confirm(self, code: str, token: str | None) -> int:
        """Somebody has entered the code of a device: it gets the token, or None denies it.  How often it has asked."""
        polls: int = self._ask({"confirm": code, "token": token})["polls"]
        return polls

    def polls(self, code: str) -> int:
        """How often the device with this code has asked; -1: there is no such code."""
        polls: int = self._ask({"polls": code})["polls"]
        return polls

    def stop(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, value: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise ChildFailed(f"the issuer does not answer:\n{self._log.read_text(errors='replace')}")
        answer: dict[str, Any] = json.loads(line)
        return answer
