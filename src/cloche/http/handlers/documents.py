"""What the server tells of its own API: the OpenAPI document, and how far it is compatible with Databricks."""

from __future__ import annotations

from functools import cache

import msgspec

from cloche.http import compatibility, openapi
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row


async def get_openapi(context: Context, request: ControlRequest) -> Answer:
    """The OpenAPI document of the control plane."""
    return Answer(_openapi())


async def get_compatibility(context: Context, request: ControlRequest) -> Answer:
    """Each operation of the Databricks API: whether it is supported, why not, and the test that proves it."""
    return Answer(compatibility.document())


@cache
def _openapi() -> bytes:
    from cloche.http.routes import ROUTES  # late: the table has these handlers in it

    return msgspec.json.encode(openapi.document(ROUTES))


ROUTES = (
    Row("GET", "/openapi.json", Needs.PUBLIC, get_openapi, "cloche.openapi"),
    Row("GET", "/compatibility", Needs.PUBLIC, get_compatibility, "cloche.compatibility"),
)
