"""A small OpenID issuer over a real socket: metadata, keys, and a token endpoint that wants PKCE and a secret.

Tests stand in for the browser: `code` is what the issuer would send it back with.  What the next ID token says can be
changed, for everything that a relying party must refuse.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT = "cloche-pages"
SECRET = "s3cret+of/the:client%"


class Browser:
    """What the page keeps for one sign-in."""

    def __init__(self, base_url: str) -> None:
        self.verifier, self.nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        self.redirect_uri = f"{base_url}/signin/callback"

    def body(self, code: str) -> dict[str, str]:
        """What it sends cloche."""
        kept = {"code_verifier": self.verifier, "redirect_uri": self.redirect_uri, "nonce": self.nonce}
        return kept | {"code": code}


class OpenIdIssuer(ThreadingHTTPServer):
    """`claims`: of the next ID token, changed by who wants it otherwise.  `asked`: the paths, in their order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.rsa, self.ec = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
        self.key_id = "first"
        self.asked: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any]], str] = self.by_rsa
        self.claims: dict[str, Any] = {}
        self._codes: dict[str, Browser] = {}

    def by_rsa(self, claims: dict[str, Any]) -> str:
        """As most issuers sign."""
        return jwt.encode(claims, self.rsa, "RS256", headers={"kid": self.key_id})

    def by_ec(self, claims: dict[str, Any]) -> str:
        """As some do."""
        return jwt.encode(claims, self.ec, "ES256", headers={"kid": "curve"})

    def code(self, browser: Browser, **claims: Any) -> str:
        """The person has agreed: what the browser is sent back with.  A claim that is None is left out."""
        now = int(time.time())
        told = {"iss": self.url, "aud": CLIENT, "sub": "42", "iat": now, "exp": now + 300, "nonce": browser.nonce}
        told |= {"email": "ada@example.com", "email_verified": True, "name": "Ada"} | claims
        self.claims = {name: value for name, value in told.items() if value is not None}
        code = secrets.token_urlsafe(16)
        self._codes[code] = browser
        return code

    def discovery(self) -> dict[str, Any]:
        """Its metadata."""
        told = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", "token_endpoint": f"{self.url}/token"}
        told |= {"authorization_endpoint": f"{self.url}/authorize"}
        return told | self.metadata

    def keys(self) -> dict[str, Any]:
        """Its public keys."""
        first = RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True) | {"kid": self.key_id, "use": "sig"}
        curve = ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True) | {"kid": "curve", "use": "sig"}
        return {"keys": [first, curve]}

    def tokens(self, form: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        """What a code is exchanged for: once, by its client, with its verifier."""
        pair = base64.b64decode((authorization or "").removeprefix("Basic ")).decode().split(":")
        told = [unquote(part) for part in pair] if authorization else [form["client_id"], form.get("client_secret", "")]
        if told != [CLIENT, SECRET]:
            return 401, {"error": "invalid_client"}
        browser = self._codes.pop(form["code"], None)
        if browser is None or form["redirect_uri"] != browser.redirect_uri or not _is_of(browser, form):
            return 400, {"error": "invalid_grant", "error_description": "secret words of the issuer"}
        assert form["grant_type"] == "authorization_code"
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(self.claims)}


def _is_of(browser: Browser, form: dict[str, str]) -> bool:
    """Whether the verifier is the one whose challenge (S256) came with the browser."""
    digests = [hashlib.sha256(verifier.encode()).digest() for verifier in (browser.verifier, form["code_verifier"])]
    return digests[0] == digests[1]


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: OpenIdIssuer

    def do_GET(self) -> None:
        """Metadata or keys."""
        self.server.asked.append(self.path)
        found = {"/.well-known/openid-configuration": self.server.discovery, "/keys": self.server.keys}.get(self.path)
        self._answer(200 if found else 404, found() if found else {})

    def do_POST(self) -> None:
        """A code for tokens."""
        self.server.asked.append(self.path)
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        self._answer(*self.server.tokens(form, self.headers["authorization"]))

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
