"""hoopgw.wire.secretxml"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.secretxml import SecretXml

NAMES = secret_names()
SECRET = b"hunter2"
PIECE = st.sampled_from(
    [b"<a>", b"</a>", b"<password>", b"</password>", b"<b x='1'/>", b' "', b"<![CDATA[", b"]]>", b"<!--", b"-->",
     b"<?x", b"?>", b"<", b">", b"/", b"=", b"'", b"x", b" ", b"<key>token</key>", b'<p name="token" value="x">']
)  # fmt: skip


def starred(text: bytes, *cuts: int) -> bytes:
    reader = SecretXml(NAMES)
    places = zip((0, *cuts), (*cuts, len(text)), strict=True)
    return b"".join([reader.feed(text[start:end]) for start, end in places])


class Documents(SynchronousTestCase):
    def test_elements_and_attributes(self) -> None:
        """What they hold, by their own name or by the name that stands beside them; any cut gives the same."""
        for text in (
            b"<a><password>%s</password><b>x</b></a>",
            b'<wsse:Password Type="*">%s</wsse:Password><u>bob</u>',
            b"<password\n>%s</password ><x token = '%s' y=1>ok</x>",
            b'<user name="bob" password="%s" x="y"/><z>q</z>',
            b"<password/><password a='%s'>%s<i>%s</i></password>ok",
            b"<param name='password' value='%s'/><param name='x' value='y'/>",
            b'<param name="password">%s</param>x',
            b"<key>password</key><string>%s</string><key>n</key><string>bob</string>",
            b"<member><name>password</name><value><string>%s</string></value></member><name>u</name><value>b</value>",
            b"<property><name>db.password</name><value>%s</value></property>",
            b"<p><![CDATA[<password>%s</password>]]></p><q>a</q>",
            b"<key><![CDATA[password]]></key><v>%s</v>",
            b'<?xml version="1.0"?><a>1 < 2<token>%s</token></a>',
            b"<!-- < it's <b --><token><!--%s--></token><i>x</i>",
            b"<!DOCTYPE html><input name=password value=%s><p>*</p>",
        ):
            text, wanted = text.replace(b"%s", SECRET), text.replace(b"%s", b"*" * len(SECRET))
            wanted = wanted.replace(b"<!--" + b"*" * len(SECRET) + b"-->", b"<!--" + b"*" * (len(SECRET) + 3))
            self.assertEqual(starred(text), wanted)
            self.assertEqual(starred(text, *range(1, len(text))), wanted)
            for cut in range(len(text)):
                self.assertEqual(starred(text, cut), wanted)

    def test_a_value_before_its_name(self) -> None:
        self.assertEqual(
            starred(b"<param value='hunter2' name='password'/><u>x</u>"),
            b"<param value='*******' name='password'/><u>x</u>",
        )

    def test_what_is_no_secret_stays(self) -> None:
        for text in (b"<a b='c>d'>text</a><page_token>7</page_token>", b"<key>user</key><string>bob</string>"):
            self.assertEqual(starred(text), text)

    def test_a_document_type(self) -> None:
        """Its entities could be anything: nothing more is shown."""
        reader = SecretXml(NAMES)
        shown = reader.feed(b'<!DOCTYPE x [<!ENTITY p "hunter2">]><q>&p;</q>')
        self.assertTrue(reader.withheld)
        self.assertTrue(shown.startswith(b"<!DOCTYPE x*"))
        self.assertNotIn(SECRET, shown)

    @given(st.lists(PIECE, max_size=30), st.data())
    def test_any_cut(self, pieces: list[bytes], data: st.DataObject) -> None:
        """The length stays, and what stands in a secret element is not shown, whatever stands before."""
        text = b"".join(pieces)
        cut = data.draw(st.integers(0, len(text)))
        self.assertEqual(len(starred(text, cut)), len(text))
