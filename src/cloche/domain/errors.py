"""Every way a call can go wrong, drawn as one tree and split by whose fault it is.

    Problem                              what happened, in words the caller may read
    ├── CallerFault                      the request must change before it can succeed
    │   ├── BadRequest                   400 BAD_REQUEST              a body or field is wrong; names the field
    │   ├── InvalidParameter             400 INVALID_PARAMETER_VALUE  a well-formed value that is not allowed
    │   ├── InvalidFields                400 INVALID_PARAMETER_VALUE  every fault of a body, each with its field path
    │   ├── AlreadyExists                400 RESOURCE_ALREADY_EXISTS
    │   ├── QuotaExceeded                400 RESOURCE_LIMIT_EXCEEDED  there are as many of these as there may be
    │   ├── Conflict                     409 RESOURCE_CONFLICT        another change is under way, or came before
    │   ├── Unauthenticated              401 UNAUTHENTICATED          no token, or not one of ours
    │   ├── PermissionDenied             403 PERMISSION_DENIED
    │   ├── BudgetExceeded               403 PERMISSION_DENIED        the money is spent, until the period is over
    │   ├── EndpointNotFound             404 ENDPOINT_NOT_FOUND
    │   ├── NotFound                     404 RESOURCE_DOES_NOT_EXIST
    │   ├── RouteNotFound                404 NOT_FOUND                a path that cloche does not serve
    │   ├── RequestTimeout               408 DEADLINE_EXCEEDED        the client did not send its request in time
    │   └── LimitExceeded                429 REQUEST_LIMIT_EXCEEDED   carries retry_after
    ├── ProviderFault                    the upstream service failed; `retryable` says whether another may do better
    │   ├── ProviderRefused              4xx, the provider's own      the provider rejects this request
    │   ├── ProviderCredentials          500 INTERNAL_ERROR           the provider rejects our key: not the caller's
    │   ├── ProviderForbidden            500 INTERNAL_ERROR           its address is none that may be called from here
    │   ├── ProviderBusy                 429 REQUEST_LIMIT_EXCEEDED   carries the provider's retry_after
    │   ├── ProviderUnreachable          503 TEMPORARILY_UNAVAILABLE  no connection could be made
    │   ├── ProviderUnavailable          503 TEMPORARILY_UNAVAILABLE  the provider says that it is overloaded or down
    │   ├── ProviderTimeout              504 DEADLINE_EXCEEDED        one of the four time-outs passed
    │   └── ProviderBroken               502 INTERNAL_ERROR           cut off, garbage, or an error without sense
    │       └── FormatMissed             502 INTERNAL_ERROR           a good answer, but not in the format asked for
    └── OurFault                         cloche itself cannot serve the call
        ├── InternalError                500 INTERNAL_ERROR
        ├── NotSupported                 501 NOT_IMPLEMENTED          known, and not served by this version
        └── NotReady                     503 TEMPORARILY_UNAVAILABLE  loading, restarting or shutting down

Each leaf fixes `code`, `status` and `retryable`.  The codes are those that the Databricks SDK maps to an exception and
that the MLflow client turns back into the right status; 422 is never used, because MLflow retries it as a 500.
Only `message` reaches the client: it says what was wrong, where (a field path) and what to do.  JSON is made in
`wire/errors.py` and nowhere else.  This module must not know HTTP libraries, loops or logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class Problem(Exception):
    """A failure with words for the caller.  Abstract: raise a leaf.

    `message` is public.  `summary` is what the log may hold of it: a message that quotes somebody else's words,
    which may quote the prompt, needs one of its own.  `retry_after` is in whole seconds; every 429 and 503 has one.
    `wait`: the same where somebody asked for it, None where it is only the least that a client is told.
    """

    status: int = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    retryable: bool = False

    details: tuple[tuple[str, str], ...] = ()
    """(field path, what is wrong) for each fault of a body that has several."""

    def __init__(self, message: str, *, retry_after: int | None = None, summary: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.summary = message if summary is None else summary
        self.wait = retry_after
        self.retry_after = 1 if retry_after is None and self.status in (429, 503) else retry_after


class CallerFault(Problem):
    """The request must change before it can succeed."""

    status = 400
    code = "BAD_REQUEST"


class BadRequest(CallerFault):
    """A body or a field of it is wrong; the message opens with the field's path where there is one."""


class InvalidParameter(CallerFault):
    """A well-formed value that is not allowed here."""

    code = "INVALID_PARAMETER_VALUE"


class InvalidFields(InvalidParameter):
    """Every fault of a body: (field path, what is wrong) for each, all of them told."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.details = tuple(problems)
        super().__init__("; ".join(f"{field}: {what}" for field, what in self.details))


class AlreadyExists(CallerFault):
    """A thing of that name is there already."""

    code = "RESOURCE_ALREADY_EXISTS"


class QuotaExceeded(CallerFault):
    """There are as many of these as there may be.  Not 429: it would be asked again for minutes, to no avail."""

    code = "RESOURCE_LIMIT_EXCEEDED"


class Conflict(CallerFault):
    """Another change is under way, or was made since the caller looked."""

    status = 409
    code = "RESOURCE_CONFLICT"


class Unauthenticated(CallerFault):
    """No token, or not one of ours."""

    status = 401
    code = "UNAUTHENTICATED"


class PermissionDenied(CallerFault):
    """The token is known, but its owner may not do this."""

    status = 403
    code = "PERMISSION_DENIED"


class BudgetExceeded(CallerFault):
    """There is no money left for the call.  Not 429: every client would ask again, for minutes, to no avail.  Of the
    codes with 403 this is the one that all clients know."""

    status = 403
    code = "PERMISSION_DENIED"


class EndpointNotFound(CallerFault):
    """No serving endpoint, or no served entity in it, has that name."""

    status = 404
    code = "ENDPOINT_NOT_FOUND"


class NotFound(CallerFault):
    """A named thing other than an endpoint does not exist."""

    status = 404
    code = "RESOURCE_DOES_NOT_EXIST"


class RouteNotFound(CallerFault):
    """A path or method that cloche does not serve."""

    status = 404
    code = "NOT_FOUND"


class RequestTimeout(CallerFault):
    """The client did not send its whole request in time."""

    status = 408
    code = "DEADLINE_EXCEEDED"


class LimitExceeded(CallerFault):
    """Too many calls at once or in one minute; `retry_after` says when there will be room."""

    status = 429
    code = "REQUEST_LIMIT_EXCEEDED"


class ProviderFault(Problem):
    """The upstream service failed.  `retryable`: another served entity might answer."""

    status = 502
    retryable = True


class ProviderRefused(ProviderFault):
    """The provider rejects this request as the caller's mistake; its status (4xx) and message are passed on."""

    status = 400
    code = "BAD_REQUEST"
    retryable = False

    def __init__(self, message: str, *, status: int = 400, summary: str | None = None) -> None:
        super().__init__(message, summary=summary)
        self.status = status


class ProviderCredentials(ProviderFault):
    """The provider rejects cloche's own key: 500, so that the caller does not doubt their token."""

    status = 500


class ProviderForbidden(ProviderFault):
    """The provider's address is none that this server may call: nothing was sent, and its operator must decide."""

    status = 500


class ProviderBusy(ProviderFault):
    """The provider's rate limit."""

    status = 429
    code = "REQUEST_LIMIT_EXCEEDED"


class ProviderUnreachable(ProviderFault):
    """No connection to the provider could be made: nothing was sent."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


class ProviderUnavailable(ProviderFault):
    """The provider answers that it is overloaded or down."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


class ProviderTimeout(ProviderFault):
    """Connecting, the first byte, the pause between bytes or the whole answer took too long."""

    status = 504
    code = "DEADLINE_EXCEEDED"


class ProviderBroken(ProviderFault):
    """The answer was cut off, was no HTTP, was no JSON, or was an error without sense."""


class FormatMissed(ProviderBroken):
    """The model answered, and not in the format that it was told to have: the entity is well."""


class OurFault(Problem):
    """cloche itself cannot serve the call."""


class InternalError(OurFault):
    """A defect in cloche; the log has the details under the request id."""


class NotSupported(OurFault):
    """A thing that the API knows and this version of cloche does not do."""

    status = 501
    code = "NOT_IMPLEMENTED"


class NotReady(OurFault):
    """Loading, restarting or shutting down; `retry_after` says when to come back."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"
    retryable = True
