"""What `hoopgw sessions list` looks for in recordings: a text, or an HTTP request by method, path and status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hoopgw.policy.http_path import matches, read_path
from hoopgw.record.happenings import Happening


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that is given must hold: `method`, `path` (a glob over canonical paths), `operation` (an operationId) and
    `status` of one request."""

    text: str = ""
    method: str = ""
    path: str = ""
    status: str = ""
    operation: str = ""

    @property
    def everything(self) -> bool:
        """Nothing is looked for: no recording is read."""
        return not self.text and not self._asks

    @property
    def asked_only(self) -> bool:
        """What passed is of no interest: only an answer's status is looked for in it."""
        return not self.status

    @property
    def _asks(self) -> bool:
        return bool(self.method or self.path or self.status or self.operation)

    def found(self, happenings: Iterable[Happening]) -> bool:
        """Reads as far as it has to."""
        said = not self.text
        asked = not self._asks
        fits = -1  # the number of the last request that fits
        for each in happenings:
            said = said or self._says(each)
            if each.what == "operation" and each.fields["kind"] == "request" and self._fits(each):
                fits = each.fields["number"]
                asked = asked or not self.status
            elif each.what == "answer" and self.status and each.fields.get("operation") == fits:
                asked = asked or fnmatchcase(str(each.fields["status"]), self.status)
            if said and asked:
                return True
        return said and asked

    def _says(self, each: Happening) -> bool:
        names = ("text",) if each.what == "operation" else ("path", "to") if each.what == "note" else ()
        folded = self.text.casefold()
        return any(folded in str(each.fields.get(name, "")).casefold() for name in names)

    def _fits(self, each: Happening) -> bool:
        method, _, target = each.fields["text"].partition(" ")
        if self.method and method.upper() != self.method.upper():
            return False
        if self.operation and self.operation not in each.fields.get("tables", ()):
            return False
        path = read_path(target.partition("?")[0].encode("utf-8", "replace"))
        return not self.path or any(matches(each, self.path) for each in path.readings)
