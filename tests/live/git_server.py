"""A Git server over HTTP: `git http-backend` behind the least that calls a CGI program (RFC 3875)."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BACKEND = ["git", "http-backend"]
FIELDS = ("Content-Type", "Content-Encoding", "Git-Protocol")


@contextmanager
def git_server(place: Path, environment: dict[str, str], port: int) -> Iterator[list[str]]:
    """Serves the bare repositories in `place`; the list has METHOD PATH of what was asked."""
    asked: list[str] = []

    class Cgi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            path, _, query = self.path.partition("?")
            told = {"GIT_PROJECT_ROOT": str(place), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "gateway"}
            told |= {"REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query}
            told |= {"HTTP_" + name.upper().replace("-", "_"): self.headers[name] or "" for name in FIELDS}
            body = self._body()
            told |= {"CONTENT_TYPE": self.headers["Content-Type"] or "", "CONTENT_LENGTH": str(len(body))}
            found = subprocess.run(BACKEND, input=body, env=environment | told, capture_output=True, check=False)
            head, _, content = found.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def _body(self) -> bytes:
            if self.headers["Transfer-Encoding"] != "chunked":
                return self.rfile.read(int(self.headers["Content-Length"] or 0))
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def log_message(self, format: str, *arguments: object) -> None:
            """The list has it."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Cgi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
