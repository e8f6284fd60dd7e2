"""Ed25519 keys that never leave a token (PKCS#11): the token signs, and is found again when it was away.

A module is a library of C that knows one state for the whole process, and here is asked by one thread at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hoopgw.auth.pkcs11_pins import RefusedPins
from hoopgw.auth.pkcs11_uri import KeyUri
from hoopgw.model.errors import PinRefused, TokenUnavailable
from hoopgw.model.secret import Secret
from hoopgw.model.target import SecretReference

POINT = 32  # bytes of an Ed25519 public key (RFC 8032)
# CKA_EC_POINT of Edwards keys, by module: the bytes alone (PKCS#11 3.0), or in a DER OCTET STRING or BIT STRING
WRAPPED = (b"", b"\x04\x20", b"\x03\x21\x00")
WRONG = ("PinIncorrect", "PinInvalid", "PinLenRange")
TRIAL = b"hoopgw: is this the private half of that key?"


class Tokens:
    """The modules of this process.  `read` gives a PIN, each time that a token is opened."""

    def __init__(self, read: Callable[[SecretReference], Secret], refused: RefusedPins) -> None:
        self._read = read
        self._refused = refused
        self._modules: dict[str, Module] = {}
        self._keys: dict[KeyUri, TokenKey] = {}

    def key(self, uri: KeyUri) -> TokenKey:
        """Opened: it has signed.  Takes as long as the token does.  Raises TokenUnavailable, PinRefused."""
        key = self._keys.get(uri)
        if key is None:
            key = TokenKey(uri, self.module(uri.module), lambda: self._read(uri.pin), self._refused)
            key.open()
            self._keys[uri] = key
        return key

    def module(self, path: str) -> Module:
        return self._modules.setdefault(path, Module(path))


class Module:
    """One shared library."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = threading.RLock()  # C_Initialize says to the module that there are no threads
        self._library: Any = None

    @property
    def library(self) -> Any:
        """Raises TokenUnavailable; what fails in it raises PKCS11Error."""
        if self._library is None:
            self._library = _pkcs11().lib(self.path)
        return self._library

    def begin_again(self) -> None:
        """All sessions are gone after that: some modules see what was plugged in anew only so."""
        if self._library is not None:
            self._library.reinitialize()


class TokenKey:
    """One private key.  `sign` and `public_key` as Ed25519PrivateKey has them."""

    def __init__(self, uri: KeyUri, module: Module, pin: Callable[[], Secret], refused: RefusedPins) -> None:
        self._uri = uri
        self._module = module
        self._pin = pin
        self._refused = refused
        self._session: Any = None
        self._private: Any = None
        self._public: Ed25519PublicKey | None = None

    def __repr__(self) -> str:
        return "TokenKey()"

    def public_key(self) -> Ed25519PublicKey:
        """Of a key that was opened once: no waiting."""
        if self._public is None:
            raise TokenUnavailable(f"{self._place} was not opened")
        return self._public

    def open(self) -> None:
        """Raises TokenUnavailable; PinRefused for a PIN that is not tried a second time: tokens count."""
        with self._module.lock:
            if self._session is None:
                self._tried(self._open)

    def sign(self, data: bytes) -> bytes:
        """64 bytes (RFC 8032).  Raises TokenUnavailable and PinRefused; the next call tries to find the token again."""
        with self._module.lock:
            for attempt in (self._signed, self._signed_after_opening):
                with suppress(TokenUnavailable):
                    signature: bytes = self._tried(attempt, data)
                    return signature
            self._tried(self._module.begin_again)
            last: bytes = self._tried(self._signed_after_opening, data)
            return last

    def _tried(self, call: Callable[..., Any], *given: bytes) -> Any:
        """In words of ours, without a session that failed."""
        try:
            return call(*given)
        except _pkcs11().PKCS11Error as error:
            self._forget()
            raise TokenUnavailable(f"{self._place}: {_words(error)}") from error
        except (TokenUnavailable, PinRefused):
            self._forget()
            raise

    def _signed(self, data: bytes) -> bytes:
        if self._session is None:
            raise TokenUnavailable(f"{self._place} is not open")
        signature: bytes = self._private.sign(data, mechanism=_pkcs11().Mechanism.EDDSA)
        if len(signature) != 2 * POINT:
            raise TokenUnavailable(f"{self._place} gave a signature of {len(signature)} bytes")
        return signature

    def _signed_after_opening(self, data: bytes) -> bytes:
        if self._session is None:
            self._open()
        return self._signed(data)

    # ---- the session

    def _open(self) -> None:
        self._session = self._logged_in(self._token())
        objects = _pkcs11().ObjectClass
        self._private = self._object(objects.PRIVATE_KEY)
        point = self._object(objects.PUBLIC_KEY)[_pkcs11().Attribute.EC_POINT]
        self._check(public_key(point, self._place))

    def _token(self) -> Any:
        uri = self._uri
        found = [
            token
            for token in self._module.library.get_tokens()
            if uri.token in ("", token.label)
            and uri.serial.encode() in (b"", token.serial)
            and uri.manufacturer in ("", token.manufacturer_id)
            and uri.model in ("", token.model)
        ]
        if len(found) != 1:
            raise TokenUnavailable(f"{self._place}: {len(found) or 'no'} such token{'s' if found else ' is there'}")
        return found[0]

    def _logged_in(self, token: Any) -> Any:
        errors, pin, which = _pkcs11(), self._pin(), f"{self._module.path} {self._uri.token} {self._uri.serial}"
        if self._refused.has(which, pin):
            remove = f" (if it is right now, remove {self._refused.path})" if self._refused.path else ""
            raise PinRefused(f"{self._place}: its PIN was wrong, and is not tried again{remove}")
        try:
            return token.open(user_pin=pin.reveal().decode())
        except UnicodeDecodeError as error:
            raise TokenUnavailable(f"{self._place}: its PIN is not UTF-8") from error
        except errors.UserAlreadyLoggedIn:  # another key of this token did: a login is the whole process's
            return token.open()
        except tuple(getattr(errors, name) for name in WRONG) as error:
            self._refused.add(which, pin)
            raise PinRefused(f"{self._place}: {_words(error)}; the same PIN is not tried again") from error
        except (errors.PinLocked, errors.PinExpired) as error:  # no try is counted any more
            raise PinRefused(f"{self._place}: {_words(error)}") from error

    def _object(self, kind: Any) -> Any:
        attributes = _pkcs11().Attribute
        wanted = {attributes.CLASS: kind}
        if self._uri.object:
            wanted[attributes.LABEL] = self._uri.object
        if self._uri.id:
            wanted[attributes.ID] = self._uri.id
        found = list(self._session.get_objects(wanted))
        if len(found) != 1:
            what = kind.name.lower().replace("_", " ")
            raise TokenUnavailable(f"{self._place}: {len(found) or 'no'} such {what}{'s' if found else ' is on it'}")
        return found[0]

    def _check(self, public: Ed25519PublicKey) -> None:
        """The two halves belong together, and are those of before."""
        try:
            public.verify(self._signed(TRIAL), TRIAL)
        except InvalidSignature as error:
            raise TokenUnavailable(f"{self._place}: the public key there is of another private key") from error
        if self._public is not None and self._public != public:
            raise TokenUnavailable(f"{self._place} has another key now: that takes a restart")
        self._public = public

    def _forget(self) -> None:
        session, self._session, self._private = self._session, None, None
        if session is not None:
            with suppress(_pkcs11().PKCS11Error):  # it may be gone with its token
                session.close()

    @property
    def _place(self) -> str:
        uri = self._uri
        return f"token {uri.token or uri.serial}, key {uri.object or uri.id.hex()}"


def public_key(point: bytes, place: str) -> Ed25519PublicKey:
    """Of CKA_EC_POINT.  Raises TokenUnavailable."""
    for wrapped in WRAPPED:
        if point.startswith(wrapped) and len(point) == len(wrapped) + POINT:
            return Ed25519PublicKey.from_public_bytes(point[len(wrapped) :])
    raise TokenUnavailable(f"{place} is no Ed25519 key")


def _words(error: Exception) -> str:
    """The exceptions of PKCS#11 have names, and seldom words."""
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name


def _pkcs11() -> ModuleType:
    """Only where a token is configured: nobody else pays for it."""
    try:
        import pkcs11
    except ImportError as error:
        raise TokenUnavailable("keys in tokens need the Python package python-pkcs11") from error
    return pkcs11
