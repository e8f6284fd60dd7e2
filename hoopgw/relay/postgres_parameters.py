"""ParameterStatus of the target: what text means must not shift, and the gateway's name must stand."""

from __future__ import annotations

from typing import Final, final

from hoopgw.policy.sql_folding import UNFOLDED
from hoopgw.relay.postgres_settings import CODECS, ENCODINGS

UTF8: Final = "UTF8"
SQL_ASCII: Final = "SQL_ASCII"


@final
class Parameters:
    """What the target has said of its settings.

    violation   a setting that must not change did: the session ends, for this reason
    renamed     the client gave itself another application_name than the gateway's ("" where any may stand)
    """

    def __init__(self, encoding: str, server_encoding: str, application_name: bytes) -> None:
        self.encoding = encoding
        self._server_encoding = server_encoding
        self.folds = server_encoding not in UNFOLDED  # names that are not ASCII, as its locale says
        self.violation = ""
        self.renamed = False
        self._application_name = application_name

    @property
    def texts(self) -> str:
        """The encoding by which the target reads the client's texts: where either side's is SQL_ASCII nothing is
        converted, and where it is the server's, names are bytes to the catalogue's reader as well."""
        if self._server_encoding == SQL_ASCII:
            return UTF8
        return self._server_encoding if self.encoding == SQL_ASCII else self.encoding

    @property
    def codec(self) -> str:
        """By which Python reads the client's texts as the target does; "" where it converts them in another way."""
        name = self.texts
        return CODECS.get(name, "") if self._server_encoding in (UTF8, name) else ""

    def changed(self, name: bytes, value: bytes, own: bool) -> bool:
        """`own`: in answer to our own SET.  Gives whether the client must not see it."""
        if name == b"standard_conforming_strings" and value != b"on":
            self.violation = "standard_conforming_strings was set to another value than on"
        elif name == b"client_encoding":
            self.encoding = text_of(value)
            if self.encoding not in ENCODINGS:
                self.violation = f"client_encoding was set to {self.encoding}, which cannot be judged safely"
        elif name == b"application_name" and self._application_name:
            if own:
                self._application_name = value  # as the target writes it: shortened to 63 bytes, say
            if value == self._application_name:
                return True
            self.renamed = True
        return False


def text_of(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
