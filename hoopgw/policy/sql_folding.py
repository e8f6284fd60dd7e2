"""Whether a target with one byte a character may read other names in a text than the grammar here does.

PostgreSQL writes names without quotes in small letters: of ASCII everywhere, and of every alphabet where the database's
encoding has one byte a character (its locale says which).  The grammar here knows UTF-8 alone, and leaves those.
"""

from __future__ import annotations

import re
from typing import Final

# Encodings of a server in which it does not; of SQL_ASCII it depends on a locale that nobody should have there
UNFOLDED: Final = frozenset("UTF8 EUC_JP EUC_JIS_2004 EUC_KR EUC_CN EUC_TW MULE_INTERNAL SQL_ASCII".split())
_QUOTED: Final = re.compile(rb"'[^']*'|\"[^\"]*\"")
# Where a quote may begin nothing, or what it holds may be read as a text of its own
_UNSURE: Final = re.compile(rb"(?i)\\|--|/\*|\$|function|procedure|(?:\A|;)\s*do\b")


def may_fold(text: bytes) -> bool:
    """A capital that is not ASCII stands outside of quotes, or where that is not sure."""
    rest = text if _UNSURE.search(text) else _QUOTED.sub(b"", text)
    return any(char > "\x7f" and char.lower() != char for char in rest.decode("utf-8", "replace"))
