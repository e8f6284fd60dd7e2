"""What a client may set as it logs in: start-up parameters that go on to the target.

Those of a closed list are not judged by a guardrail: they change nothing of names, rights or what text means.  All
others are judged as the SET that they stand for (session/starting.py) before anything goes to the target.
"""

from __future__ import annotations

import re
from typing import Final

from hoopgw.model.errors import LoginRefused

# In these no byte below 0x80 is part of a longer character, so a quote is a quote (PostgreSQL documentation, 24.3).
# SJIS, BIG5, GBK, UHC, GB18030, JOHAB and SHIFT_JIS_2004 are not.
ENCODINGS: Final = frozenset(
    (
        "UTF8 SQL_ASCII EUC_JP EUC_JIS_2004 EUC_KR EUC_CN EUC_TW KOI8R KOI8U "
        "ISO_8859_5 ISO_8859_6 ISO_8859_7 ISO_8859_8 "
        "LATIN1 LATIN2 LATIN3 LATIN4 LATIN5 LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 "
        "WIN866 WIN874 WIN1250 WIN1251 WIN1252 WIN1253 WIN1254 WIN1255 WIN1256 WIN1257 WIN1258"
    ).split()
)
# Part of ISO 8859 -> number of LATIN
_LATIN: Final = {1: 1, 2: 2, 3: 3, 4: 4, 9: 5, 10: 6, 13: 7, 14: 8, 15: 9, 16: 10}
_BY_LETTERS: Final = (
    {name.replace("_", ""): name for name in ENCODINGS}
    | {f"ISO8859{part}": f"LATIN{number}" for part, number in _LATIN.items()}
    | {name.replace("WIN", "WINDOWS"): name for name in ENCODINGS if name.startswith("WIN")}
    | {"UNICODE": "UTF8", "KOI8": "KOI8R"}
)

# Those of one byte a character, by which Python reads each byte as PostgreSQL does (tested with it)
CODECS: Final = (
    {f"LATIN{number}": f"iso8859-{part}" for part, number in _LATIN.items()}
    | {f"ISO_8859_{part}": f"iso8859-{part}" for part in range(5, 9)}
    | {f"WIN{page}": f"cp{page}" for page in (866, 874, *range(1250, 1259))}
    | {"KOI8R": "koi8-r", "KOI8U": "koi8-u"}
)

# How values are shown, and bounds that a client sets itself: what drivers send unasked.
PASSED: Final = frozenset(
    (
        "datestyle intervalstyle timezone extra_float_digits bytea_output client_min_messages "
        "statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout "
        "default_transaction_isolation default_transaction_deferrable geqo jit client_encoding"
    ).split()
)
_NAME: Final = re.compile(r"[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*")
# What the login itself says, and is no setting: by such a name it would be said to the target in the client's words
_OWN: Final = frozenset("user database options replication application_name".split())
_OWN_ROOMS: Final = ("_pq_.", "hoopgw.")
# At login they load a library into the session; a SET of them would only be of the next
_LOADS: Final = frozenset(("local_preload_libraries", "session_preload_libraries"))


def encoding_name(said: str) -> str:
    """PostgreSQL's name of a client encoding that is allowed here, or "".  Case and punctuation do not matter, as in
    PostgreSQL (`'utf-8'` is UTF8)."""
    return _BY_LETTERS.get("".join(char for char in said if char.isascii() and char.isalnum()).upper(), "")


def target_settings(parameters: dict[str, str]) -> dict[str, str]:
    """The settings for the target's StartupMessage, from a client's parameters without those that the login itself
    reads (user, database, options, replication, application_name, `_pq_.`).

    `client_encoding` is always among them.  Raises LoginRefused for one that cannot be, by name.
    """
    settings = {"client_encoding": "UTF8"}
    seen: set[str] = set()
    for said, value in parameters.items():
        name = said.lower()  # PostgreSQL compares names of settings without case
        if name in seen:
            raise refused(said, "is given twice")
        seen.add(name)
        settings[name] = _setting(said, name, value)
    return settings


def _setting(said: str, name: str, value: str) -> str:
    if name == "client_encoding":
        encoding = encoding_name(value)
        if not encoding:
            raise refused(said, "names an encoding that is not allowed")
        return encoding
    if name in _OWN or name in _LOADS or name.startswith(_OWN_ROOMS) or not _NAME.fullmatch(name):
        raise refused(said, "is not taken at login")
    if name == "search_path" and not value.isascii():  # which names these bytes are is the database's encoding's to say
        raise refused(said, "is not ASCII; SET it once connected")
    return value


def options_settings(options: str) -> dict[str, str]:
    """The settings in an `options` parameter: `-c name=value` and `--name=value`, a backslash escaping a blank.

    Raises LoginRefused for any other switch.
    """
    found: dict[str, str] = {}
    words = _words(options)
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            setting = words.pop(0)
        elif word.startswith(("-c", "--")) and len(word) > 2:
            setting = word[2:]
        else:
            raise refused("options", "may only hold -c name=value and --name=value")
        name, equals, value = setting.partition("=")
        name = name.replace("-", "_").lower()  # as PostgreSQL's own switches do
        if not equals or name in found:
            raise refused("options", "sets something twice or to nothing")
        found[name] = value
    return found


def _words(options: str) -> list[str]:
    """Split at blanks; a backslash takes the next character as it is (PostgreSQL documentation, 55.2.1, options)."""
    words: list[str] = []
    word, escaped, begun = "", False, False
    for char in options:
        if escaped or not (char == "\\" or char in " \t\n\r\f\v"):
            word, escaped, begun = word + char, False, True
        elif char == "\\":
            escaped = begun = True
        elif begun:
            words.append(word)
            word, begun = "", False
    return [*words, word] if begun else words


def refused(name: str, why: str) -> LoginRefused:
    """`name` is the client's own word: shown short and printable."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in name[:64])
    return LoginRefused(f"the start-up parameter {shown} {why}", detail="parameter")
