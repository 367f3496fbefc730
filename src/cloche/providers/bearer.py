"""Bearer tokens: how a call bears one, how one is asked for by OAuth 2.0, and what a token server's answer means.

A token server is judged as a provider is, by status and code and never by text: what it refuses is the operator's to
mend, and what it cannot do now another try may.  Nothing that it says but the code of an error is passed on, because
some quote what they were sent.  Must not know whose tokens they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from cloche.domain.errors import Problem, ProviderBroken, ProviderBusy, ProviderCredentials, ProviderUnavailable
from cloche.domain.lending import Found, Lent, Source, lines
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.reach import is_loopback
from cloche.providers.base import InvalidSettings, parse_url, refusal, render_head
from cloche.providers.clock_skew import skew

TOKEN = "token"  # noqa: S105 (the name of a value, and no token)
"""The name under which a token is lent."""

_UNTOLD_LIFE = 300.0
"""Seconds that a token is used for whose server does not say how long it lasts: shorter than any server's."""

_CODE = re.compile(r"[A-Za-z_]{1,40}")
"""Codes of errors are such words; nothing that is secret is one."""


class Bearer(msgspec.Struct, frozen=True):
    """The authorizer that adds `authorization: Bearer …`.  `source`: it lends one value, under TOKEN."""

    source: Source

    def authorize(self, call: HttpCall, lent: Lent, now: float) -> HttpCall:
        """The call with the token in its head."""
        return lines(call, {"authorization": f"Bearer {lent.values[TOKEN]}"})


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: int | None = None


class _Refusal(msgspec.Struct):
    """`error`: a code, or in newer services of Google an object.  `error_codes`: Entra's own."""

    error: msgspec.Raw = msgspec.Raw(b'""')
    error_codes: list[int] = []


class _InnerError(msgspec.Struct):
    status: str = ""


class TokenServer(msgspec.Struct, frozen=True):
    """Where tokens are asked for.  `name`: in messages.  `target`: path and query of its URL."""

    name: str
    origin: Origin
    target: str

    def ask(self, fields: Mapping[str, str]) -> HttpCall:
        """The call that asks for a token, with the fields as a form."""
        head = render_head(self.origin, self.target, {}, kind="application/x-www-form-urlencoded")
        return HttpCall(self.origin, head, (urlencode(fields).encode(),))

    def lent(self, found: Found, now: float) -> Lent:
        """The token in an answer.  The Problem that another status than 200 means; ProviderBroken where none is in it.

        `now`: when it was asked for, in Unix seconds.
        """
        if found.status != 200:
            raise self.problem(found, now)
        try:
            # Some servers give numbers as texts.
            answer = msgspec.json.decode(found.body, type=_Answer, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBroken(f"{self.name} sent an answer without a token") from None
        life = _UNTOLD_LIFE if answer.expires_in is None else answer.expires_in
        return Lent({TOKEN: self.checked(answer.access_token)}, now + life)

    def checked(self, token: str) -> str:
        """A token, fit to stand in a header field.  ProviderBroken for one that is not."""
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ProviderBroken(f"{self.name} sent a token that cannot be one")
        return token

    def problem(self, found: Found, now: float) -> Problem:
        """What an answer with another status than 200 means."""
        if found.status in (408, 429) or found.status >= 500:
            judged = refusal(self.name, found.status, dict(found.headers), b"")  # the table passes words on: none
            busy = isinstance(judged, ProviderBusy)
            return judged if busy else ProviderUnavailable(judged.message, retry_after=judged.wait)
        code = _code(found.body)
        said = f"{self.name} refused the credentials of this served entity (status {found.status}{code})"
        off = skew(found.headers, now)
        return ProviderCredentials(f"{said}: {off}" if off else f"{said}; its operator must mend that")


def token_server(name: str, url: str, path: str) -> TokenServer:
    """The token server at a URL.  InvalidSettings, under `path`, for one to which no credentials may be sent."""
    origin, target = parse_url(url, path)
    if not origin.tls and not is_loopback(origin.host):
        raise InvalidSettings([(path, "must be an https:// URL: credentials are sent to it")])
    return TokenServer(name, origin, target)


def _code(body: bytes) -> str:
    """The code of a refusal, after a comma; empty where it has none."""
    try:
        refused = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    codes = [code for code in (_word(refused.error),) if _CODE.fullmatch(code)]
    return "".join(f", {code}" for code in (*codes, *(f"AADSTS{code}" for code in refused.error_codes)))


def _word(error: msgspec.Raw) -> str:
    """The code that `error` is, or that the object has as its status."""
    try:
        found = msgspec.json.decode(error, type=str | _InnerError)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return found if isinstance(found, str) else found.status
