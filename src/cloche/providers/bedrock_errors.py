"""What the refusals of Amazon Bedrock mean, as answers and as frames of a stream: by the names of its exceptions.

The status alone does not tell: Bedrock says 429 of a model that is still loading, and 400 of a quota that is used up.
Must not know what was asked, nor whether by Converse or InvokeModel.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from cloche.codec.eventstream import Frame
from cloche.domain.errors import Problem
from cloche.providers.base import refusal

STATUS = MappingProxyType(
    {
        # the caller's to mend
        "ValidationException": 400,
        "SerializationException": 400,
        "ConflictException": 400,
        "ResourceNotFoundException": 404,
        "UnknownOperationException": 404,
        # the operator's to mend
        "AccessDeniedException": 403,
        "AccessDenied": 403,
        "ExpiredToken": 403,
        "ExpiredTokenException": 403,
        "IncompleteSignature": 403,
        "IncompleteSignatureException": 403,
        "InvalidAccessKeyId": 403,
        "InvalidClientTokenId": 403,
        "InvalidSignatureException": 403,
        "MissingAuthenticationToken": 403,
        "MissingAuthenticationTokenException": 403,
        "NotAuthorized": 403,
        "OptInRequired": 403,
        "RequestExpired": 403,
        "SignatureDoesNotMatch": 403,
        "UnrecognizedClientException": 403,
        # another time
        "ServiceQuotaExceededException": 429,
        "ThrottlingException": 429,
        "TooManyRequestsException": 429,
        "ModelNotReadyException": 503,
        "ServiceUnavailableException": 503,
        "ServiceUnavailable": 503,
        "ModelTimeoutException": 504,
        # nobody knows
        "InternalFailure": 500,
        "InternalServerException": 500,
        "ModelErrorException": 500,
        "ModelStreamErrorException": 500,
    }
)
"""The status that each exception stands for, in the words of the table in base.py."""

UNKNOWN_STATUS = 500
"""For exceptions inside a stream that are not in the table: they bear no status of their own."""


class _Body(msgspec.Struct):
    kind: str = msgspec.field(name="__type", default="")
    code: str = ""
    message: str = ""
    capital_message: str = msgspec.field(name="Message", default="")


def bedrock_refusal(status: int, headers: dict[bytes, bytes], body: bytes, sent: bytes = b"") -> Problem:
    """The Problem that an answer other than 200 means.  `sent`: the head of the call, for what must not be quoted."""
    said = _read(body)
    named = headers.get(b"x-amzn-errortype", b"").decode("latin-1") or said.kind or said.code
    return _problem(STATUS.get(_name(named), status), headers, said, sent)


def exception_in(frame: Frame, sent: bytes = b"") -> Problem | None:
    """The Problem that a frame of a stream means; None where it is an event."""
    kind = frame.headers.get(":message-type")
    if kind == "exception":
        return _problem(_of_name(frame.headers.get(":exception-type")), {}, _read(frame.payload), sent)
    if kind == "error":
        message = frame.headers.get(":error-message")
        said = _Body(message=message if isinstance(message, str) else "")
        return _problem(_of_name(frame.headers.get(":error-code")), {}, said, sent)
    return None


def _problem(status: int, headers: dict[bytes, bytes], said: _Body, sent: bytes) -> Problem:
    message = {"message": said.message or said.capital_message}
    return refusal("bedrock", status, headers, msgspec.json.encode(message), sent)


def _of_name(named: object) -> int:
    """Frames write the first letter small."""
    name = _name(named) if isinstance(named, str) else ""
    return STATUS.get(name[:1].upper() + name[1:], UNKNOWN_STATUS)


def _name(named: str) -> str:
    """The bare name: a header may have a URL behind it, a body a namespace before it."""
    return named.partition(":")[0].rpartition("#")[2].strip()


def _read(body: bytes) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Body()
