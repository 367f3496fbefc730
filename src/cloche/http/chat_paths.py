"""Which paths are calls to models, and what their head says: one table, for the fast lane and for the ASGI routes.

    POST /serving-endpoints/{name}/invocations
    POST /serving-endpoints/{name}/served-models/{entity}/invocations
    POST /serving-endpoints/chat/completions                endpoint, or endpoint/entity, in the body's `model`
    POST /ai-gateway/mlflow/v1/chat/completions             the same
    POST /ai-gateway/openai/v1/chat/completions             the same
    POST …/completions and …/embeddings in place of …/chat/completions: the same, of other tasks

A trailing slash and a query string are allowed.  Percent-encoding is resolved: `%2F` in a name stays part of the name.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from cloche.domain.endpoint import CHAT_TASK, TASKS
from cloche.gateway.pipeline import Ask

_BY_MODEL = MappingProxyType(
    {
        f"{base}/{path}": task
        for base in ("/serving-endpoints", "/ai-gateway/mlflow/v1", "/ai-gateway/openai/v1")
        for path, task in zip(("chat/completions", "completions", "embeddings"), TASKS, strict=True)
    }
)
_PREFIX = "/serving-endpoints/"
_SUFFIX = "/invocations"

_MAX_REMEMBERED = 256
"""Bytes of a URL that is remembered: anybody may send URLs of 64 KiB, before any token is looked at."""

Target = tuple[str, str | None, str | None, str]


class _NoCall(Exception):
    """The URL is none of a call to a model."""


def read_ask(url: bytes, headers: list[tuple[bytes, bytes]]) -> Ask | None:
    """What a POST to `url` asks for; None if it is no call to a model.  Header names are lower case."""
    target = match(url)
    return None if target is None else Ask(*target[:3], dict(headers), target[3])


def match(url: bytes) -> Target | None:
    """(path, endpoint, entity, task), as Ask has them; None for a URL of something else."""
    try:
        return _remembered(url) if len(url) <= _MAX_REMEMBERED else _read(url)
    except _NoCall:
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
    task = _BY_MODEL.get(bare)
    if task is not None:
        return path, None, None, task
    if not (bare.startswith(_PREFIX) and bare.endswith(_SUFFIX)):
        raise _NoCall
    parts = bare[len(_PREFIX) : -len(_SUFFIX)].split("/")
    if "%" in bare:
        parts = [unquote(part) for part in parts]
    if len(parts) == 1 and parts[0]:
        return path, parts[0], None, CHAT_TASK
    if len(parts) == 3 and parts[1] == "served-models" and parts[0] and parts[2]:
        return path, parts[0], parts[2], CHAT_TASK
    raise _NoCall
