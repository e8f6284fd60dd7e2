"""What an agent does with an HTTP service, and what the gateway lets it: steps of the demo."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPResponse, HTTPSConnection
from typing import Any

from hoopgw.cli.demo.scene import PATIENCE, Scene


def asked(scene: Scene, method: str, path: str, token: str = "", **fields: str) -> tuple[int, dict[str, Any]]:
    """(status, JSON) of one request through the gateway, told and shown."""
    stage = scene.stage
    scene.tell.typed("agent", f"curl -X {method} https://gateway{path}")
    context = ssl.create_default_context(cafile=str(stage.ca))
    connection = HTTPSConnection("127.0.0.1", stage.https_port, timeout=PATIENCE, context=context)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {token or stage.agent}", **fields})
        answer: HTTPResponse = connection.getresponse()
        said = json.loads(answer.read())
    finally:
        connection.close()
    scene.tell.shows(f"{answer.status} {answer.reason}\n{json.dumps(said)}")
    return answer.status, said


def a_request(scene: Scene) -> None:
    """A request to an HTTP service"""
    status, said = asked(scene, "GET", "/echo/orders?open=true")
    fields = {name.lower(): value for name, value in said.get("fields", [])}
    good = status == 200 and said["credential"] == "right" and fields.get("x-hoopgw-subject") == "agent@demo"
    scene.tell.expect(good, "the service got its own credential, and knows who asks", f"status {status}")


def a_refused_request(scene: Scene) -> None:
    """A request without a grant"""
    status, said = asked(scene, "DELETE", "/echo/orders", scene.stage.stranger)
    scene.tell.expect(status == 403, "403, as problem+json: no grant lets it in", f"status {status}: {said}")


STEPS = (a_request, a_refused_request)
