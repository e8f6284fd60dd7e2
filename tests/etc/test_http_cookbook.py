"""docs/http-rules.md: every recipe loads, and says of the requests under it what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from hoopgw import config
from hoopgw.auth.access import Access
from hoopgw.cli.explain_http import judged_http
from hoopgw.model.grant import Grant, Who
from hoopgw.model.identity import Identity

PAGE = (Path(__file__).parent.parent.parent / "docs/http-rules.md").read_text()
TARGET = """
[target.shop]
protocol = "http"
address = ["127.0.0.1:80"]
openapi = ["shop.json"]
[target.shop.role.app]
"""
API = {
    "openapi": "3.1.0",
    "paths": {
        "/pets": {"get": {"operationId": "listPets"}},
        "/pets/{id}": {"get": {"operationId": "getPet"}, "delete": {"operationId": "deletePet"}},
    },
}
REQUEST = re.compile(r"^([A-Za-z]+ \S+)(?: (\S.*?))? +(refused|held|passes)(?: \(.*\))?$")


class Recipes(SynchronousTestCase):
    def judged(self, loaded: config.Config, line: str, body: str) -> str:
        target = loaded.targets["shop"]
        identity = Identity("corp", "https://idp.example.com", "agent", frozenset(("agents",)), 9e9)
        access = Access(identity, target, target.roles["app"], "", Grant("g", Who(anyone=True)), 9e9)
        form = "x-www-form-urlencoded" if body and body[0].isalpha() else "json"
        kind = (f"Content-Type: application/{form}",) if not body[:1].isdigit() else ()
        verdict, _ = judged_http(loaded, access, line, kind, body)
        return "refused" if verdict.refusals else "held" if verdict.holds else "passes"

    def load(self, recipe: str) -> config.Config:
        place = Path(self.mktemp())
        (place / "guardrails.d").mkdir(parents=True)
        (place / "targets.d").mkdir()
        (place / "hoopgw.toml").write_text(f'state = "{place}"\n')
        (place / "targets.d/a.toml").write_text(TARGET)
        (place / "targets.d/shop.json").write_text(json.dumps(API))
        (place / "guardrails.d/a.toml").write_text(recipe)
        self.assertEqual(config.check(place / "hoopgw.toml"), [], recipe)
        return config.load(place / "hoopgw.toml")

    def test_what_the_page_says(self) -> None:
        """Of each request under each recipe."""
        tried = 0
        for recipe, requests in re.findall(r"```toml\n(.*?)```\n(?:```http\n(.*?)```)?", PAGE, re.DOTALL):
            loaded = self.load(recipe)
            for written in requests.splitlines():
                found = REQUEST.match(written)
                assert found is not None, written
                line, body, expected = found.groups()
                self.assertEqual(self.judged(loaded, line, body or ""), expected, written)
                tried += 1
        self.assertGreater(tried, 35)
