"""Tokens: the caller's own, and for administrators everybody's and those of service principals."""

from __future__ import annotations

from cloche.control.directory import Directory
from cloche.domain.access import Token
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


def create_token_for(context: Context, request: ControlRequest) -> Answer:
    """A new token for a service principal."""
    wanted = admin.decode_create_for(request.body)
    value, token = context.tokens.create_for(
        request.caller, wanted.application_id, wanted.comment or "", wanted.lifetime_seconds
    )
    return json(admin.CreatedTokenFor(value, _owned(context.people.directory(), token)))


def list_all_tokens(context: Context, request: ControlRequest) -> Answer:
    """What may be told of everybody's tokens, or of one owner's."""
    everybody = context.people.directory()
    infos = [_owned(everybody, token) for token in context.tokens.everybodys()]
    by_id, by_name = request.query.get("created_by_id"), request.query.get("created_by_username")
    infos = [info for info in infos if by_id is None or str(info.owner_id) == by_id]
    return json(admin.OwnedTokenInfos([info for info in infos if by_name in (None, info.created_by_username)]))


def get_any_token(context: Context, request: ControlRequest) -> Answer:
    """What may be told of a token, whoever's it is."""
    token = context.tokens.get(request.path["token_id"])
    return json(admin.OneToken(_owned(context.people.directory(), token)))


def delete_any_token(context: Context, request: ControlRequest) -> Answer:
    """Revoke a token, whoever's it is."""
    context.tokens.revoke(request.caller, request.path["token_id"])
    return json({})


def _owned(everybody: Directory, token: Token) -> admin.OwnedTokenInfo:
    owner = everybody.identities.get(token.principal)
    return admin.owned_info(token, token.principal if owner is None else owner.name)


_CREATE, _CREATED = admin.CreateToken, admin.CreatedToken
_MANAGED = "/api/2.0/token-management/tokens"
_ONE = f"{_MANAGED}/{{token_id}}"
_FOR = "/api/2.0/token-management/on-behalf-of/tokens"
_OWNERS = (("created_by_id", "Only those of the owner with this id."), ("created_by_username", "Or with this name."))

ROUTES = (
    Row("POST", "/api/2.0/token/create", Needs.TOKEN, create_token, "tokens.create", _CREATE, _CREATED),
    Row("GET", "/api/2.0/token/list", Needs.TOKEN, list_tokens, "tokens.list", gives=admin.TokenInfos),
    Row("POST", "/api/2.0/token/delete", Needs.TOKEN, delete_token, "tokens.delete", admin.DeleteToken),
    Row(
        "POST",
        _FOR,
        Needs.ADMIN,
        create_token_for,
        "token_management.create_obo_token",
        admin.CreateTokenFor,
        admin.CreatedTokenFor,
    ),
    Row("GET", _MANAGED, Needs.ADMIN, list_all_tokens, "token_management.list", None, admin.OwnedTokenInfos, _OWNERS),
    Row("GET", _ONE, Needs.ADMIN, get_any_token, "token_management.get", gives=admin.OneToken),
    Row("DELETE", _ONE, Needs.ADMIN, delete_any_token, "token_management.delete"),
)
