"""Takes out of a script what a gateway does not let through, for both sides: the rest must give the same output.

Each is a reason that README.md and docs/regression.md name.  Lines of output that only the gateway adds to PostgreSQL's
own error are taken out as well.
"""

from __future__ import annotations

import re

# a session has the role that its grant says: SET ROLE, SET SESSION AUTHORIZATION and another user by \c are refused
ROLES = re.compile(rb"(?im)^[ \t]*set[ \t]+(local[ \t]+|session[ \t]+)?(role\b|session[ \t]+authorization\b)[^;]*;")
CONNECT = re.compile(rb"(?m)^\\c(onnect)?[ \t]+\S.*$")
# what switches off triggers and rules, or changes what a text means
SETTINGS = re.compile(
    rb"(?im)^[ \t]*set[ \t]+(local[ \t]+)?(session_replication_role|standard_conforming_strings)[ \t]*(=|to)[ \t]*"
    rb"(replica|off)[ \t]*;"
)
ADDED = re.compile(
    r'^(DETAIL:  \{"decision": "refused", "guardrails": \["built-in:(grammar|names)"\].*|HINT:  statements are read'
    r" here by the grammar of PostgreSQL 17|HINT:  PREPARE or DECLARE it in this session: .*)\n",
    re.MULTILINE,
)


def without_roles(script: bytes) -> bytes:
    """The script by one role; `\\c` connects anew as the same one."""
    return SETTINGS.sub(b"", CONNECT.sub(rb"\\c -", ROLES.sub(b"", script)))


def as_postgresql(output: str) -> str:
    return ADDED.sub("", output)
