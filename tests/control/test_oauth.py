"""Access tokens and client secrets over a real database: what is signed, what it is good for, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from cloche.control.oauth import MAX_SECRETS
from cloche.control.signing_keys import KEPT_MS, MAX_AGE_MS
from cloche.domain.access import ACCESS_TOKEN_AUDIENCE, Identity
from cloche.domain.errors import InvalidFields, NotFound, QuotaExceeded, Unauthenticated
from cloche.wire.oauth import Refused

from .identity_world import ENDPOINT, HOUR, World

ISSUER = "https://example.test/oidc"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh home."""
    made = World(tmp_path)
    yield made
    made.store.close()


def login(world: World, robot: Identity, endpoint_id: str | None = None) -> tuple[str, str]:
    """An access token for a new secret, and the secret's id."""
    value, secret = world.oauth.add_secret(world.caller(), robot.id, None)
    return world.oauth.for_client(robot.name, value, ISSUER, endpoint_id).access_token, secret.id


def test_a_token_is_signed_for_an_hour(world: World) -> None:
    """Anybody can check a token with the published keys; it names its owner and ends after an hour."""
    robot = world.robot("job")
    token, _ = login(world, robot)
    key = jwt.PyJWKSet.from_dict(world.oauth.keys.published()).keys[0]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=ACCESS_TOKEN_AUDIENCE, issuer=ISSUER)
    assert (claims["sub"], claims["pid"], claims["exp"] - claims["iat"]) == (robot.name, robot.id, 3600)
    assert not {"d", "k"} & world.oauth.keys.published()["keys"][0].keys()
    assert world.grant(token).principal.id == robot.id


@pytest.mark.parametrize(("client", "secret"), [("", None), ("somebody", None), (None, "dose" + "0" * 32), (None, "")])
def test_guesses_get_nothing(world: World, client: str | None, secret: str | None) -> None:
    """A wrong id or a wrong secret is refused, in the same words."""
    robot = world.robot("job")
    value, _ = world.oauth.add_secret(world.caller(), robot.id, None)
    with pytest.raises(Refused) as caught:
        world.oauth.for_client(
            robot.name if client is None else client, value if secret is None else secret, ISSUER, None
        )
    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)


def test_a_removed_secret_ends_its_tokens(world: World) -> None:
    """What was given for a secret, directly or by exchange, ends with it; what was given for another goes on."""
    robot = world.robot("job")
    token, secret_id = login(world, robot)
    exchanged = world.oauth.for_endpoint(world.grant(token), ISSUER, ENDPOINT).access_token
    other, _ = login(world, robot)
    world.oauth.remove_secret(world.caller(), robot.id, secret_id)
    for ended in (token, exchanged):
        with pytest.raises(Unauthenticated, match="client secret"):
            world.grant(ended)
    assert world.grant(other).principal.id == robot.id


def test_tokens_end_in_time(world: World) -> None:
    """A token of two hours ago is refused, and so is an expired secret."""
    robot = world.robot("job")
    world.now -= 2 * HOUR
    token, _ = login(world, robot)
    value, _ = world.oauth.add_secret(world.caller(), robot.id, 60)
    world.now += 2 * HOUR
    with pytest.raises(Unauthenticated, match="expired"):
        world.grant(token)
    with pytest.raises(Refused, match="client_secret"):
        world.oauth.for_client(robot.name, value, ISSUER, None)


def test_a_deactivated_owner_has_no_token(world: World) -> None:
    """Deactivation ends what was given, and nothing new is given."""
    robot = world.robot("job")
    value, _ = world.oauth.add_secret(world.caller(), robot.id, None)
    token = world.oauth.for_client(robot.name, value, ISSUER, None).access_token
    world.active(robot, active=False)
    with pytest.raises(Unauthenticated):
        world.grant(token)
    with pytest.raises(Refused):
        world.oauth.for_client(robot.name, value, ISSUER, None)


def test_exchange_narrows_and_only_once(world: World) -> None:
    """An exchanged token is good for one endpoint and cannot be exchanged again; a kept token never can."""
    robot = world.robot("job")
    token, _ = login(world, robot)
    narrow = world.grant(world.oauth.for_endpoint(world.grant(token), ISSUER, ENDPOINT).access_token)
    assert narrow.endpoint_id == ENDPOINT
    kept, _ = world.tokens.create(world.caller(robot.id))
    for grant in (narrow, world.grant(kept)):
        with pytest.raises(Refused) as caught:
            world.oauth.for_endpoint(grant, ISSUER, ENDPOINT)
        assert caught.value.error == "invalid_grant"
    with pytest.raises(Refused, match="no serving endpoint"):
        world.oauth.for_endpoint(world.grant(token), ISSUER, "other")
    assert world.grant(login(world, robot, ENDPOINT)[0]).endpoint_id == ENDPOINT


def test_keys_are_replaced_and_removed_by_themselves(world: World) -> None:
    """After a month another key signs; the old one is published until its last token has ended, and no longer."""
    robot = world.robot("job")
    value, _ = world.oauth.add_secret(world.caller(), robot.id, None)

    def signer() -> str:
        token = world.oauth.for_client(robot.name, value, ISSUER, None).access_token
        return str(jwt.get_unverified_header(token)["kid"])

    def published() -> set[str]:
        return {each["kid"] for each in world.oauth.keys.published()["keys"]}

    first = signer()
    world.now += MAX_AGE_MS - 1000
    assert signer() == first
    world.now += 2000
    second = signer()
    assert published() == {first, second}
    assert second != first
    world.now += KEPT_MS + 1000
    assert signer() == second
    assert published() == {second}


def test_rotation_keeps_old_tokens(world: World) -> None:
    """After a rotation by hand a new key signs, and what the old one signed is still good."""
    robot = world.robot("job")
    token, _ = login(world, robot)
    key_id = world.oauth.keys.rotate(world.caller())
    after, _ = login(world, robot)
    assert jwt.get_unverified_header(after)["kid"] == key_id != jwt.get_unverified_header(token)["kid"]
    assert world.grant(token).principal.id == world.grant(after).principal.id == robot.id
    assert world.actions()[1] == "oauth.rotate_key"


@pytest.mark.parametrize("cut", [1, 2])
def test_forgeries_are_refused(world: World, cut: int) -> None:
    """A token whose signature or key is not ours, or that has none, is none."""
    robot = world.robot("job")
    token, _ = login(world, robot)
    claims = jwt.decode(token, options={"verify_signature": False}) | {"pid": "1"}
    parts = token.split(".")
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": jwt.get_unverified_header(token)["kid"]})
    parts[cut] = unsigned.split(".")[1] if cut == 1 else "A" * len(parts[2])
    for forged in (".".join(parts), unsigned):
        with pytest.raises(Unauthenticated):
            world.grant(forged)


def test_secrets_have_a_quota_and_bounds(world: World) -> None:
    """Five secrets at most, expired ones not counted; lifetimes are at most two years; only service principals."""
    robot = world.robot("job")
    for _ in range(MAX_SECRETS):
        world.oauth.add_secret(world.caller(), robot.id, 60)
    with pytest.raises(QuotaExceeded):
        world.oauth.add_secret(world.caller(), robot.id, None)
    world.now += 61_000
    world.oauth.add_secret(world.caller(), robot.id, None)
    for lifetime in (0, 10**9):
        with pytest.raises(InvalidFields):
            world.oauth.add_secret(world.caller(), robot.id, lifetime)
    with pytest.raises(NotFound):
        world.oauth.add_secret(world.caller(), "1", None)
    with pytest.raises(NotFound):
        world.oauth.remove_secret(world.caller(), robot.id, "other")


def test_no_secret_is_written(world: World, tmp_path: Path) -> None:
    """No file of the home holds a client secret, an access token or a private key."""
    robot = world.robot("job")
    value, _ = world.oauth.add_secret(world.caller(), robot.id, None)
    token = world.oauth.for_client(robot.name, value, ISSUER, None).access_token
    for path in tmp_path.iterdir():
        content = path.read_bytes() if path.is_file() else b""
        assert not any(word in content for word in (value.encode(), token.encode(), b"PRIVATE KEY"))
