"""The ASGI side: every request that the fast lane leaves alone.

Each request gets an id, the check of its route's level, one answer in the dialect of the clients, and one log line.
Chat calls get here only where the fast lane is off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from cloche.domain.access import Principal
from cloche.domain.errors import BadRequest, PermissionDenied, Problem, RouteNotFound
from cloche.gateway import admission
from cloche.gateway.call import new_id
from cloche.http.asgi_chat import AsgiChat
from cloche.http.chat_paths import read_ask
from cloche.http.context import Answer, Context
from cloche.http.routes import ROUTES, Level, Row
from cloche.telemetry import CallRecord
from cloche.wire import errors

log = logging.getLogger("cloche.http")


class App:
    """The ASGI application.  `record`: where the line of each request goes."""

    def __init__(self, context: Context, chat: AsgiChat, record: Callable[[CallRecord], None]) -> None:
        self._context = context
        self._chat = chat
        self._record = record
        routes = [Route(row.path, self._endpoint(row), methods=[row.method]) for row in ROUTES]
        unknown = Row("", "", Level.PUBLIC, _not_found)
        catch_all = Route("/{path:path}", self._endpoint(unknown))
        catch_all.methods = None  # any
        self._router: ASGIApp = Router([*routes, catch_all], redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return  # uvicorn runs without lifespan and WebSockets
        if scope["method"] == "POST":
            ask = read_ask(scope["raw_path"], scope["headers"])
            if ask is not None:
                await self._chat.serve(ask, receive, send)
                return
        path = scope["path"].rstrip("/") or "/"
        scope["path"] = path if path.startswith("/") else f"/{path}"  # `OPTIONS *` is no route either
        await self._router(scope, receive, send)

    def _endpoint(self, row: Row) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            call_id, arrived, started = new_id(), time.time(), time.perf_counter()
            principal: Principal | None = None
            problem: Problem | None = None
            try:
                principal = self._admit(request, row.level)
                answer = await row.handler(self._context, request, principal)
            except Problem as error:
                problem = error
            except ClientDisconnect:
                problem = BadRequest("the client left before its request was complete")
            except Exception:  # the edge: a defect ends one request, with its id in the log
                log.exception("request %s failed inside cloche", call_id)
                problem = errors.unexpected(call_id)
            if problem is not None:
                answer = _error(problem)
            self._record(
                CallRecord(
                    time=arrived,
                    request_id=call_id,
                    method=request.method,
                    path=request.url.path,
                    status=answer.status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 3),
                    outcome="ok" if problem is None else "error",
                    principal=None if principal is None else principal.name,
                    error_code=None if problem is None else problem.code,
                    detail=None if problem is None else problem.message,
                )
            )
            headers: dict[str, Any] = {
                "x-request-id": call_id,
                "databricks-request-id": call_id,
                **dict(answer.headers),
            }
            return Response(answer.body, answer.status, headers, media_type="application/json")

        return endpoint

    def _admit(self, request: Request, level: Level) -> Principal | None:
        if level is Level.PUBLIC:
            return None
        sent = request.headers.get("authorization")
        authorization = None if sent is None else sent.encode("latin-1")
        principal = admission.authenticate(authorization, self._context.token_key, self._context.slot.current())
        if level is Level.ADMIN and not principal.admin:
            raise PermissionDenied("only an administrator may do this")
        return principal


def _error(problem: Problem) -> Answer:
    headers = () if problem.retry_after is None else (("retry-after", str(problem.retry_after)),)
    return Answer(errors.body(problem), problem.status, headers)


async def _not_found(context: Context, request: Request, principal: Principal | None) -> Answer:
    path = request.url.path
    if path.endswith("/invocations/chat/completions"):
        raise RouteNotFound(
            f"{path} is no route: the base URL of an OpenAI client must end in /serving-endpoints, "
            "and the endpoint's name goes into `model`"
        )
    methods = [row.method for row in ROUTES if Route(row.path, _nothing).path_regex.match(path)]
    if methods:
        raise RouteNotFound(f"{request.method} is not served at {path}; {' and '.join(methods)} is")
    if path.startswith("/serving-endpoints/") and request.method != "POST" and path.endswith("/invocations"):
        raise RouteNotFound(f"{request.method} is not served at {path}; POST is")
    raise RouteNotFound(f"{request.method} {path} is no route of this server")


async def _nothing(request: Request) -> Response:
    """Stands in a Route that is made only for its path pattern."""
    raise NotImplementedError
