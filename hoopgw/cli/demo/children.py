"""Long-running programs that end with whoever started them."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
READY = 120.0  # seconds from a program's start until it accepts connections
ATTEMPTS = 3  # at a free port: another program may take it first
PATIENCE = 20.0  # seconds from the polite signal to what follows
URGENT_PATIENCE = 20.0  # seconds from the urgent one to SIGKILL: PostgreSQL gives its own children 5
TAIL = 20  # lines of a child's log that an error shows

_libc = ctypes.CDLL(None, use_errno=True)


class ChildFailed(Exception):
    """A program of the demo did not start, or ended by itself; says which, and the end of its log."""


@dataclass(frozen=True, slots=True)
class Unprivileged:
    """The user that servers run as which refuse to be root; None in `of_caller` where the caller is no root."""

    uid: int
    gid: int

    @classmethod
    def of_caller(cls) -> Unprivileged | None:
        if os.geteuid() != 0:
            return None
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def owns(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid, follow_symlinks=False)  # in their directory they may put a link instead

    def popen(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def dies_with_parent(ending: signal.Signals) -> Callable[[], None]:
    """To run between fork and exec: `ending` comes when the forking thread ends, so fork in the main one."""
    parent = os.getpid()

    def arrange() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return arrange


class Child:
    """One program, in a session of its own (a Ctrl-C on the terminal is not for it), its output in `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str],
        user: Unprivileged | None = None,
        ending: signal.Signals = signal.SIGTERM,
        cwd: Path | None = None,
        urgent: signal.Signals | None = None,
    ) -> None:
        """`urgent` is for a program that does not end by `ending` and has children of its own: it takes them along."""
        self.name, self.log, self._endings = name, log, (ending, *([urgent] if urgent else []))
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_parent(ending),  # noqa: PLW1509 -- started before any thread is
                **(user.popen() if user else {}),
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def must_live(self) -> None:
        """Raises ChildFailed with the end of its log if it has ended."""
        if not self.alive:
            end = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])
            raise ChildFailed(f"{self.name} ended with status {self.process.returncode}:\n{end}")

    def stop(self) -> int:
        """Ended and waited for when this returns: by its own signals, else by SIGKILL.  Gives its status."""
        for ending, patience in zip(self._endings, (PATIENCE, URGENT_PATIENCE), strict=False):
            if self.alive:
                self.process.send_signal(ending)
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(patience)
        self.process.kill()
        return self.process.wait()
