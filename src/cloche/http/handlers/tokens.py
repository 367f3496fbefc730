"""Tokens of the caller: made, listed and revoked."""

from __future__ import annotations

from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import admin


def create_token(context: Context, request: ControlRequest) -> Answer:
    """A new token for the caller."""
    wanted = admin.decode_create(request.body)
    value, token = context.tokens.create(request.caller, wanted.comment or "", wanted.lifetime_seconds)
    return Answer(admin.encode_created(value, token))


def list_tokens(context: Context, request: ControlRequest) -> Answer:
    """What may be told of the caller's tokens."""
    return Answer(admin.encode_list(context.tokens.list(request.principal)))


def delete_token(context: Context, request: ControlRequest) -> Answer:
    """Revoke a token."""
    context.tokens.revoke(request.caller, admin.decode_delete(request.body))
    return json({})


ROUTES = (
    Row("POST", "/api/2.0/token/create", Needs.TOKEN, create_token, "tokens.create", admin.CreateToken),
    Row("GET", "/api/2.0/token/list", Needs.TOKEN, list_tokens, "tokens.list"),
    Row("POST", "/api/2.0/token/delete", Needs.TOKEN, delete_token, "tokens.delete", admin.DeleteToken),
)
