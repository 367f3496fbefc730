"""An issuer as it is asked over real sockets: what is kept, what is asked again, and what it may not say of itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cloche.control import oidc
from cloche.control.oidc import Client, Fetch, Issuer
from cloche.domain.errors import NotReady, Unauthenticated
from cloche.domain.reach import Reach
from cloche.gateway.fetching import MAX_BYTES, Fetcher
from cloche.upstream.client import Upstream
from cloche.upstream.options import UpstreamOptions
from cloche.wire.oidc import SignInByCode
from compat.live import playing
from issuers import CLIENT, SECRET, Browser, OpenIdIssuer


@pytest.fixture(scope="module")
def fetch() -> Iterator[Fetch]:
    """cloche's own client, in a loop of its own; nothing of this machine may be called but what the operator names."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def made() -> tuple[Upstream, Fetcher]:
        upstream = Upstream(UpstreamOptions(reach=Reach(loopback=False)))
        return upstream, Fetcher(upstream.send)

    upstream, fetcher = asyncio.run_coroutine_threadsafe(made(), loop).result()
    yield fetcher
    asyncio.run_coroutine_threadsafe(upstream.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def server() -> Iterator[OpenIdIssuer]:
    """The issuer."""
    with playing(OpenIdIssuer()) as running:
        yield running


def asked(server: OpenIdIssuer, **claims: Any) -> SignInByCode:
    """What the page sends."""
    browser = Browser("http://127.0.0.1:8080")
    return SignInByCode(**browser.body(server.code(browser, **claims)))


def client(server: OpenIdIssuer) -> Client:
    """As whom it is asked."""
    return Client(server.url, CLIENT, SECRET, "openid email")


def test_what_is_known_is_not_asked_again(server: OpenIdIssuer, fetch: Fetch) -> None:
    """Metadata and keys are fetched once; a key that is not there has them fetched again, but not by every stranger."""
    issuer = Issuer(client(server), fetch)
    for _ in range(3):
        assert issuer.person(asked(server)).email == "ada@example.com"
    assert server.asked == ["/.well-known/openid-configuration", "/token", "/keys", "/token", "/token"]
    server.key_id = "second"
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="does not publish"):
            issuer.person(asked(server))
    assert server.asked.count("/keys") == 1


def test_new_keys_are_learnt(server: OpenIdIssuer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the keys are not quite new, one that is not among them has them fetched again; old ones are bad then."""
    issuer = Issuer(client(server), fetch)
    issuer.person(asked(server))
    old = server.rsa
    server.rsa, server.key_id = rsa.generate_private_key(65537, 2048), "second"
    monkeypatch.setattr(oidc, "AGAIN_SECONDS", 0.0)
    assert issuer.person(asked(server)).email == "ada@example.com"
    server.rsa = old
    with pytest.raises(Unauthenticated, match="Signature verification failed"):
        issuer.person(asked(server))


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"issuer": "https://elsewhere.example"}, "another name"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "an address that is none"),
        ({"authorization_endpoint": "http://elsewhere.example/"}, "not https"),
        ({"token_endpoint": "http://10.0.0.1/token"}, "not https"),
        ({"jwks_uri": 7}, "not what OpenID Connect Discovery has"),
        ({"padding": "x" * MAX_BYTES}, "does not answer"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_metadata_that_is_not_sound(
    server: OpenIdIssuer, fetch: Fetch, metadata: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser is sent nowhere by it; that it is so is kept for a while, and then asked again."""
    issuer = Issuer(client(server), fetch)
    server.metadata = metadata
    for _ in range(3):
        with pytest.raises(NotReady, match=told):
            issuer.discovery()
    assert len(server.asked) == 1
    server.metadata = {}
    monkeypatch.setattr(oidc, "AGAIN_SECONDS", 0.0)
    assert issuer.discovery().issuer == server.url


def test_only_the_issuers_own_host_is_the_operators_choice(server: OpenIdIssuer, fetch: Fetch) -> None:
    """Metadata cannot have this server call other addresses of its network."""
    issuer = Issuer(client(server), fetch)
    server.metadata = {"jwks_uri": f"http://localhost:{server.server_port}/keys"}
    with pytest.raises(NotReady, match="does not answer"):
        issuer.person(asked(server))
    assert "/keys" not in server.asked


def test_the_client_shows_itself_as_the_issuer_wants(server: OpenIdIssuer, fetch: Fetch) -> None:
    """By Basic credentials, or in the form where only that is known; a wrong secret is told as a word, not quoted."""
    for methods in (["client_secret_basic"], ["client_secret_post"]):
        server.metadata = {"token_endpoint_auth_methods_supported": methods}
        assert Issuer(client(server), fetch).person(asked(server)).name == "Ada"
    wrong = client(server)._replace(client_secret="wrong")
    with pytest.raises(Unauthenticated, match="invalid_client"):
        Issuer(wrong, fetch).person(asked(server))
    assert SECRET not in repr(client(server))
