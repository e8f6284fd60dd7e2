"""ParameterStatus of the target: what text means must not shift, and the gateway's name must stand."""

from __future__ import annotations

from typing import final

from hoopgw.relay.postgres_settings import ENCODINGS


@final
class Parameters:
    """What the target has said of its settings.

    violation   a setting that must not change did: the session ends, for this reason
    renamed     the client gave itself another application_name than the gateway's ("" where any may stand)
    """

    def __init__(self, encoding: str, application_name: bytes) -> None:
        self.encoding = encoding
        self.violation = ""
        self.renamed = False
        self._application_name = application_name

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
