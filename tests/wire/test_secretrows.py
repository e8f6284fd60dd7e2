"""hoopgw.wire.secretrows"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hoopgw.wire.secretnames import secret_names
from hoopgw.wire.secretrows import SecretRows

NAMES = secret_names()


class Rows(SynchronousTestCase):
    def test_names(self) -> None:
        """Of columns and of rows, in quotes or not, with whatever between them; a read may cut them."""
        for table in (
            b"user,password,z\r\nada,hunter2,1\r\n",
            b'"user";"Password"\n"ada";"hunter2"\n',
            b"\xef\xbb\xbfpassword\thunter2",
            b"name,value\nuser,ada\nDB_PASSWORD,hunter2\n",
            b"'api key' | x\nhunter2 | y\n",
        ):
            for cut in range(len(table)):
                reader = SecretRows(NAMES)
                shown = reader.feed(table[:cut]) + reader.feed(table[cut:])
                self.assertEqual((len(shown), reader.found, reader.withheld), (len(table), 1, True))
                self.assertNotIn(b"hunter2", shown)
        self.assertEqual(SecretRows(NAMES).feed(b"a,token,b\n1,2,3\n"), b"a,token*********")

    def test_what_is_no_secret_stays(self) -> None:
        """The same object."""
        for table in (b"", b"a,b\n1,2\n", b"user,next_token\nada,1\n", b"x" * 300 + b"\n"):
            self.assertIs(SecretRows(NAMES).feed(table), table)
