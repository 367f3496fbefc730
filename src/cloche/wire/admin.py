"""The token API's JSON: bytes to plain values, plain values to bytes.

Must not know how tokens are made or kept.  Unknown fields are let be, as the real service does; a field that would
narrow what a token may do is refused, because ignoring it would hand out more than was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cloche.codec import json_text
from cloche.domain.access import Token
from cloche.domain.errors import InvalidParameter


class CreateToken(msgspec.Struct, frozen=True):
    """POST /api/2.0/token/create.  `lifetime_seconds` None: as long as the server's default."""

    comment: str | None = None
    lifetime_seconds: int | None = None
    scopes: list[str] | None = None
    autoscope_enabled: bool | None = None


class CreateTokenFor(msgspec.Struct, frozen=True):
    """POST /api/2.0/token-management/on-behalf-of/tokens.  `application_id`: of the service principal."""

    application_id: str
    comment: str | None = None
    lifetime_seconds: int | None = None
    scopes: list[str] | None = None
    autoscope_enabled: bool | None = None


class DeleteToken(msgspec.Struct, frozen=True):
    """POST /api/2.0/token/delete."""

    token_id: str


class TokenInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of a token.  Times in Unix milliseconds; `expiry_time` -1: never; `last_used` is cloche's own,
    right to about half a minute, and absent where the token was never used."""

    token_id: str
    creation_time: int
    expiry_time: int
    comment: str
    last_used: int | None = None


class OwnedTokenInfo(TokenInfo, frozen=True, omit_defaults=True):
    """The same for administrators.  Ids are numbers here; who made a token is not told apart from whose it is."""

    owner_id: int | None = None
    created_by_id: int | None = None
    created_by_username: str | None = None


class CreatedToken(msgspec.Struct, frozen=True):
    """The answer to create: the only place where a value is ever told."""

    token_value: str
    token_info: TokenInfo


class CreatedTokenFor(msgspec.Struct, frozen=True):
    """The answer to the making of a service principal's token."""

    token_value: str
    token_info: OwnedTokenInfo


class OwnedTokenInfos(msgspec.Struct, frozen=True):
    """The answer to list, for administrators."""

    token_infos: list[OwnedTokenInfo]


class OneToken(msgspec.Struct, frozen=True):
    """The answer to get."""

    token_info: OwnedTokenInfo


class TokenInfos(msgspec.Struct, frozen=True):
    """The answer to list."""

    token_infos: list[TokenInfo]


def decode_create(body: bytes) -> CreateToken:
    """Read a create request; an empty body asks for nothing special.  Raises BadRequest, InvalidParameter."""
    request = json_text.decoded(body or b"{}", CreateToken)
    _refuse_scopes(request)
    return request


def decode_create_for(body: bytes) -> CreateTokenFor:
    """Read a request for a service principal's token.  Raises BadRequest, InvalidParameter."""
    request = json_text.decoded(body or b"{}", CreateTokenFor)
    _refuse_scopes(request)
    return request


def _refuse_scopes(request: CreateToken | CreateTokenFor) -> None:
    if request.scopes:
        raise InvalidParameter("scopes: tokens with scopes are not supported; the token would have full rights")
    if request.autoscope_enabled:
        raise InvalidParameter("autoscope_enabled: tokens with scopes are not supported")


def decode_delete(body: bytes) -> str:
    """The id in a delete request.  Raises BadRequest."""
    return json_text.decoded(body, DeleteToken).token_id


def encode_created(value: str, token: Token) -> bytes:
    """The answer to create."""
    return msgspec.json.encode(CreatedToken(value, _info(token)))


def encode_list(tokens: Iterable[Token]) -> bytes:
    """The answer to list."""
    return msgspec.json.encode(TokenInfos([_info(token) for token in tokens]))


def _info(token: Token) -> TokenInfo:
    expiry = -1 if token.expires_at is None else token.expires_at
    return TokenInfo(token.id, token.created_at, expiry, token.comment, token.last_used_at)


def owned_info(token: Token, owner: str) -> OwnedTokenInfo:
    """What administrators are told of a token.  `owner`: its owner's name."""
    info = _info(token)
    number = int(token.principal)
    return OwnedTokenInfo(
        token_id=info.token_id,
        creation_time=info.creation_time,
        expiry_time=info.expiry_time,
        comment=info.comment,
        last_used=info.last_used,
        owner_id=number,
        created_by_id=number,
        created_by_username=owner,
    )
