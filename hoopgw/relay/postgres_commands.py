"""What the target's CommandComplete says of names: those of the catalogue, of prepared statements and of portals."""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from hoopgw.relay.postgres_hints import CREATES
from hoopgw.relay.postgres_names import Names

# Tags of commands that may change what names mean (documentation, 55.7, CommandComplete: the command's own name)
_DDL: Final = (
    b"CREATE", b"ALTER", b"DROP", b"TRUNCATE", b"GRANT", b"REVOKE", b"COMMENT", b"DO", b"CALL", b"IMPORT", b"REFRESH",
    b"SECURITY", b"REASSIGN", b"DISCARD",
)  # fmt: skip
_MAKES: Final = (b"SELECT", b"EXPLAIN")  # of CREATE TABLE AS, and of EXPLAIN ANALYZE of one
_SIX: Final = 0xFFFFFFFFFFFF  # bytes
# The usual ones, the lowest byte first, say nothing of names
_SELECT: Final = 0x5443454C4553
_INSERT: Final = 0x545245534E49
_UPDATE: Final = 0x455441445055
_DELETE: Final = 0x4554454C4544
_BEGIN: Final = 0x4E49474542  # and its NUL


def is_usual(data: bytes, start: i64) -> bool:
    """Whether the tag that begins there says nothing of names, where the statement's words do not."""
    if start + 8 > len(data):
        return False
    return read_i64_le(data, start) & _SIX in (_SELECT, _INSERT, _UPDATE, _DELETE, _BEGIN)


@final
class Commands:
    """Follows the commands of one session.  `changed`: names may mean something else after this transaction."""

    def __init__(self, statements: Names, portals: Names) -> None:
        self.changed = False
        self._statements = statements
        self._portals = portals
        self._statements_doubt = False  # SQL has removed statements: a PREPARE could give their names another meaning
        self._portals_doubt = False  # the same of portals and DECLARE

    def completed(self, command: bytes, hints: int) -> bool:
        """`command` is the tag of CommandComplete, `hints` those of the statement (`postgres_expect`).  Gives whether
        SQL has given a name to a statement or a portal.

        A removed name that the client gives again by SQL would have another text than the one known here.
        """
        if command.startswith(_DDL) or (command.startswith(_MAKES) and hints & CREATES):
            self.changed = True
        if command in (b"DISCARD ALL", b"DEALLOCATE ALL"):
            self._statements.forget()
        elif command == b"DEALLOCATE":
            self._statements_doubt = True
        elif command == b"PREPARE" and self._statements_doubt:
            self._statements.forget()
            self._statements_doubt = False
        if command in (b"COMMIT", b"DISCARD ALL"):
            self._portals.forget()
        elif command.startswith((b"CLOSE", b"ROLLBACK", b"DO", b"CALL")):
            self._portals_doubt = True
        elif command.startswith(b"DECLARE") and self._portals_doubt:
            self._portals.forget()
            self._portals_doubt = False
        return command in (b"PREPARE", b"DECLARE CURSOR")

    def transaction_ended(self) -> bool:
        """No portal outlives its transaction.  Gives whether names may mean something else from now on."""
        self._portals_doubt = False
        self._portals.forget()
        changed, self.changed = self.changed, False
        return changed
