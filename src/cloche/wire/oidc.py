"""Signing in with an OpenID issuer, on the wire: what the page asks and is told, and what issuers answer.

Must not know who may sign in, nor how anything is fetched or checked.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.domain.errors import InvalidFields

_VERIFIER = 128
_LONGEST = 4096


class Discovery(msgspec.Struct, frozen=True):
    """What cloche needs of an issuer's metadata (OpenID Connect Discovery)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Keys(msgspec.Struct, frozen=True):
    """An issuer's keys, each as it is."""

    keys: list[dict[str, Any]]


class IssuerTokens(msgspec.Struct, frozen=True):
    """What the token endpoint of an issuer gives for a code."""

    id_token: str


class IssuerRefusal(msgspec.Struct, frozen=True):
    """What it says where it gives none (RFC 6749 §5.2)."""

    error: str = ""


class SignInByCode(msgspec.Struct, frozen=True):
    """POST /api/2.0/sign-in/oidc: what the page has after the issuer sent the browser back."""

    code: str
    code_verifier: str
    redirect_uri: str
    nonce: str

    def check(self) -> None:
        """InvalidFields for what can be none of these."""
        bounds = {"code": _LONGEST, "code_verifier": _VERIFIER, "redirect_uri": _LONGEST, "nonce": _VERIFIER}
        least = {"code": 1, "code_verifier": 43, "redirect_uri": 1, "nonce": 8}
        faults = [
            (name, f"must have from {least[name]} to {most} characters")
            for name, most in bounds.items()
            if not least[name] <= len(getattr(self, name)) <= most
        ]
        if not self.redirect_uri.endswith("/signin/callback"):
            faults.append(("redirect_uri", "must end in /signin/callback"))
        if faults:
            raise InvalidFields(faults)


class OidcShown(msgspec.Struct, frozen=True):
    """Where the page sends the browser, and as whom."""

    issuer: str
    authorization_endpoint: str
    client_id: str
    scopes: str


class SignInShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """GET /api/2.0/sign-in.  `oidc_problem`: why there is no `oidc` now, where it is set up."""

    oidc: OidcShown | None
    version: str
    workspace_id: str
    oidc_problem: str = ""


class SignedIn(msgspec.Struct, frozen=True):
    """An access token of cloche's own.  `expires_in`: seconds."""

    access_token: str
    expires_in: int
    user: str
