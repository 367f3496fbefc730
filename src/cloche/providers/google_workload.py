"""Tokens of Google Cloud, lent to who proves an identity of another place: workload identity federation.

The JSON of such a credential holds no secret.  It says where a token of that place is found, in a file or at a URL of
the machine, and where it is exchanged for one of Google's; that one may then be exchanged for a service account's.
Whoever may make endpoints chooses both places.  So what is the machine's is sent to Google alone, and only if it is a
JSON Web Token: no other file can be had this way, and no token by another's server.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from cloche.codec.json_faults import faults
from cloche.domain.errors import ProviderBroken, ProviderCredentials
from cloche.domain.lending import Found, FromHost, Lent, Steps
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.reach import is_metadata
from cloche.providers.base import InvalidSettings, header_value, parse_url, render_head
from cloche.providers.bearer import TOKEN, TokenServer, token_server
from cloche.providers.host_bound import check_bound

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SERVER_NAME = "Google's token server"

_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 (a kind of token)
_SUBJECT_TYPES = frozenset(("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"))
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_FIELD_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_NOT_TAKEN = frozenset(("host", "content-length", "transfer-encoding", "connection"))
"""Header fields that would change where a call goes or how it is read."""

_REGIONAL = r"(\.[a-z0-9-]+\.rep)?\.googleapis\.com"
_STS = re.compile("sts" + _REGIONAL)
_IAM = re.compile("iamcredentials" + _REGIONAL)

Shape = TypeVar("Shape")


class WorkloadIdentity(msgspec.Struct, frozen=True):
    """An identity of another place.  `step`: the file that its token is in, or the head of the call that gets it and
    where that goes.  `field`: the token's, where the file or the answer is a JSON object.  `impersonated`: where a
    service account's token is asked for."""

    server: TokenServer
    audience: str
    subject_type: str
    step: FromHost | tuple[Origin, bytes]
    field: str | None = None
    impersonated: TokenServer | None = None

    @property
    def of_host(self) -> bool:
        """Whether it begins with what belongs to the machine."""
        return isinstance(self.step, FromHost) or self.step[0].of_host

    def __repr__(self) -> str:
        """Without what may be in the headers of its call."""
        return f"WorkloadIdentity({self.audience!r})"

    def obtain(self, now: float) -> Steps:
        """Two or three steps.  ProviderCredentials where there is no token, or where it is not taken."""
        found = yield self.step if isinstance(self.step, FromHost) else HttpCall(*self.step, body=())
        exchanged = yield self.server.ask(
            {
                "grant_type": _GRANT,
                "audience": self.audience,
                "scope": SCOPE,
                "requested_token_type": _ACCESS_TOKEN,
                "subject_token": _subject_token(found, self.field),
                "subject_token_type": self.subject_type,
            }
        )
        lent = self.server.lent(exchanged, now)
        if self.impersonated is None:
            return lent
        return _impersonating(self.impersonated, (yield _ask_for_account(self.impersonated, lent)), now)


def _subject_token(found: Found, field: str | None) -> str:
    """The token of the other place.  ProviderCredentials where it is not there, or none."""
    if found.status != 200:
        raise ProviderCredentials("the token that this served entity proves its identity with is not there")
    try:
        text = found.body.decode() if field is None else msgspec.json.decode(found.body, type=dict[str, str])[field]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        text = ""
    token = text.strip()
    if not _JWT.fullmatch(token):
        raise ProviderCredentials("what this served entity proves its identity with is no JSON Web Token")
    return token


# ---------------------------------------------------------------- in the name of a service account


class _AccountToken(msgspec.Struct, rename="camel"):
    access_token: str
    expire_time: datetime


def _ask_for_account(server: TokenServer, lent: Lent) -> HttpCall:
    head = render_head(server.origin, server.target, {"authorization": f"Bearer {lent.values[TOKEN]}"})
    return HttpCall(server.origin, head, (msgspec.json.encode({"scope": [SCOPE], "lifetime": "3600s"}),))


def _impersonating(server: TokenServer, found: Found, now: float) -> Lent:
    if found.status != 200:
        raise server.problem(found, now)
    try:
        answer = msgspec.json.decode(found.body, type=_AccountToken)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken(f"{server.name} sent an answer without a token") from None
    return Lent({TOKEN: server.checked(answer.access_token)}, answer.expire_time.timestamp())


# ---------------------------------------------------------------- reading


class _Format(msgspec.Struct):
    type: str = "text"
    subject_token_field_name: str | None = None


class _CredentialSource(msgspec.Struct):
    """Where the token is; the last three are kinds that are refused."""

    file: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    format: _Format = msgspec.field(default_factory=_Format)
    environment_id: Any = None
    executable: Any = None
    certificate: Any = None


class _ExternalAccount(msgspec.Struct):
    """The JSON that `gcloud iam workload-identity-pools create-cred-config` makes."""

    audience: str
    subject_token_type: str
    token_url: str
    credential_source: _CredentialSource
    service_account_impersonation_url: str | None = None


def read_json(text: str, kind: type[Shape], path: str) -> Shape:
    """The JSON of a credential.  InvalidSettings, under `path`, names each field that is wrong."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidSettings([(path, f"must be JSON, as Google gives it{_likely(text.lstrip())}")]) from None
    found = faults(value, kind, path)
    if found:
        raise InvalidSettings(found)
    return msgspec.convert(value, kind)


def _likely(text: str) -> str:
    """What most likely is wrong with a text that is no JSON."""
    if text.startswith("-----BEGIN"):
        return ": this is the key alone, without the JSON that it stands in"
    if text.startswith("{"):
        return "; a line break within one of its texts is written \\n"
    return ", and not a file's name, or base64"


def workload_identity(text: str, path: str, server: TokenServer | None) -> WorkloadIdentity:
    """The identity that a JSON of the type external_account describes.  InvalidSettings, under `path`."""
    given = read_json(text, _ExternalAccount, path)
    if given.subject_token_type not in _SUBJECT_TYPES:
        raise InvalidSettings([(f"{path}.subject_token_type", f"must be one of {', '.join(sorted(_SUBJECT_TYPES))}")])
    account = given.service_account_impersonation_url
    account_path = f"{path}.service_account_impersonation_url"
    identity = WorkloadIdentity(
        server=server or token_server(SERVER_NAME, given.token_url, f"{path}.token_url"),
        audience=given.audience,
        subject_type=given.subject_token_type,
        step=_step(given.credential_source, f"{path}.credential_source"),
        field=_field(given.credential_source.format, f"{path}.credential_source.format"),
        impersonated=None if account is None else token_server("Google's IAM", account, account_path),
    )
    if identity.of_host:
        check_bound(identity.server.origin, _STS, f"{path}.token_url")
        if identity.impersonated is not None:
            check_bound(identity.impersonated.origin, _IAM, account_path)
    return identity


def _step(source: _CredentialSource, path: str) -> FromHost | tuple[Origin, bytes]:
    for name in ("environment_id", "executable", "certificate"):
        if getattr(source, name) is not None:
            raise InvalidSettings([(f"{path}.{name}", "is not supported here: give a file or a url")])
    if (source.file is None) == (source.url is None):
        raise InvalidSettings([(path, "give either a file or a url")])
    if source.file is not None:
        if not source.file.startswith("/"):
            raise InvalidSettings([(f"{path}.file", "must be an absolute path")])
        return FromHost("file", source.file)
    return _call(source.url or "", source.headers, path)


def _call(url: str, headers: dict[str, str], path: str) -> tuple[Origin, bytes]:
    origin, target = parse_url(url, f"{path}.url")
    for name, value in headers.items():
        if not _FIELD_NAME.fullmatch(name) or name.lower() in _NOT_TAKEN:
            raise InvalidSettings([(f"{path}.headers", "has a name that cannot be a header field's")])
        header_value(value, f"{path}.headers.{name}")
    if is_metadata(url):
        origin = msgspec.structs.replace(origin, of_host=True)
    return origin, render_head(origin, target, headers, method="GET")


def _field(given: _Format, path: str) -> str | None:
    if given.type == "text":
        return None
    if given.type != "json" or not given.subject_token_field_name:
        raise InvalidSettings([(path, "must be of the type text, or json with a subject_token_field_name")])
    return given.subject_token_field_name
