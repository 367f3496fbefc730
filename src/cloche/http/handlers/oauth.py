"""OAuth: discovery, the token endpoint, signing keys, and the secrets of service principals."""

from __future__ import annotations

import msgspec

from cloche.domain.errors import BadRequest, Problem, Unauthenticated
from cloche.http.answers import decoded, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import oauth

_SECRETS = "/api/2.0/accounts/servicePrincipals/{id}/credentials/secrets"
_NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))


async def metadata(context: Context, request: ControlRequest) -> Answer:
    """Where tokens are to be had, for clients that log in."""
    return json(oauth.metadata(context.base_url(request)))


async def jwks(context: Context, request: ControlRequest) -> Answer:
    """The public keys of access tokens."""
    return json(context.oauth.keys.published())


def token(context: Context, request: ControlRequest) -> Answer:
    """An access token: for a service principal's client secret, or for an access token and one endpoint."""
    try:
        given = _token(context, request)
    except oauth.Refused as refused:
        return _refusal(refused)
    return Answer(msgspec.json.encode(given), headers=_NO_STORE)


def _token(context: Context, request: ControlRequest) -> oauth.AccessToken:
    form = oauth.read_form(request.body)
    details = form.authorization_details
    issuer = f"{context.base_url(request)}/oidc"
    if form.grant_type == oauth.CLIENT_CREDENTIALS:
        client_id, secret = oauth.read_client(form, request.headers.get("authorization"))
        endpoint_id = oauth.read_authorization_details(details) if details else None
        return context.oauth.for_client(client_id, secret, issuer, endpoint_id)
    if form.grant_type == oauth.JWT_BEARER:
        endpoint_id = oauth.read_authorization_details(details)
        try:
            assertion = b"Bearer " + form.assertion.encode()
            grant = context.admission.authenticate(assertion, context.snapshot())
        except Unauthenticated as problem:
            raise oauth.Refused("invalid_grant", f"the assertion is not accepted: {problem.message}") from None
        return context.oauth.for_endpoint(grant, issuer, endpoint_id)
    raise oauth.Refused(
        "unsupported_grant_type",
        f"grant_type must be {oauth.CLIENT_CREDENTIALS} or {oauth.JWT_BEARER}, not '{form.grant_type[:80]}'",
    )


def _refusal(refused: oauth.Refused) -> Answer:
    kind: type[Problem] = Unauthenticated if refused.status == 401 else BadRequest
    headers = (*_NO_STORE, *((("www-authenticate", 'Basic realm="cloche"'),) if refused.status == 401 else ()))
    body = oauth.refusal(refused.error, refused.description, kind.code)
    return Answer(body, refused.status, headers, problem=kind(refused.description))


def rotate_keys(context: Context, request: ControlRequest) -> Answer:
    """Sign access tokens with a new key from now on; those given before are good to their end."""
    return json({"kid": context.oauth.keys.rotate(request.caller)})


def create_secret(context: Context, request: ControlRequest) -> Answer:
    """A new client secret of a service principal, shown this once."""
    lifetime = decoded(request.body, oauth.CreateSecret).seconds()
    value, secret = context.oauth.add_secret(request.caller, request.path["id"], lifetime)
    return json(oauth.secret_info(secret, secret.created_at, value))


def list_secrets(context: Context, request: ControlRequest) -> Answer:
    """What may be told of a service principal's client secrets."""
    found, now = context.oauth.list_secrets(request.path["id"])
    return json(oauth.Secrets([oauth.secret_info(each, now) for each in found]))


def delete_secret(context: Context, request: ControlRequest) -> Answer:
    """End a client secret, and every access token that was given for it."""
    context.oauth.remove_secret(request.caller, request.path["id"], request.path["secret_id"])
    return json({})


_OPERATION = "service_principal_secrets_proxy"
_FORM, _KIND = oauth.TokenForm, "application/x-www-form-urlencoded"

ROUTES = (
    Row("GET", "/oidc/.well-known/oauth-authorization-server", Needs.PUBLIC, metadata, "oauth.discovery"),
    Row("GET", "/oidc/.well-known/openid-configuration", Needs.PUBLIC, metadata, "oauth.openid_configuration"),
    Row("GET", "/oidc/jwks.json", Needs.PUBLIC, jwks, "oauth.jwks"),
    Row("POST", "/oidc/v1/token", Needs.PUBLIC, token, "oauth.token", _FORM, oauth.AccessToken, media_type=_KIND),
    Row("POST", "/api/2.0/cloche/oauth/keys/rotate", Needs.ADMIN, rotate_keys, "cloche.oauth.rotate_keys"),
    Row("POST", _SECRETS, Needs.ADMIN, create_secret, f"{_OPERATION}.create", oauth.CreateSecret, oauth.SecretInfo),
    Row("GET", _SECRETS, Needs.ADMIN, list_secrets, f"{_OPERATION}.list", gives=oauth.Secrets),
    Row("DELETE", f"{_SECRETS}/{{secret_id}}", Needs.ADMIN, delete_secret, f"{_OPERATION}.delete"),
)
