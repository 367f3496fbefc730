"""The JSON of single calls: what may be asked for, and calls as they are told.

Must not know who may see what.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cloche.domain.errors import InvalidParameter
from cloche.domain.money import dollars
from cloche.domain.payload import PayloadRow
from cloche.domain.usage import CallUsage
from cloche.wire import queries

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000

ANSWERED = "ok"
"""The outcome of the attempt that brought the answer."""

_STATUS = re.compile(r"ok|error|cancelled|[1-5]xx|[1-5][0-9][0-9]")

QUERY = (
    ("endpoint", "Calls to this endpoint alone."),
    ("user", "Calls of this user, or service principal by its application id, alone."),
    ("status", "`ok`, `error`, `cancelled`, `4xx`, `5xx`, or a number."),
    ("from", f"Calls of this time or later: {queries.TIME}."),
    ("to", "Calls before this time."),
    ("q", "The id of a call, or the `client_request_id` that its client gave it."),
    ("limit", f"Calls in one answer, {DEFAULT_LIMIT} if not given, {MAX_LIMIT} at most."),
    ("page_token", "`next_page_token` of the answer before."),
)


class Asked(msgspec.Struct, frozen=True):
    """What is asked for; None: any.  Times are Unix milliseconds.  `before`: time and id of the call where the page
    before ended."""

    endpoint: str | None
    user: str | None
    status: str | None
    since: int | None
    until: int | None
    text: str | None
    before: tuple[int, str] | None
    limit: int


class Attempt(msgspec.Struct, frozen=True):
    """One entity that was asked.  `outcome`: `ok`, or the code of its failure.  `began_ms`: after the call came;
    `duration_ms`: until it failed or was stopped, or of the last one until the call's end.  Null where nobody noted it.
    """

    entity: str
    outcome: str
    began_ms: float | None
    duration_ms: float | None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call.  `time`: when it came, in Unix milliseconds.  `user`: a name, or an application id.

    `status` 499: the client hung up before there was a status.  `estimated`: the tokens are not the provider's count.
    `attempts`: where several entities were asked.  `cost_usd`: null where the price is not known.  `translation`: what
    became of the request's fields on their way to the provider.
    """

    request_id: str
    client_request_id: str | None
    endpoint: str
    endpoint_id: str
    entity: str | None
    user: str
    time: int
    status: int
    outcome: str
    error_code: str | None
    stream: bool
    input_tokens: int
    output_tokens: int
    estimated: bool
    duration_ms: float
    first_byte_ms: float | None
    attempts: list[Attempt] | None
    cost_usd: float | None
    translation: str | None


class Calls(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer, the newest first.  `next_page_token`: there is more."""

    calls: list[Call]
    next_page_token: str | None = None


class Payload(msgspec.Struct, frozen=True):
    """What was asked and answered, as the endpoint's inference table has it; null where it was too large for that."""

    request: str | None
    response: str | None
    logging_error_codes: Sequence[str]


class CallDetail(Call, frozen=True, kw_only=True):
    """One call with its payload, where there is one and the caller manages the endpoint.

    `payload_table`: of the endpoint, as it is now.  `payload_problem`: why the table could not be looked at.
    """

    payload: Payload | None
    payload_table: str | None
    payload_problem: str | None


def read_query(query: Mapping[str, str]) -> Asked:
    """What a query asks for.  Raises InvalidParameter."""
    status = query.get("status") or None
    if status is not None and not _STATUS.fullmatch(status):
        raise InvalidParameter(f"status: must be ok, error, cancelled, 4xx, 5xx or a number, not {status!r}")
    return Asked(
        endpoint=query.get("endpoint") or None,
        user=query.get("user") or None,
        status=status,
        since=queries.moment(query, "from"),
        until=queries.moment(query, "to"),
        text=query.get("q") or None,
        before=_place(query.get("page_token")),
        limit=queries.bounded(query, "limit", DEFAULT_LIMIT, MAX_LIMIT),
    )


def page_token(call: CallUsage) -> str:
    """What leads on after a call."""
    return f"{call.request_time}-{call.databricks_request_id}"


def _place(token: str | None) -> tuple[int, str] | None:
    if not token:
        return None
    at, dash, request_id = token.partition("-")
    if not (at.isascii() and at.isdigit() and len(at) < 15 and dash):
        raise InvalidParameter(f"page_token: must be next_page_token of an answer, not {token!r}")
    return int(at), request_id


def call(told: CallUsage) -> Call:
    """A call as it is told."""
    return Call(**_fields(told))


def detail(told: CallUsage, payload: PayloadRow | None, table: str | None, problem: str | None) -> CallDetail:
    """A call with its payload."""
    shown = None if payload is None else Payload(payload.request, payload.response, payload.logging_error_codes)
    return CallDetail(**_fields(told), payload=shown, payload_table=table, payload_problem=problem)


def _fields(told: CallUsage) -> dict[str, Any]:
    cost = told.cost_nano_usd
    return {
        "request_id": told.databricks_request_id,
        "client_request_id": told.client_request_id,
        "endpoint": told.endpoint_name,
        "endpoint_id": told.endpoint_id,
        "entity": told.served_entity_name,
        "user": told.requester,
        "time": told.request_time,
        "status": told.status_code,
        "outcome": told.outcome,
        "error_code": told.error_code,
        "stream": told.request_streaming,
        "input_tokens": told.input_token_count,
        "output_tokens": told.output_token_count,
        "estimated": told.estimated,
        "duration_ms": told.duration_ms,
        "first_byte_ms": told.first_byte_ms,
        "attempts": _attempts(told),
        "cost_usd": None if cost is None else dollars(cost + (told.hedge_cost_nano_usd or 0)),
        "translation": told.translation,
    }


def _attempts(told: CallUsage) -> list[Attempt] | None:
    """As the gateway tells them: `ENTITY=CODE` of one that failed, `ENTITY` of the one that answered; and of each when
    it began and, if it did not last to the end, how long it took, `BEGAN+TOOK`."""
    if not told.attempts:
        return None
    parts = [each.partition("=") for each in told.attempts.split(", ")]
    times = told.attempt_ms.split(", ") if told.attempt_ms else []
    spans: list[tuple[float | None, float | None]] = [_span(each, told.duration_ms) for each in times]
    spans += [(None, None)] * (len(parts) - len(spans))
    # A list that was too long to be kept ends within a name.
    return [Attempt(entity, code or ANSWERED, *span) for (entity, _, code), span in zip(parts, spans, strict=False)]


def _span(text: str, whole: float) -> tuple[float, float]:
    began, _, took = text.partition("+")
    return float(began), float(took) if took else round(max(0.0, whole - float(began)), 1)
