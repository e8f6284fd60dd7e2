"""How the demo's people act: psql, a driver and the `hoopgw` command, each with a token of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from hoopgw.cli.demo.stage import Stage
from hoopgw.cli.demo.surroundings import surroundings
from hoopgw.cli.demo.telling import Surprise, Teller

PATIENCE = 60.0  # seconds for anything that should take less than one
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class Scene:
    stage: Stage
    tell: Teller

    def psql(self, role: str, sql: str, token: str | None = None, who: str = "agent", given: str = "") -> Ran:
        """`psql` through the gateway, told and shown; `given` is its standard input."""
        process = self.start_psql(role, sql, token, who)
        try:
            out, err = process.communicate(given, PATIENCE)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise Surprise(f"psql took more than {PATIENCE:.0f} s") from error
        self.tell.shows(out + err)
        return Ran(process.returncode, out, err)

    def start_psql(self, role: str, sql: str, token: str | None = None, who: str = "agent") -> subprocess.Popen[str]:
        """The same, not waited for."""
        self.tell.typed(who, f"psql -U {role} shop -c {shlex.quote(sql)}")
        programs = self.stage.cluster.programs
        env = {"PGPASSWORD": self.stage.agent if token is None else token, "PSQL_HISTORY": "/dev/null"}
        return subprocess.Popen(
            [str(programs["psql"]), "-X", "-P", "pager=off", "-c", sql, self.stage.gateway_url(role)],
            env=surroundings(env | dict(programs.environment)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def connect(self, role: str) -> psycopg.Connection[tuple[Any, ...]]:
        """The agent by a driver, each statement its own transaction."""
        url = self.stage.gateway_url(role)
        return psycopg.connect(url, password=self.stage.agent, autocommit=True, connect_timeout=20)

    def hoopgw(self, who: str, token: str, *words: str, show: bool = True) -> Ran:
        """The command, as somebody; told, and shown unless it is for a program."""
        if show:
            self.tell.typed(who, "hoopgw " + shlex.join(words))
        done = self.stage.gateway.command(*words, token=token)
        ran = Ran(done.returncode, done.stdout, done.stderr)
        if show:
            self.tell.shows(ran.all)
        return ran

    def asked(self, *words: str) -> Any:
        """What the command answers a program of the approver's."""
        ran = self.hoopgw("approver", self.stage.approver, *words, "--json", show=False)
        if ran.status:
            raise Surprise(f"hoopgw {' '.join(words)} ended with status {ran.status}: {last_line(ran.err)}")
        return json.loads(ran.out)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def until(found: Callable[[], T | None], what: str) -> T:
    """What `found` gives once it gives something.  Raises Surprise when it never does."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = found()
        if value is not None:
            return value
        if time.monotonic() > deadline:
            raise Surprise(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.1)
