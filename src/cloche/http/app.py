"""The ASGI side: every request that the fast lane leaves alone.

Each request gets an id, is read to its end, passes the door of its route, and gets one answer in the dialect of the
clients and one log line.  Chat calls get here only where the fast lane is off; what is no route may be a page.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from cloche.domain.errors import BadRequest, Problem, RouteNotFound, Unauthenticated
from cloche.gateway.call import new_id
from cloche.http.asgi_chat import AsgiChat
from cloche.http.chat_paths import read_ask
from cloche.http.context import MAX_BODY, Answer, Context, ControlRequest, Streamed
from cloche.http.door import admit, recognise
from cloche.http.route import Needs, Row
from cloche.http.routes import ROUTES
from cloche.http.streaming import StreamedResponse
from cloche.telemetry import CallRecord, Outcome
from cloche.wire import errors

log = logging.getLogger("cloche.http")

MAX_PUBLIC_BODY = 64 * 1024
"""Bytes of a request that needs no token: nobody is to fill the memory who has not said who they are."""

_THREADS = 8
"""Control requests that may wait for the database at once."""


class App:
    """The ASGI application.  `record`: where the line of each request goes."""

    def __init__(self, context: Context, chat: AsgiChat, record: Callable[[CallRecord], None]) -> None:
        self._context = context
        self._chat = chat
        self._record = record
        self._threads = ThreadPoolExecutor(_THREADS, "control")
        routes = [Route(row.path, self._endpoint(row), methods=[row.method]) for row in ROUTES]
        unknown = Row("", "", Needs.PUBLIC, _page_or_not_found, "")
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
        async def endpoint(received: Request) -> Response:
            arrived, started = time.time(), time.perf_counter()
            answer: Answer | Streamed
            request = _request(received)
            try:
                await self._recognise(row, request)
                limit = MAX_PUBLIC_BODY if row.needs is Needs.PUBLIC else MAX_BODY
                request = request._replace(body=await _body(received, limit))
                request, answer = await self._answer(row, request)
            except Problem as error:
                answer = _error(error)
            except ClientDisconnect:
                answer = _error(BadRequest("the client left before its request was complete"))
            except Exception:  # the edge: a defect ends one request, with its id in the log
                log.exception("request %s failed inside cloche", request.id)
                answer = _error(errors.unexpected(request.id))
            ids = {"x-request-id": request.id, "databricks-request-id": request.id}
            # Nobody else was asked: what the answer took is cloche's own time.
            overhead = {"cloche-overhead-ms": f"{(time.perf_counter() - started) * 1000:.3f}"}
            headers = {**ids, **overhead, **dict(answer.headers)}

            def ended(outcome: Outcome, problem: Problem | None = None) -> None:
                self._record(
                    CallRecord(
                        time=arrived,
                        request_id=request.id,
                        method=request.method,
                        path=request.url_path,
                        status=200 if isinstance(answer, Streamed) else answer.status,
                        duration_ms=round((time.perf_counter() - started) * 1000, 3),
                        outcome=outcome,
                        principal=None if request.grant is None else request.grant.principal.name,
                        error_code=None if problem is None else problem.code,
                        detail=None if problem is None else problem.summary,
                    )
                )

            if isinstance(answer, Streamed):
                return StreamedResponse(answer, headers, ended)
            ended("ok" if answer.problem is None else "error", answer.problem)
            return Response(answer.body, answer.status, headers, media_type=answer.media_type)

        return endpoint

    async def _recognise(self, row: Row, request: ControlRequest) -> None:
        """Turn strangers away before their body is read.  A token that this process does not know may be new."""
        try:
            recognise(request, row.needs, self._context.admission, self._context.snapshot())
        except Unauthenticated:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._context.publisher.catch_up)
            recognise(request, row.needs, self._context.admission, self._context.snapshot())

    async def _answer(self, row: Row, request: ControlRequest) -> tuple[ControlRequest, Answer | Streamed]:
        """Let the caller in and have the handler answer: in the loop if it is a coroutine, else in a thread."""
        if inspect.iscoroutinefunction(row.handler):
            return request, await row.handler(self._context, request)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer_in_thread, row, request)

    def _answer_in_thread(self, row: Row, request: ControlRequest) -> tuple[ControlRequest, Answer | Streamed]:
        # So that whoever has made a change sees it in the next request, whichever process takes that.
        self._context.publisher.catch_up()
        snapshot = self._context.snapshot()
        request = request._replace(grant=recognise(request, row.needs, self._context.admission, snapshot))
        # From here on the log line tells who asked, whatever comes of it.
        try:
            admit(request, row.needs, snapshot)
            answer = row.handler(self._context, request)
            assert isinstance(answer, Answer | Streamed)
        except Problem as problem:
            answer = _error(problem)
        except Exception:  # the edge: a defect ends one request, with its id in the log
            log.exception("request %s failed inside cloche", request.id)
            answer = _error(errors.unexpected(request.id))
        return request, answer


def _request(received: Request) -> ControlRequest:
    """What is known before the body is read."""
    return ControlRequest(
        id=new_id(),
        method=received.method,
        url_path=received.url.path,
        path=dict(received.path_params),
        query=dict(received.query_params),
        headers={name.lower(): value for name, value in received.headers.items()},
        body=b"",
        base_url=str(received.base_url).rstrip("/"),
        address=received.client.host if received.client is not None else "",
    )


async def _body(received: Request, limit: int) -> bytes:
    pieces, size = [], 0
    async for piece in received.stream():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise BadRequest(f"the body is larger than {limit} bytes, which is the limit here")
    return b"".join(pieces)


def _error(problem: Problem) -> Answer:
    headers = () if problem.retry_after is None else (("retry-after", str(problem.retry_after)),)
    return Answer(errors.body(problem), problem.status, headers, problem=problem)


async def _page_or_not_found(context: Context, request: ControlRequest) -> Answer:
    path = request.url_path
    page = context.pages(request)
    if page is not None:
        return page
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
