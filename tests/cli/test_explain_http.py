"""`hoopgw explain` of an HTTP request: the verdict, who says it, and how the request was read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.cli.main import main

FILES = {
    "hoopgw.toml": "",
    "targets.d/a.toml": '[target.shop]\nprotocol = "http"\naddress = ["127.0.0.1:80"]\n[target.shop.role.app]\n',
    "grants.d/a.toml": '[grant.all]\ngroups = ["agents"]\ntarget = { name = "shop" }\nroles = ["app"]\n',
    "guardrails.d/a.toml": '[guardrail.admins]\nprotocol = "http"\nform = { role = "admin" }\nthen = "refuse"\n'
    '[mask.ssn]\nprotocol = "http"\njson = ["ssn"]\npath = ["/users/*"]\n',
}


class Explained(SynchronousTestCase):
    def explained(self, *words: str, groups: str = "agents") -> tuple[int, Any]:
        place = Path(self.mktemp())
        for name, text in FILES.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text or f'state = "{place}"\n')
        (place / "body").write_bytes(b"role=%61dmin")
        first = ["--config", str(place / "hoopgw.toml"), "explain", "--as", "ann", "--groups", groups]
        more = [word.replace("@body", f"@{place}/body") for word in words]
        done = CliRunner().invoke(main, [*first, "--target", "shop", "--json", *more])
        return done.exit_code, json.loads(done.stdout) if done.exit_code < 2 else done.output

    def test_verdict_and_facts(self) -> None:
        """Rule and line; the path as it was read, and as others could read it; what would be masked."""
        form = ("--header", "Content-Type: application/x-www-form-urlencoded", "--body", "@body")
        status, found = self.explained("POST /users", *form)
        self.assertEqual((status, found["decision"], found["rules"][0]["guardrail"]), (1, "refused", "admins"))
        self.assertEqual(found["rules"][0]["line"], 1)
        status, found = self.explained("GET /x/../users?_method=put")
        self.assertEqual((status, found["facts"]["path"], found["facts"]["method"]), (0, ["/users"], ["GET", "PUT"]))
        self.assertEqual((found["facts"]["also"], found["facts"]["masks"]), (["/x/../users"], ["ssn"]))

    def test_wrong_use(self) -> None:
        """What is no request, no field, no file; and who has no grant."""
        for words in (("GET",), ("GET /", "--header", "x"), ("GET /", "--body", "@/none")):
            self.assertEqual(self.explained(*words)[0], 2, words)
        self.assertEqual(self.explained("GET /", groups="others")[1]["decision"], "no connection")


class Tunnels(SynchronousTestCase):
    def explained(self, line: str) -> tuple[int, Any]:
        place = Path(self.mktemp())
        grant = '[grant.out]\ngroups = ["agents"]\ntarget = { name = "out" }\nroles = ["connect"]\n'
        files = {
            "hoopgw.toml": f'state = "{place}"\n',
            "targets.d/a.toml": '[target.out]\nprotocol = "http"\negress = true\n',
            "grants.d/a.toml": grant + 'destinations = ["*.pypi.org:443"]\n',
        }
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        first = ["--config", str(place / "hoopgw.toml"), "explain", "--as", "ann", "--groups", "agents"]
        done = CliRunner().invoke(main, [*first, "--target", "out", "--json", line])
        return done.exit_code, json.loads(done.stdout) if done.exit_code < 2 else done.output

    def test_tunnels(self) -> None:
        """Where a grant lists it, and nowhere else."""
        self.assertEqual(self.explained("CONNECT a.pypi.org:443")[1]["decision"], "allowed")
        status, found = self.explained("CONNECT example.org:443")
        self.assertEqual((status, found["decision"], found["rules"][0]["guardrail"]), (1, "refused", "http:connect"))
        self.assertEqual(self.explained("CONNECT example.org")[0], 2)
        self.assertEqual(self.explained("GET /")[1]["decision"], "refused")
