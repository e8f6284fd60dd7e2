"""What `hoopgw bypass probe` finds is told to a running gateway, and becomes an event."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.live.harness import environment
from tests.live.test_http import HttpCase

PATH = "/.well-known/hoopgw/probes"


class Probes(HttpCase):
    def probe(self, *words: str, token: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from hoopgw.cli.main import main; main()", "bypass", "probe", *words]
        env = environment() | {"HOOPGW_TOKEN": token, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)

    def base(self) -> str:
        return f"https://127.0.0.1:{self.stage.https_port}"

    def test_told_to_the_gateway(self) -> None:
        """An open target and a closed one: exit status, words, and the event with who said so."""
        report = ("--report", self.base(), "--ca", str(self.stage.ca))
        open_one, closed = f"127.0.0.1:{self.stage.https_port}", "127.0.0.1:1"
        done = self.probe(open_one, closed, *report, token=self.stage.agent)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"OPEN     {open_one}", done.stdout)
        self.assertIn(f"closed   {closed}: connection refused", done.stdout)
        told = self.events("bypass.open")[-1]
        self.assertEqual((told["subject"], told["reached"], told["unreachable"]), ("agent@demo", [open_one], [closed]))
        done = self.probe(closed, *report, token=self.stage.agent)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.events("bypass.closed")[-1]["reached"], [])

    def test_what_nobody_can_say(self) -> None:
        """A name that the host does not know, or that no host can have, is neither closed nor open: a status and an
        event of its own, beside closed ones; beside an open one it is open."""
        report = ("--report", self.base(), "--ca", str(self.stage.ca))
        nowhere, closed = "no-such-name.invalid:5432", "127.0.0.1:1"
        before = len(self.events("bypass.closed"))
        done = self.probe(nowhere, closed, "no..name:1", *report, token=self.stage.agent)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(f"unknown  {nowhere}: the name is not known here", done.stdout)
        self.assertIn("which closes nothing: probe its address too", done.stdout)
        told = self.events("bypass.unknown")[-1]
        self.assertEqual(
            (told["reached"], told["unreachable"], told["unknown"]), ([], [closed], [nowhere, "no..name:1"])
        )
        self.assertEqual(len(self.events("bypass.closed")), before)
        open_one = f"127.0.0.1:{self.stage.https_port}"
        done = self.probe(nowhere, open_one, "--json", *report, token=self.stage.agent)
        self.assertEqual([each["open"] for each in json.loads(done.stdout)], [None, True])
        self.assertEqual((done.returncode, self.events("bypass.open")[-1]["unknown"]), (1, [nowhere]))

    def test_who_may_tell(self) -> None:
        """Without a good token nobody makes an event; the command says that it was not taken."""
        before = len(self.events("bypass.closed"))
        done = self.probe("127.0.0.1:1", "--report", self.base(), "--ca", str(self.stage.ca), token="x.y.z")
        self.assertEqual(done.returncode, 4)
        self.assertIn("401", done.stderr)
        reachable = f"127.0.0.1:{self.stage.cluster.port}"
        done = self.probe(reachable, "--report", self.base(), "--ca", str(self.stage.ca), token="x.y.z")
        self.assertEqual(done.returncode, 1)  # whoever hears of it, it is open
        done = self.probe("127.0.0.1:1", "--report", "http://127.0.0.1:1", token=self.stage.agent)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(self.events("bypass.closed")), before)

    def test_what_is_no_report(self) -> None:
        """Anything but the few names that are asked for is refused, in words."""
        url = self.base() + PATH
        many = [{"address": "a:1", "open": True}] * 100
        some = json.dumps({"host": "h", "probed": [{"address": "a:1", "open": 0}]})
        for body in (
            "",
            "[]",
            '{"host": 1, "probed": []}',
            json.dumps({"host": "h", "probed": many}),
            some,
            '{"host": "h"}',
        ):
            status, _, answer = self.curl("--data", body, url=url)
            self.assertEqual(status, 400, answer)
        self.assertEqual(self.curl(url=url)[0], 405)
        self.assertEqual(self.curl("--data", "{}", url=url, token="")[0], 401)
