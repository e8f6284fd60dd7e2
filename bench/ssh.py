"""OpenSSH's own client against one sshd: through the gateway, direct, by a jump through that sshd (`ssh -J`), and by
HAProxy."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack

from bench.measure import BenchFailed
from hoopgw.cli.demo.place import write_secret
from hoopgw.cli.demo.stage import Stage
from hoopgw.cli.demo.surroundings import surroundings

SIZE = 256_000_000  # bytes of one transfer: the set-up, which is in the time as well, is a few per cent of it
CIPHER = "aes128-gcm@openssh.com"
TIMEOUT = 120.0  # seconds
SSH_PEERS = ("direct", "jump", "haproxy")
DIRECTIONS = {"down": f"head -c {SIZE} /dev/zero", "up": "cat >/dev/null"}


class SshWays:
    """`ssh` as a user has it, with nothing of the caller's: no configuration, agent or known hosts."""

    def __init__(self, stage: Stage, haproxy: int) -> None:
        """`haproxy`: its port before the sshd."""
        if stage.host is None:
            raise BenchFailed("there is no sshd on this machine")
        self._stage, self._host, self._haproxy = stage, stage.host, haproxy
        self._key = write_secret(stage.place / "bench_key", stage.host.key)
        self._zeros = stage.place / "zeros"
        asking = stage.place / "bench_asking"
        asking.write_text(f"#!/bin/sh\ncat '{write_secret(stage.place / 'bench_token', stage.agent)}'\n")
        asking.chmod(0o700)
        self.env = surroundings({"SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"})
        self.env.pop("SSH_AUTH_SOCK", None)

    @property
    def port(self) -> int:
        """Of the sshd itself."""
        return self._host.port

    @property
    def pid(self) -> int:
        return self._host.pid

    def rate(self, way: str, direction: str) -> float:
        """MB/s of SIZE bytes; `way` is ours or one of SSH_PEERS, `direction` down or up.  Raises BenchFailed."""
        command = [*self.command(way), DIRECTIONS[direction]]
        begun = time.perf_counter()
        with ExitStack() as stack:
            source = None
            if direction == "up":
                head = ["head", "-c", str(SIZE), "/dev/zero"]
                source = stack.enter_context(subprocess.Popen(head, stdout=subprocess.PIPE))
            done = subprocess.run(
                command,
                stdin=source.stdout if source is not None else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self.env,
                timeout=TIMEOUT,
                check=False,
            )
        if done.returncode:
            raise BenchFailed(
                f"ssh ({way}) ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}"
            )
        return SIZE / (time.perf_counter() - begun) / 1e6

    def command(self, way: str, port: int = 0) -> list[str]:
        """Up to the command line; `port`: of another way to the sshd of `direct`."""
        settings = (
            f"UserKnownHostsFile={self._stage.known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
            f"Ciphers={CIPHER}",
        )
        options = ["-F", "none", *(word for each in settings for word in ("-o", each))]
        if way == "ours":
            return ["ssh", *options, "-p", str(self._stage.ssh_port), "web1@127.0.0.1"]
        there = f"{self._host.user}@127.0.0.1"
        options += ["-i", str(self._key)]
        if way == "jump":
            first = " ".join(["ssh", *options, "-W", "%h:%p", "-p", str(self._host.port), there])
            options += ["-o", f"ProxyCommand={first}"]
        port = port or (self._haproxy if way == "haproxy" else 0)
        if port:
            options += ["-o", f"HostKeyAlias=[127.0.0.1]:{self._host.port}"]
        return ["ssh", *options, "-p", str(port or self._host.port), there]
