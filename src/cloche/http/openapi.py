"""The OpenAPI document of the control plane, made from the route table; its schemas are the types that handlers read.

Served at `/openapi.json`.  Must not know what a route does beyond its row; chat paths are documented for each endpoint
by `GET /api/2.0/serving-endpoints/{name}/openapi`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import cloche
from cloche.http.route import Needs, Row

_REF = "#/components/schemas/{name}"

_REFUSALS = {
    "400": "The request is wrong; the message names the field.",
    "401": "No token, or not a valid one.",
    "403": "The token's owner may not do this.",
    "404": "What the path or body names does not exist.",
    "409": "Another change is under way, or came before.",
    "429": "Too much at once; Retry-After says when to come back.",
    "501": "Known to the API, and not served by this version.",
    "503": "Not possible now; Retry-After says when to come back.",
}


class Violation(msgspec.Struct):
    """One fault of a body."""

    field: str
    description: str


class Detail(msgspec.Struct):
    """All faults of a body, as google.rpc has them."""

    field_violations: list[Violation]


class Error(msgspec.Struct):
    """What every failure is answered with."""

    error_code: str
    message: str
    details: list[Detail] | None = None


def document(routes: Iterable[Row]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a table."""
    rows = list(routes)
    types = [kind for row in rows for kind in (row.takes, row.gives) if kind is not None]
    schemas, components = msgspec.json.schema_components([*types, Error], ref_template=_REF)
    by_type = dict(zip(map(id, types), schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "cloche", "version": cloche.__version__, "description": "The control plane of cloche."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: Row, schemas: dict[int, dict[str, Any]]) -> dict[str, Any]:
    summary = (row.handler.__doc__ or "").strip().partition("\n\n")[0]
    told: dict[str, Any] = {
        "operationId": row.operation,
        "summary": " ".join(summary.split()),
        "description": f"Needs {row.needs.value}.",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in _names(row.path)
            ),
            *(
                {"name": name, "in": "query", "description": what, "schema": {"type": "string"}}
                for name, what in row.query
            ),
        ],
        "security": [] if row.needs is Needs.PUBLIC else [{"token": []}],
        "responses": _responses(row, schemas),
    }
    if row.takes is not None:
        content = {row.media_type: {"schema": schemas[id(row.takes)]}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _names(path: str) -> list[str]:
    return re.findall(r"\{(\w+)", path)


def _responses(row: Row, schemas: dict[int, dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    if row.gives is not None:
        answer["content"] = {"application/json": {"schema": schemas[id(row.gives)]}}
    error = {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}}
    refusals = {status: {"description": what, "content": error} for status, what in _REFUSALS.items()}
    return {str(row.status): answer, **refusals}
