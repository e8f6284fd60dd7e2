"""Requests to a forwarded agent (must-survive 35): the list of keys and the signature of a login, and nothing else."""

from __future__ import annotations

import contextlib
import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.model.errors import MalformedFrame
from hoopgw.wire.sshagent import MAX_REQUEST, AgentRequest, AgentRequests, read_request
from hoopgw.wire.sshmessages import string

KEY = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(32)
LIST = b"\x0b"
BIND = b"\x1b" + string(b"session-bind@openssh.com") + string(KEY) + string(b"id") + string(b"signature") + b"\0"


def login(method: bytes = b"publickey", service: bytes = b"ssh-connection", signed: bytes = b"\1") -> bytes:
    data = string(os.urandom(32)) + b"\x32" + string(b"deploy") + string(service) + string(method) + signed
    data += string(b"ssh-ed25519") + string(KEY)
    return data + (string(KEY) if b"hostbound" in method else b"")


def sign(data: bytes) -> bytes:
    return b"\x0d" + string(KEY) + string(data) + bytes(4)


def framed(*bodies: bytes) -> bytes:
    return b"".join(map(string, bodies))


def told(request: AgentRequest) -> tuple[str, bool, str]:
    return request.what, not request.refused, request.user


class Requests(SynchronousTestCase):
    def test_what_passes(self) -> None:
        for body, expected in (
            (LIST, ("list", True, "")),
            (BIND, ("bind", True, "")),
            (sign(login()), ("sign", True, "deploy")),
            (sign(login(b"publickey-hostbound-v00@openssh.com")), ("sign", True, "deploy")),
        ):
            self.assertEqual(told(read_request(body)), expected, body)
        self.assertTrue(read_request(sign(login())).key.startswith("SHA256:"))

    def test_nothing_is_kept_of_nothing(self) -> None:
        """Data of no bytes, without end, inside a request that is not whole."""
        requests = AgentRequests()
        whole = framed(LIST, sign(login()))
        self.assertEqual([each.what for each in requests.of(whole[:9])], ["list"])
        for _ in range(100):
            self.assertEqual(requests.of(b""), [])
        self.assertLessEqual(len(requests._pieces), 1)
        self.assertEqual([each.what for each in requests.of(whole[9:])], ["sign"])

    def test_what_does_not(self) -> None:
        """Keys and libraries that are added, locks, and signatures of anything that is no login by SSH."""
        for body in (
            b"\x14" + string(b"/tmp/evil.so") + string(b""),  # a library that makes keys
            b"\x11" + string(b"ssh-ed25519"),
            b"\x13",
            b"\x16" + string(b"secret"),
            b"\x01",
            LIST + b"x",
            b"\x1b" + string(b"restrict-destination-v00@openssh.com"),
            b"\x0d",
            sign(b"SSHSIG" + string(b"git") + string(b"") + string(b"sha512") + string(bytes(64))),
            sign(login() + b"x"),
            sign(login(service=b"ssh-userauth")),
            sign(login(b"hostbased")),
            sign(login(signed=b"\0")),
            sign(os.urandom(32)),
        ):
            self.assertTrue(read_request(body).refused, body)

    @given(st.lists(st.sampled_from((LIST, BIND, sign(login()), b"\x13")), max_size=6), st.data())
    def test_any_cut(self, bodies: list[bytes], data: st.DataObject) -> None:
        stream = framed(*bodies)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
        requests = AgentRequests()
        found = [
            told(each)
            for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
            for each in requests.of(stream[start:end])
        ]
        self.assertEqual(found, [told(read_request(body)) for body in bodies])

    def test_lengths(self) -> None:
        """Looked at before anything is waited for."""
        for length in (0, MAX_REQUEST + 1, 2**32 - 1):
            self.assertRaises(MalformedFrame, AgentRequests().of, length.to_bytes(4, "big"))

    @given(st.binary(max_size=200))
    def test_junk(self, data: bytes) -> None:
        requests = AgentRequests()
        with contextlib.suppress(MalformedFrame):
            for each in requests.of(data) + requests.of(data):
                self.assertTrue(each.refused or each.what in ("list", "bind", "query", "sign"))
