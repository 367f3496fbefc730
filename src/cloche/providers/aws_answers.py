"""What the services that give out AWS keys answer: STS, a container's credentials service, instance metadata.

Two shapes of JSON and their refusals, read into a Lent or a Problem.  Must not know who is asked when.  What came is
never quoted, except for error codes: they are words of AWS's own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from cloche.domain.errors import Problem, ProviderBusy, ProviderCredentials, ProviderUnavailable
from cloche.domain.lending import Found, Lent
from cloche.providers.clock_skew import skew

_CODE = re.compile("[A-Za-z.]{1,64}")

_MEANINGS = {
    "AccessDenied": "the role does not exist, or its trust policy does not name this host",
    "ExpiredTokenException": "the token has expired",
    "InvalidIdentityToken": "AWS does not know who issued the token",
    "RegionDisabledException": "STS is not activated in this region for this account",
    "AssumeRoleUnauthorizedAccess": "the trust policy of the instance's role does not name EC2",
}
"""What the codes mean whose name does not say it."""

_NOT_SO = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""How the decoder says that a body is none of the kind."""

_TOO_MANY = frozenset(("Throttling", "ThrottlingException", "RequestLimitExceeded"))


class _Keys(msgspec.Struct, rename="pascal"):
    """Keys as they are given out.  `token` and `session_token`: the same, as the services of a host and STS call it.
    `expiration`: RFC 3339, or Unix seconds, which is how STS says it in JSON."""

    access_key_id: str
    secret_access_key: str
    token: str | None = None
    session_token: str | None = None
    expiration: datetime | float | None = None


class _Result(msgspec.Struct, rename="pascal"):
    credentials: _Keys | None = None


class _Error(msgspec.Struct, rename="pascal"):
    code: str = ""


class _Refusal(msgspec.Struct, rename="pascal"):
    """STS wraps its code; the services of a host do not, and instance metadata sends one with status 200."""

    error: _Error = msgspec.field(default_factory=_Error)
    code: str = ""


def keys_in(body: bytes, what: str) -> Lent:
    """The keys in an answer with status 200 of a service of the host.  ProviderCredentials if there are none."""
    try:
        return _lent(msgspec.json.decode(body, type=_Keys))
    except _NOT_SO:
        raise ProviderCredentials(f"{what} answered 200 without keys{_told(_code(body))}") from None


def keys_of_role(body: bytes, what: str) -> Lent:
    """As keys_in, of STS: `{"…Response": {"…Result": {"Credentials": …}, …}}`."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, dict[str, _Result]])
    except _NOT_SO:
        answer = {}
    for response in answer.values():
        for result in response.values():
            if result.credentials is not None:
                return _lent(result.credentials)
    raise ProviderCredentials(f"{what} answered 200 without keys")


def _lent(keys: _Keys) -> Lent:
    end = keys.expiration
    if isinstance(end, datetime):
        end = (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp()
    return lend(keys.access_key_id, keys.secret_access_key, keys.session_token or keys.token, end)


def lend(key: str, secret: str, token: str | None, expires_at: float | None = None) -> Lent:
    """The keys as AwsSignature takes them.  ProviderCredentials for what is none; `expires_at`: Unix seconds."""
    values = {"access_key_id": key, "secret_access_key": secret} | ({} if token is None else {"session_token": token})
    return Lent(
        {name: fit(value, f"the {name} that AWS or the host gave") for name, value in values.items()}, expires_at
    )


def fit(value: str, what: str) -> str:
    """`value`, fit to stand in a header field: what comes from a host may have a line break where nobody looked."""
    if not value or not value.isascii() or not value.isprintable():
        raise ProviderCredentials(f"{what} is empty, or has characters that cannot be sent")
    return value


def refused(what: str, found: Found, now: float) -> Problem:
    """What an answer of `what` other than 200 means, with a word about this host's clock if that is wrong."""
    code = _code(found.body)
    said = f"{what} answered {found.status}{_told(code)}"
    if found.status == 429 or code in _TOO_MANY:
        return ProviderBusy(said)
    if found.status >= 500:
        return ProviderUnavailable(said)
    told = skew(found.headers, now)
    return ProviderCredentials(f"{said}; {told}" if told else said)


def _code(body: bytes) -> str:
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except _NOT_SO:
        return ""
    code = refusal.error.code or refusal.code
    return code if _CODE.fullmatch(code) else ""


def _told(code: str) -> str:
    if not code:
        return ""
    return f" ({code}: {_MEANINGS[code]})" if code in _MEANINGS else f" ({code})"
