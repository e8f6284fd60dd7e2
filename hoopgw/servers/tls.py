"""TLS contexts: towards clients from the gateway's certificate, towards targets by libpq's modes."""

from __future__ import annotations

import _ssl
import ipaddress
import ssl
from pathlib import Path

from hoopgw.model.errors import OperatorError
from hoopgw.model.secret import Secret
from hoopgw.model.target import Target, TlsMode

POSTGRESQL_ALPN = "postgresql"  # PostgreSQL documentation, 55.2.11: what direct TLS must negotiate

HANDSHAKE = 0x16  # first byte of a TLS record that begins a connection (RFC 8446, 5.1)
_ASKED = "asked_name"


def server_context(
    certificate: str, key: Secret, alpn: tuple[str, ...] = (POSTGRESQL_ALPN,), anchors: tuple[bytes, ...] = ()
) -> ssl.SSLContext:
    """For clients: TLS 1.2 and later, the gateway's certificate, `alpn` offered (RFC 7301).

    With `anchors` (DER) clients are asked for a certificate; one that leads to none of these ends the handshake.
    The key comes as PEM and is handed to OpenSSL through a file in memory, never one on disk.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn))
    context.sni_callback = _note_name
    context.num_tickets = 0  # a resumed session would skip nothing that costs us, and tickets fill idle memory
    try:
        _load_chain(context, certificate, key)
    except (OSError, ValueError) as error:
        words = _why(error, certificate)
        raise OperatorError(f"the gateway's certificate {certificate} and its key cannot be used: {words}") from error
    if anchors:
        _ask(context, anchors)
    return context


def _ask(context: ssl.SSLContext, anchors: tuple[bytes, ...]) -> None:
    context.load_verify_locations(cadata=b"".join(anchors))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate may be what is trusted
    context.options |= ssl.OP_NO_TICKET  # a resumed session has no chain to say whose certificate it was


def client_chain(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """What a client showed, as it was verified: its own certificate first, what is trusted last (DER); () for none."""
    leaf = connection.getpeercert(binary_form=True)
    if not leaf:
        return ()
    # public from Python 3.13 on
    chain = connection._sslobj.get_verified_chain()  # type: ignore[attr-defined]
    return tuple(each.public_bytes(_ssl.ENCODING_DER) for each in chain or ()) or (leaf,)


def verify_failure(error: Exception) -> str:
    """Why a client's certificate was not accepted, in OpenSSL's words; "" where something else is wrong."""
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""


def _note_name(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
    vars(connection)[_ASKED] = name  # ssl shows a server its client's SNI nowhere else


def asked_name(connection: ssl.SSLObject) -> str:
    """The host name that the client asked for by SNI (RFC 6066, 3), as it is; "" where it named none."""
    return vars(connection).get(_ASKED) or ""


def _load_chain(context: ssl.SSLContext, certificate: str, key: Secret) -> None:
    import os

    descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, key.reveal())
        context.load_cert_chain(certificate, f"/proc/self/fd/{descriptor}", _no_passphrase)
    finally:
        os.close(descriptor)


def _no_passphrase() -> str:
    raise ValueError("the key is encrypted, and nobody is there to type its passphrase")


def _why(error: Exception, certificate: str) -> str:
    """Of a certificate and key that were not taken.  OpenSSL does not say which of the two it cannot read."""
    if not isinstance(error, ssl.SSLError) or error.reason:
        return words_of(error)
    try:
        load_authority(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)
    except (OSError, ValueError) as of_certificate:
        return words_of(of_certificate)
    return "the key is no private key in PEM"


def load_authority(context: ssl.SSLContext, path: str) -> None:
    """What is in that file is trusted.  Raises OSError and ValueError, which `words_of` puts into words."""
    context.load_verify_locations(cadata=Path(path).read_text(encoding="ascii", errors="ignore"))


def words_of(error: Exception) -> str:
    """Why a file of certificates is not taken."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, ssl.SSLError):
        return error.reason.replace("_", " ").lower() if error.reason else "there is no certificate in it, in PEM"
    if str(error) == "Empty certificate data":
        return "it is empty"
    return getattr(error, "strerror", None) or str(error)


def target_context(
    target: Target, certificate: str = "", key: Secret | None = None, alpn: tuple[str, ...] = (POSTGRESQL_ALPN,)
) -> ssl.SSLContext | None:
    """For a target; None where the configuration says clear text.  `certificate` and `key` are the client's own."""
    if target.tls is TlsMode.DISABLE:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn))
    if certificate and key is not None:
        try:
            _load_chain(context, certificate, key)
        except (OSError, ValueError) as error:
            words = f"the certificate {certificate} and its key cannot be used: {_why(error, certificate)}"
            raise OperatorError(f"target {target.name}: {words}") from error
    context.check_hostname = target.tls is TlsMode.VERIFY_FULL
    if target.tls is TlsMode.REQUIRE:
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if target.ca:
            load_authority(context, target.ca)
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    except (OSError, ValueError) as error:
        words = words_of(error)
        raise OperatorError(f"target {target.name}: the CA file {target.ca} cannot be used: {words}") from error
    return context


def described(connection: ssl.SSLObject) -> dict[str, str]:
    """The facts for the journal's open entry."""
    cipher = connection.cipher()
    return {
        "version": connection.version() or "",
        "cipher": cipher[0] if cipher else "",
        "alpn": connection.selected_alpn_protocol() or "",
    }


def is_loopback(host: str) -> bool:
    """Whether an address literal, or the name `localhost`, stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
