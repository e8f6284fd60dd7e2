"""The gateway's own signing keys by their references: of files and credentials, or in tokens that they never leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hoopgw.auth.pkcs11_key import TokenKey, Tokens
from hoopgw.auth.pkcs11_pins import RefusedPins
from hoopgw.auth.pkcs11_uri import key_uri
from hoopgw.config_secrets import read_for_service, read_secret, signing_key
from hoopgw.model.secret import Secret
from hoopgw.model.settings import Settings
from hoopgw.model.target import SecretReference
from hoopgw.record.seals import SealKey
from hoopgw.relay.ssh_target_login import Signer
from hoopgw.servers.ssh.hostkeys import signer
from hoopgw.wire.sshmessages import string

ED25519 = b"ssh-ed25519"
REFUSED_PINS = "refused-pins"  # in the state directory


def in_token(reference: SecretReference | None) -> bool:
    return reference is not None and reference.kind == "pkcs11"


def tokens_of(settings: Settings) -> list[SecretReference]:
    """What in this configuration stays in a token."""
    named = (settings.recordings.signing_key, settings.ssh.login_authority, settings.ssh.target_authority)
    return [each for each in (*named, settings.identity_key) if each is not None and in_token(each)]


class SigningKeys:
    """One for a process: tokens know one login for each."""

    def __init__(self, refused: RefusedPins, read: Callable[[SecretReference], Secret] = read_secret) -> None:
        """`read` gives PINs."""
        self._tokens = Tokens(read, refused)

    @classmethod
    def for_a_look(cls, settings: Settings) -> SigningKeys:
        """For commands that are not the gateway: by what it knows of PINs, and as whoever may read its secrets."""
        return cls(RefusedPins(Path(settings.state) / REFUSED_PINS, keeps=False), read_for_service)

    def token_key(self, reference: SecretReference) -> TokenKey:
        """Of `pkcs11:…`.  The first time takes as long as the token does: not in the reactor's thread of a gateway that
        serves.  Raises TokenUnavailable, PinRefused."""
        return self._tokens.key(key_uri(str(reference)))

    def ed25519(self, reference: SecretReference) -> SealKey:
        """Of seals, or of what targets are told of identities.  Raises OperatorError."""
        return self.token_key(reference) if in_token(reference) else signing_key(reference)

    def ssh(self, reference: SecretReference, secret: Callable[[SecretReference], Secret]) -> Signer:
        """An authority of SSH.  Raises OperatorError."""
        if not in_token(reference):
            return signer(secret(reference), str(reference))
        key = self.token_key(reference)
        blob = string(ED25519) + string(key.public_key().public_bytes_raw())
        return Signer(ED25519, blob, lambda data: string(ED25519) + string(key.sign(data)), slow=True)
