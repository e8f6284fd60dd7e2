"""hoopgw.wire.secretparts"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.secretparts import MAX_HEAD, SecretParts

NAMES = secret_names()
FIELD = b"--b\r\nContent-Disposition: form-data; name=%s\r\n\r\n%s\r\n"


def starred(form: bytes, *cuts: int) -> bytes:
    reader = SecretParts(NAMES, b"b")
    return b"".join(reader.feed(form[a:b]) for a, b in zip((0, *cuts), (*cuts, len(form)), strict=True))


class Parts(SynchronousTestCase):
    def test_by_name(self) -> None:
        """Quoted or not; files go on, other parts are looked through."""
        for name, value, expected in (
            (b'"user"', b"ada", b"ada"),
            (b'"password"', b"hunter2", b"*" * 7),
            (b"password", b"hunter2", b"*" * 7),
            (b'"user[password]"', b"a\r\n-b\r\n--", b"*" * 9),
            (b'"token"', b"", b""),
            (b'"meta"', b'{"token": "x"}', b'{"token": "*"}'),
            (b'"f"; filename="token.json"', b'{"token": "x"}', b'{"token": "*"}'),
            (b'"f"; filename="a.csv"\r\nContent-Type: text/csv', b"user,password\nada,x\n", b"user,password*******"),
            (b'"f"; filename="a.env"\r\nContent-Type: text/plain', b"A=b\nPASSWORD=x\n", b"A=b\nPASSWORD=*\n"),
            (b'"f"; filename="a.bin"', b"token: x", b"token: x"),
            (b'"f"; filename="a.CSV"\r\nContent-Type: application/octet-stream', b"token,a\nx,y", b"token******"),
            (b'"f"; filename=".env"\r\nContent-Type: application/octet-stream', b"A=b\nTOKEN=x\n", b"A=b\nTOKEN=*\n"),
            (b'"f"; filename=a.yml', b"token: x\n", b"token: *\n"),
            (b'"f"; filename="a.csv"\r\nContent-Type: application/vnd.ms-excel', b"a,token\n", b"a,token*"),
            (b'"token"; filename="a"', b"x", b"*"),
            (b"'token'", b"x", b"*"),
            (b'"plainPassword[first]"', b"x", b"*"),
            (b'"f"; filename="blob"\r\nContent-Type: application/json', b'{"token": "x"}', b'{"token": "*"}'),
            (b'"f"\r\ncontent-type: application/x-www-form-urlencoded', b"a=1&token=x", b"a=1&token=*"),
            (b'"f"\r\nContent-Type: multipart/mixed; boundary=c', b"--c\r\nX: y\r\n\r\nz", b"*" * 14),
            (b'"f"\r\nContent-Type: application/json; charset="utf-16le"', b"{\0", b"**"),
            (b"f\r\nContent-Type: application/http", b"GET /\r\nAuthorization: a b\r\n\r\nc",
             b"GET /\r\nAuthorization: * *\r\n\r\nc"),
        ):  # fmt: skip
            whole = FIELD % (name, value) + b"--b--\r\n"
            self.assertEqual(len(starred(whole, *range(1, len(whole)))), len(whole))
            form = FIELD % (b'"a"', b"1") + FIELD % (name, value) + FIELD % (b'"z"', b"2") + b"--b--\r\n"
            shown = FIELD % (b'"a"', b"1") + FIELD % (name, expected) + FIELD % (b'"z"', b"2") + b"--b--\r\n"
            self.assertEqual(starred(form), shown)

    def test_pairs_of_parts(self) -> None:
        """A part that holds a secret name has those called `value` behind it secret."""
        form = (
            FIELD % (b'"key"', b"password") + FIELD % (b'"value"', b"hunter2") + FIELD % (b'"z"', b"2") + b"--b--\r\n"
        )
        shown = form.replace(b"hunter2", b"*" * 7)
        for cut in range(len(form)):
            self.assertEqual(len(starred(form, cut)), len(form))
            self.assertNotIn(b"hunter2", starred(form, cut))
        self.assertEqual(starred(form), shown)

    def test_a_head_that_is_too_long(self) -> None:
        """Nothing of its part is shown: its name may be anything."""
        form = FIELD % (b"x" * MAX_HEAD, b"hunter2") + FIELD % (b'"z"', b"2")
        self.assertNotIn(b"hunter2", starred(form))
        self.assertTrue(starred(form).endswith(FIELD % (b'"z"', b"2")))

    @given(st.binary(max_size=60), st.data())
    def test_any_cut(self, junk: bytes, data: st.DataObject) -> None:
        """Lengths stay, nothing secret is shown, and what is no secret stays as it is."""
        secret = FIELD % (b'"password"', b"hunter2")
        form = FIELD % (b'"a"', b"plain") + secret + FIELD % (b'"f"; filename="x"', b"content") + b"--b--\r\n"
        cuts = sorted(data.draw(st.sets(st.integers(0, len(form)), max_size=5)))
        shown = starred(form, *cuts)
        self.assertEqual(len(shown), len(form))
        self.assertNotIn(b"hunter2", shown)
        self.assertTrue(b"plain" in shown and b"content" in shown)
        self.assertEqual(len(starred(junk, *[cut for cut in cuts if cut <= len(junk)])), len(junk))
