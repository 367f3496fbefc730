"""What every provider is: a pure translator, bound to one served entity when a configuration is published.

    encode(request) -> HttpCall        what to send
    decoder(request) -> Decoder        body bytes to Chunks, for providers with a dialect of their own
    error(status, headers, body)       the provider's refusal as a Problem

An OpenAI-shaped provider needs no decoder: its bytes pass through wire/passthrough.py.  Nothing here awaits, reads a
clock or rolls dice.  Refusals are classified by status and error code, by the table below, never by searching
message text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable
from urllib.parse import urlsplit

import msgspec

from cloche.domain.chat import ChatRequest, ChatResponse, Chunk, FinishReason, Usage
from cloche.domain.completion import CompletionRequest
from cloche.domain.embedding import EmbeddingRequest, Embeddings
from cloche.domain.errors import (
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderCredentials,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from cloche.domain.outbound import OPEN_FIELDS, HttpCall, Origin
from cloche.domain.translation import Report

# ---------------------------------------------------------------- the protocol


class Decoder(Protocol):
    """Reads the body of one answer with one choice."""

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes, none of them the last."""

    def close(self) -> list[Chunk]:
        """The body ended: what was still held.  The last chunk has the finish reason and the usage.  ProviderBroken if
        the answer is not whole."""


@runtime_checkable
class Translator(Protocol):
    """A provider bound to one served entity."""

    @property
    def model(self) -> str:
        """The name that answers bear where the provider gives none."""

    @property
    def differs(self) -> bool:
        """Whether requests are changed on their way: only then is there something to `note`."""

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """The provider's own finish reasons in the words of the API; None: the answer failed."""

    def note(self, request: ChatRequest, report: Report) -> None:
        """Tell what becomes of the request's fields.  BadRequest for what a strict report does not bear."""

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpCall:
        """The call to make.  BadRequest for what this provider cannot do."""

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200, or an error object inside an answer, means."""


@runtime_checkable
class Foreign(Protocol):
    """A provider with a dialect of its own, bound to one served entity: the canonical form goes in and comes out."""

    @property
    def model(self) -> str:
        """The name that answers bear where the provider gives none."""

    @property
    def takes_n(self) -> bool:
        """Whether one call can give several choices; else each choice is a call of its own."""

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """As Translator's."""

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make; what is not passed on as it is, is noted.  BadRequest for what this provider cannot do."""

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer with status 200.  ProviderBroken for what is none; for an error object in it, its Problem."""

    def decoder(self) -> Decoder:
        """The reader of a stream."""

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200 means."""


class Completer(Protocol):
    """A provider's interface for text completions, OpenAI-shaped as Translator's is, bound to one served entity."""

    @property
    def model(self) -> str:
        """The name that answers bear where the provider gives none."""

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """As Translator's."""

    def encode(self, request: CompletionRequest, *, stream: bool) -> HttpCall:
        """The call to make."""

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200, or an error object inside an answer, means."""


@runtime_checkable
class Embedder(Protocol):
    """A provider's embeddings model, bound to one served entity."""

    @property
    def model(self) -> str:
        """The name that answers bear."""

    def encode(self, request: EmbeddingRequest, report: Report) -> list[HttpCall]:
        """The calls to make, one after another: their vectors, in that order, are those of the texts.  BadRequest for
        what this provider cannot do."""

    def decode(self, body: bytes) -> Embeddings:
        """One call's answer with status 200.  ProviderBroken for what is none."""

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200 means."""


@runtime_checkable
class CountsInHead(Protocol):
    """A Foreign or an Embedder whose service counts tokens in the head of a whole answer."""

    def counted(self, headers: dict[bytes, bytes]) -> Usage | None:
        """What the head counts; None where it does not."""


Bound = Translator | Foreign | Completer | Embedder
"""A provider bound to one served entity, by what its model does."""


class InvalidSettings(Exception):
    """A provider's settings are wrong: (field path below the entity, what is wrong) for each fault."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(problems)
        self.problems = problems


# ---------------------------------------------------------------- settings


def header_value(value: str, path: str) -> str:
    """`value`, fit to stand in a header field.  The message never shows it: it may be a secret."""
    if not value or not value.isascii() or not value.isprintable():
        raise InvalidSettings([(path, "must be printable ASCII without line breaks, and not empty")])
    return value


def parse_url(url: str, path: str) -> tuple[Origin, str]:
    """Origin, and path with query, of an upstream's URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidSettings([(path, "is not a URL")]) from None  # not quoted: it may hold a password
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidSettings([(path, "must be an http:// or https:// URL with a host")])
    if parts.username is not None or parts.fragment:
        raise InvalidSettings([(path, "must have no user name, password or fragment")])
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidSettings([(path, "must be printable ASCII without spaces")])
    tls = parts.scheme == "https"
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Origin(host=parts.hostname, port=port or (443 if tls else 80), tls=tls), target


def render_head(
    origin: Origin, target: str, headers: dict[str, str], method: str = "POST", kind: str | None = "application/json"
) -> bytes:
    """Request line and headers of a call, made once for a configuration.  `kind`: of its body; None: it has none."""
    default_port = 443 if origin.tls else 80
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [
        f"{method} {target or '/'} HTTP/1.1",
        f"host: {host}" if origin.port == default_port else f"host: {host}:{origin.port}",
        *(() if kind is None else (f"content-type: {kind}",)),
        "accept-encoding: identity",  # a compressed stream cannot be passed through event by event
        "user-agent: cloche",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


# ---------------------------------------------------------------- refusals

_REFUSED_AS = {404: 404, 409: 400, 413: 400, 415: 400, 422: 400}
"""Statuses of the caller's mistake that reach the client as another one: 409 is retried by the OpenAI client, 413,
415 and 422 are unknown to the Databricks clients and retried by MLflow."""

_CODES_OF_OUR_ACCOUNT = frozenset(("insufficient_quota", "billing_hard_limit_reached", "account_deactivated"))
"""Error codes that mean: the operator's account with the provider is at fault, whatever the status."""


_SHORTEST_SECRET = 8

_DIGITS = 9
_LONGEST_WAIT = 99_999_999
"""Seconds of a wait that has so many digits or more: three years are as good as any longer time."""


def refusal(provider: str, status: int, headers: dict[bytes, bytes], body: bytes, sent: bytes = b"") -> Problem:
    """The Problem that an OpenAI-shaped refusal means; its message says which provider spoke.

    The provider's own words go to the caller and not into the log: many services quote the prompt in them.  `sent`: the
    head of the call; some quote a credential of it, too, which is taken out.
    """
    message, code, _ = _read_error(body)
    message = _without_credentials(message, sent)
    summary = f"{provider} answered {status}"
    said = summary + (f": {message}" if message else "")
    retry_after = _retry_after(headers)
    exhausted = status == 402 or code in _CODES_OF_OUR_ACCOUNT
    if status in (401, 403) or exhausted:
        # The provider's own words may quote a part of the key.
        what = "says that the account is exhausted" if exhausted else "rejected the credentials of this served entity"
        return ProviderCredentials(f"{provider} {what} (status {status}); its operator must mend that")
    if status == 429:
        return ProviderBusy(said, retry_after=retry_after, summary=summary)
    if status == 408 or status == 504:
        return ProviderTimeout(said, summary=summary)
    if status in (503, 529):
        return ProviderUnavailable(said, retry_after=retry_after, summary=summary)
    if 400 <= status < 500:
        return ProviderRefused(said, status=_REFUSED_AS.get(status, 400), summary=summary)
    return ProviderBroken(said, retry_after=retry_after, summary=summary)


def _without_credentials(message: str, head: bytes) -> str:
    """The message without the values of those fields of a head that are not in every head."""
    for line in head.decode("ascii").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        if name not in OPEN_FIELDS:
            for word in value.split():
                # What is shorter is a scheme like "Bearer", or no secret to speak of.
                message = message.replace(word, "***") if len(word) >= _SHORTEST_SECRET else message
    return message


def _retry_after(headers: dict[bytes, bytes]) -> int | None:
    """Whole seconds, at least one.  The head has no dates any more: see Receiver."""
    value, _, part = headers.get(b"retry-after", b"").partition(b".")
    if not value.isdigit():
        return None
    return max(1, int(value) + bool(part.strip(b"0"))) if len(value) < _DIGITS else _LONGEST_WAIT


class _Said(NamedTuple):
    """What an error body says; `status` as it stands there, in digits."""

    message: str = ""
    code: str = ""
    status: str = ""


def _read_error(body: bytes) -> _Said:
    """What `{"error": {…}}`, `{"error": "…"}` or `{"message": …}` says; a body that is no JSON says nothing."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Said()
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, dict):
        return _Said()
    error = answer.get("error", answer)
    if isinstance(error, str):
        return _Said(error)
    if not isinstance(error, dict):
        return _Said()
    message = error.get("message") or error.get("detail") or answer.get("message") or ""
    code = error.get("code") or error.get("type") or ""
    statuses = (str(error.get(name)) for name in ("code", "status_code", "status"))
    status = next((each for each in statuses if re.fullmatch("[45][0-9][0-9]", each)), "")
    return _Said(message if isinstance(message, str) else str(message), str(code), status)


def status_in_error(body: bytes, default: int = 502) -> int:
    """The status that an error object inside a 200 answer or a stream bears, where it has one."""
    status = _read_error(body).status
    return int(status) if status else default
