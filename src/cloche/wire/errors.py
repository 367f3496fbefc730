"""The only place where a Problem becomes JSON.

Two shapes, both found by running the clients: an HTTP error is `{"error_code", "message"}` without a top-level `error`,
which the Databricks SDK would show as a Python dict; an error inside a stream carries both that and `error`, which
is what makes the OpenAI client raise.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.codec import sse
from cloche.domain.errors import InternalError, Problem

_encode = msgspec.json.Encoder().encode


def body(problem: Problem) -> bytes:
    """The JSON body of an HTTP error.  `details`, as google.rpc has them, name each field of a body with many
    faults."""
    told: dict[str, Any] = {"error_code": problem.code, "message": problem.message}
    if problem.details:
        violations = [{"field": field, "description": what} for field, what in problem.details]
        told["details"] = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": violations}]
    return _encode(told)


def stream_end(problem: Problem) -> bytes:
    """The last bytes of a stream that fails after its status was sent: one error event, then the end mark."""
    error = {
        "error_code": problem.code,
        "message": problem.message,
        "error": {"message": problem.message, "type": type(problem).__name__, "code": problem.code},
    }
    return sse.encode_all([_encode(error), sse.DONE])


def unexpected(call_id: str) -> InternalError:
    """What the caller may know of a defect in cloche: nothing but where to look."""
    return InternalError(f"cloche failed on this call; its log has the details under request id {call_id}")
