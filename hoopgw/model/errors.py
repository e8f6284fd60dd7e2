"""Every error that hoopgw raises on purpose, split by whose fault it is.  The docstring is what the user reads."""

from __future__ import annotations


class HoopgwError(Exception):
    """Something that hoopgw foresaw went wrong."""


# ---- the peer's fault: bytes that are not of the protocol


class WireError(HoopgwError):
    """The peer sent bytes that the protocol does not allow here."""


class MalformedFrame(WireError):
    """A message's length or content is not what the protocol allows."""


class TargetTooLong(MalformedFrame):
    """The address that a request asks for is longer than any that is taken."""


class HeadTooLong(MalformedFrame):
    """The head of a request or an answer is longer than any that is taken, or has too many fields."""


class ProtocolViolation(WireError):
    """A well-formed message came in a state that does not allow it."""


class NotText(MalformedFrame):
    """What is announced as text is not UTF-8."""


class TooLarge(WireError):
    """The peer sent more in one piece than is taken."""


class Unmaskable(HoopgwError):
    """What must be masked cannot be read: it is not passed on."""


# ---- the user's fault: asked for what is not allowed


class LoginRefused(HoopgwError):
    """The login was refused.

    ``str(error)`` is what the client may read: it says what was missing, never what exists.  ``detail`` is for the
    gateway's own event log only.  ``code`` is the stable event code.
    """

    def __init__(self, message: str, *, detail: str = "", code: str = "login.refused") -> None:
        super().__init__(message)
        self.detail = detail
        self.code = code


class NotGranted(LoginRefused):
    """Who it is, is known, and no grant lets it in there."""


class RevocationsUnavailable(LoginRefused):
    """Whether a key was revoked cannot be known now, which is nobody's fault who shows one."""


class NotAllowed(HoopgwError):
    """The identity may not do this on the admin interface."""


# ---- the operator's fault, or the world's: it should work and does not


class OperatorError(HoopgwError):
    """The gateway cannot do its work; the operator has to look."""


class RecordingFailed(OperatorError):
    """The recorder could not keep what must be kept; the session forwards nothing more."""


class SpoolFull(OperatorError):
    """The spool has no room for this entry now; keep it, stop reading, and append again when there is room."""


class StoreUnavailable(OperatorError):
    """The store (index, approvals, budgets) did not answer."""


class IssuerUnavailable(OperatorError):
    """The OIDC issuer's keys are not at hand and could not be fetched."""


class TargetUnavailable(OperatorError):
    """The target could not be reached, or what it is could not be verified."""


class SecretUnavailable(OperatorError):
    """A secret that the configuration refers to could not be read."""


class TokenUnavailable(OperatorError):
    """The token that a signing key stays in (PKCS#11) did not sign."""


class PinRefused(OperatorError):
    """A token did not take its PIN.  It counts such attempts: a second one is for the operator to make."""
