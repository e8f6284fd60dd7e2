"""What somebody shows to get in.  The same for every protocol."""

from __future__ import annotations

from twisted.cred.credentials import ICredentials
from zope.interface import Attribute, implementer

from hoopgw.model.secret import Secret


class IBearerToken(ICredentials):
    """A token that is good for whoever has it."""

    token = Attribute("Secret: the token")
    certificate = Attribute('bytes: of the client\'s, that it proved to have the key of (DER); b"" for none')
    address = Attribute("str: where from, for events")


class IClientCertificate(ICredentials):
    """A certificate whose chain and key TLS has verified."""

    chain = Attribute("tuple of bytes: the client's own first, up to the one that is trusted (DER)")
    address = Attribute("str: where from, for events")
    listener = Attribute('"https" or "postgresql": where it was shown')


class ISshSignature(ICredentials):
    """A signature that only the holder of an SSH key can make, over the very login that it is shown for."""

    algorithm = Attribute("bytes: of the signature, or of the certificate that has the key")
    blob = Attribute("bytes: the public key, or certificate")
    signed = Attribute("bytes: what was signed")
    signature = Attribute("bytes: the signature blob")
    address = Attribute("str: where from, for events and for certificates that are good from some addresses only")


@implementer(ISshSignature)
class SshSignature:
    __slots__ = ("algorithm", "blob", "signed", "signature", "address")

    def __init__(self, algorithm: bytes, blob: bytes, signed: bytes, signature: bytes, address: str) -> None:
        self.algorithm = algorithm
        self.blob = blob
        self.signed = signed
        self.signature = signature
        self.address = address


@implementer(IBearerToken)
class BearerToken:
    __slots__ = ("token", "address", "certificate")

    def __init__(self, token: Secret, address: str, certificate: bytes = b"") -> None:
        self.token = token
        self.address = address
        self.certificate = certificate

    def __repr__(self) -> str:
        return f"BearerToken(from {self.address})"


@implementer(IClientCertificate)
class ClientCertificate:
    __slots__ = ("chain", "address", "listener")

    def __init__(self, chain: tuple[bytes, ...], address: str, listener: str = "https") -> None:
        self.chain = chain
        self.address = address
        self.listener = listener
