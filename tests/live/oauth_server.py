"""A token endpoint by TLS, and a service that takes its tokens: what of OAuth a target needs, and no more."""

from __future__ import annotations

import json
import os
import secrets
import ssl
import tempfile
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from hoopgw.cli.demo.authority import Authority

ID, SECRET = "the gateway", "of the:gateway&"


class Served:
    """`tokens` are those that the service takes; `asked` what the endpoint was asked.  `lifetime` is what it says of a
    token: the service takes them longer, and is never to blame on a slow machine."""

    def __init__(self, authority: Authority) -> None:
        self.tokens: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self.seen: list[str] = []  # tokens that the service was shown
        self.lifetime = 600
        self.down = False
        self._endpoint = _server(self, _Endpoint)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as chain:
            chain.write("".join(authority.issue()))
            chain.flush()
            context.load_cert_chain(chain.name)
        self._endpoint.socket = context.wrap_socket(self._endpoint.socket, server_side=True)
        self._service = _server(self, _Service)
        for each in (self._endpoint, self._service):
            threading.Thread(target=each.serve_forever, daemon=True).start()
        self.token_endpoint = f"https://127.0.0.1:{self._endpoint.server_address[1]}/token"
        self.port = int(self._service.server_address[1])

    def stop(self) -> None:
        for each in (self._endpoint, self._service):
            each.shutdown()
            each.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A gateway that leaves is none."""


def _server(served: Served, answers: type[BaseHTTPRequestHandler]) -> _Server:
    kind = type(answers.__name__, (answers,), {"served": served, "protocol_version": "HTTP/1.1"})
    return _Server(("127.0.0.1", 0), kind)


class _Answers(BaseHTTPRequestHandler):
    served: Served

    def log_message(self, *_: Any) -> None:
        """Nothing is wanted."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, status: int, said: Any, **more: str) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), "Content-Type": "application/json", **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class _Endpoint(_Answers):
    def do_POST(self) -> None:
        form = {name: values[0] for name, values in parse_qs(self.body().decode()).items()}
        shown = self.headers.get("Authorization", "")
        pair = (form.get("client_id", ""), form.get("client_secret", ""))
        if shown:
            id, _, secret = b64decode(shown.removeprefix("Basic ")).decode().partition(":")
            pair = unquote_plus(id), unquote_plus(secret)
        served = self.served
        served.asked.append(form | {"way": "basic" if shown else "post"})
        if served.down:
            self.answer(503, "away")
        elif pair != (ID, SECRET) or form.get("grant_type") != "client_credentials":
            self.answer(401, {"error": "invalid_client"})
        else:
            token = secrets.token_urlsafe(24)
            served.tokens.add(token)
            self.answer(200, {"access_token": token, "token_type": "bearer", "expires_in": served.lifetime})


class _Service(_Answers):
    def do_GET(self) -> None:
        body, token = self.body(), self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.served.seen.append(token)
        if token not in self.served.tokens:
            self.answer(401, {"error": "invalid_token"}, **{"WWW-Authenticate": "Bearer"})
        else:
            self.answer(200, {"body": body.decode()})

    do_POST = do_GET


def owned(path: Path, text: str, like: Path) -> None:
    """A secret's file, of whom `like` is of."""
    path.write_text(text)
    path.chmod(0o600)
    os.chown(path, os.stat(like).st_uid, -1)
