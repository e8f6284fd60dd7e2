"""gRPC's own interoperability tests (grpc/grpc, doc/interop-test-descriptions.md): Go's client and server, with the
gateway between them."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SkipTest

from hoopgw.cli.demo.children import Child
from hoopgw.cli.demo.place import free_port
from hoopgw.cli.demo.stage import Options
from tests.live.harness import built, environment, until
from tests.live.test_http import HttpCase

CASES = (
    "empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
    "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
    "special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
)  # fmt: skip


class Interoperability(HttpCase):
    _port: ClassVar[int] = 0

    def setUp(self) -> None:
        cls = type(self)
        self.client = built("grpc")
        if not self.client:
            raise SkipTest("gRPC's programs are not built: `make test` tries to, and says why it cannot")
        if not cls._port:
            cls._port = port = free_port()
            place = Path(tempfile.mkdtemp(prefix="hoopgw-grpc-"))
            child = Child(
                "grpc-server", [Path(self.client[0]).with_name("server"), f"-port={port}"], place / "log", environment()
            )
            atexit.register(shutil.rmtree, place)
            atexit.register(child.stop)
            until(lambda: self._answers(port))
            target = '[target.interop]\nprotocol = "http"\nversions = ["h2"]\n'
            target += f'address = ["127.0.0.1:{port}"]\n[target.interop.role.caller]\n'
            grant = '[grant.interop]\ngroups = ["agents"]\ntarget = { name = "interop" }\nroles = ["caller"]\n'
            cls.options = Options(more={"targets.d/interop.toml": target, "grants.d/interop.toml": grant})
        super().setUp()

    @staticmethod
    def _answers(port: int) -> bool:
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", port)) == 0

    def tried(self, case: str) -> str:
        """What the client says where the case does not hold; "" where it does."""
        token = f"-additional_metadata=authorization:Bearer {self.stage.agent}"
        trust = ["-use_tls", "-use_test_ca", f"-ca_file={self.stage.ca}"]
        where = ["-server_host=127.0.0.1", f"-server_port={self.stage.https_port}"]
        command = [*self.client, *where, "-server_host_override=interop.gw.localhost", *trust, token]
        command.append(f"-test_case={case}")
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
        return "" if done.returncode == 0 else f"{case}: {done.stderr[-2000:]}"

    def test_each(self) -> None:
        """Statuses, words of them, metadata, deadlines, cancels, streams: as without the gateway."""
        self.assertEqual([said for said in map(self.tried, CASES) if said], [])
        self.assertGreater(len(self.listed("--target", "interop", count=1)), 0)
