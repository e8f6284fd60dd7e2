"""The demo's HTTP service: tells what reached it.  `python -m hoopgw.cli.demo.echo PORT FILE`; FILE holds its token.

====================  ==========================================================
/                     the request as JSON: method, path, fields, body, whether the token was right
/bytes/N              N bytes
/chunks/N             the same in chunks of 10 000
/status/CODE          that status
/people               people with e-mail addresses and a payment card, as JSON
/events               five server-sent events; with X-Wait: 1 the others follow the first after a request for /go
/go                   lets events go on that wait
/redirect?to=PLACE    302 to it
/cookie               sets one for every host and path
====================  ==========================================================
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

MAX_BODY = 64 << 20  # bytes that are read of one request
SHOWN = 4096  # characters of a body that are told
PIECE = 10_000
WAIT = 60.0  # seconds for /go, and no longer
SECRET = ("authorization", "x-hoopgw-identity")  # not for who asks
PEOPLE = [
    {"id": 1, "name": "Ada", "email": "ada@example.com", "card": "4000 0012 3456 7899"},
    {"id": 2, "name": "Grace", "email": "grace@example.com", "card": "4000 0012 3456 7899"},
]


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    token = ""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY: head and body are two writes

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(min(MAX_BODY, int(self.headers.get("Content-Length") or 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _any(self) -> None:
        body, place = self._body(), urlsplit(self.path)
        first, _, rest = place.path.strip("/").partition("/")
        number = int(rest) if rest.isdigit() else 0
        if first == "bytes":
            self._say(200, "application/octet-stream", b"x" * number)
        elif first == "chunks":
            self._stream("application/octet-stream", (b"x" * PIECE for _ in range(number // PIECE)))
        elif first == "events":
            self._stream("text/event-stream", self._events())
        elif first == "go":
            self.server.goes_on.set()  # type: ignore[attr-defined]
            self._say(200, "application/json", b"{}")
        elif first == "status":
            self._say(number, "text/plain", b"")
        elif first == "people":
            self._say(200, "application/json", json.dumps(PEOPLE).encode())
        elif first == "redirect":
            self._say(302, "text/plain", b"", {"Location": parse_qs(place.query).get("to", ["/"])[0]})
        elif first == "cookie":
            self._say(200, "text/plain", b"set", {"Set-Cookie": "sid=1; Domain=localhost; Path=/; HttpOnly"})
        else:
            self._say(200, "application/json", json.dumps(self._told(body), indent=2).encode() + b"\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any

    def _told(self, body: bytes) -> dict[str, object]:
        given = [(name, value) for name, value in self.headers.items() if name.lower() not in SECRET]
        return {
            "method": self.command,
            "path": self.path,
            "credential": "right" if self.headers.get("Authorization") == f"Bearer {self.token}" else "wrong",
            "fields": given,
            "size": len(body),
            "body": body[:SHOWN].decode("utf-8", "replace"),
        }

    def _say(self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        if status not in (204, 304):
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def _events(self) -> Iterator[bytes]:
        goes_on: threading.Event = self.server.goes_on  # type: ignore[attr-defined]
        goes_on.clear()
        for count in range(5):
            yield f"data: {count}\n\n".encode()
            goes_on.wait(WAIT if self.headers.get("X-Wait") else 0.01)

    def _stream(self, kind: str, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces if self.command != "HEAD" else ():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if self.command != "HEAD":
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *words: object) -> None:
        """The demo's own log shows what matters."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.goes_on = threading.Event()


def main() -> None:
    Echo.token = Path(sys.argv[2]).read_text().strip()
    Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()


if __name__ == "__main__":
    main()
