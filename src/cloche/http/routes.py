"""One table: path, method, who may, and who answers.  Whatever is not in it is answered 404 in JSON.

Chat paths stand in chat_paths.py, because the fast lane reads them from bytes.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request

from cloche.domain.access import Principal
from cloche.http import handlers
from cloche.http.context import Answer, Context

Handler = Callable[[Context, Request, Principal | None], Awaitable[Answer]]


class Level(enum.Enum):
    """Who may: anybody, the owner of any valid token, or an administrator."""

    PUBLIC = "public"
    TOKEN = "token"  # noqa: S105 (a level, not a token)
    ADMIN = "admin"


class Row(NamedTuple):
    """One route."""

    method: str
    path: str
    level: Level
    handler: Handler


ROUTES = (
    Row("GET", "/health", Level.PUBLIC, handlers.health),
    Row("GET", "/ready", Level.PUBLIC, handlers.ready),
    Row("GET", "/.well-known/databricks-config", Level.PUBLIC, handlers.host_metadata),
    Row("GET", "/api/2.0/preview/scim/v2/Me", Level.TOKEN, handlers.me),
    Row("GET", "/api/2.0/serving-endpoints", Level.TOKEN, handlers.list_endpoints),
    Row("GET", "/api/2.0/serving-endpoints/{name}", Level.TOKEN, handlers.get_endpoint),
    Row("GET", "/serving-endpoints/models", Level.TOKEN, handlers.list_models),
    Row("POST", "/api/2.0/token/create", Level.ADMIN, handlers.create_token),
    Row("GET", "/api/2.0/token/list", Level.ADMIN, handlers.list_tokens),
    Row("POST", "/api/2.0/token/delete", Level.ADMIN, handlers.delete_token),
)
