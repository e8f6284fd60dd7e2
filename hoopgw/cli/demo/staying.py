"""A demo that stays up: what a program or a person needs to connect, until it is told to end."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hoopgw import __version__
from hoopgw.cli.demo.place import write_secret
from hoopgw.cli.demo.stage import Stage
from hoopgw.cli.demo.telling import Teller

ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class ToldToEnd(BaseException):
    """A signal said so; not an Exception, so that no step takes it for its own."""


@contextmanager
def ends_when_told() -> Iterator[None]:
    """The first of the ending signals raises ToldToEnd here; further ones do not disturb the clearing up."""

    def end(number: int, frame: FrameType | None) -> None:
        for ending in ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        raise ToldToEnd(number)

    before = {ending: signal.signal(ending, end) for ending in ENDINGS}
    try:
        yield
    finally:
        for ending, earlier in before.items():
            signal.signal(ending, earlier)


def stay(stage: Stage) -> None:
    """Until ToldToEnd; raises ChildFailed if the gateway ends by itself."""
    while True:
        stage.gateway.child.must_live()
        time.sleep(0.5)


def write_facts(file: Path, stage: Stage) -> None:
    """What a program needs to connect, whole from the first moment that it can be seen; 0600, as secrets are in it."""
    facts = {
        "version": __version__,
        "config": str(stage.gateway.config.parent),
        "state": str(stage.state),
        "admin": str(stage.gateway.admin),
        "identities": {
            "agent": {"token": stage.agent},
            "approver": {"token": stage.approver},
            "stranger": {"token": stage.stranger},
        },
        "postgresql": {
            "gateway": stage.gateway_url("reader"),
            "gateway_writer": stage.gateway_url("writer"),
            "direct": stage.direct_url(),
        },
    }
    if stage.host is not None:
        facts["ssh"] = {
            "gateway": f"ssh://web1@127.0.0.1:{stage.ssh_port}",
            "known_hosts": str(stage.known_hosts),
            "direct": f"ssh://{stage.host.user}@127.0.0.1:{stage.host.port}",
            "direct_key": str(stage.gateway.config.parent / "secrets/web1"),
        }
    if stage.echo is not None:
        facts["http"] = {"gateway": stage.https_url, "ca": str(stage.ca), "direct": stage.echo.url}
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    write_secret(unfinished, json.dumps(facts, indent=2) + "\n")
    unfinished.replace(file)


def say_how_to_connect(tell: Teller, stage: Stage) -> None:
    """For a person at another terminal.  Tokens stand in files that only this user may read, not in any line."""
    names = {"agent": stage.agent, "approver": stage.approver, "stranger": stage.stranger}
    files = {name: write_secret(stage.place / f"{name}.token", token) for name, token in names.items()}
    psql, command = stage.cluster.programs.typed("psql"), Path(sys.executable).with_name("hoopgw")
    approver = f"HOOPGW_TOKEN=file:{files['approver']} {shlex.quote(str(command))} --socket {stage.gateway.admin}"
    tell.says(f"The agent:     PGPASSWORD=$(cat {files['agent']}) {psql} '{stage.gateway_url('reader')}'")
    tell.says(f"  to write:    the same with {stage.gateway_url('writer')!r}")
    if stage.host is not None:
        known = f"-o UserKnownHostsFile={stage.known_hosts}"
        ssh = stage.host.programs.typed("ssh")
        tell.says(f"  on a host:   {ssh} {known} -p {stage.ssh_port} web1@127.0.0.1, with that token as password")
    if stage.echo is not None:
        header = f'-H "Authorization: Bearer $(cat {files["agent"]})"'
        tell.says(f"  by HTTP:     curl --cacert {stage.ca} {header} {stage.https_url}")
    tell.says(f"The approver:  {approver} approvals list")
    tell.says(f"Its logs and configuration: {stage.place}")
    tell.says("Ctrl-C ends it and removes all of it.")
