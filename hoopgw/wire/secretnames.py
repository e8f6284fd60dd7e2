"""Names of fields whose values are kept out of the record, however an application spells them.  Compiled."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, final
from urllib.parse import unquote_to_bytes

from mypy_extensions import i64

# Parameters that carry a secret by RFC 6749 (2.3.1, 4.3, 6), RFC 6750 (2.3), RFC 7521 (4), RFC 7636 (4.5), RFC 8628
# (3.4), RFC 9449, SAML and OpenID Connect; of addresses that are signed (OpenTelemetry's semantic conventions,
# url.query); what OWASP's logging cheat sheet and the scrubbers of Sentry and of web frameworks leave out; what AWS and
# Vault take for secrets
USUAL: Final = (
    "*password", "*passwords", "*password_confirmation", "*password_confirm", "*password_repeat", "*passwd", "pass",
    "user_pass", "*passphrase", "*passcode", "pwd", "*_pwd", "*secret", "*secrets", "*secret_key", "*secret_id",
    "*secret_string", "*secret_binary", "*private_key", "*api_key", "*access_key", "*account_key", "*auth_key",
    "*signing_key", "*subscription_key", "*encryption_key", "*token", "*token_hint", "*credential", "*credentials",
    "*authorization", "auth", "*jwt", "*assertion", "saml_response", "code_verifier", "device_code", "dpop", "otp",
    "*_otp", "*otp_code", "totp", "mfa_code", "*session_id", "*sessid", "*csrf", "*xsrf", "*signature", "sig", "cvv",
    "cvc",
)  # fmt: skip
# Which end so and open nothing: where a list goes on, what makes a request one that was sent before
PLAIN: Final = (
    "*next_token", "*page_token", "*continuation_token", "*sync_token", "*skip_token", "*starting_token",
    "*request_token", "*idempotency_token",
)  # fmt: skip

MAX_NAME: Final = 128  # bytes of a name that are looked at: its last ones
MAX_KEPT: Final = 4096  # names whose answer is kept

_APART: Final = re.compile(r"[\[\].:/]+")
_WILD: Final = re.compile(r"[*?\[]")
_PARTING: Final = re.compile(r"[-_. $@]+")
_ESCAPE: Final = re.compile(rb"\\+u([0-9A-Fa-f]{4})")
_ESCAPED: Final = re.compile(r"\\+.?")

# 0: no part of a name; 1: letter; 2: what parts words; 3: digit; 4: escapes, brackets and other letters, to be read
KINDS: Final = bytes(
    1 if (chr(c).isascii() and chr(c).isalpha())
    else 2 if c in b"-_. $@"
    else 3 if c in b"0123456789"
    else 4 if c >= 0x80 or c in b"\\%[]"
    else 0
    for c in range(256)
)  # fmt: skip


@final
class SecretNames:
    """Globs over names, the same in whatever case and with whatever between their words: `api_key` is `apiKey` and
    `X-Api-Key` is `x_*`.  Digits at the end of a name do not count (`password2`), and of `user[password]` or
    `user.password` the last part is a name as well, and so is each other part of `password[new]`.

    every   no look at a name's last letters says anything: each is looked up
    ends    by `_index` of its last three letters: it has to be looked up
    """

    __slots__ = ("_hidden", "_known", "_plain", "ends", "every")

    def __init__(self, hidden: tuple[str, ...], plain: tuple[str, ...] = ()) -> None:
        globs = [_joined(glob) for glob in hidden]
        self._hidden = _Globs(globs)
        self._plain = _Globs([_joined(glob) for glob in plain])
        self._known: dict[bytes, bool] = {}
        ends = bytearray(1 << 15)
        self.every = False
        for glob in globs:
            last = glob[-3:]
            if len(last) == 3 and last.isascii() and last.isalpha():
                ends[(ord(last[2]) & 31) | (ord(last[1]) & 31) << 5 | (ord(last[0]) & 31) << 10] = 1
            else:
                self.every = True
        self.ends = bytes(ends)

    def hides(self, name: bytes) -> bool:
        """Whether the value of a field of this name, as it is written, is kept out of the record."""
        found = self._known.get(name)
        if found is None:
            found = self._judged(_read(name))
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[name] = found
        return found

    def may_hide(self, data: bytes, end: i64) -> bool:
        """Whether `hides` has to be asked about the name that ends at `end`: most names end otherwise."""
        if self.every:
            return True
        here: i64 = end
        count: i64 = 0
        index: i64 = 0
        while here > 0:
            c: i64 = data[here - 1]
            kind: i64 = KINDS[c]
            if kind == 1:
                index |= (c & 31) << (5 * count)
                count += 1
                if count == 3:
                    return self.ends[index] != 0
            elif kind == 4:
                return True
            elif kind == 0 or (kind == 3 and count > 0):
                return False
            here -= 1
        return False

    def _judged(self, name: str) -> bool:
        whole = _joined(name)
        if self._hidden.have(whole) and not self._plain.have(whole):
            return True
        if _APART.search(name) is None:
            return False
        parts = [part for part in map(_joined, _APART.split(name)) if part]
        above = map(_joined, name.replace("]", "[").split("[")[:-1]) if "[" in name else ()
        return any(self._hidden.have(part) and not self._plain.have(part) for part in (*parts[-1:], *above))


@final
class _Globs:
    """Most are whole names or the ends of some: those take no pattern."""

    __slots__ = ("_ends", "_others", "_whole")

    def __init__(self, globs: list[str]) -> None:
        self._whole = frozenset(glob for glob in globs if not _WILD.search(glob))
        self._ends = tuple([glob[1:] for glob in globs if glob[:1] == "*" and not _WILD.search(glob[1:])])
        self._others = tuple([glob for glob in globs if _WILD.search(glob[1:]) or glob[:1] in ("?", "[")])

    def have(self, name: str) -> bool:
        if name in self._whole or name.endswith(self._ends):
            return True
        return bool(self._others) and any(fnmatchcase(name, glob) for glob in self._others)


def _joined(text: str) -> str:
    """Without what parts its words, and without digits at its end."""
    return _PARTING.sub("", text.casefold()).rstrip("0123456789")


def _read(name: bytes) -> str:
    """What it means: escapes of JSON and of addresses are read, each where there are some."""
    if b"%" in name:
        name = unquote_to_bytes(name.replace(b"+", b" "))
    if b"\\" in name:
        name = _ESCAPE.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), name)
        return _ESCAPED.sub("", name.decode("utf-8", "replace"))
    return name.decode("utf-8", "replace")


@lru_cache(maxsize=256)  # of a configuration, each target has one
def secret_names(more: frozenset[str] = frozenset(), plain: frozenset[str] = frozenset()) -> SecretNames:
    """The usual ones and `more`, without `plain`."""
    return SecretNames((*USUAL, *sorted(more)), (*PLAIN, *sorted(plain)))


NO_NAMES: Final = SecretNames(())
