"""SSH clients that break rules, wait for ever or come in crowds."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from base64 import b64decode
from pathlib import Path
from typing import ClassVar

from hoopgw.cli.demo.stage import Options
from hoopgw.wire import sshmessages as wire
from tests.live.harness import UNTIL
from tests.live.raw_ssh import RawClient
from tests.live.ssh_clients import SshCase

BURST = float(os.environ.get("HOOPGW_BURST_SECONDS", "5"))
LIMITS = """
[limits]
login = "6s"
"""


class RawCase(SshCase):
    options: ClassVar[Options] = Options()

    def raw(self) -> RawClient:
        line = next(
            each for each in self.stage.known_hosts.read_text().splitlines() if str(self.stage.ssh_port) in each
        )
        client = RawClient.open(self.stage.ssh_port, b64decode(line.split()[2]))
        self.addCleanup(client.connection.close)
        return client

    def logged_in(self) -> RawClient:
        return self.raw().login(b"web1", self.stage.agent)

    def memory(self) -> int:
        """Resident, in KiB."""
        status = Path(f"/proc/{self.stage.gateway.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


class Hostile(RawCase):
    def test_before_the_login(self) -> None:
        """must-survive 22: channels, forwards, or a SUCCESS of its own before the login end the connection."""
        for message in (
            wire.ChannelOpen(b"session", 0, 1, 1, b"").encoded(),
            b"\x50" + wire.string(b"tcpip-forward") + b"\1",
            b"\x34",
        ):
            client = self.raw()
            client.send(message)
            self.assertIn("in a", client.ended())
            self.forgiven()

    def test_windows(self) -> None:
        """must-survive 24: a maximum packet of 0 gets no channel; a window past 2^32 ends the session."""
        client = self.logged_in()
        client.send(wire.ChannelOpen(b"session", 0, 1 << 20, 0, b"").encoded())
        self.assertEqual(client.received_messages()[-1][0], wire.CHANNEL_OPEN_FAILURE)
        client.send(wire.ChannelOpen(b"session", 1, 0, 1, b"").encoded())
        target = wire.read_confirmation(client.received_messages()[-1])[1]
        client.send(wire.request(target, b"exec", True, wire.string(b"cat")))
        client.send(wire.adjust(target, 0xFFFFFFFF))
        client.send(wire.adjust(target, 1))
        self.assertIn("past 2^32", client.ended())
        self.forgiven()

    def test_floods(self) -> None:
        """must-survive 24, 31: refused channels, IGNORE and unread output by the ten thousand: memory stays, others are
        served meanwhile."""
        client = self.logged_in()
        place = wire.string(b"127.0.0.1") + wire.u32(22) + wire.string(b"::1") + wire.u32(1)
        before = self.memory()
        for _ in range(20):
            for number in range(100):
                client.send(wire.ChannelOpen(b"direct-tcpip", number, 1 << 20, 32768, place).encoded())
            refused = 0
            while refused < 100:
                found = client.received_messages()
                self.assertTrue(found, client.said)
                refused += len(found)
            client.write(wire.framed(b"\x02" + wire.string(b"x" * 200)) * 500)
        self.forgiven()
        self.assertLess(self.memory() - before, 30_000)

    def test_unread_output(self) -> None:
        """must-survive 24: a client that opens no window gets nothing, and nothing of it is kept in the gateway."""
        client = self.logged_in()
        before = self.memory()
        client.send(wire.ChannelOpen(b"session", 0, 32768, 32768, b"").encoded())
        target = wire.read_confirmation(client.received_messages()[-1])[1]
        client.send(wire.request(target, b"exec", True, wire.string(b"head -c 100000000 /dev/zero")))
        while not client.taken:
            self.assertTrue(client.received_messages(), client.said)
        self.assertEqual(client.run(b"sleep 1; true", 1), 0)
        self.assertLessEqual(client.taken, 32768)
        self.assertLess(self.memory() - before, 20_000)

    def test_junk(self) -> None:
        """must-survive 25: bytes that are no SSH, and lengths of 4 GiB."""
        for said in (b"GET / HTTP/1.0\r\n\r\n", os.urandom(5000), b"SSH-2.0-x\r\n" + b"\xff" * 5000):
            with socket.create_connection(("127.0.0.1", self.stage.ssh_port), UNTIL) as connection:
                try:
                    connection.sendall(said)
                    while connection.recv(4096):
                        pass
                except ConnectionError:
                    pass
            self.forgiven()


class Burst(RawCase):
    def test_every_command_is_recorded(self) -> None:
        """must-survive 75: what 4 clients ran in a burst is what their recordings have; and a later session."""
        ran: list[int] = []
        failed: list[object] = []

        def runs(client: RawClient) -> None:
            number, over = 0, time.monotonic() + BURST
            while not number or time.monotonic() < over:
                status = client.run(b"true", number)
                if status:
                    failed.append(status)
                number += 1
            ran.append(number)
            client.disconnect("done")

        before = len(self.events("session.closed"))
        threads = [threading.Thread(target=runs, args=(self.logged_in(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        closed = [json.loads(line) for line in self.counted("session.closed", before + 4)[before:]]
        self.assertEqual(sorted(each["operations"] for each in closed), sorted(ran))
        found = 0
        for each in closed:
            exported = self.recorded(each["session"], '"close"')
            happened = [json.loads(line) for line in exported.splitlines()]
            found += sum(each["what"] == "exit" and each["status"] == 0 for each in happened)
        self.assertEqual(found, sum(ran))
        self.forgiven()


class Silent(RawCase):
    """On a stage of its own: afterwards this address has to wait."""

    options: ClassVar[Options] = Options(more={"hoopgw.toml": LIMITS})

    def test_silent(self) -> None:
        """must-survive 32, 33: a hundred that connect and say nothing keep nobody out, and are gone after the login's
        time."""
        silent = [socket.create_connection(("127.0.0.1", self.stage.ssh_port), UNTIL) for _ in range(100)]
        for each in silent:
            self.addCleanup(each.close)
        self.assertEqual(self.ssh("true").returncode, 0)
        for each in silent:
            each.settimeout(UNTIL)
            while each.recv(4096):
                pass
