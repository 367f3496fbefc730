"""Which paths are chat calls, and what their head says: the one table that the fast lane and the ASGI routes share.

    POST /serving-endpoints/{name}/invocations
    POST /serving-endpoints/{name}/served-models/{entity}/invocations
    POST /serving-endpoints/chat/completions                endpoint, or endpoint/entity, in the body's `model`
    POST /ai-gateway/mlflow/v1/chat/completions             the same
    POST /ai-gateway/openai/v1/chat/completions             the same

A trailing slash and a query string are allowed.  Percent-encoding is resolved: `%2F` in a name stays part of the name.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote, urlsplit

from cloche.gateway.pipeline import Ask

_BY_MODEL = frozenset(
    (
        "/serving-endpoints/chat/completions",
        "/ai-gateway/mlflow/v1/chat/completions",
        "/ai-gateway/openai/v1/chat/completions",
    )
)
_PREFIX = "/serving-endpoints/"
_SUFFIX = "/invocations"

_MAX_REMEMBERED = 256
"""Bytes of a URL that is remembered: anybody may send URLs of 64 KiB, before any token is looked at."""

Target = tuple[str, str | None, str | None]


class _NoChat(Exception):
    """The URL is none of a chat call."""


def read_ask(url: bytes, headers: list[tuple[bytes, bytes]]) -> Ask | None:
    """What a POST to `url` asks for; None if it is no chat call.  Header names are lower case."""
    target = match(url)
    return None if target is None else Ask(*target, dict(headers))


def match(url: bytes) -> Target | None:
    """(path, endpoint, entity) of a chat URL; the endpoint is None where the body names it; None for any other URL."""
    try:
        return _remembered(url) if len(url) <= _MAX_REMEMBERED else _read(url)
    except _NoChat:
        return None


@lru_cache(maxsize=1024)
def _remembered(url: bytes) -> Target:
    """As `_read`; an exception is not remembered."""
    return _read(url)


def _read(url: bytes) -> Target:
    path = url.partition(b"?")[0].decode("latin-1")
    if not path.startswith("/"):
        path = urlsplit(path).path  # absolute form: POST http://host/path
    bare = path.rstrip("/")
    if bare in _BY_MODEL:
        return path, None, None
    if not (bare.startswith(_PREFIX) and bare.endswith(_SUFFIX)):
        raise _NoChat
    parts = bare[len(_PREFIX) : -len(_SUFFIX)].split("/")
    if "%" in bare:
        parts = [unquote(part) for part in parts]
    if len(parts) == 1 and parts[0]:
        return path, parts[0], None
    if len(parts) == 3 and parts[1] == "served-models" and parts[0] and parts[2]:
        return path, parts[0], parts[2]
    raise _NoChat
