"""People sign in at an OpenID issuer: who gets a token, what it is good for, and everything that must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from issuers import CLIENT, SECRET, Browser, OpenIdIssuer

from .live import Live, Reply, playing
from .provider import Provider

PATH = "/api/2.0/sign-in"
USERS = "/api/2.0/preview/scim/v2/Users"
MODEL = "echo"


@pytest.fixture(scope="module")
def issuer() -> Iterator[OpenIdIssuer]:
    """The issuer."""
    with playing(OpenIdIssuer()) as running:
        yield running


def serve(folder: Path, issuer: OpenIdIssuer, *flags: str) -> Live:
    """A server whose people sign in there."""
    told = ["--oidc-issuer", issuer.url, "--oidc-client-id", CLIENT, "--no-default-endpoint"]
    return Live(folder, *told, *flags, environ={"CLOCHE_OIDC_CLIENT_SECRET": SECRET})


@pytest.fixture(scope="module")
def live(provider: Provider, issuer: OpenIdIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with an endpoint, and one user, Ada."""
    folder = tmp_path_factory.mktemp("sign-in")
    config = folder / "endpoints.json"
    config.write_text(json.dumps([each for each in provider.endpoints() if each["name"] == MODEL]))
    running = serve(folder, issuer, "--config", str(config))
    try:
        assert running.request("POST", USERS, {"userName": "ada@example.com"}).status == 201
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def plain(issuer: OpenIdIssuer) -> None:
    """The issuer signs as it should, until a test says otherwise."""
    issuer.sign = issuer.by_rsa


def sign_in(live: Live, issuer: OpenIdIssuer, **claims: Any) -> Reply:
    """Once through it all, with claims that are otherwise than usual."""
    browser = Browser(live.url)
    return send(live, browser.body(issuer.code(browser, **claims)))


def send(live: Live, body: dict[str, str]) -> Reply:
    """What the page sends, without a token."""
    return live.request("POST", f"{PATH}/oidc", body, token=None)


def ada(live: Live) -> str:
    """Her id."""
    (found,) = live.request("GET", f'{USERS}?filter=userName%20eq%20"ada@example.com"').json()["Resources"]
    return str(found["id"])


def activate(live: Live, *, active: bool) -> None:
    """Let her in, or keep her out."""
    change = {"Operations": [{"op": "replace", "path": "active", "value": active}]}
    assert live.request("PATCH", f"{USERS}/{ada(live)}", change).status == 200


def test_who_is_known_gets_a_token(live: Live, issuer: OpenIdIssuer) -> None:
    """It acts for the user, with the user's permissions and no others, for an hour; the audit log tells of it."""
    ways = live.request("GET", PATH, token=None).json()
    assert ways["oidc"] == {
        "issuer": issuer.url,
        "authorization_endpoint": f"{issuer.url}/authorize",
        "client_id": CLIENT,
        "scopes": "openid email profile",
    }
    assert ways["workspace_id"].isdecimal()
    issuer.sign = issuer.by_ec
    reply = sign_in(live, issuer, email="Ada@Example.com")
    assert reply.status == 200, reply.body
    assert reply.headers["cache-control"] == "no-store"
    told = reply.json()
    assert (told["user"], told["expires_in"]) == ("ada@example.com", 3600)
    token = told["access_token"]
    assert live.request("GET", "/api/2.0/preview/scim/v2/Me", token=token).json()["userName"] == "ada@example.com"
    asked = {"messages": [{"role": "user", "content": "Hello?"}]}
    query = f"/serving-endpoints/{MODEL}/invocations"
    assert live.request("POST", query, asked, token=token).status == 403
    assert live.request("GET", USERS + "/" + ada(live), token=token).status == 403
    endpoint = live.request("GET", f"/api/2.0/serving-endpoints/{MODEL}").json()["id"]
    level = {"access_control_list": [{"user_name": "ada@example.com", "permission_level": "CAN_QUERY"}]}
    assert live.request("PATCH", f"/api/2.0/permissions/serving-endpoints/{endpoint}", level).status == 200
    assert live.request("POST", query, asked, token=token).status == 200
    entries = live.request("GET", "/api/2.0/cloche/audit?action=sign_in.oidc").json()["entries"]
    assert (entries[0]["user"], entries[0]["target"], entries[0]["after"]) == (
        "ada@example.com",
        "ada@example.com",
        {"issuer": issuer.url, "email": "Ada@Example.com"},
    )


def test_who_is_deactivated_is_out(live: Live, issuer: OpenIdIssuer) -> None:
    """A token ends with its user at once, and there is no new one."""
    token = sign_in(live, issuer).json()["access_token"]
    activate(live, active=False)
    try:
        assert live.request("GET", "/api/2.0/token/list", token=token).status == 401
        refused = sign_in(live, issuer)
        assert (refused.status, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert "deactivated" in refused.json()["message"]
    finally:
        activate(live, active=True)
    assert live.request("GET", "/api/2.0/token/list", token=token).status == 200


def unsigned(issuer: OpenIdIssuer) -> Callable[[dict[str, Any]], str]:
    """By nobody."""
    return lambda claims: jwt.encode(claims, "", "none", headers={"kid": issuer.key_id})


def by_public_key(issuer: OpenIdIssuer) -> Callable[[dict[str, Any]], str]:
    """With the issuer's public key, taken for a shared secret."""

    def sign(claims: dict[str, Any]) -> str:
        head = {"alg": "HS256", "kid": issuer.key_id}
        signed = b".".join(_packed(json.dumps(part).encode()) for part in (head, claims))
        key = json.dumps(issuer.keys()["keys"][0]).encode()
        return (signed + b"." + _packed(hmac.digest(key, signed, hashlib.sha256))).decode()

    return sign


def _packed(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def by_unknown_key(issuer: OpenIdIssuer) -> Callable[[dict[str, Any]], str]:
    """With a key that the issuer does not publish."""
    key = rsa.generate_private_key(65537, 2048)
    return lambda claims: jwt.encode(claims, key, "RS256", headers={"kid": "elsewhere"})


def by_other_key(issuer: OpenIdIssuer) -> Callable[[dict[str, Any]], str]:
    """With another key under the name of one that it does."""
    key = rsa.generate_private_key(65537, 2048)
    return lambda claims: jwt.encode(claims, key, "RS256", headers={"kid": issuer.key_id})


def by_key_of_another_kind(issuer: OpenIdIssuer) -> Callable[[dict[str, Any]], str]:
    """With a key whose name is that of one of another kind."""
    return lambda claims: jwt.encode(claims, issuer.rsa, "RS256", headers={"kid": "curve"})


def no_token(issuer: OpenIdIssuer) -> Callable[[dict[str, Any]], str]:
    """Something else."""
    return lambda claims: "not.a.token"


@pytest.mark.parametrize(
    "signs", [unsigned, by_public_key, by_unknown_key, by_other_key, by_key_of_another_kind, no_token]
)
def test_a_token_that_is_not_the_issuers_is_refused(
    live: Live, issuer: OpenIdIssuer, signs: Callable[[OpenIdIssuer], Callable[[dict[str, Any]], str]]
) -> None:
    """Only RS256 and ES256 with a key that the issuer publishes under that name are good."""
    issuer.sign = signs(issuer)
    refused = sign_in(live, issuer)
    assert (refused.status, refused.json()["error_code"]) == (401, "UNAUTHENTICATED"), refused.body


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another-sign-in"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
        {"email": None},
        {"email": ["ada@example.com"]},
    ],
    ids=str,
)
def test_claims_that_are_not_good_are_refused(live: Live, issuer: OpenIdIssuer, claims: dict[str, Any]) -> None:
    """Another sign-in's, another client's, another issuer's, old, or about nobody in particular: 401."""
    refused = sign_in(live, issuer, **claims)
    assert (refused.status, refused.json()["error_code"]) == (401, "UNAUTHENTICATED"), refused.body


def test_a_code_is_good_once_and_for_its_browser(live: Live, issuer: OpenIdIssuer) -> None:
    """A replayed code, another verifier or redirect are the issuer's to refuse; its words are not passed on."""
    browser = Browser(live.url)
    body = browser.body(issuer.code(browser))
    assert send(live, body).status == 200
    replayed = send(live, body)
    assert (replayed.status, replayed.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert "invalid_grant" in replayed.json()["message"]
    assert "secret words" not in replayed.body.decode()
    for change in ({"code_verifier": "v" * 43}, {"redirect_uri": "https://evil.example/signin/callback"}):
        assert send(live, browser.body(issuer.code(browser)) | change).status == 401
    for change in ({"code_verifier": "short"}, {"redirect_uri": f"{live.url}/elsewhere"}, {"code": ""}):
        refused = send(live, browser.body("x") | change)
        assert (refused.status, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_who_is_not_known_is_refused(live: Live, issuer: OpenIdIssuer) -> None:
    """Nobody becomes a user by signing in, and nothing of the client's secret is in the log."""
    refused = sign_in(live, issuer, email="eve@example.com")
    assert (refused.status, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert live.request("GET", f"{USERS}?count=100").body.count(b"eve@") == 0
    assert not any(SECRET in json.dumps(entry) for entry in live.log())


def test_unknown_users_can_be_made(issuer: OpenIdIssuer, tmp_path: Path) -> None:
    """Where the operator wants it, whoever signs in is made a user without rights; the issuer may be called where
    endpoints may not."""
    live = serve(tmp_path, issuer, "--oidc-create-users", "--host", "0.0.0.0")
    try:
        reply = sign_in(live, issuer, email="new@example.com", name="Newcomer")
        assert reply.status == 200, reply.body
        token = reply.json()["access_token"]
        me = live.request("GET", "/api/2.0/preview/scim/v2/Me", token=token).json()
        assert (me["userName"], me["displayName"], me.get("entitlements", [])) == ("new@example.com", "Newcomer", [])
        assert live.request("GET", "/api/2.0/serving-endpoints", token=token).json().get("endpoints", []) == []
        assert sign_in(live, issuer, email="NEW@example.com").json()["user"] == "new@example.com"
        actions = [each["action"] for each in live.request("GET", "/api/2.0/cloche/audit").json()["entries"]]
        assert actions[:3] == ["sign_in.oidc", "sign_in.oidc", "user.create"]
        config = {"custom_provider_url": f"{issuer.url}/v1"}
        model = {"name": "m", "provider": "custom", "task": "llm/v1/chat", "custom_provider_config": config}
        body = {"name": "inside", "config": {"served_entities": [{"external_model": model}]}}
        refused = live.request("POST", "/api/2.0/serving-endpoints", body)
        assert refused.status == 400
        assert "this machine itself" in refused.json()["message"]
    finally:
        live.stop()


def test_an_issuer_that_is_away(tmp_path: Path) -> None:
    """The page is told why one cannot sign in there now, who tries gets a 503, and everything else goes on."""
    away = OpenIdIssuer()
    away.server_close()
    live = serve(tmp_path, away)
    try:
        ways = live.request("GET", PATH, token=None).json()
        assert (ways["oidc"], ways["oidc_problem"]) == (None, "the OpenID issuer does not answer")
        tried = send(live, Browser(live.url).body("x"))
        assert (tried.status, tried.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert live.request("GET", "/health", token=None).status == 200
    finally:
        live.stop()


def test_without_an_issuer_there_is_none(relaying: Live) -> None:
    """The page is told so, and a code is a 404."""
    assert relaying.request("GET", PATH, token=None).json()["oidc"] is None
    assert send(relaying, Browser(relaying.url).body("x")).status == 404
