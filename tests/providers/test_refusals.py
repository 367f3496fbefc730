"""What a provider's refusal means to the caller: by its status and code, never by its text."""

from __future__ import annotations

import json

import pytest

from cloche.domain.errors import (
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderCredentials,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from cloche.providers.base import refusal, status_in_error

SAID = b'{"error": {"message": "words", "type": "some_error", "code": null}}'

BY_STATUS: dict[int, tuple[type[Problem], int]] = {
    400: (ProviderRefused, 400),
    401: (ProviderCredentials, 500),
    402: (ProviderCredentials, 500),
    403: (ProviderCredentials, 500),
    404: (ProviderRefused, 404),
    405: (ProviderRefused, 400),
    408: (ProviderTimeout, 504),
    409: (ProviderRefused, 400),
    413: (ProviderRefused, 400),
    415: (ProviderRefused, 400),
    418: (ProviderRefused, 400),
    422: (ProviderRefused, 400),
    429: (ProviderBusy, 429),
    500: (ProviderBroken, 502),
    502: (ProviderBroken, 502),
    503: (ProviderUnavailable, 503),
    504: (ProviderTimeout, 504),
    529: (ProviderUnavailable, 503),
    201: (ProviderBroken, 502),
    302: (ProviderBroken, 502),
    600: (ProviderBroken, 502),
}


@pytest.mark.parametrize(("status", "expected"), BY_STATUS.items())
def test_by_status(status: int, expected: tuple[type[Problem], int]) -> None:
    """Every status has its meaning, and the words say who spoke, unless they may quote a key."""
    problem = refusal("openai", status, {}, SAID)
    assert (type(problem), problem.status) == expected
    if isinstance(problem, ProviderCredentials):
        assert "words" not in problem.message
        assert f"(status {status})" in problem.message
    else:
        assert problem.message == f"openai answered {status}: words"


@pytest.mark.parametrize("status", range(400, 600))
def test_no_status_reaches_a_client_that_its_retries_misread(status: int) -> None:
    """No refusal ever becomes a 401, 403, 409 or 422, which clients take for something else or retry."""
    assert refusal("p", status, {}, b"").status in {400, 404, 429, 500, 502, 503, 504}


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached", "account_deactivated"])
@pytest.mark.parametrize("status", [400, 429])
def test_the_operators_account_is_not_the_callers_fault(code: str, status: int) -> None:
    """A code that means the account is exhausted is a fault of the operator's, whatever the status; nobody is told to
    come back."""
    for error in ({"code": code}, {"type": code}):
        problem = refusal("openai", status, {b"retry-after": b"5"}, json.dumps({"error": error}).encode())
        assert isinstance(problem, ProviderCredentials)
        assert problem.retry_after is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, 1),
        (b"7", 7),
        (b"1.9", 2),
        (b"0", 1),
        (b"0.2", 1),
        (b"-3", 1),
        (b"", 1),
        (b"soon", 1),
        (b"9" * 400, 99_999_999),
        ("٣".encode(), 1),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_whole_seconds(status: int, header: bytes | None, expected: int) -> None:
    """The provider's Retry-After is passed on in whole seconds, and is 1 where it is none; no wait is endless."""
    headers = {} if header is None else {b"retry-after": header}
    assert refusal("p", status, headers, SAID).retry_after == expected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "words"}}', "words"),
        (b'{"error": "words"}', "words"),
        (b'{"message": "words"}', "words"),
        (b'{"detail": "words"}', "words"),
        (b'[{"error": {"message": "words", "code": 400}}]', "words"),
        (b'{"error": {"detail": "words"}}', "words"),
        (b'{"error": {}, "message": "words"}', "words"),
        (b'{"error": {"message": ["a"]}}', "['a']"),
        (b'{"error": null}', ""),
        (b'{"error": 5}', ""),
        (b"{}", ""),
        (b"[]", ""),
        (b"5", ""),
        (b"", ""),
        (b"<html><title>words</title></html>", ""),
        (b'{"error": {"message": "\xff"}}', ""),
        (b'{"error": {"message": "\\ud800"}}', ""),
        (b"[" * 100_000, ""),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_the_words_are_found_where_providers_put_them(body: bytes, words: str) -> None:
    """Every shape of error body gives its words; a body that is no JSON gives none, and is never shown."""
    assert refusal("p", 400, {}, body).message == ("p answered 400" + (f": {words}" if words else ""))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (429, 429),
        ("429", 429),
        (400.0, 502),
        (600, 502),
        (399, 502),
        ("rate_limit", 502),
        (None, 502),
        ("٤٠٠", 502),
        ("²²²", 502),
        ("4" * 5000, 502),
        (True, 502),
        ([400], 502),
        ("tool_use_failed", 502),
    ],
)
def test_the_status_inside_an_error_object(code: object, status: int) -> None:
    """An error object in an answer or a stream bears its status as its code, or none."""
    assert status_in_error(json.dumps({"error": {"message": "m", "code": code}}).encode()) == status


@pytest.mark.parametrize("name", ["code", "status", "status_code"])
def test_the_status_bears_one_of_three_names(name: str) -> None:
    """Providers put the status beside a code in words, under names of their own."""
    assert status_in_error(json.dumps({"error": {"message": "m", "type": "t", name: 400}}).encode()) == 400
