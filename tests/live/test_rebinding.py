"""Names that lead elsewhere than they did, asked of a name server of the tests' own: what the gateway connects to."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from typing import Any, ClassVar

from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.dns_server import PLACE, A, DnsServer
from tests.live.harness import until
from tests.live.test_http import HttpCase

PORT = free_port()
TLS = b"\x16"  # how a handshake begins
METADATA = "169.254.169.254"
LOOPBACK = "127.0.0.1"


def own_address() -> str:
    """One of this machine that is not loopback, as a network would reach it; "" where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


OWN = own_address()
NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "turns.lab.test": ((OWN,), (LOOPBACK,), (METADATA,), ("0.0.0.0",), (OWN,)),
    "chain.lab.test": (("one.chain.lab.test",),),
    "one.chain.lab.test": (("two.chain.lab.test",),),
    "two.chain.lab.test": ((LOOPBACK,),),
    "good-chain.lab.test": (("good.chain.lab.test",),),
    "good.chain.lab.test": ((OWN,),),
    "many.lab.test": ((LOOPBACK, METADATA, OWN, "127.0.0.9"),),
    "mapped.lab.test": (("::ffff:127.0.0.1", "::ffff:169.254.169.254"),),
    "translated.lab.test": (("64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe"),),
    "six.lab.test": (("::1", "fe80::1", "fd00:ec2::254", "::"),),
    "empty.lab.test": ((),),
}
PLACES = [name for name in NAMES if name.count(".") == 2]
TARGETS = "".join(
    f"""
[target.{name.partition(".")[0]}]
protocol = "http"
address = ["{name}:{PORT}"]
tls = "require"
[target.{name.partition(".")[0]}.role.caller]
"""
    for name in [*PLACES, "nowhere.lab.test"]
)
OUT = """
[target.out]
protocol = "http"
egress = true
"""
GRANTS = f"""
[grant.names]
groups = ["agents"]
target = {{ name = {[name.partition(".")[0] for name in [*PLACES, "nowhere.lab.test"]]} }}
roles = ["caller"]

[grant.out]
groups = ["agents"]
target = {{ name = "out" }}
roles = ["connect"]
destinations = ["*.lab.test:{PORT}"]
""".replace("'", '"')
STAGE = Options(more={"targets.d/80-names.toml": TARGETS + OUT, "grants.d/80-names.toml": GRANTS}, gateway=False)
UNSHARE = shutil.which("unshare")


def lacking() -> str | None:
    if os.geteuid() != 0 or UNSHARE is None:
        return "a process with a resolv.conf of its own needs root and unshare"
    trying = [UNSHARE, "--mount", "mount", "--bind", "/dev/null", "/etc/resolv.conf"]
    if subprocess.run(trying, capture_output=True, check=False).returncode != 0:
        return "this machine lets nobody have mounts of his own"
    return None if OWN else "this machine has no address but loopback"


class Rebinding(HttpCase):
    """The gateway runs with mounts of its own, where /etc/resolv.conf names the tests' server."""

    skip = lacking()
    options: ClassVar[Options] = STAGE
    server: ClassVar[DnsServer | None] = None

    def setUp(self) -> None:
        super().setUp()
        self.reached: list[str] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = self.stage.place / "rebinding.pem"
        pair.write_text("".join(self.stage.authority.issue()))
        self.context.load_cert_chain(pair)
        listening = socket.create_server(("", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
        self.addCleanup(listening.close)
        self.addCleanup(listening.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._serve, args=(listening,), daemon=True).start()
        self.dns = DnsServer(NAMES)
        self.addCleanup(self.dns.stop)
        resolv = self.stage.place / "resolv.conf"
        resolv.write_text(f"nameserver {PLACE}\noptions timeout:5 attempts:2\n")
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        self.stage.gateway.start(within=[str(UNSHARE), "--mount", "sh", "-c", script, str(resolv)])
        self.addCleanup(self.stage.gateway.stop)

    def _serve(self, listening: socket.socket) -> None:
        """Says by which address it was reached, and closes: each request has a connection of its own."""
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                found = str(connection.getsockname()[0]).removeprefix("::ffff:")
                self.reached.append(found)
                encrypted = connection.recv(1, socket.MSG_PEEK) == TLS
                speaking = self.context.wrap_socket(connection, server_side=True) if encrypted else connection
                speaking.recv(65536)
                head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(found)}\r\n\r\n"
                speaking.sendall((head + found).encode())
                speaking.close()

    def get(self, name: str) -> tuple[int, str]:
        """(status, by which address it was reached)."""
        place = f"https://127.0.0.1:{self.stage.https_port}/{name.partition('.')[0]}/"
        status, _, said = self.curl(url=place)
        return status, said.decode() if status == 200 else ""

    def tunnel(self, name: str) -> tuple[int, str]:
        proxy = ["-x", f"https://127.0.0.1:{self.stage.https_port}", "--proxy-cacert", str(self.stage.ca)]
        proof = ["--proxy-header", f"Proxy-Authorization: Bearer {self.stage.agent}", "--noproxy", ""]
        line = ["curl", "-s", "-p", *proxy, *proof, "-w", "\n%{http_connect}", f"http://{name}:{PORT}/"]
        env = {"PATH": os.environ["PATH"]}
        done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=240, check=False)
        said, _, status = done.stdout.rpartition("\n")
        return int(status), said

    def test_security_a_name_that_changes_where_it_leads(self) -> None:
        """Each connection goes to what was resolved for it, once, and never to this machine or a cloud's metadata."""
        for ask in (self.get, self.tunnel):
            del self.dns.asked[:]
            found = [ask("turns.lab.test") for _ in range(5)]
            self.assertEqual([status for status, _ in found], [200, 502, 502, 502, 200])
            self.assertEqual([said for _, said in found], [OWN, "", "", "", OWN])
            self.assertEqual(self.dns.asked.count(("turns.lab.test", A)), 5)
        self.assertEqual(set(self.reached), {OWN})

    def test_security_what_stands_behind_a_name(self) -> None:
        """Aliases are followed to their addresses, of many only those that may be are tried, in IPv6 too."""
        wanted: dict[str, Any] = {name: (502, "") for name in [*PLACES, "nowhere.lab.test"] if name != "turns.lab.test"}
        wanted |= dict.fromkeys(("good-chain.lab.test", "many.lab.test"), (200, OWN))
        for ask in (self.get, self.tunnel):
            self.assertEqual({name: ask(name) for name in wanted}, wanted)
        self.assertEqual(set(self.reached), {OWN})
        log = self.stage.gateway.log
        self.assertTrue(until(lambda: "chain.lab.test leads to 127.0.0.1" in log.read_text()))
