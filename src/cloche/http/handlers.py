"""The control plane's handlers: a few lines each, bytes in, wire, use-case, wire, bytes out."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request

from cloche.domain.access import Principal
from cloche.domain.errors import BadRequest, EndpointNotFound, NotReady
from cloche.http.context import Answer, Context
from cloche.wire import admin, serving

MAX_BODY = 1024 * 1024
"""Bytes of a control request."""


def _json(value: Any, **headers: str) -> Answer:
    return Answer(msgspec.json.encode(value), headers=tuple(headers.items()))


async def health(context: Context, request: Request, principal: Principal | None) -> Answer:
    """The process is alive."""
    return _json({"status": "ok"})


async def ready(context: Context, request: Request, principal: Principal | None) -> Answer:
    """Whether a query would work: 503 as long as an endpoint cannot serve.  How many, but no names: anybody may ask."""
    endpoints = [compiled.endpoint for compiled in context.slot.current().endpoints.values()]
    waiting = sum(not context.status(endpoint).ready for endpoint in endpoints)
    if not waiting:
        return _json({"status": "ok", "not_ready": 0})
    message = f"{waiting} of {len(endpoints)} endpoints cannot serve now"
    error = {"error_code": NotReady.code, "message": message, "status": "not ready", "not_ready": waiting}
    return Answer(msgspec.json.encode(error), NotReady.status, (("retry-after", "1"),))


async def host_metadata(context: Context, request: Request, principal: Principal | None) -> Answer:
    """What the Databricks SDK asks first, without a token."""
    return _json({"workspace_id": context.workspace_id})


async def me(context: Context, request: Request, principal: Principal | None) -> Answer:
    """Who the token stands for, as SCIM has it.  The SDK reads the workspace's number from the header."""
    assert principal is not None
    body = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": principal.name,
        "userName": principal.name,
        "displayName": principal.name,
        "active": True,
        "emails": [],
        "groups": [{"display": "admins", "value": "admins"}] if principal.admin else [],
        "entitlements": [],
    }
    return Answer(msgspec.json.encode(body), headers=(("x-databricks-org-id", context.workspace_id),))


async def list_endpoints(context: Context, request: Request, principal: Principal | None) -> Answer:
    """Every endpoint, in short."""
    endpoints = [compiled.endpoint for compiled in context.slot.current().endpoints.values()]
    return _json(serving.endpoint_list((endpoint, context.status(endpoint)) for endpoint in endpoints))


async def get_endpoint(context: Context, request: Request, principal: Principal | None) -> Answer:
    """One endpoint."""
    name = request.path_params["name"]
    compiled = context.slot.current().endpoints.get(name)
    if compiled is None:
        raise EndpointNotFound(f"The serving endpoint '{name}' does not exist.")
    level = "CAN_MANAGE" if principal is not None and principal.admin else "CAN_QUERY"
    endpoint = compiled.endpoint
    return _json(serving.endpoint_document(endpoint, context.status(endpoint), permission_level=level))


async def list_models(context: Context, request: Request, principal: Principal | None) -> Answer:
    """The endpoints, as the OpenAI client lists models."""
    return _json(serving.model_list(compiled.endpoint for compiled in context.slot.current().endpoints.values()))


async def create_token(context: Context, request: Request, principal: Principal | None) -> Answer:
    """A new token for the caller."""
    assert principal is not None
    wanted = admin.decode_create(await _body(request))
    value, token = await asyncio.to_thread(
        context.tokens.create, principal.name, wanted.comment or "", wanted.lifetime_seconds
    )
    return Answer(admin.encode_created(value, token))


async def list_tokens(context: Context, request: Request, principal: Principal | None) -> Answer:
    """What may be told of every token."""
    return Answer(admin.encode_list(await asyncio.to_thread(context.tokens.list)))


async def delete_token(context: Context, request: Request, principal: Principal | None) -> Answer:
    """Revoke a token."""
    token_id = admin.decode_delete(await _body(request))
    await asyncio.to_thread(context.tokens.revoke, token_id)
    return _json({})


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY:
            raise BadRequest(f"the body is larger than {MAX_BODY} bytes, which is the limit here")
    return b"".join(pieces)
