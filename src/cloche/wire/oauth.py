"""OAuth 2.0 on the wire: forms in, tokens, metadata and refusals out; and the secrets of service principals.

Refusals have the shape of RFC 6749 §5.2, which the clients of the token endpoint read, beside the usual one.
Must not know how tokens are made or who gets one.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from cloche.domain.access import ClientSecret
from cloche.domain.errors import InvalidFields, InvalidParameter

CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "all-apis"

_SCOPES = frozenset((SCOPE, "offline_access"))
_ACTION = "query_inference_endpoint"
_PATH = "/serving-endpoints/"
_MAX_FIELDS = 32


class Refused(Exception):
    """The token endpoint's no.  `error`: a word of RFC 6749."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = 401 if error == "invalid_client" else 400


class TokenForm(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """The form that is sent to the token endpoint."""

    grant_type: str = ""
    scope: str = ""
    client_id: str = ""
    client_secret: str = ""
    assertion: str = ""
    authorization_details: str = ""


class AccessToken(msgspec.Struct, frozen=True):
    """What a client gets.  `expires_in`: seconds."""

    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 (a kind)
    scope: str = SCOPE


class _Detail(msgspec.Struct):
    """One of the authorization details (RFC 9396), as Databricks has them for a serving endpoint."""

    type: str
    object_type: str
    object_path: str
    actions: list[str]


def read_form(body: bytes) -> TokenForm:
    """The form.  Refused."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise Refused("invalid_request", "the body must be a form: application/x-www-form-urlencoded") from None
    if len(dict(pairs)) != len(pairs):
        raise Refused("invalid_request", "a parameter is given twice")
    form = msgspec.convert(dict(pairs), TokenForm)
    if unknown := set(form.scope.split()) - _SCOPES:
        raise Refused("invalid_scope", f"the scope '{min(unknown)[:80]}' is not supported: ask for {SCOPE}")
    return form


def read_client(form: TokenForm, authorization: str | None) -> tuple[str, str]:
    """The client's id and secret, from Basic credentials or the form.  Refused."""
    if authorization is None:
        if form.client_id and form.client_secret:
            return form.client_id, form.client_secret
        raise Refused("invalid_client", "client_id and client_secret are required, as Basic credentials or in the form")
    if form.client_secret:
        raise Refused("invalid_request", "the client's secret is given twice, as Basic credentials and in the form")
    scheme, _, value = authorization.partition(" ")
    try:
        client_id, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        client_id, colon, secret = "", "", ""
    if scheme.lower() != "basic" or not colon:
        raise Refused("invalid_client", "the client's credentials must be Basic: base64 of client_id:client_secret")
    return client_id, secret


def authorization_details(endpoint_id: str) -> str:
    """What a client sends along to get a token for queries of one endpoint."""
    detail = _Detail("workspace_permission", "serving-endpoints", f"{_PATH}{endpoint_id}", [_ACTION])
    return msgspec.json.encode([detail]).decode()


def read_authorization_details(text: str) -> str:
    """The id of the one endpoint that they are about.  Refused."""
    try:
        details = msgspec.json.decode(text, type=list[_Detail])
    except (msgspec.DecodeError, RecursionError):
        details = []
    only = details[0] if len(details) == 1 else None
    endpoint_id = "" if only is None else only.object_path.removeprefix(_PATH)
    if only is None or not endpoint_id or only.object_path == endpoint_id or only.actions != [_ACTION]:
        raise Refused(
            "invalid_request",
            "authorization_details must be what the endpoint tells in data_plane_info: "
            f"one entry with object_path {_PATH}ID and the action {_ACTION}",
        )
    return endpoint_id


def refusal(error: str, description: str, code: str) -> bytes:
    """The body of a refusal.  `code`: the word of the usual errors."""
    told = {"error": error, "error_description": description, "error_code": code, "message": description}
    return msgspec.json.encode(told)


def metadata(base_url: str) -> dict[str, Any]:
    """The discovery document (RFC 8414).  `base_url`: how clients reach the server."""
    oidc = f"{base_url}/oidc"
    return {
        "issuer": oidc,
        # Required by the clients' readers; nobody logs in here with a browser.
        "authorization_endpoint": f"{oidc}/v1/authorize",
        "token_endpoint": f"{oidc}/v1/token",
        "jwks_uri": f"{oidc}/jwks.json",
        "scopes_supported": [SCOPE],
        "response_types_supported": [],
        "grant_types_supported": [CLIENT_CREDENTIALS, JWT_BEARER],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


# -------------------------------------------------------------------- secrets of service principals


class CreateSecret(msgspec.Struct, frozen=True):
    """POST …/credentials/secrets.  `lifetime`: as in `3600s`; without one two years."""

    lifetime: str | None = None
    scopes: list[str] | None = None

    def seconds(self) -> int | None:
        """The lifetime in seconds.  InvalidFields, InvalidParameter."""
        if self.scopes and set(self.scopes) != {SCOPE}:
            raise InvalidParameter("scopes: secrets with scopes are not supported; the secret would have full rights")
        if self.lifetime is None:
            return None
        number = self.lifetime.removesuffix("s")
        if not (number.isascii() and number.isdecimal() and len(number) <= 12) or number == self.lifetime:
            raise InvalidFields([("lifetime", "must be whole seconds followed by s, as in 3600s")])
        return int(number)


class SecretInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of a secret; `secret` in the answer to create only."""

    id: str
    status: str
    create_time: str
    update_time: str
    expire_time: str | None = None
    secret: str | None = None


class Secrets(msgspec.Struct, frozen=True):
    """The answer to list."""

    secrets: list[SecretInfo]


def secret_info(secret: ClientSecret, now_ms: int, value: str | None = None) -> SecretInfo:
    """What is told of a secret.  `value`: where it was made just now."""
    ended = secret.expires_at is not None and now_ms >= secret.expires_at
    created = _moment(secret.created_at)
    expires = None if secret.expires_at is None else _moment(secret.expires_at)
    return SecretInfo(secret.id, "INACTIVE" if ended else "ACTIVE", created, created, expires, value)


def _moment(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
