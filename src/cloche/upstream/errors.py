"""The one table from the errors of sockets, TLS and the parser to domain errors.

Errors are told apart by type and errno, never by their text.  The messages are public: they hold neither headers nor
bodies nor credentials, only reasons made here, the verifier's words on a certificate and the parser's fixed phrases.
"""

from __future__ import annotations

import errno
import socket
import ssl

from cloche.domain.errors import ProviderBroken, ProviderUnreachable

# The first type that matches counts, so children stand before their parents.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLError, "TLS handshake failed"),
    (socket.gaierror, "name not resolved"),
    (UnicodeError, "name not resolved"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionError, "connection closed while it was being set up"),
    (TimeoutError, "connection timed out"),
    (FileNotFoundError, "socket not found"),
    (PermissionError, "connection not permitted"),
    (BlockingIOError, "the socket takes no more connections"),
)
_REASONS_BY_ERRNO = {
    errno.EHOSTUNREACH: "host not reachable",
    errno.ENETUNREACH: "network not reachable",
    errno.EMFILE: "no file descriptors left",
    errno.ENFILE: "no file descriptors left",
}


def unreachable(error: Exception) -> ProviderUnreachable:
    """Why no connection could be made."""
    return ProviderUnreachable(f"The provider cannot be reached: {_reason(error)}.")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate not accepted: {error.verify_message.rstrip('.')}"
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.errno in _REASONS_BY_ERRNO:
        return _REASONS_BY_ERRNO[error.errno]
    return "connection failed"


def cut_off(answer_begun: bool, error: Exception | None) -> ProviderBroken:
    """The connection ended too early; `error` is None for an orderly end."""
    how = "closed" if error is None else "lost"
    when = "before its answer was complete" if answer_begun else "before it answered"
    return ProviderBroken(f"The provider's connection was {how} {when}.")


def compressed() -> ProviderBroken:
    """A good answer came in a coding that every call says it does not take."""
    return ProviderBroken("The provider's answer is compressed, although it was asked not to be.")


def not_http(reason: str) -> ProviderBroken:
    """The bytes that came are no answer; `reason` is a fixed phrase."""
    return ProviderBroken(f"The provider's answer is not valid HTTP: {reason}.")
