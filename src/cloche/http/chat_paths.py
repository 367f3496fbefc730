"""Which paths are chat calls, and what their head says: the one table that the fast lane and the ASGI routes share.

    POST /serving-endpoints/{name}/invocations
    POST /serving-endpoints/{name}/served-models/{entity}/invocations
    POST /serving-endpoints/chat/completions                endpoint, or endpoint/entity, in the body's `model`
    POST /ai-gateway/mlflow/v1/chat/completions             the same
    POST /ai-gateway/openai/v1/chat/completions             the same

A trailing slash and a query string are allowed.  Percent-encoding is resolved: `%2F` in a name stays part of the name.
"""

from __future__ import annotations

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


def read_ask(url: bytes, headers: list[tuple[bytes, bytes]]) -> tuple[Ask, dict[bytes, bytes]] | None:
    """What a POST to `url` asks for, and its headers as a dict; None if it is no chat call.  Names are lower case."""
    path = url.partition(b"?")[0].decode("latin-1")
    if not path.startswith("/"):
        path = urlsplit(path).path  # absolute form: POST http://host/path
    target = match(path)
    if target is None:
        return None
    fields = dict(headers)
    endpoint, entity = target
    folds = endpoint is not None and folds_streams(fields)
    return Ask(path, endpoint, entity, fields.get(b"authorization"), folds), fields


def match(path: str) -> tuple[str | None, str | None] | None:
    """(endpoint, entity) of a chat path; the endpoint is None where the body names it; None for any other path."""
    path = path.rstrip("/")
    if path in _BY_MODEL:
        return None, None
    if not (path.startswith(_PREFIX) and path.endswith(_SUFFIX)):
        return None
    parts = path[len(_PREFIX) : -len(_SUFFIX)].split("/")
    if "%" in path:
        parts = [unquote(part) for part in parts]
    if len(parts) == 1 and parts[0]:
        return parts[0], None
    if len(parts) == 3 and parts[1] == "served-models" and parts[0] and parts[2]:
        return parts[0], parts[2]
    return None


def folds_streams(fields: dict[bytes, bytes]) -> bool:
    """Whether this client asks for streams on /invocations but can only read whole answers.

    The Databricks SDK's `query(stream=True)` feeds the event stream to a JSON parser and crashes.  It sends `Accept:
    application/json`; MLflow's `predict_stream`, which does stream, bears the same user agent but sends `*/*`.
    """
    return b"databricks-sdk-py/" in fields.get(b"user-agent", b"") and fields.get(b"accept") == b"application/json"
