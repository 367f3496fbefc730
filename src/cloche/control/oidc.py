"""An OpenID issuer as the relying party sees it: its metadata and keys, a code exchanged, an ID token judged.

Metadata and keys are fetched when they are needed and kept for a while, also that they could not be had, so that
strangers who ask cannot have the issuer asked as often.  Only RS256 and ES256 are accepted, with the issuer's own keys:
what the token says of its algorithm chooses among these, and nothing else.  Must not know users.
"""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from cloche.domain.errors import NotReady, Problem, Unauthenticated
from cloche.domain.lending import Found
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers.base import InvalidSettings, parse_url, render_head
from cloche.wire.oidc import Discovery, IssuerRefusal, IssuerTokens, Keys, SignInByCode

ALGORITHMS = ("RS256", "ES256")
KEEP_SECONDS = 3600.0
"""How long metadata and keys are good."""

AGAIN_SECONDS = 15.0
"""After which what could not be had, or a key that was not there, is asked for again."""

LEEWAY_SECONDS = 60
"""By which the issuer's clock may be wrong."""

Fetch = Callable[[HttpCall], Found]
"""Waits for the whole answer.  Raises a Problem."""

Shape = TypeVar("Shape")


class Client(NamedTuple):
    """As whom the issuer knows this server, by its settings."""

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Client({self.issuer}, {self.client_id})"


class Person(NamedTuple):
    """Whom an ID token is about.  `email`: one that the issuer has verified."""

    email: str
    name: str


class _Held(NamedTuple):
    """What was fetched, or why it could not be, and when (monotonic seconds)."""

    at: float
    value: Any
    problem: Problem | None


class Issuer:
    """One issuer.  `fetch` is called from the threads that call this."""

    def __init__(self, client: Client, fetch: Fetch) -> None:
        self.client = client
        self._fetch = fetch
        self._host = urlsplit(client.issuer).hostname
        self._held: dict[str, _Held] = {}
        self._one_at_a_time = threading.Lock()

    def discovery(self, *, wait: bool = True) -> Discovery:
        """Its metadata.  NotReady, saying why; also while another thread asks for it, unless `wait`."""
        if not wait and self._one_at_a_time.locked():
            raise NotReady("the OpenID issuer is being asked", retry_after=1)
        url = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
        return self._kept("metadata", KEEP_SECONDS, lambda: self._checked(self._document(url, Discovery)))

    def person(self, asked: SignInByCode) -> Person:
        """Whom a code stands for.  Unauthenticated where the issuer does not take it, or its token is not good;
        NotReady where it does not answer."""
        found = self.discovery()
        token = self._exchange(found, asked)
        return _person(self._claims(found, token, asked.nonce))

    # ---------------------------------------------------------------- what the issuer says of itself

    def _checked(self, found: Discovery) -> Discovery:
        if found.issuer.rstrip("/") != self.client.issuer.rstrip("/"):
            raise NotReady("the OpenID issuer calls itself by another name than `oidc_issuer` has")
        for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            _origin(url, self._host)
        return found

    def _keys(self, found: Discovery) -> list[dict[str, Any]]:
        return self._kept("keys", KEEP_SECONDS, lambda: self._document(found.jwks_uri, Keys)).keys

    def _kept(self, name: str, seconds: float, make: Callable[[], Shape]) -> Shape:
        with self._one_at_a_time:
            held = self._held.get(name)
            age = time.monotonic() - held.at if held is not None else seconds
            if held is None or age >= (seconds if held.problem is None else AGAIN_SECONDS):
                try:
                    held = _Held(time.monotonic(), make(), None)
                except Problem as problem:
                    held = _Held(time.monotonic(), None, problem)
                self._held[name] = held
            if held.problem is not None:
                raise held.problem
            return held.value  # type: ignore[no-any-return]

    def _forget_keys(self) -> bool:
        """Have the keys fetched again, if they are not new; whether they will be."""
        with self._one_at_a_time:
            held = self._held.get("keys")
            if held is not None and time.monotonic() - held.at < AGAIN_SECONDS:
                return False
            self._held.pop("keys", None)
            return True

    def _document(self, url: str, shape: type[Shape]) -> Shape:
        origin, path = _origin(url, self._host)
        found = self._answer(HttpCall(origin, render_head(origin, path, {}, "GET", kind=None), ()))
        if found.status != 200:
            raise NotReady(f"the OpenID issuer answered with status {found.status} for its metadata", retry_after=15)
        try:
            return msgspec.json.decode(found.body, type=shape)
        except msgspec.MsgspecError:
            raise NotReady("the OpenID issuer's metadata is not what OpenID Connect Discovery has") from None

    def _answer(self, call: HttpCall) -> Found:
        try:
            return self._fetch(call)
        except Problem as problem:
            raise NotReady("the OpenID issuer does not answer", retry_after=15, summary=problem.message) from None

    # ---------------------------------------------------------------- a code, and what it stands for

    def _exchange(self, found: Discovery, asked: SignInByCode) -> str:
        client = self.client
        form = {
            "grant_type": "authorization_code",
            "code": asked.code,
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.code_verifier,
            "client_id": client.client_id,
        }
        headers = {"accept": "application/json"}
        if client.client_secret is not None:
            if "client_secret_basic" in found.token_endpoint_auth_methods_supported:
                headers["authorization"] = _basic(client.client_id, client.client_secret)
            else:
                form["client_secret"] = client.client_secret
        origin, path = _origin(found.token_endpoint, self._host)
        head = render_head(origin, path, headers, kind="application/x-www-form-urlencoded")
        answer = self._answer(HttpCall(origin, head, (urlencode(form).encode(),)))
        if answer.status != 200:
            raise Unauthenticated(f"the OpenID issuer does not take the code: {_why(answer)}; sign in again")
        try:
            return msgspec.json.decode(answer.body, type=IssuerTokens).id_token
        except msgspec.MsgspecError:
            raise Unauthenticated("the OpenID issuer gave no ID token: `oidc_scopes` must have `openid`") from None

    def _claims(self, found: Discovery, token: str, nonce: str) -> dict[str, Any]:
        import jwt  # late: 40 ms and 6 MB that a server of kept tokens never pays

        try:
            head = jwt.get_unverified_header(token)
            key = self._key(found, head)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[head["alg"]],
                audience=self.client.client_id,
                issuer=found.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "sub", "exp", "iat", "nonce"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the ID token is not good: {error}") from None
        if not isinstance(claims["aud"], str) and claims.get("azp", self.client.client_id) != self.client.client_id:
            raise Unauthenticated("the ID token was given to another client")
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise Unauthenticated("the ID token belongs to another sign-in: its nonce is not the page's")
        return claims

    def _key(self, found: Discovery, head: dict[str, Any]) -> Any:
        """The issuer's key that a token names, if it fits one of the algorithms that are accepted."""
        import jwt

        algorithm = head.get("alg")
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError(f"it must be signed by one of {', '.join(ALGORITHMS)}")
        jwk = _named(self._keys(found), head.get("kid"))
        if jwk is None and self._forget_keys():  # the issuer may have new ones
            jwk = _named(self._keys(found), head.get("kid"))
        if jwk is None:
            raise jwt.InvalidKeyError("it is signed with a key that the issuer does not publish")
        return jwt.PyJWK.from_json(json.dumps({name: value for name, value in jwk.items() if name != "alg"}), algorithm)


def _named(keys: list[dict[str, Any]], key_id: object) -> dict[str, Any] | None:
    """The key of that id; without one the only key there is."""
    signing = [each for each in keys if each.get("use", "sig") == "sig"]
    if key_id is None:
        return signing[0] if len(signing) == 1 else None
    return next((each for each in signing if each.get("kid") == key_id), None)


def _person(claims: dict[str, Any]) -> Person:
    email = claims.get("email")
    if not isinstance(email, str) or not 3 <= len(email) <= 254 or "@" not in email or not email.isprintable():
        raise Unauthenticated("the ID token has no e-mail address: `oidc_scopes` must have `email`")
    if claims.get("email_verified") not in (True, "true"):
        raise Unauthenticated(f"the OpenID issuer has not verified the e-mail address '{email}'")
    name = claims.get("name")
    return Person(email, name[:256] if isinstance(name, str) and name else email)


def _origin(url: str, trusted: str | None) -> tuple[Origin, str]:
    """Where a URL of the issuer leads.  Its own host is the operator's choice and may be anywhere; others are judged as
    every address is.  NotReady for what is neither https nor on this machine."""
    try:
        origin, path = parse_url(url, "oidc_issuer")
    except InvalidSettings:
        raise NotReady("the OpenID issuer names an address that is none") from None
    # The browser is sent to one of them: it must be nothing but an address.
    if not origin.tls and origin.host not in ("127.0.0.1", "::1", "localhost"):
        raise NotReady("the OpenID issuer names an address that is not https")
    return msgspec.structs.replace(origin, of_operator=origin.host == trusted), path


def _basic(client_id: str, secret: str) -> str:
    import base64

    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # as RFC 6749 §2.3.1 wants it
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _why(answer: Found) -> str:
    """The issuer's word for it, which is a word of the standard or none."""
    try:
        error = msgspec.json.decode(answer.body, type=IssuerRefusal).error
    except msgspec.MsgspecError:
        error = ""
    return (
        error if error.isascii() and error.replace("_", "").isalnum() and len(error) < 64 else f"status {answer.status}"
    )
