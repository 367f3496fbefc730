"""Signing in: what the page needs to know before anybody has a token, and a token for who comes from an issuer."""

from __future__ import annotations

import msgspec

import cloche
from cloche.domain.errors import InvalidFields, NotReady
from cloche.http.answers import decoded, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import oidc as wire

_NO_STORE = (("cache-control", "no-store"),)


def ways(context: Context, request: ControlRequest) -> Answer:
    """How one may sign in besides with a token."""
    shown, problem = None, ""
    if context.sign_in.issuer is not None:
        client = context.sign_in.issuer.client
        try:
            # Anybody may ask, so that this must not keep many threads waiting for an issuer that is slow.
            found = context.sign_in.issuer.discovery(wait=False)
            shown = wire.OidcShown(found.issuer, found.authorization_endpoint, client.client_id, client.scopes)
        except NotReady as not_ready:
            problem = not_ready.message
    return json(wire.SignInShown(shown, cloche.__version__, context.workspace_id, problem))


def by_code(context: Context, request: ControlRequest) -> Answer:
    """An access token of an hour for a code of the OpenID issuer."""
    asked = decoded(request.body, wire.SignInByCode)
    asked.check()
    if context.public_url is not None and asked.redirect_uri != f"{context.public_url}/signin/callback":
        raise InvalidFields([("redirect_uri", f"must be {context.public_url}/signin/callback")])
    base_url = context.base_url(request)
    given, user = context.sign_in.by_code(asked, base_url, request.address, request.id)
    signed_in = wire.SignedIn(given.access_token, given.expires_in, user)
    return Answer(msgspec.json.encode(signed_in), headers=_NO_STORE)


_PATH = "/api/2.0/sign-in"

ROUTES = (
    Row("GET", _PATH, Needs.PUBLIC, ways, "cloche.sign_in.ways", gives=wire.SignInShown),
    Row("POST", f"{_PATH}/oidc", Needs.PUBLIC, by_code, "cloche.sign_in.oidc", wire.SignInByCode, wire.SignedIn),
)
