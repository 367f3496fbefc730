"""Tokens of Google Cloud: what is asked of whom, what is lent, and what becomes of refusals."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cloche.domain.errors import (
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderCredentials,
    ProviderUnavailable,
    ProviderUnreachable,
)
from cloche.domain.lending import Found, FromHost, Lent, Source
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers.base import InvalidSettings
from cloche.providers.bearer import Bearer, token_server
from cloche.providers.google_tokens import google_source
from cloche.providers.google_workload import WorkloadIdentity

from .google_keys import AUDIENCE, EMAIL, pem, private_key, service_account, workload_identity
from .lending_steps import DATE, NOW, answer, form, request_line, take

GIVEN = {"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"}
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
JWT = "aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl"
ACCOUNT_URL = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"


def source(text: str, token_uri: str | None = None) -> Source:
    """What a JSON lends."""
    server = None if token_uri is None else token_server("Google's token server", token_uri, "uri")
    return google_source(text, "key", server)


def problem(found: Found) -> Problem:
    """What becomes of that answer of the token server."""
    with pytest.raises(Problem) as caught:
        take(source(service_account()), found)
    return caught.value


# ---------------------------------------------------------------- service accounts


def test_a_service_account_signs_for_its_token() -> None:
    """The token server gets a statement that the account's key signed, for an hour from now, and for its own ears."""
    [call], lent = take(source(service_account()), answer(GIVEN))
    assert request_line(call) == "oauth2.googleapis.com POST /token"
    sent = form(call)
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    public = private_key(0).public_key()
    claims = jwt.decode(
        sent["assertion"],
        public,
        ["RS256"],
        audience="https://oauth2.googleapis.com/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims == {"iss": EMAIL, "aud": claims["aud"], "scope": SCOPE, "iat": int(NOW), "exp": int(NOW) + 3600}
    assert jwt.get_unverified_header(sent["assertion"])["kid"] == "key-0"
    assert lent == Lent({"token": "ya29.token"}, NOW + 3599)


def test_another_token_server_is_called_and_the_statement_stays_the_same() -> None:
    """A gateway before Google's token server is called in its place; the statement is for Google."""
    [call], _ = take(source(service_account(), "http://127.0.0.1:8080/t?x=1"), answer(GIVEN))
    assert request_line(call) == "127.0.0.1 POST /t?x=1"
    claims = jwt.decode(form(call)["assertion"], options={"verify_signature": False})
    assert claims["aud"] == "https://oauth2.googleapis.com/token"


def test_a_call_bears_the_token() -> None:
    """It stands in the head, and what can be printed shows neither it nor the key."""
    bearer = Bearer(source(service_account()))
    call = HttpCall(Origin("h", 443), b"POST / HTTP/1.1\r\nhost: h\r\n", (b"{}",), bearer)
    borne = bearer.authorize(call, Lent({"token": "ya29.token"}), NOW)
    assert borne.head == call.head + b"authorization: Bearer ya29.token\r\n"
    assert (borne.origin, borne.body, borne.authorizer) == (call.origin, call.body, None)
    shown = f"{bearer!r} {bearer.source!r} {borne!r}"
    assert "ya29" not in shown
    assert "PRIVATE" not in shown


def test_equal_credentials_are_one_source() -> None:
    """Two endpoints with the same JSON share a token; another key is another source."""
    one, same, other = source(service_account()), source(service_account()), source(service_account(1))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


REFUSALS: list[tuple[int, Any, type[Problem], str]] = [
    (
        400,
        {"error": "invalid_grant", "error_description": "secret"},
        ProviderCredentials,
        "(status 400, invalid_grant)",
    ),
    (401, {"error": {"status": "UNAUTHENTICATED", "message": "secret"}}, ProviderCredentials, "401, UNAUTHENTICATED"),
    (403, {"error": 5}, ProviderCredentials, "(status 403)"),
    (400, {"error": "secret-1234"}, ProviderCredentials, "(status 400)"),
    (400, ["secret"], ProviderCredentials, "(status 400)"),
    (408, {"error": "secret"}, ProviderUnavailable, "answered 408"),
    (429, {"error": "secret"}, ProviderBusy, "answered 429"),
    (500, {"error": "secret"}, ProviderUnavailable, "answered 500"),
    (503, {"error": "secret"}, ProviderUnavailable, "answered 503"),
    (200, {}, ProviderBroken, "without a token"),
    (200, {"access_token": "a\r\nx: y"}, ProviderBroken, "cannot be one"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), REFUSALS)
def test_refusals(status: int, body: Any, kind: type[Problem], words: str) -> None:
    """What the token server refuses is the operator's to mend, and told by its code; none of its words is passed on."""
    told = problem(answer(body, status))
    assert type(told) is kind
    assert words in told.message
    assert "Google's token server" in told.message
    assert "secret" not in told.message + told.summary


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"error": "\xff"}', b"[" * 2000, b'{"error_codes": "x"}'])
def test_answers_that_cannot_be_read(body: bytes) -> None:
    """Garbage is no token and no code, and fails no other way."""
    assert type(problem(Found(200, {}, body))) is ProviderBroken
    assert "(status 400)" in problem(Found(400, {}, body)).message


def test_how_long_to_wait_is_passed_on() -> None:
    """A token server that is busy says for how long."""
    assert problem(answer({}, 429, retry_after="7")).retry_after == 7
    assert problem(answer({}, 503, retry_after="9")).retry_after == 9


def test_a_wrong_clock_is_told() -> None:
    """Where the answer's date is ten minutes from now, the refusal says that the clock is to blame."""
    ahead = Found(400, {b"date": b"Fri, 15 Jan 2027 07:50:00 GMT"}, b'{"error": "invalid_grant"}')
    assert "clock is 10 minutes ahead" in problem(ahead).message
    right = Found(400, {b"date": DATE}, b'{"error": "invalid_grant"}')
    assert "clock" not in problem(right).message


def test_a_token_without_an_end_is_used_for_a_short_while() -> None:
    """A server that does not say how long its token lasts, or says it as text, is understood."""
    _, lent = take(source(service_account()), answer({"access_token": "t"}))
    assert lent.expires_at == NOW + 300
    _, lent = take(source(service_account()), answer({"access_token": "t", "expires_in": "60"}))
    assert lent.expires_at == NOW + 60


def test_an_unreachable_token_server_stays_that() -> None:
    """The failure of a step is the failure of the whole."""
    steps = source(service_account()).obtain(NOW)
    next(steps)
    with pytest.raises(ProviderUnreachable):
        steps.throw(ProviderUnreachable("gone"))


# ---------------------------------------------------------------- workload identities


@pytest.mark.parametrize(
    ("layout", "content"),
    [
        ({}, f"{JWT}\n"),
        ({"format": {"type": "text"}}, JWT),
        ({"format": {"type": "json", "subject_token_field_name": "id_token"}}, json.dumps({"id_token": JWT})),
    ],
)
def test_a_token_in_a_file_is_exchanged(layout: dict[str, Any], content: str) -> None:
    """The file is read anew each time, and its token is exchanged for one of Google's."""
    lender = source(workload_identity({"file": "/var/run/token", **layout}))
    [file, call], lent = take(lender, Found(200, {}, content.encode()), answer(GIVEN))
    assert file == FromHost("file", "/var/run/token")
    assert request_line(call) == "sts.googleapis.com POST /v1/token"
    assert form(call) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": AUDIENCE,
        "scope": SCOPE,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": JWT,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }
    assert lent == Lent({"token": "ya29.token"}, NOW + 3599)


def test_a_token_at_a_url_is_exchanged_and_then_a_service_account_s() -> None:
    """The machine's own service is asked, and the token that comes of it stands in for a service account."""
    url = "http://169.254.169.254/metadata/identity?resource=x"
    given = {"url": url, "headers": {"Metadata": "True"}}
    lender = source(workload_identity(given, service_account_impersonation_url=ACCOUNT_URL))
    account = {"accessToken": "ya29.account", "expireTime": "2027-01-15T09:00:00Z"}
    [first, _, last], lent = take(lender, Found(200, {}, JWT.encode()), answer(GIVEN), answer(account))
    assert request_line(first) == "169.254.169.254 GET /metadata/identity?resource=x"
    assert isinstance(first, HttpCall)
    assert b"\r\nMetadata: True\r\n" in first.head
    assert first.origin.of_host
    assert isinstance(last, HttpCall)
    assert b"\r\nauthorization: Bearer ya29.token\r\n" in last.head
    assert json.loads(b"".join(map(bytes, last.body))) == {"scope": [SCOPE], "lifetime": "3600s"}
    assert lent == Lent({"token": "ya29.account"}, NOW + 3600)
    assert "True" not in repr(lender)


def test_only_the_machine_s_own_services_are_called_although_private() -> None:
    """Any other URL is judged as those of providers are."""
    steps = source(workload_identity({"url": "http://10.0.0.1/token"})).obtain(NOW)
    first = next(steps)
    assert isinstance(first, HttpCall)
    assert not first.origin.of_host


@pytest.mark.parametrize(
    "content", [b"root:x:0:0:root:/root:/bin/sh\n", b"", b"\xff", b"a.b", b'{"id_token": "a.b.c"}']
)
def test_no_other_file_leaves_the_machine(content: bytes) -> None:
    """What is no JSON Web Token is not sent anywhere."""
    with pytest.raises(ProviderCredentials, match="no JSON Web Token"):
        take(source(workload_identity({"file": "/etc/passwd"})), Found(200, {}, content))


def test_a_file_that_is_not_there() -> None:
    """It is the operator's to mend, and the path is not told to the caller."""
    with pytest.raises(ProviderCredentials, match="is not there") as caught:
        take(source(workload_identity({"file": "/var/run/token"})), Found(404, {}, b""))
    assert "/var" not in caught.value.message


def test_a_service_account_that_may_not_be_stood_in_for() -> None:
    """A refusal of the last step is told as one of the first."""
    lender = source(workload_identity({"file": "/t"}, service_account_impersonation_url=ACCOUNT_URL))
    refused = answer({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "secret"}}, 403)
    with pytest.raises(ProviderCredentials, match="403, PERMISSION_DENIED"):
        take(lender, Found(200, {}, JWT.encode()), answer(GIVEN), refused)
    with pytest.raises(ProviderBroken):
        take(lender, Found(200, {}, JWT.encode()), answer(GIVEN), answer({"accessToken": "x"}))


# ---------------------------------------------------------------- settings


def wrong_accounts() -> list[tuple[str, str, str]]:
    """JSON, path and what is wrong."""
    locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nsecret\n-----END ENCRYPTED PRIVATE KEY-----\n"
    curve = pem(ec.generate_private_key(ec.SECP256R1()))
    return [
        ("secret", "key", "must be JSON"),
        ("[]", "key", "expected object"),
        ('{"type": "authorized_user", "refresh_token": "secret"}', "key", "must be the JSON of a service account"),
        ('{"type": "service_account", "private_key": "secret"}', "key.client_email", "this field is required"),
        (service_account(private_key="secret"), "key.private_key", "is no RSA key"),
        (service_account(private_key=locked), "key.private_key", "is no RSA key"),
        (service_account(private_key=curve), "key.private_key", "is no RSA key"),
        (service_account(private_key=pem(private_key(2, 1024))), "key.private_key", "must have 2048 bits"),
        (service_account(token_uri="http://tokens.example/secret"), "key.token_uri", "must be an https:// URL"),
        (service_account(token_uri="secret"), "key.token_uri", "must be an http"),
    ]


IDENTITY = {"file": "/t"}
WRONG_IDENTITIES = [
    (workload_identity({}), "key.credential_source", "give either"),
    (workload_identity({"file": "/t", "url": "http://h"}), "key.credential_source", "give either"),
    (workload_identity({"file": "../t"}), "key.credential_source.file", "must be an absolute path"),
    (workload_identity({"environment_id": "aws1"}), "key.credential_source.environment_id", "is not supported"),
    (workload_identity({"executable": {"command": "x"}}), "key.credential_source.executable", "is not supported"),
    (workload_identity({"url": "file:///etc"}), "key.credential_source.url", "must be an http"),
    (workload_identity({"url": "http://h", "headers": {"Host": "x"}}), "key.credential_source.headers", "has a name"),
    (
        workload_identity({"url": "http://h", "headers": {"a": "b\r\nc: d"}}),
        "key.credential_source.headers.a",
        "must be",
    ),
    (workload_identity({"file": "/t", "format": {"type": "json"}}), "key.credential_source.format", "must be of the"),
    (workload_identity(IDENTITY, subject_token_type="saml2"), "key.subject_token_type", "must be one of"),
    (workload_identity({"file": "/t"}, token_url="https://evil.test/t"), "key.token_url", "must be the provider's own"),
    (
        workload_identity({"file": "/t"}, token_url="https://storage.googleapis.com/upload?name=x"),
        "key.token_url",
        "must be the provider's own",
    ),
    (
        workload_identity({"url": "http://metadata.google.internal/t"}, token_url="https://sts.googleapis.com.x/"),
        "key.token_url",
        "must be the provider's own",
    ),
    (
        workload_identity({"file": "/t"}, service_account_impersonation_url="https://evil.test/v1"),
        "key.service_account_impersonation_url",
        "must be the provider's own",
    ),
    (workload_identity(IDENTITY, token_url="http://sts.example"), "key.token_url", "must be an https:// URL"),
    (
        workload_identity(IDENTITY, service_account_impersonation_url="http://iam.example"),
        "key.service_account_impersonation_url",
        "must be an https:// URL",
    ),
]


@pytest.mark.parametrize(("text", "path", "words"), [*wrong_accounts(), *WRONG_IDENTITIES])
def test_wrong_credentials_are_named(text: str, path: str, words: str) -> None:
    """Each fault is told with its place in the JSON, and nothing of the JSON is quoted."""
    with pytest.raises(InvalidSettings) as caught:
        source(text)
    [(where, what)] = [each for each in caught.value.problems if each[0] == path]
    assert where == path
    assert what.startswith(words)
    assert "secret" not in str(caught.value.problems)


@pytest.mark.parametrize("host", ["sts.googleapis.com", "sts.europe-west1.rep.googleapis.com", "127.0.0.1"])
def test_what_is_the_machine_s_goes_to_google(host: str) -> None:
    """A file's token is exchanged by Google's servers, wherever they are, or by one on the machine itself."""
    lender = source(workload_identity({"file": "/t"}, token_url=f"https://{host}/v1/token"))
    assert isinstance(lender, WorkloadIdentity)
    assert lender.server.origin.host == host


def test_what_is_not_the_machine_s_goes_where_it_is_sent() -> None:
    """A token that a public server gives is no secret of the machine."""
    given = workload_identity({"url": "https://id.test/t"}, token_url="https://sts.test/t")
    assert isinstance(source(given), WorkloadIdentity)
