"""Files that a configuration names and that are not there, or cannot be used."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hoopgw.auth.pkcs11_uri import key_uri
from hoopgw.config_files import Document, Key, Mistake
from hoopgw.config_secrets import made_at_start, read_for_service, signing_key
from hoopgw.model.errors import MalformedFrame, OperatorError, SecretUnavailable
from hoopgw.model.settings import Settings, TlsSettings
from hoopgw.model.target import Role, SecretReference, Target
from hoopgw.servers.ssh.hostkeys import certificate_in, private_key
from hoopgw.servers.tls import load_authority, server_context, target_context, words_of
from hoopgw.wire import sshcertificates

Wrong = Iterator[tuple[Key, str]]  # the place that names it, and what is wrong with it
AWS_KEY = ("key_id", "secret", "session_token")  # the secrets of one


def absent(settings: Settings, targets: dict[str, Target], documents: list[Document]) -> list[Mistake]:
    """Each with the place that names it.  What only the service can see (credentials, its environment, files that the
    caller may not read) is left to the service."""
    found: list[Mistake] = []
    for key, why in _wrong(settings, targets):
        document = next((each for each in documents if key[:2] in each.lines or key in each.lines), documents[0])
        found.append(Mistake(document.file, document.line(key), ".".join(key), why))
    return found


def _wrong(settings: Settings, targets: dict[str, Target]) -> Wrong:
    yield from _admin(Path(settings.listen.admin_path).parent)
    for issuer in settings.issuers:
        yield from _authority(("oidc", issuer.name, "ca"), issuer.ca)
    yield from _secret(("store", "password"), settings.store.password)
    yield from _wrong_keys(settings)
    for vault in settings.vaults:
        yield from _authority(("vault", vault.name, "ca"), vault.ca)
        for name in ("token", "secret_id", "jwt"):
            yield from _secret(("vault", vault.name, name), getattr(vault, name))
    for aws in settings.aws:
        yield from _authority(("aws", aws.name, "ca"), aws.ca)
        for name in AWS_KEY:
            yield from _secret(("aws", aws.name, name), getattr(aws, name))
    for target in targets.values():
        yield from _authority(("target", target.name, "ca"), target.ca)
        for role in target.roles.values():
            yield from _wrong_role(target, role)


def _admin(directory: Path) -> Wrong:
    """Nobody makes it but systemd, at a start, and that below /run."""
    if directory.is_relative_to("/run"):
        return
    try:
        directory.stat()
    except (FileNotFoundError, NotADirectoryError):
        yield ("admin", "socket"), f"there is no directory {directory}"
    except PermissionError:
        return  # the service may look there


def _wrong_keys(settings: Settings) -> Wrong:
    """The gateway's own keys and certificates."""
    ssh = settings.ssh
    own = {("identity_key",): settings.identity_key, ("recordings", "signing_key"): settings.recordings.signing_key}
    for reference in filter(None, (*ssh.host_keys, ssh.target_authority, ssh.login_authority)):
        if os.path.lexists(reference.name) or not made_at_start(settings, reference):
            yield from _ssh_key(("ssh", "host_keys"), reference)
    authorities = {("ssh", name): getattr(ssh, name) for name in ("login_authority", "target_authority")}
    for place, reference in (own | authorities).items():
        yield from _token(place, reference)
    for path in ssh.host_certificates:
        try:
            sshcertificates.read(certificate_in(path))
        except (OperatorError, MalformedFrame) as error:
            if not isinstance(error.__cause__, PermissionError):
                yield ("ssh", "host_certificates"), str(error)
    for place, key in own.items():
        if key.kind == "file" and os.path.lexists(key.name):  # else it is made
            yield from _usable(place, key, partial(signing_key, key))
    if settings.tls.key is not None:
        missing = [*_secret(("tls", "key"), settings.tls.key)]
        yield from missing or _certificate(settings.tls, settings.tls.key)


def _wrong_role(target: Target, role: Role) -> Wrong:
    place = ("target", target.name, "role", role.name)
    for name in ("password", "bearer", "value"):
        yield from _secret((*place, name), getattr(role, name))
    if role.sigv4 is not None:
        for name in AWS_KEY:
            yield from _secret((*place, "sigv4", name), getattr(role.sigv4, name))
    if role.oauth is not None:
        yield from _secret((*place, "oauth", "secret"), role.oauth.secret)
        yield from _authority((*place, "oauth", "ca"), role.oauth.ca)
    key = (*place, "key")
    if target.protocol == "ssh":
        yield from _ssh_key(key, role.key)
    else:
        yield from [*_secret(key, role.key)] or _shown(target, role)


def _ssh_key(key: Key, reference: SecretReference | None) -> Wrong:
    if reference is not None and reference.kind == "file":
        yield from _usable(key, reference, lambda: private_key(read_for_service(reference), reference.name))


def _token(key: Key, reference: SecretReference | None) -> Wrong:
    """Of a key in a token: its library and PIN.  The token is not asked: it would count a PIN that is wrong."""
    if reference is not None and reference.kind == "pkcs11":
        uri = key_uri(str(reference))
        if not Path(uri.module).exists():
            yield key, f"{uri.module}, the library of the token, is not there"
        yield from _secret(key, uri.pin)


def _usable(key: Key, reference: SecretReference, use: Callable[[], object]) -> Wrong:
    """What is wrong with a private key: its file, or else what `use` says of it."""
    if missing := [*_secret(key, reference)]:
        yield from missing
        return
    try:
        use()
    except (OperatorError, ValueError) as error:
        if not isinstance(error.__cause__, PermissionError):
            yield key, str(error)


def _authority(key: Key, path: str) -> Wrong:
    if path:
        try:
            load_authority(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path)
        except PermissionError:
            return
        except (OSError, ValueError) as error:
            yield key, f"{path} cannot be used: {words_of(error)}"


def _certificate(tls: TlsSettings, key: SecretReference) -> Wrong:
    if not Path(tls.certificate).exists():
        yield ("tls", "certificate"), f"{tls.certificate} cannot be used: there is no such file"
        return
    try:
        server_context(tls.certificate, read_for_service(key))
    except SecretUnavailable:
        return
    except OperatorError as error:
        if not isinstance(error.__cause__, PermissionError):
            yield ("tls", "certificate"), str(error)


def _shown(target: Target, role: Role) -> Wrong:
    """The certificate that a role shows to a target."""
    if not role.certificate or role.key is None:
        return
    key = ("target", target.name, "role", role.name, "certificate")
    if not Path(role.certificate).exists():
        yield key, f"{role.certificate} cannot be used: there is no such file"
        return
    try:
        target_context(target, role.certificate, read_for_service(role.key))
    except SecretUnavailable:
        return
    except OperatorError as error:
        if not isinstance(error.__cause__, PermissionError):
            yield key, str(error)


def _secret(key: Key, reference: SecretReference | None) -> Wrong:
    """The owner is not looked at: `hoopgw check` may be run by another user than the service."""
    if reference is None or reference.kind != "file":
        return
    try:
        found = os.stat(reference.name)
    except PermissionError:
        return
    except (OSError, ValueError) as error:
        yield key, f"{reference.name} cannot be read: {words_of(error)}"
        return
    if not stat.S_ISREG(found.st_mode):
        yield key, f"{reference.name} is not a file"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        yield key, f"{reference.name} may be read by others (mode {mode:03o}): chmod 600 {reference.name}"
    elif not found.st_size:
        yield key, f"{reference.name} is empty"
